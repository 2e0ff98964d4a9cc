"""What was written, kept beside the tested disks: the oracle's only source of truth.

Append-only, one JSON object a line. An entry is made once its lines are in the file
whole; it names a *life* (one file from its first byte to its truncation or deletion),
the place in it, and the numbers of the lines.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from tailrace.chaos.lines import LineMaker, content_digest

MOVED_SUFFIX = ".moved"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Some complete lines, one directly behind the other."""

    life: int
    path: str
    first_offset: int
    first_number: int
    count: int


class Record:
    """The open record; one thread appends to it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def append(self, entry: Entry) -> None:
        """Note lines that are written."""
        self._file.write(msgspec.json.encode(entry) + b"\n")
        self._file.flush()


def read_record(path: Path) -> Iterator[Entry]:
    """Yield every entry, in the order in which they were written."""
    with path.open("rb") as file:
        for line in file:
            yield msgspec.json.decode(line, type=Entry)


@dataclass(slots=True)
class Places:
    """Events of one life or one generation by place: offsets and contents' digests."""

    name: str
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    digests: array[int] = field(default_factory=lambda: array("Q"))
    numbers: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, offset: int, digest: int, *, number: int) -> None:
        """Note one event; `number` counts those of its life from 0."""
        self.offsets.append(offset)
        self.digests.append(digest)
        self.numbers.append(number)

    def __len__(self) -> int:
        return len(self.offsets)

    def sorted(self) -> list[tuple[int, int]]:
        """Return the events by offset; equal offsets stay as many as they are."""
        return sorted(zip(self.offsets, self.digests, strict=True))


@dataclass(slots=True)
class WrittenLife:
    """One life as it was written: its lines' places, its size, and its names."""

    places: Places
    names: frozenset[str] = frozenset()
    """Every path that its file can have had."""
    size_bytes: int = 0


def rotated_path(path: Path, *, life: int) -> Path:
    """Return where rotation leaves a life, or its copy, that the agents still look at."""
    return path.with_name(f"{path.name}.{life}")


def moved_path(path: Path, *, life: int) -> Path:
    """Return where a life is moved to, where no glob looks."""
    return path.with_name(f"{path.stem}-{life}{MOVED_SUFFIX}")


def written_lives(entries: Iterable[Entry], *, maker: LineMaker) -> list[WrittenLife]:
    """Return each life with the lines that were written to it.

    Raises:
        ValueError: an entry does not follow the one before it in its life.
    """
    lives: dict[int, WrittenLife] = {}
    for entry in entries:
        life = lives.get(entry.life)
        if life is None:
            life = lives[entry.life] = WrittenLife(
                Places(entry.path),
                names=frozenset(
                    (
                        entry.path,
                        str(rotated_path(Path(entry.path), life=entry.life)),
                        str(moved_path(Path(entry.path), life=entry.life)),
                    )
                ),
            )
        if entry.first_offset != life.size_bytes:
            raise ValueError(
                f"life {entry.life} ends at {life.size_bytes}, and its next entry"
                f" begins at {entry.first_offset}"
            )
        for number in range(entry.first_number, entry.first_number + entry.count):
            line = maker.line(number)
            life.places.add(
                life.size_bytes, content_digest(line), number=len(life.places)
            )
            life.size_bytes += len(line) + 1
    return [lives[number] for number in sorted(lives)]

"""Files as an application writes and rotates them, and the oracle that knows each line."""

from __future__ import annotations

import hashlib
import os
import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tailrace.chaos.compare import contradiction
from tests.support.documents import StoredEvent


@dataclass(slots=True)
class WrittenFile:
    """One life of one file, and every line that was completely written to it."""

    path: Path
    lines: dict[int, str] = field(default_factory=dict[int, str])
    size_bytes: int = 0

    def append(self, lines: list[str]) -> None:
        data = b"".join(line.encode() + b"\n" for line in lines)
        with self.path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        for line in lines:
            self.lines[self.size_bytes] = line
            self.size_bytes += len(line.encode()) + 1


@dataclass(slots=True)
class Writer:
    """Writes numbered lines to several files, and rotates them by rename."""

    folder: Path
    chance: random.Random
    file_count: int
    lives: list[WrittenFile] = field(default_factory=list[WrittenFile])
    current: list[WrittenFile] = field(default_factory=list[WrittenFile])
    sequence: int = 0

    def open_all(self) -> None:
        """Begin every file; the first lines make it."""
        for number in range(self.file_count):
            self.current.append(WrittenFile(self.folder / f"app{number}.log"))
        self.lives.extend(self.current)

    def write(self, count: int) -> None:
        """Write `count` complete lines to one of the files, and flush them to disk."""
        target = self.chance.choice(self.current)
        target.append([self._line() for _ in range(count)])

    def rotate(self, number: int) -> None:
        """Rename one file away, as logrotate does, and begin a new one in its place."""
        old = self.current[number]
        generation = sum(1 for life in self.lives if life.path.stem == old.path.stem)
        old.path.rename(old.path.with_name(f"{old.path.name}.{generation}"))
        self.current[number] = WrittenFile(old.path)
        self.lives.append(self.current[number])

    def _line(self) -> str:
        self.sequence += 1
        # Every tenth line is the same: two equal lines are two lines.
        if self.sequence % 10 == 0:
            return "the same line as before"
        digest = hashlib.sha256(str(self.sequence).encode()).hexdigest()[:16]
        return f"line {self.sequence} {digest} häß 語 <script>"


def assert_exactly(events: list[StoredEvent], lives: list[WrittenFile]) -> None:
    """The documents are the written lines: by id, by place, and by content."""
    assert len({event.document_id for event in events}) == len(events)
    wrong = [(event, contradiction(event)) for event in events if contradiction(event)]
    assert not wrong[:3]
    stored: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for event in events:
        assert event.offset not in stored[event.generation], f"twice: {event}"
        stored[event.generation][event.offset] = event.line.decode()
    written = [life.lines for life in lives if life.lines]
    # A generation is one life of one file: each must be one written file, whole.
    unmatched = list(written)
    for generation, lines in stored.items():
        assert lines in unmatched, (
            f"generation {generation} is no file that was written"
        )
        unmatched.remove(lines)
    assert not unmatched, f"{len(unmatched)} files are missing"
    assert len(events) == sum(len(lines) for lines in written)

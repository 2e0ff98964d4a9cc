"""An application that writes seeded lines to several files, and rotates them in each way."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from tailrace.chaos.lines import LineMaker
from tailrace.chaos.record import Entry, Record, moved_path, rotated_path
from tailrace.clock import Clock

FILES = 6
TICK_MS = 50
ROTATION_MS_MIN = 4_000
ROTATION_MS_MAX = 12_000
SAFE_WAIT_MS_MAX = 15_000
KEPT_ROTATED_MAX = 24
"""More rotated files than this are not made while none of them may be deleted."""
CATCH_UP_LINES_MAX = 20_000


class Rotation(Enum):
    """How a file is turned over."""

    RENAME = "renamed, and a new file in its place"
    MOVE_AWAY = "renamed to where no glob looks, and a new file in its place"
    COPY_TRUNCATE = "copied, and truncated"


@dataclass(slots=True)
class Life:
    """One file from its first byte to its truncation or deletion."""

    number: int
    path: Path
    inode: int = 0
    size_bytes: int = 0
    is_copy: bool = False
    """What copytruncate leaves: all of it was safe before it was made."""


@dataclass(slots=True)
class Counts:
    """What has been done so far."""

    lines: int = 0
    wanted: int = 0
    """Documents that these lines are to become: one for each host that reads them."""
    renamed: int = 0
    moved: int = 0
    copied: int = 0
    deleted: int = 0
    inodes_reused: int = 0


@dataclass(slots=True)
class _Copying:
    """A file that is to be truncated once all of it is safe; it rests until then."""

    life: Life
    until_ms: int


class Knowledge(Protocol):
    """What the agents' checkpoints and the ledger say of a file."""

    def is_known(self, life: Life) -> bool:
        """Tell whether each of its readers would find it after a restart."""
        ...

    def is_safe(self, life: Life) -> bool:
        """Tell whether every byte is acknowledged, and a restart knows it."""
        ...


@dataclass(slots=True)
class Writer:
    """Writes at a steady rate until told to stop; runs in a thread of its own.

    A file is truncated or deleted only once the agent's checkpoint and ledger hold all
    of it: what is gone before it could be read is no fault of the pipeline. One that is
    moved out of every glob must have been met before, so that it can be looked for.
    Renaming asks nobody.
    """

    folder: Path
    record: Record
    maker: LineMaker
    chance: random.Random
    clock: Clock
    knowledge: Knowledge
    readers: Callable[[str], int]
    stop: threading.Event
    counts: Counts = field(default_factory=Counts)
    error: BaseException | None = None
    _current: list[Life] = field(default_factory=list[Life])
    _rotated: list[Life] = field(default_factory=list[Life])
    _copying: _Copying | None = None
    _lives: int = 0
    _inodes_freed: set[int] = field(default_factory=set[int])
    _rotate_all: threading.Event = field(default_factory=threading.Event)
    _is_deletion_due: bool = False
    _disposing: threading.Lock = field(default_factory=threading.Lock)
    """Held while what is safe is truncated or deleted."""

    def run(self) -> None:
        """Write until `stop` is set; what failed is in `error`."""
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 - the run that waits for us ends by it
            self.error = error

    def rotate_all(self) -> None:
        """Ask for every file to be moved away at once, with lines not yet read."""
        self._rotate_all.set()

    @contextmanager
    def no_disposal(self) -> Generator[None]:
        """Let nothing be truncated or deleted while the block runs."""
        with self._disposing:
            yield

    def _run(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(FILES):
            self._current.append(self._begin(self.folder / f"app{number}.log"))
        began_ms = self.clock.monotonic_ms()
        rotate_at_ms = began_ms + self._pause_ms()
        while not self.stop.wait(TICK_MS / 1_000):
            now_ms = self.clock.monotonic_ms()
            due = (now_ms - began_ms) * self.maker.lines_per_s // 1_000
            self._write(min(due - self.counts.lines, CATCH_UP_LINES_MAX))
            self._dispose(now_ms)
            if self._rotate_all.is_set():
                self._rotate_all.clear()
                for number in range(FILES):
                    self._rename(number, is_moved=True)
            elif now_ms >= rotate_at_ms:
                rotate_at_ms = now_ms + self._pause_ms()
                self._rotate(now_ms)
                self._is_deletion_due = True

    def _pause_ms(self) -> int:
        return self.chance.randint(ROTATION_MS_MIN, ROTATION_MS_MAX)

    def _begin(self, path: Path) -> Life:
        self._lives += 1
        return Life(self._lives, path)

    def _write(self, count: int) -> None:
        if count <= 0:
            return
        resting = self._copying.life if self._copying else None
        life = self.chance.choice([one for one in self._current if one is not resting])
        first = self.counts.lines + 1
        data = b"".join(
            self.maker.line(number) + b"\n" for number in range(first, first + count)
        )
        with life.path.open("ab") as file:
            file.write(data)
        if not life.size_bytes:
            life.inode = life.path.stat().st_ino
            self.counts.inodes_reused += life.inode in self._inodes_freed
        self.record.append(
            Entry(
                life=life.number,
                path=str(life.path),
                first_offset=life.size_bytes,
                first_number=first,
                count=count,
            )
        )
        life.size_bytes += len(data)
        self.counts.lines += count
        self.counts.wanted += count * self.readers(str(life.path))

    def _rotate(self, now_ms: int) -> None:
        number = self.chance.randrange(FILES)
        match self.chance.choice(tuple(Rotation)):
            case Rotation.COPY_TRUNCATE:
                if self._copying is None and self._current[number].size_bytes:
                    until_ms = now_ms + SAFE_WAIT_MS_MAX
                    self._copying = _Copying(self._current[number], until_ms)
            case Rotation.MOVE_AWAY:
                self._rename(number, is_moved=True)
            case Rotation.RENAME:
                self._rename(number, is_moved=False)

    def _rename(self, number: int, *, is_moved: bool) -> None:
        life = self._current[number]
        resting = self._copying.life if self._copying else None
        if not life.size_bytes or life is resting:
            return
        if is_moved and not self.knowledge.is_known(life):
            return
        if not is_moved and len(self._rotated) >= KEPT_ROTATED_MAX:
            return
        # `app0.log.7` is still looked at; `app0-7.moved` is not.
        named = moved_path if is_moved else rotated_path
        rotated = named(life.path, life=life.number)
        life.path.rename(rotated)
        self._current[number] = self._begin(life.path)
        life.path = rotated
        if is_moved:
            self.counts.moved += 1
        else:
            self._rotated.append(life)
            self.counts.renamed += 1

    def _dispose(self, now_ms: int) -> None:
        """Truncate and delete what may be, unless that is not to happen just now."""
        if not self._disposing.acquire(blocking=False):
            return
        try:
            self._finish_copying(now_ms)
            if self._is_deletion_due:
                self._is_deletion_due = False
                self._delete_one()
        finally:
            self._disposing.release()

    def _finish_copying(self, now_ms: int) -> None:
        copying = self._copying
        if copying is None:
            return
        life = copying.life
        if self.knowledge.is_safe(life):
            number = self._current.index(life)
            copy = rotated_path(life.path, life=life.number)
            shutil.copyfile(life.path, copy)
            with life.path.open("r+b") as file:
                file.truncate()
            self._current[number] = self._begin(life.path)
            inode = copy.stat().st_ino
            copied = Life(life.number, copy, inode, life.size_bytes, is_copy=True)
            self._rotated.append(copied)
            self.counts.copied += 1
        elif now_ms < copying.until_ms:
            return
        self._copying = None

    def _delete_one(self) -> None:
        """Delete the oldest rotated file of which everything is safe."""
        for life in self._rotated[: len(self._rotated) // 2]:
            if life.is_copy or self.knowledge.is_safe(life):
                life.path.unlink()
                self._inodes_freed.add(life.inode)
                self._rotated.remove(life)
                self.counts.deleted += 1
                return

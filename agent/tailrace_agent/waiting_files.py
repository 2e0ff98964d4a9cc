"""Files beyond what their source may follow: how many, how large, and what of them is gone."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tailrace.log import FilteringBoundLogger
from tailrace_agent.followed import Key

MEASURE_AGAIN_MS = 30_000
"""How old what is said of their bytes may be: each costs a stat."""


class Measured(NamedTuple):
    """What stood at a name when it was looked at; no key where nothing did."""

    key: Key | None
    size_bytes: int


class WaitingBytes(NamedTuple):
    """What no file that is followed accounts for: there, and gone since the start."""

    unread: int = 0
    gone: int = 0


NONE_WAIT = WaitingBytes()


class WaitingFiles:
    """What nothing reads yet, and is read when there is room: known by its names."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._measured: dict[str, Measured] = {}
        self._measured_at_ms = -MEASURE_AGAIN_MS
        self.folders: dict[str, int] = {}
        """By folder, how many."""
        self.size_bytes = 0
        """Up to half a minute old."""
        self.gone_count = 0
        """Files that were gone, under every name that is listed, while they waited; since
        the start."""
        self.gone_bytes = 0
        """What they held when they were looked at last."""

    @property
    def in_bytes(self) -> WaitingBytes:
        """Return how much waits, and how much was gone while it waited."""
        return WaitingBytes(self.size_bytes, self.gone_bytes)

    @property
    def files_count(self) -> int:
        """Return how many there are in all folders."""
        return sum(self.folders.values())

    def take_in(
        self,
        waiting: Sequence[str],
        *,
        followed: Mapping[str, object],
        followed_before: Collection[str],
        unlisted: Mapping[str, int],
        now_ms: int,
    ) -> None:
        """Take in which files wait now, how large they are, and which are gone for good.

        `followed` are all names that are read, `followed_before` those of the listing
        before. Of a folder that is not looked at to its end (`unlisted`), nobody knows
        what is gone. Each file is looked at when it begins to wait, so that one that is
        gone soon after counts with what it held; later all of them are, twice a minute.
        """
        before = self._measured
        is_due = now_ms - self._measured_at_ms >= MEASURE_AGAIN_MS
        if is_due:
            self._measured_at_ms = now_ms
        self._measured = {
            path: _measured(path) if is_due or path not in before else before[path]
            for path in waiting
        }
        self.size_bytes = sum(one.size_bytes for one in self._measured.values())
        missing = {
            path: one
            for path, one in before.items()
            if path.rpartition("/")[0] not in unlisted
            and path not in followed
            and self._measured.get(path, Measured(None, 0)).key != one.key
        }
        if missing:
            # What bears another name now is not gone. Such a name is a new one, or one
            # whose own file was renamed, too: of those it is known when all are looked at.
            names = followed if is_due else set(followed).difference(followed_before)
            here = dict(self._measured.values())
            here.update(_measured(path) for path in names)
            # A smaller one is another file, which was given the same inode.
            self._note_gone(
                one
                for path, one in missing.items()
                if here.get(one.key, -1) < one.size_bytes and not _may_stand(path, one)
            )

    def _note_gone(self, gone: Iterator[Measured] | Iterable[Measured]) -> None:
        sizes = [one.size_bytes for one in gone if one.key is not None]
        if not sizes:
            return
        self.gone_count += len(sizes)
        self.gone_bytes += sum(sizes)
        self._log.warning(
            "waiting_files_gone",
            files=len(sizes),
            size_bytes=sum(sizes),
            remedy="make room for them: they were removed, or moved away, unread",
        )


def _measured(path: str) -> Measured:
    try:
        status = os.stat(path)  # noqa: PTH116 - the name may be no UTF-8
    except OSError:
        return Measured(None, 0)
    return Measured((status.st_dev, status.st_ino), status.st_size)


def _may_stand(path: str, measured: Measured) -> bool:
    """Return whether a file is where it was, or nobody can tell: its folder is closed."""
    try:
        status = os.stat(path)  # noqa: PTH116 - the name may be no UTF-8
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return (status.st_dev, status.st_ino) == measured.key

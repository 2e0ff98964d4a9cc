"""What of a whole sweep is news: nearly all files are at their names and as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from tailrace_agent.archives import AnyFile
from tailrace_agent.discovery import Found
from tailrace_agent.followed import Key
from tailrace_agent.tracked import Stage, TrackedFile

NULS_MIN = 4
"""Fewer blank bytes may be the half of a character, which is not NUL."""


def unlike_before(
    found: Sequence[Found], *, followed: Mapping[Key, TrackedFile], seen: set[Key]
) -> Iterator[Found]:
    """Yield what is not as it was last seen; of the rest, note in `seen` that it is there.

    Whatever is done for each file is done each second, so for very many files that do not
    change this is what the agent costs at rest: nothing is made of any of them here.
    """
    for one in found:
        path, _source, status = one
        key = (status.st_dev, status.st_ino)
        tracked = followed.get(key)
        if (
            tracked is not None
            and tracked.path == path
            and tracked.seen == (status.st_size, status.st_mtime_ns)
            and tracked.stage is Stage.FOLLOWED
            and not tracked.blank_bytes
        ):
            seen.add(key)
            continue
        yield one


def is_too_old(found: Found, *, now_ms: int) -> bool:
    """Return whether a file was last written before what its source asks for."""
    limit_ms = found.source.ignore_older_ms
    if limit_ms is None:
        return False
    return now_ms - found.status.st_mtime_ns // 1_000_000 > limit_ms


def is_filled(
    tracked: TrackedFile, open_file: Callable[[TrackedFile], AnyFile | None]
) -> bool:
    """Return whether a line begins where NULs stood when a file was last read.

    Who maps a file and writes to memory changes neither its size nor, mostly, its time.
    """
    if tracked.blank_bytes < NULS_MIN:
        return False
    first = bytearray(1)
    try:
        file = open_file(tracked)
        if file is not None:
            file.read_into((memoryview(first),), offset=tracked.position.offset)
    except OSError:
        return False  # It is tried again where it is read.
    return first[0] != 0

"""What of a whole sweep is news: nearly all files are at their names and as they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tailrace_agent.discovery import Found
from tailrace_agent.followed import Key
from tailrace_agent.tracked import Stage, TrackedFile


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
        ):
            seen.add(key)
            continue
        yield one

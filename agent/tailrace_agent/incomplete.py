"""Which archives are not complete and may still be: those whose original stands beside them."""

from __future__ import annotations

from tailrace_agent.archives import AnyFile, ArchiveFile, ArchiveState
from tailrace_agent.families import Families
from tailrace_agent.inflating import suffix_of
from tailrace_agent.tracked import Stage, TrackedFile

ARCHIVE_SETTLE_MS = 10_000
"""An archive that is not complete and did not grow for this long never will be, unless
what it is made of is there."""


def is_still_made(
    tracked: TrackedFile,
    file: AnyFile,
    *,
    followed: Families[TrackedFile],
    now_ms: int,
) -> bool:
    """Return whether an archive stands still, incomplete, and its original beside it.

    As long as that is so, nothing is lost by waiting. `tracked` remembers as how large it
    was seen to be incomplete: it is not inflated to ask again.
    """
    if not isinstance(file, ArchiveFile) or tracked.stage is Stage.LEAVING:
        return False
    if now_ms - tracked.grew_at_ms < ARCHIVE_SETTLE_MS:
        return False
    size_bytes = file.status().st_size
    if file.state is ArchiveState.SHORT:
        tracked.short_bytes = size_bytes
    is_as_it_was = 0 < tracked.short_bytes == size_bytes
    return is_as_it_was and has_original(tracked, followed)


def has_original(tracked: TrackedFile, followed: Families[TrackedFile]) -> bool:
    """Return whether a file is followed whose name is the archive's, uncompressed."""
    path = tracked.shown_path
    original_path = path.removesuffix(suffix_of(path) or "")
    return any(
        original.stage is Stage.FOLLOWED and original.shown_path == original_path
        for original in followed.at(original_path)
    )

"""Which indices go when the quota is passed: whole ones, the oldest events first.

Pure. The index that was written last stays, whatever it takes: a quota that is too small
must not eat lines that arrive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GIBIBYTE = 1024**3
AUTOMATIC_BYTES_MAX = 10 * GIBIBYTE
AUTOMATIC_SHARE = 0.4
NO_QUOTA = -1
AUTOMATIC = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFacts:
    """One event index as Elasticsearch describes it."""

    name: str
    size_bytes: int
    document_count: int
    earliest_ms: int
    latest_ms: int
    """The newest event time in it."""
    written_ms: int
    """When the newest of its lines was read; the latest event where none says."""


def quota_of(setting_bytes: int, *, used_bytes: int, free_bytes: int) -> int | None:
    """Return what event indices may take together, None for no limit.

    Without a setting it is the lesser of 10 GiB and 40 % of what would be free without
    them: a laptop's disk belongs to its user.
    """
    if setting_bytes == NO_QUOTA:
        return None
    if setting_bytes != AUTOMATIC:
        return setting_bytes
    share = int((used_bytes + free_bytes) * AUTOMATIC_SHARE)
    return min(AUTOMATIC_BYTES_MAX, share)


def expired(
    indices: Sequence[IndexFacts], *, quota_bytes: int | None
) -> list[IndexFacts]:
    """Return the indices to delete, the oldest first, until the rest fits the quota."""
    if quota_bytes is None or not indices:
        return []
    last_written = max(indices, key=lambda index: (index.written_ms, index.name))
    left_bytes = sum(index.size_bytes for index in indices)
    chosen: list[IndexFacts] = []
    for index in sorted(indices, key=lambda index: (index.latest_ms, index.name)):
        if left_bytes <= quota_bytes:
            break
        if index is last_written:
            continue
        chosen.append(index)
        left_bytes -= index.size_bytes
    return chosen

"""Which indices go: whole ones, the oldest events first, by quota, by age and by size.

Pure. Where room is wanted, the index that was written last stays, whatever it takes: a
quota that is too small must not eat lines that arrive. An age is kept to the day: an index
goes when all of its day, or month, is older.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tailrace.floors import span_of
from tailrace.identity import DAY_MS

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How much is kept of one dataset, or of the dead letters; 0 is no limit."""

    age_days_max: int = 0
    size_bytes_max: int = 0


KEEP_ALL = Keeping()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """What is kept beside the quota that all events share."""

    of_dataset: Callable[[str], Keeping] = lambda _dataset: KEEP_ALL
    of_dead_letters: Keeping = KEEP_ALL


@dataclass(frozen=True, slots=True)
class Leaving:
    """An index that is to go, and why."""

    index: IndexFacts
    reason: str


def outlived(
    indices: Sequence[IndexFacts],
    *,
    keeping: Callable[[str], Keeping],
    namespace: str,
    now_ms: int,
) -> list[Leaving]:
    """Return the indices that are older than their dataset keeps, or more than it keeps.

    The size is that of what is left once the aged ones are gone.
    """
    by_dataset: defaultdict[str, list[tuple[int, IndexFacts]]] = defaultdict(list)
    for index in indices:
        span = span_of(index.name, namespace=namespace)
        if span is not None:
            by_dataset[span.dataset].append((span.end_ms, index))
    leaving: list[Leaving] = []
    for dataset, held in by_dataset.items():
        limits = keeping(dataset)
        aged = [
            Leaving(index, f"older than {limits.age_days_max} days")
            for end_ms, index in held
            if limits.age_days_max and end_ms + limits.age_days_max * DAY_MS <= now_ms
        ]
        gone = {each.index.name for each in aged}
        rest = [index for _, index in held if index.name not in gone]
        quota_bytes = limits.size_bytes_max or None
        leaving += aged
        leaving += [
            Leaving(index, f"more than {quota_bytes} bytes of {dataset}")
            for index in expired(rest, quota_bytes=quota_bytes)
        ]
    return leaving


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

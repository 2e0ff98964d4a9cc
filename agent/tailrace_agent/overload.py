"""What of a source is beyond its rate, where it does not wait in its files.

The files are read as fast as ever, in chunks that end where the rate does. Each is asked about
once it is framed: within the rate it is sent, beyond it the stream gets its place and event
numbers alone. Where a source has `block`, or no rate, nothing is ever beyond.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tailrace.wire import DroppedReason
from tailrace_agent.catch_up import Pace
from tailrace_agent.config import AgentSettings
from tailrace_agent.overload_settings import OverloadSettings
from tailrace_agent.positions import Chunk

_REASONS: Final[Mapping[str, DroppedReason]] = {
    "drop": "overload",
    "redirect": "redirected",
}
BURST_S_MIN: Final = 1
"""A file that was at rest is looked at after a sweep: who writes within the rate is not
beyond it because a second's lines are met at once."""
TOLD_MS: Final = 60_000
"""That a source is beyond its rate is said again each minute, and no oftener."""


@dataclass(slots=True)
class _Bucket:
    """What one source may send, and what becomes of the rest.

    Once empty it must be half full before anything is sent again: else a source that is
    always beyond its rate sends every other chunk, and the ledger is told of a span of
    dropped events for each.
    """

    pace: Pace
    reason: DroppedReason
    is_empty: bool = False

    def room_bytes(self, *, now_ms: int) -> int:
        """Return how much may go now; 0 while nothing may."""
        unused_bytes = self.pace.unused_bytes(now_ms=now_ms)
        least_bytes = self.pace.burst_bytes // 2 if self.is_empty else 1
        return unused_bytes if unused_bytes >= least_bytes else 0

    def has_room(self, size_bytes: int, *, now_ms: int) -> bool:
        """Return whether so much may go now.

        What is larger than the whole bucket goes when that is full, and is owed.
        """
        room_bytes = self.room_bytes(now_ms=now_ms)
        is_full = room_bytes == self.pace.burst_bytes
        self.is_empty = not is_full and size_bytes > room_bytes
        return not self.is_empty

    def take(self, chunk: Chunk, *, now_ms: int) -> None:
        """Take what was sent out of the bucket; what has no room for one event is empty."""
        size_bytes = len(chunk.value)
        self.pace.reserve(size_bytes, now_ms=now_ms)
        unused_bytes = self.pace.unused_bytes(now_ms=now_ms)
        self.is_empty = unused_bytes * chunk.event_count < size_bytes


@dataclass(frozen=True, slots=True)
class Overload:
    """Tells of each chunk whether it is beyond the rate of its source, and counts it."""

    buckets: Mapping[str, _Bucket]
    """By source; those that wait in their files have none."""
    events: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """By source and reason, what was beyond the rate since the start."""
    sizes_bytes: Counter[tuple[str, str]] = field(
        default_factory=Counter[tuple[str, str]]
    )
    """Likewise."""
    told_at_ms: dict[str, int] = field(default_factory=dict[str, int])

    def by_source(self, *, of_bytes: bool) -> dict[str, dict[str, int]]:
        """Return what is counted as a status has it: by source, and in it by reason.

        Whoever watches for it sees the figure before there is any.
        """
        counts = self.sizes_bytes if of_bytes else self.events
        return {
            source: {bucket.reason: counts[source, bucket.reason]}
            for source, bucket in self.buckets.items()
        }

    def is_news(self, source: str, *, now_ms: int) -> bool:
        """Return whether somebody is to be told that a source is beyond its rate."""
        told_at_ms = self.told_at_ms.get(source)
        if told_at_ms is not None and now_ms - told_at_ms < TOLD_MS:
            return False
        self.told_at_ms[source] = now_ms
        return True

    def room_bytes(self, source: str, *, now_ms: int) -> int | None:
        """Return how large a chunk's value may be that is sent now.

        None is no limit: all of it is sent, or told by its numbers.
        """
        bucket = self.buckets.get(source)
        return None if bucket is None else bucket.room_bytes(now_ms=now_ms) or None

    def reason_of(self, source: str, chunk: Chunk, *, now_ms: int) -> DroppedReason:
        """Return why a chunk's bytes do not go to the stream now; empty where they do."""
        bucket = self.buckets.get(source)
        if bucket is None or bucket.has_room(len(chunk.value), now_ms=now_ms):
            return ""
        return bucket.reason

    def note(
        self, source: str, chunk: Chunk, *, reason: DroppedReason, now_ms: int
    ) -> None:
        """Note what became of a chunk: one that was sent takes its bytes of the rate."""
        bucket = self.buckets.get(source)
        if bucket is None:
            return
        if not reason:
            bucket.take(chunk, now_ms=now_ms)
            return
        self.events[source, reason] += chunk.event_count
        self.sizes_bytes[source, reason] += len(chunk.value)


def overload_of(settings: AgentSettings) -> Overload:
    """Return what is beyond whose rate; of most agents nothing ever is."""
    return Overload(
        {
            source.name: _bucket_of(source.overload)
            for source in settings.sources
            if source.overload is not None and source.overload.policy in _REASONS
        }
    )


def _bucket_of(overload: OverloadSettings) -> _Bucket:
    burst_bytes = max(overload.burst, BURST_S_MIN * overload.bytes_per_s)
    pace = Pace(overload.bytes_per_s, burst_bytes)
    return _Bucket(pace, _REASONS[overload.policy])

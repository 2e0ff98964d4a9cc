"""What of a source is beyond its rate, where it does not wait in its files.

The files are read as fast as ever, and each chunk is asked about once it is framed: within
the rate it is sent, beyond it the stream gets its place and event numbers alone. Where a
source has `block`, or no rate, nothing is ever beyond.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tailrace.wire import DroppedReason
from tailrace_agent.catch_up import Pace
from tailrace_agent.config import AgentSettings
from tailrace_agent.positions import Chunk

_REASONS: Final[Mapping[str, DroppedReason]] = {
    "drop": "overload",
    "redirect": "redirected",
}
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

    def has_room(self, *, now_ms: int) -> bool:
        unused_bytes = self.pace.burst_bytes // 2 if self.is_empty else 0
        self.is_empty = not self.pace.has_room(now_ms=now_ms, unused_bytes=unused_bytes)
        return not self.is_empty


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

    def reason_of(self, source: str, *, now_ms: int) -> DroppedReason:
        """Return why a chunk's bytes do not go to the stream now; empty where they do."""
        bucket = self.buckets.get(source)
        if bucket is None or bucket.has_room(now_ms=now_ms):
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
            bucket.pace.reserve(len(chunk.value), now_ms=now_ms)
            return
        self.events[source, reason] += chunk.event_count
        self.sizes_bytes[source, reason] += len(chunk.value)


def overload_of(settings: AgentSettings) -> Overload:
    """Return what is beyond whose rate; of most agents nothing ever is."""
    return Overload(
        {
            source.name: _Bucket(
                Pace(source.overload.bytes_per_s, source.overload.burst),
                _REASONS[source.overload.policy],
            )
            for source in settings.sources
            if source.overload is not None and source.overload.policy in _REASONS
        }
    )

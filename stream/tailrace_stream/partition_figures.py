"""What a worker tells of each partition over HTTP: how much it takes of it, and what waits.

A file's chunks stay in one partition, so one file that writes more than all others makes
one partition hot. The counts tell which, across all workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)

from tailrace.clock import Clock
from tailrace.health import Health
from tailrace_stream.work import Parsed

PREFIX: Final = "tailrace_stream"
STILL_MS_MAX: Final = 30_000
"""A worker looks at itself every two seconds; after so long its loop hangs."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken of one partition since the worker began."""

    bytes: int = 0
    events: int = 0

    def plus(self, size_bytes: int, event_count: int) -> Taken:
        """Return it with one more record."""
        return Taken(self.bytes + size_bytes, self.events + event_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How a worker stood when it last looked at itself."""

    taken: Mapping[int, Taken] = field(default_factory=dict[int, Taken])
    """By partition, also of those that it has no more."""
    lag_records: Mapping[int, int] = field(default_factory=dict[int, int])
    """By partition that it has: records that are not acknowledged."""
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    alarms: tuple[str, ...] = ()


def taken_after(taken: Mapping[int, Taken], parsed: Parsed) -> Taken:
    """Return what is taken of a record's partition with that record."""
    record, chunk = parsed.record, parsed.chunk
    return taken.get(record.partition, Taken()).plus(
        len(record.value or b""), chunk.origin.event_count if chunk else 0
    )


class WorkerFigures:
    """The worker's newest look at itself, for threads that are asked by others."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen = Seen()
        self._seen_at_ms = clock.monotonic_ms()

    def see(self, seen: Seen) -> None:
        """Keep a look; what is in it must not change any more."""
        self._seen = seen
        self._seen_at_ms = self._clock.monotonic_ms()

    def health(self) -> Health:
        """Return what hinders the worker, in words."""
        still_ms = self._clock.monotonic_ms() - self._seen_at_ms
        if still_ms > STILL_MS_MAX:
            return Health((f"the worker has not turned for {still_ms // 1_000} s",))
        return Health((), self._seen.alarms)

    def figures(self) -> Iterator[Metric]:
        """Yield every figure."""
        yield from figures_of(self._seen)


def figures_of(seen: Seen) -> Iterator[Metric]:
    """Yield what a worker counted, and what it knows of each partition."""
    counted = CounterMetricFamily(
        f"{PREFIX}_counted", "What the worker did, by name.", labels=["name"]
    )
    for name, count in sorted(seen.counts.items()):
        counted.add_metric([name], count)
    yield counted
    size = CounterMetricFamily(
        f"{PREFIX}_partition_bytes", "Taken of a partition.", labels=["partition"]
    )
    events = CounterMetricFamily(
        f"{PREFIX}_partition_events", "Events of these.", labels=["partition"]
    )
    share = GaugeMetricFamily(
        f"{PREFIX}_partition_share",
        "Its part of all bytes that this worker took.",
        labels=["partition"],
    )
    total = sum(taken.bytes for taken in seen.taken.values())
    for partition, taken in sorted(seen.taken.items()):
        size.add_metric([str(partition)], taken.bytes)
        events.add_metric([str(partition)], taken.events)
        share.add_metric([str(partition)], taken.bytes / total if total else 0.0)
    yield from (size, events, share)
    lag = GaugeMetricFamily(
        f"{PREFIX}_partition_lag_records",
        "Records of a partition that are not acknowledged.",
        labels=["partition"],
    )
    for partition, count in sorted(seen.lag_records.items()):
        lag.add_metric([str(partition)], count)
    yield lag

"""The limits of what is in memory, what was done, and which partitions must wait now."""

from __future__ import annotations

from dataclasses import dataclass, field

from tailrace.kafka_consumer import Gap, Partition
from tailrace.topics import MEBIBYTE
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.holds import Holds
from tailrace_indexer.pace import PacePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """The limits of what is in memory, and how often is committed."""

    ready_bytes_max: int = 32 * MEBIBYTE
    """Read and not sent; above it every partition is paused."""
    held_bytes_max: int = 64 * MEBIBYTE
    """Waiting for held indices: above it the partitions that wait are paused, and above
    twice of it all are."""
    commit_ms: int = 1_000
    pace: PacePolicy = field(default_factory=PacePolicy)


@dataclass(slots=True)
class Figures:
    """What was done since the start."""

    stored: int = 0
    already_there: int = 0
    retried: int = 0
    dead: int = 0
    refused: int = 0
    """Dead letters that Elasticsearch refused in their last form, too."""
    missed_records: int = 0
    """What retention deleted before it was read."""
    bulks: int = 0


def wanted_pauses(
    policy: DeliveryPolicy,
    *,
    ours: frozenset[Partition],
    paused: frozenset[Partition],
    waiting_bytes: int,
    holds: Holds,
) -> frozenset[Partition]:
    """Return which of our partitions must bring nothing now.

    Once something is paused, reading goes on at half of the limit: it must not flutter.
    """
    limit = policy.ready_bytes_max // (2 if paused else 1)
    if holds.is_asked and paused:
        # A probe takes from what waits, and mostly brings it back: that is no room.
        return ours & paused
    if waiting_bytes > limit or holds.size_bytes > 2 * policy.held_bytes_max:
        return ours
    if holds.size_bytes > policy.held_bytes_max:
        return ours & holds.waiting_partitions()
    return frozenset()


def tell_gap(gap: Gap, *, alarms: Alarms) -> int:
    """Say that retention was faster than the indexer; return how many records it took.

    Where reading goes on before the place that was to be read, the topic is another one.
    """
    subject = f"{gap.partition.topic} partition {gap.partition.number}"
    if gap.resumed_at < gap.missed_from:
        alarms.happened(
            subject,
            reason="topic_made_anew",
            detail=(
                f"it was to be read from offset {gap.missed_from} and does not go so far:"
                f" the topic was deleted and made anew, and is read from {gap.resumed_at};"
                " what was in it and not indexed is gone"
            ),
        )
        return 0
    missed = gap.resumed_at - gap.missed_from
    alarms.happened(
        subject,
        reason="records_missed",
        detail=(
            f"retention deleted {missed} records before they were indexed:"
            f" offsets {gap.missed_from} to {gap.resumed_at}"
        ),
    )
    return missed

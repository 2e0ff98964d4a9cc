"""How far a group is with what stood in a topic, and a bounded wait for it to have it all."""

from __future__ import annotations

from collections.abc import Mapping

from tailrace.clock import Clock
from tailrace.kafka_admin import KafkaAdmin

LAG_POLL_MS = 250


def left_to_read(
    admin: KafkaAdmin,
    group: str,
    *,
    topic: str,
    ends: Mapping[tuple[str, int], int],
) -> dict[int, range]:
    """Return by partition the offsets left to read, up to `ends` where it has them.

    What retention took before the group read it is not left: nobody will ever read it.

    Raises:
        ServiceUnavailable: the brokers do not answer.
    """
    return {
        lag.partition: range(
            lag.next_offset,
            ends.get((lag.topic, lag.partition), lag.end_offset),
        )
        for lag in admin.group_lag(group, topics=[topic])
    }


def await_commits(
    admin: KafkaAdmin, group: str, *, topic: str, clock: Clock, wait_ms_max: int
) -> dict[int, range]:
    """Wait until a group has committed all that stands in a topic now.

    Return by partition what it has not, in the end, of that.

    Raises:
        ServiceUnavailable: the brokers do not answer.
    """
    deadline_ms = clock.monotonic_ms() + wait_ms_max
    ends = admin.end_offsets([topic])
    while True:
        left = left_to_read(admin, group, topic=topic, ends=ends)
        if not any(left.values()) or clock.monotonic_ms() >= deadline_ms:
            return left
        clock.sleep_ms(LAG_POLL_MS)

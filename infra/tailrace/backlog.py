"""Whether what waits in Kafka is being worked off: who reads it moves, or stands still.

A lag alone tells nothing: after an hour of a server that was away it is large, and all is
well as long as it is read. So each reader that has something to read is watched, until it
has committed some of it, or for `MOVES_WAIT_MS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from tailrace.clock import Clock

if TYPE_CHECKING:
    from tailrace.partition_lag import PartitionLag

Lags: TypeAlias = "Mapping[str, Sequence[PartitionLag]]"
"""By role, how far it is with each partition."""
MOVES_WAIT_MS: Final = 10_000
"""A reader commits every few seconds; one that is slow, and not stuck, does so in this time."""
LOOK_MS: Final = 500


def standing_still(
    first: Lags, *, ask: Callable[[], Lags], clock: Clock
) -> dict[str, int]:
    """Return the roles that have records to read and committed none while watched.

    With the milliseconds that each was watched. Returns at once where nothing waits, and
    as soon as everyone has moved.

    Raises:
        ServiceUnavailable: Kafka does not answer.
    """
    begun_at_ms = clock.monotonic_ms()
    still: set[str] = {role for role, lags in first.items() if _waiting(lags)}
    while still:
        watched_ms = clock.monotonic_ms() - begun_at_ms
        if watched_ms >= MOVES_WAIT_MS:
            return dict.fromkeys(sorted(still), watched_ms)
        clock.sleep_ms(LOOK_MS)
        again = ask()
        still = {
            role
            for role in still
            if _waiting(again.get(role, ()))
            and _read_to(again.get(role, ())) <= _read_to(first[role])
        }
    return {}


def _waiting(lags: Sequence[PartitionLag]) -> int:
    return sum(lag.lag_records for lag in lags)


def _read_to(lags: Sequence[PartitionLag]) -> int:
    return sum(lag.next_offset for lag in lags)

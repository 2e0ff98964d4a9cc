"""Whether an agent is silent, and whether it is waited for: its last heartbeat tells. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

GONE_MS: Final = 86_400_000
"""An agent that was silent for so long is not waited for; it is still named as silent."""
SILENT_INTERVALS: Final = 3
"""A heartbeat may be late; after so many intervals its agent is silent."""
INTERVAL_MS_MIN: Final = 1_000
AHEAD_MS_MAX: Final = 5_000
"""A word may seem so much newer than now, for clocks differ a little. One from further in
the future tells nothing of when it was said."""


def is_silent(said_at_ms: int, *, interval_ms: int, now_ms: int) -> bool:
    """Tell whether the heartbeat that was due after one of `said_at_ms` is missing."""
    return now_ms > silent_from_ms(said_at_ms, interval_ms=interval_ms)


def silent_from_ms(said_at_ms: int, *, interval_ms: int) -> int:
    """Return the moment after which an agent is silent that has said nothing else since."""
    return said_at_ms + SILENT_INTERVALS * max(interval_ms, INTERVAL_MS_MIN)


def ahead_ms(said_at_ms: int, *, now_ms: int) -> int:
    """Return how far in the future a word is, by its speaker's clock; 0 where it may be new.

    Such a one is no proof that its agent lives: it would pass for one until that moment.
    """
    by_ms = said_at_ms - now_ms
    return by_ms if by_ms > AHEAD_MS_MAX else 0


def is_gone(said_at_ms: int, *, now_ms: int) -> bool:
    """Tell whether nobody waits any more for an agent that spoke last at `said_at_ms`."""
    return now_ms - said_at_ms > GONE_MS


def newest_by_host(said: Iterable[tuple[object, int]]) -> dict[object, int]:
    """Return when the newest heartbeat of each host was said, by the host's id.

    An agent that lost its folder comes back under another id: the one that spoke before it
    is silent for good, and its files are in the hands of the other.
    """
    newest: dict[object, int] = {}
    for host_id, said_at_ms in said:
        newest[host_id] = max(newest.get(host_id, 0), said_at_ms)
    return newest

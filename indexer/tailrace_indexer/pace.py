"""How much is sent at once: additive increase while it goes well, halves when refused.

Elasticsearch says by 429 and by its latency how much it takes, so there is nothing for a
person to tune. Policy is frozen, state is one small class, time comes in.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tailrace.topics import KIBIBYTE, MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class PacePolicy:
    """Between which limits the pace moves."""

    in_flight_max: int = 3
    """Two cores are busy with two bulks; the third hides the way there and back."""
    bulk_bytes_min: int = 256 * KIBIBYTE
    bulk_bytes_max: int = 8 * MEBIBYTE
    bulk_bytes_start: int = 4 * MEBIBYTE
    bulk_bytes_step: int = 512 * KIBIBYTE
    slow_ms: int = 5_000
    """A bulk that takes longer keeps fresh lines waiting: send less at once."""
    fast_ms: int = 1_000
    wait_ms_min: int = 200
    wait_ms_max: int = 30_000


class Pace:
    """The size and number of bulks now, and until when nothing is sent."""

    def __init__(self, policy: PacePolicy, *, chance: random.Random) -> None:
        self._policy = policy
        self._chance = chance
        self._wait_ms = 0
        self._not_before_ms = 0
        self.in_flight_max = min(2, policy.in_flight_max)
        self.bulk_bytes = policy.bulk_bytes_start

    def may_send(self, *, now_ms: int, in_flight: int) -> bool:
        """Return whether another bulk may be sent now."""
        # After a refusal one bulk feels the way; more follow when it is taken.
        limit = 1 if self._wait_ms else self.in_flight_max
        return now_ms >= self._not_before_ms and in_flight < limit

    def taken(self, *, took_ms: int) -> None:
        """Note a bulk that was taken: a little more next time, if it was quick."""
        policy = self._policy
        self._wait_ms = 0
        self._not_before_ms = 0
        if took_ms > policy.slow_ms:
            self.bulk_bytes = max(self.bulk_bytes // 2, policy.bulk_bytes_min)
        elif took_ms < policy.fast_ms:
            grown = self.bulk_bytes + policy.bulk_bytes_step
            self.bulk_bytes = min(grown, policy.bulk_bytes_max)
            self.in_flight_max = min(self.in_flight_max + 1, policy.in_flight_max)

    def refused(self, *, now_ms: int) -> int:
        """Note a bulk that was refused or lost: half as much, after a longer wait.

        Returns the wait, drawn between half of it and the whole: several indexers must
        not come back at the same moment.
        """
        policy = self._policy
        self.in_flight_max = max(self.in_flight_max // 2, 1)
        self.bulk_bytes = max(self.bulk_bytes // 2, policy.bulk_bytes_min)
        doubled = max(self._wait_ms * 2, policy.wait_ms_min)
        self._wait_ms = min(doubled, policy.wait_ms_max)
        wait_ms = int(self._wait_ms * self._chance.uniform(0.5, 1.0))
        self._not_before_ms = now_ms + wait_ms
        return wait_ms

"""How much is sent at once: additive increase while it goes well, halves when refused.

Elasticsearch says by 429 and by its latency how much it takes, and by 413 how much it, or
what stands before it, reads of one request; so there is nothing for a person to tune.
Policy is frozen, state is one small class, time comes in.
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
    bound_bytes_min: int = 64 * KIBIBYTE
    """What a request may have, however small the one was that was found too large."""
    bound_bulks: int = 200
    """So many bulks are taken before the bound that was learned grows, so that to ask
    whether it still holds costs one refusal in hundreds of bulks."""
    bound_growth: int = 8
    """It grows by a part in so many: from half of what is taken to all of it in six steps."""
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
        self._steered_bytes = policy.bulk_bytes_start
        self._bound_bytes = policy.bulk_bytes_max
        self._bulks_within = 0
        """Bulks that were taken since the bound was learned, or grew."""
        self.in_flight_max = min(2, policy.in_flight_max)

    @property
    def bulk_bytes(self) -> int:
        """How large a bulk may be now."""
        return min(self._steered_bytes, self._bound_bytes)

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
        self._bulks_within += 1
        if self._bulks_within >= policy.bound_bulks:
            self._bulks_within = 0
            grown = self._bound_bytes + self._bound_bytes // policy.bound_growth
            self._bound_bytes = min(grown, policy.bulk_bytes_max)
        if took_ms > policy.slow_ms:
            self._halve()
        elif took_ms < policy.fast_ms:
            grown = self._steered_bytes + policy.bulk_bytes_step
            self._steered_bytes = min(grown, policy.bulk_bytes_max)
            self.in_flight_max = min(self.in_flight_max + 1, policy.in_flight_max)

    def too_large(self, *, size_bytes: int) -> None:
        """Note a bulk that was too large for one request: none has more than its half."""
        half = max(size_bytes // 2, self._policy.bound_bytes_min)
        self._bound_bytes = min(self._bound_bytes, half)
        self._bulks_within = 0

    def refused(self, *, now_ms: int) -> int:
        """Note a bulk that was refused or lost: half as much, after a longer wait.

        Returns the wait, drawn between half of it and the whole: several indexers must
        not come back at the same moment.
        """
        policy = self._policy
        self.in_flight_max = max(self.in_flight_max // 2, 1)
        self._halve()
        doubled = max(self._wait_ms * 2, policy.wait_ms_min)
        self._wait_ms = min(doubled, policy.wait_ms_max)
        wait_ms = int(self._wait_ms * self._chance.uniform(0.5, 1.0))
        self._not_before_ms = now_ms + wait_ms
        return wait_ms

    def _halve(self) -> None:
        halved = self._steered_bytes // 2
        self._steered_bytes = max(halved, self._policy.bulk_bytes_min)

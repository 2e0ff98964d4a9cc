"""How a server that is away is waited for: asked again until it answers, or time is out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from tailrace.clock import Clock
from tailrace.errors import (
    IndexShut,
    NodeForbidden,
    RightMissing,
    ServiceUnavailable,
    StillAway,
    TopicMissing,
)

POLL_MS = 1_000
ANSWERED = (IndexShut, NodeForbidden, RightMissing, TopicMissing)
"""Here the server is there, and what it says a person must put right."""
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """So much time for servers, from `begun_at_ms` on; none means that nobody waits."""

    clock: Clock
    wait_ms_max: int
    begun_at_ms: int
    """By the monotonic clock."""
    tell: Callable[[str], None]
    """Is given a line for a person whenever it is waited for one."""

    @classmethod
    def from_now(
        cls, clock: Clock, *, wait_ms_max: int, tell: Callable[[str], None]
    ) -> Self:
        """Return one whose time begins now."""
        return cls(
            clock=clock,
            wait_ms_max=wait_ms_max,
            begun_at_ms=clock.monotonic_ms(),
            tell=tell,
        )

    @property
    def deadline_ms(self) -> int:
        """Return when time is out, by the monotonic clock."""
        return self.begun_at_ms + self.wait_ms_max

    def __call__(self, ask: Callable[[], Found]) -> Found:
        """Return what `ask` finds, which is asked again where a server is away.

        Raises:
            StillAway: time is out, and it is still away.
            ServiceUnavailable: it answers, and a person must put something right; or it
                is away, and nobody waits.
        """
        while True:
            try:
                return ask()
            except ANSWERED:
                raise
            except ServiceUnavailable as error:
                left_ms = self.deadline_ms - self.clock.monotonic_ms()
                if not self.wait_ms_max:
                    raise
                if left_ms <= 0:
                    raise StillAway(error, waited_ms=self.wait_ms_max) from error
                self.tell(f"{error}; asking again")
                self.clock.sleep_ms(min(POLL_MS, left_ms))

"""A clock that stands until it is moved."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class StandingClock:
    """Its wall clock and its monotonic one show the same."""

    at_ms: int = 0

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> int:
        return self.at_ms

    def sleep_ms(self, wait_ms: int) -> None:
        self.at_ms += wait_ms

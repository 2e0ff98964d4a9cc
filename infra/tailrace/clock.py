"""Where time comes from, so that a test or a simulation can say what time it is."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A wall clock for what is shown, and a monotonic one for how long."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970-01-01 UTC; may jump in either direction."""
        ...

    def monotonic_ms(self) -> int:
        """Return milliseconds since some fixed moment; never goes back."""
        ...

    def sleep_ms(self, wait_ms: int) -> None:
        """Return after `wait_ms` of this clock's time."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970-01-01 UTC; may jump in either direction."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Return milliseconds since some fixed moment; never goes back."""
        return time.monotonic_ns() // 1_000_000

    def sleep_ms(self, wait_ms: int) -> None:
        """Return after `wait_ms` of real time."""
        time.sleep(wait_ms / 1_000)

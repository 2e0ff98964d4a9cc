"""Which small incidents the shop can have, which are under way, and when they are over."""

from __future__ import annotations

import threading
from enum import StrEnum

from tailrace.clock import Clock


class Incident(StrEnum):
    """What can go wrong, by the name that `tailrace shop incident` takes."""

    SLOW_GATEWAY = "slow-gateway"
    """The SMS gateway does not answer in time."""
    BAD_DEPLOY = "bad-deploy"
    """A new version of the orders service fails at a third of the orders."""
    CRON_STOPS = "cron-stops"
    """The report that comes every minute comes no more."""


class Incidents:
    """Those that are under way; any thread may ask."""

    def __init__(self, *, length_ms: int, clock: Clock) -> None:
        self._length_ms = length_ms
        self._clock = clock
        self._lock = threading.Lock()
        self._ends_at_ms: dict[Incident, int] = {}

    def cause(self, incident: Incident) -> bool:
        """Begin one; return False where it was under way, and is only prolonged."""
        with self._lock:
            is_new = incident not in self._ends_at_ms
            self._ends_at_ms[incident] = self._clock.monotonic_ms() + self._length_ms
        return is_new

    def is_on(self, incident: Incident) -> bool:
        """Tell whether one is under way."""
        return incident in self._ends_at_ms

    def under_way(self) -> list[str]:
        """Return the names of all that are."""
        with self._lock:
            return sorted(self._ends_at_ms)

    def take_ended(self) -> list[Incident]:
        """Return those whose time is over, each once; they are under way no more."""
        now_ms = self._clock.monotonic_ms()
        with self._lock:
            ended = [
                one for one, end_ms in self._ends_at_ms.items() if end_ms <= now_ms
            ]
            for one in ended:
                del self._ends_at_ms[one]
        return ended

"""Which small incidents the shop can have, which are under way, what version is in place."""

from __future__ import annotations

import threading
from enum import StrEnum
from pathlib import Path

from tailrace.clock import Clock
from tailrace_shop.logs import JsonLog

GOOD_VERSION = "1.4.0"
BAD_VERSION = "1.4.1"


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
        self._ends_at_ms = dict.fromkeys(Incident, 0)

    def cause(self, incident: Incident) -> None:
        """Begin one, which is over by itself; one that is under way is prolonged."""
        self._ends_at_ms[incident] = self._clock.monotonic_ms() + self._length_ms

    def ends_at_ms(self, incident: Incident) -> int:
        """Return when the last one ends or ended, by the monotonic clock; 0 is never."""
        return self._ends_at_ms[incident]

    def is_on(self, incident: Incident) -> bool:
        """Tell whether one is under way."""
        return self._clock.monotonic_ms() < self._ends_at_ms[incident]

    def under_way(self) -> list[str]:
        """Return the names of all that are."""
        return sorted(filter(self.is_on, Incident))


class Deploys:
    """Which version of the orders service is in place; any thread may look."""

    def __init__(self, incidents: Incidents, *, logs: Path, clock: Clock) -> None:
        self._incidents = incidents
        self._log = JsonLog(logs / "deploys.log", service="orders", clock=clock)
        self._lock = threading.Lock()
        self._version = ""

    def version(self) -> str:
        """Return it; a new one has its line in the log before it does anything."""
        is_bad = self._incidents.is_on(Incident.BAD_DEPLOY)
        version = BAD_VERSION if is_bad else GOOD_VERSION
        with self._lock:
            if version != self._version:
                self._version = version
                self._log.write(
                    f"orders {version} deployed", action="deployed", version=version
                )
        return version

    def close(self) -> None:
        """Close the log."""
        self._log.close()

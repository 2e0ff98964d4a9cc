"""What the shop does by itself: a report every minute, and now and then an incident."""

from __future__ import annotations

import threading
from pathlib import Path
from random import Random

from tailrace.clock import Clock
from tailrace_shop.config import ShopSettings
from tailrace_shop.incidents import Incident, Incidents
from tailrace_shop.logs import JsonLog
from tailrace_shop.services import ITEMS, Outside, Services

TICK_MS = 250
GOOD_VERSION = "1.4.0"
BAD_VERSION = "1.4.1"


class Jobs:
    """One thread that looks at the clock."""

    def __init__(
        self,
        settings: ShopSettings,
        *,
        services: Services,
        outside: Outside,
        incidents: Incidents,
        logs: Path,
        clock: Clock,
        random: Random,
    ) -> None:
        self._settings = settings
        self._services = services
        self._outside = outside
        self._incidents = incidents
        self._clock = clock
        self._random = random
        self._reports = JsonLog(logs / "report.log", service="report", clock=clock)
        self._deploys = JsonLog(logs / "deploys.log", service="orders", clock=clock)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        now_ms = clock.monotonic_ms()
        self._report_at_ms = now_ms
        self._incident_at_ms = now_ms + self._pause_ms()

    def start(self) -> None:
        """Start looking."""
        self._deployed(GOOD_VERSION)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join()
        self._reports.close()
        self._deploys.close()

    def cause(self, incident: Incident) -> None:
        """Begin an incident; it is over by itself."""
        if not self._incidents.cause(incident):
            return
        match incident:
            case Incident.SLOW_GATEWAY:
                # No call is answered in time; the mail gateway answers as ever.
                self._outside.sms.delay_ms = 2 * self._settings.gateway_timeout_ms
            case Incident.BAD_DEPLOY:
                self._deployed(BAD_VERSION)
            case Incident.CRON_STOPS:
                pass  # Its silence is all that there is to be seen.

    def _run(self) -> None:
        while not self._stop.wait(TICK_MS / 1_000):
            for ended in self._incidents.take_ended():
                self._end(ended)
            now_ms = self._clock.monotonic_ms()
            if now_ms >= self._report_at_ms:
                self._report_at_ms = now_ms + self._settings.report_pause_ms
                self._report()
            if self._settings.incident_pause_ms and now_ms >= self._incident_at_ms:
                self._incident_at_ms = now_ms + self._pause_ms()
                self.cause(self._random.choice(list(Incident)))

    def _end(self, incident: Incident) -> None:
        match incident:
            case Incident.SLOW_GATEWAY:
                self._outside.sms.delay_ms = 0
            case Incident.BAD_DEPLOY:
                self._deployed(GOOD_VERSION)
            case Incident.CRON_STOPS:
                # So one was left out, also where none was due in its time.
                self._report_at_ms = (
                    self._clock.monotonic_ms() + self._settings.report_pause_ms
                )

    def _report(self) -> None:
        if self._incidents.is_on(Incident.CRON_STOPS):
            return
        sold = {item: self._services.inventory.taken(item) for item in ITEMS}
        self._reports.write(
            f"report finished: {sum(sold.values())} items sold",
            action="report",
            sold=sold,
        )

    def _deployed(self, version: str) -> None:
        self._deploys.write(
            f"orders {version} deployed",
            action="deployed",
            version=version,
        )

    def _pause_ms(self) -> int:
        """Return a pause that differs by half, so that nobody can wait for its end."""
        return round(self._settings.incident_pause_ms * self._random.uniform(0.5, 1.5))

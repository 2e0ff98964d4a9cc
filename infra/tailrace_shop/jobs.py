"""What the shop does by itself: a report every minute, and now and then an incident."""

from __future__ import annotations

import threading

from tailrace_shop.config import ShopSettings
from tailrace_shop.incidents import Deploys, Incident, Incidents
from tailrace_shop.orders import ITEMS
from tailrace_shop.premises import Premises
from tailrace_shop.stock import Stock

TICK_MS = 250


class Jobs:
    """One thread that looks at the clock."""

    def __init__(
        self,
        settings: ShopSettings,
        premises: Premises,
        *,
        inventory: Stock,
        incidents: Incidents,
        deploys: Deploys,
    ) -> None:
        self._settings = settings
        self._inventory = inventory
        self._incidents = incidents
        self._deploys = deploys
        self._clock = premises.clock
        self._random = premises.random
        self._reports = premises.json_log("report")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._report_at_ms = self._clock.monotonic_ms()
        self._incident_at_ms = self._report_at_ms + self._incident_pause_ms()

    def start(self) -> None:
        """Start looking."""
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join()
        self._reports.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            # Whatever version came or went is told, though nobody orders.
            self._deploys.version()
            self._look(self._clock.monotonic_ms())
            self._stop.wait(TICK_MS / 1_000)

    def _look(self, now_ms: int) -> None:
        stopped_until_ms = self._incidents.ends_at_ms(Incident.CRON_STOPS)
        if stopped_until_ms:
            # One is left out, also where none was due and nobody looked in that time.
            earliest_ms = stopped_until_ms + self._settings.report_pause_ms
            self._report_at_ms = max(self._report_at_ms, earliest_ms)
        if now_ms >= self._report_at_ms:
            self._report_at_ms = now_ms + self._settings.report_pause_ms
            self._report()
        if self._settings.incident_pause_ms and now_ms >= self._incident_at_ms:
            self._incident_at_ms = now_ms + self._incident_pause_ms()
            self._incidents.cause(self._random.choice(list(Incident)))

    def _report(self) -> None:
        sold = {item: self._inventory.taken(item) for item in ITEMS}
        self._reports.write(
            f"report finished: {sum(sold.values())} items sold",
            action="report",
            sold=sold,
        )

    def _incident_pause_ms(self) -> int:
        """Return a pause that differs by half, so that nobody can wait for its end."""
        return round(self._settings.incident_pause_ms * self._random.uniform(0.5, 1.5))

"""Whether this agent is to wait, as retention comes near to what is unread in Kafka.

Looked for in ZooKeeper by a thread of its own, which the loop never waits for. Shipping does
not depend on ZooKeeper: a pause that no server has confirmed for a while is over.
"""

from __future__ import annotations

import random
import threading

from tailrace.clock import Clock
from tailrace.errors import NodeForbidden, ServiceUnavailable
from tailrace.log import FilteringBoundLogger
from tailrace.retention_pause import Reads, read_pause

POLL_MS_MIN = 8_000
POLL_MS_MAX = 12_000
"""Retention is of days: nobody need hear of a pause, or of its end, sooner."""
UNCONFIRMED_MS_MAX = 40_000
"""So long one missed answer, or a server that died, ends no pause."""
FIRST_POLL_MS = 500
"""Until a server has answered once: a life that begins amid a pause is to read nothing."""
STOP_MS_MAX = 2_000


class RetentionPause:
    """Looks whether there is a pause, and remembers it for `UNCONFIRMED_MS_MAX`."""

    def __init__(
        self,
        zookeeper: Reads,
        *,
        namespace: str,
        clock: Clock,
        jitter: random.Random,
        log: FilteringBoundLogger,
    ) -> None:
        self._zookeeper = zookeeper
        self._namespace = namespace
        self._clock = clock
        self._jitter = jitter
        self._log = log
        self._seen: tuple[str, int] | None = None
        """What is waited for, and when a server last said so: replaced as a whole, as two
        threads look at it."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pause", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def why(self) -> str:
        """Return what is waited for; empty where files are to be read."""
        seen = self._seen
        if seen is None:
            return ""
        why, at_ms = seen
        return why if self._clock.monotonic_ms() - at_ms < UNCONFIRMED_MS_MAX else ""

    def look(self) -> None:
        """Ask once.

        Raises:
            ServiceUnavailable: no server answers.
        """
        pause = read_pause(self._zookeeper, namespace=self._namespace)
        was_paused = self._seen is not None
        if pause is None:
            self._seen = None
        else:
            self._seen = (pause.why(), self._clock.monotonic_ms())
            if not was_paused:
                self._log.warning("pause_asked_for", why=pause.why())
        if was_paused and pause is None:
            self._log.info("pause_ended")

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_MS_MAX / 1_000)

    def _run(self) -> None:
        wait_ms, forbidden = 0, ""
        poll_ms = (FIRST_POLL_MS, FIRST_POLL_MS)
        while not self._stop.wait(wait_ms / 1_000):
            try:
                self.look()
                poll_ms, forbidden = (POLL_MS_MIN, POLL_MS_MAX), ""
            except NodeForbidden as error:
                poll_ms = (POLL_MS_MIN, POLL_MS_MAX)
                if not forbidden:
                    forbidden = str(error)
                    self._log.warning("pause_unseen", why=forbidden)
            except ServiceUnavailable:
                pass  # The registration says so.
            wait_ms = self._jitter.randint(*poll_ms)

"""What this agent is asked to read again: looked for in ZooKeeper by a thread of its own.

The loop never waits for ZooKeeper: it takes what was found from a bounded queue, and says
what is answered; the thread removes those nodes when a server is there.
"""

from __future__ import annotations

import queue
import random
import threading

from tailrace.errors import ServiceUnavailable
from tailrace.holes import HOLES_ASKED_MAX, HoleRequest, forget, waiting_requests
from tailrace.log import FilteringBoundLogger
from tailrace.zookeeper import ZooKeeper

POLL_MS_MIN = 4_000
POLL_MS_MAX = 6_000
"""Ten thousand agents ask two thousand times a second together, of three servers."""
STOP_MS_MAX = 2_000


class HoleRequests:
    """Finds requests, and removes those that were answered."""

    def __init__(
        self,
        zookeeper: ZooKeeper,
        *,
        namespace: str,
        agent_id: str,
        jitter: random.Random,
        log: FilteringBoundLogger,
    ) -> None:
        self._zookeeper = zookeeper
        self._namespace = namespace
        self._agent_id = agent_id
        self._jitter = jitter
        self._log = log
        self._found: queue.Queue[HoleRequest] = queue.Queue(HOLES_ASKED_MAX)
        self._answered: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._known: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="holes", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def take(self) -> HoleRequest | None:
        """Return one that was found and not yet taken."""
        try:
            return self._found.get_nowait()
        except queue.Empty:
            return None

    def answered(self, request: HoleRequest) -> None:
        """Say that the ledger holds the answer, so that the request can go."""
        self._answered.put(request.name)

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_MS_MAX / 1_000)

    def look(self) -> None:
        """Remove what was answered, and find what is new.

        Raises:
            ServiceUnavailable: no server answers.
        """
        while not self._answered.empty():
            self._forget(self._answered.get())
        waiting = waiting_requests(
            self._zookeeper, namespace=self._namespace, agent_id=self._agent_id
        )
        self._known &= waiting.keys()
        for name, request in waiting.items():
            if request is None:
                self._log.warning("hole_request_unreadable", node=name)
                self._forget(name)
            elif name not in self._known and not self._found.full():
                self._known.add(name)
                self._found.put(request)

    def _forget(self, name: str) -> None:
        if not forget(
            self._zookeeper, name, namespace=self._namespace, agent_id=self._agent_id
        ):
            self._answered.put(name)
            raise ServiceUnavailable(
                "ZooKeeper", address="the configured hosts", reason="it went away"
            )

    def _run(self) -> None:
        while not self._stop.wait(
            self._jitter.randint(POLL_MS_MIN, POLL_MS_MAX) / 1_000
        ):
            try:
                self.look()
            except ServiceUnavailable:
                continue  # The registration says so; shipping needs no ZooKeeper.

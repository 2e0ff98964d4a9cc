"""How ZooKeeper and Kafka are asked: in threads of their own, so that a page can go on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tailrace.clock import SystemClock
from tailrace.errors import NoAnswer, ServiceUnavailable
from tailrace.fleet.nodes import agents_folder
from tailrace.kafka_admin import KafkaAdmin
from tailrace.ledger_tail import LedgerTail, read_tail
from tailrace.purged import ReadToEnd, read_to_end
from tailrace.settings import Connections
from tailrace.zookeeper import ZooKeeper
from tailrace.zookeeper_probe import require_zookeeper
from tailrace.zookeeper_rights import login_of
from tailrace_dashboard.fleet import GROUPS, Agent, PartitionLag, read_agent

CLIENT_ID = "tailrace-dashboard"
CONNECT_MS_MAX = 3_000
"""A person looks at the page while we try."""


class KafkaLags:
    """The real Kafka, over one connection that is made when it is first needed."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        # The admin client is not made for several threads.
        self._thread = ThreadPoolExecutor(1, "kafka")
        self._admin: KafkaAdmin | None = None

    def lags(self) -> Future[tuple[PartitionLag, ...]]:
        """Start asking how far the stream and the indexer are."""
        return self._thread.submit(self._lags)

    def read_to_end(self) -> Future[ReadToEnd]:
        """Start asking of which partitions both have read all."""
        return self._thread.submit(self._read_to_end)

    def ledger_tail(
        self, *, ask_index: Callable[[], Mapping[str, Any]], now_ms: int
    ) -> Future[LedgerTail]:
        """Start reading the ledger's words that were not in its index."""
        return self._thread.submit(self._ledger_tail, ask_index, now_ms)

    def close(self) -> None:
        """Let go of the connection; no question may follow."""
        self._thread.submit(self._forget).result()
        self._thread.shutdown()

    def _lags(self) -> tuple[PartitionLag, ...]:
        namespace = self._connections.namespace
        with self._connected() as admin:
            return tuple(
                PartitionLag(
                    group=f"{namespace}-{group}",
                    topic=lag.topic,
                    partition=lag.partition,
                    next_offset=lag.next_offset,
                    end_offset=lag.end_offset,
                )
                for group, topic in GROUPS
                for lag in admin.group_lag(
                    f"{namespace}-{group}", topics=[topic.name(namespace)]
                )
            )

    def _read_to_end(self) -> ReadToEnd:
        namespace = self._connections.namespace
        with self._connected() as admin:
            return read_to_end(admin, namespace=namespace, clock=SystemClock())

    def _ledger_tail(
        self, ask_index: Callable[[], Mapping[str, Any]], now_ms: int
    ) -> LedgerTail:
        with self._connected() as admin:
            return read_tail(
                self._connections,
                admin,
                client_id=CLIENT_ID,
                ask_index=ask_index,
                now_ms=now_ms,
                clock=SystemClock(),
            )

    @contextmanager
    def _connected(self) -> Generator[KafkaAdmin]:
        if self._admin is None:
            self._admin = KafkaAdmin(
                self._connections,
                client_id=CLIENT_ID,
                connect_ms_max=CONNECT_MS_MAX,
                answer_ms_max=CONNECT_MS_MAX,
            )
        try:
            yield self._admin
        except ServiceUnavailable:
            # The next question begins with a new connection.
            self._forget()
            raise

    def _forget(self) -> None:
        if self._admin is not None:
            self._admin.close()
            self._admin = None


class ZooKeeperFleet:
    """The real ZooKeeper, over one session that is made when it is first needed."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._thread = ThreadPoolExecutor(1, "zookeeper")
        self._zookeeper: ZooKeeper | None = None

    def agents(self) -> Future[tuple[Agent, ...]]:
        """Start asking which agents are alive."""
        return self._thread.submit(self._agents)

    def close(self) -> None:
        """End the session; no question may follow."""
        self._thread.submit(self._forget).result()
        self._thread.shutdown()

    def _agents(self) -> tuple[Agent, ...]:
        hosts = self._connections.zookeeper_hosts
        if self._zookeeper is None or not self._zookeeper.is_connected:
            # A client says only that there is no session; and one that is made for a
            # server that stands still waits for it when it is closed.
            require_zookeeper(hosts, clock=SystemClock())
        if self._zookeeper is None:
            self._zookeeper = ZooKeeper.connect(
                hosts,
                command_ms_max=CONNECT_MS_MAX,
                login=login_of(self._connections),
            )
        # The session returns by itself; only so long does a person wait for it.
        if not self._zookeeper.wait_connected(wait_ms_max=CONNECT_MS_MAX):
            raise NoAnswer("ZooKeeper", address=hosts, wait_s=CONNECT_MS_MAX / 1_000)
        folder = agents_folder(self._connections.namespace)
        agents: list[Agent] = []
        for agent_id in self._zookeeper.children(folder):
            raw = self._zookeeper.get(f"{folder}/{agent_id}")
            if raw is not None:  # One that left in between is not alive.
                agents.append(read_agent(agent_id, raw))
        return tuple(agents)

    def _forget(self) -> None:
        if self._zookeeper is not None:
            self._zookeeper.close()
            self._zookeeper = None

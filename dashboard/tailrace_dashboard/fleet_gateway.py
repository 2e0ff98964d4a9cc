"""How ZooKeeper and Kafka are asked: in threads of their own, so that a page can wait less."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from tailrace.errors import ServiceUnavailable
from tailrace.settings import Connections
from tailrace_dashboard.fleet import Agent, PartitionLag


class ZooKeeperFleet:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._pool = ThreadPoolExecutor(1, "zookeeper")

    def agents(self) -> Future[tuple[Agent, ...]]:
        return self._pool.submit(self._agents)

    def _agents(self) -> tuple[Agent, ...]:
        raise ServiceUnavailable(
            "ZooKeeper", address=self._connections.zookeeper_hosts, reason="TODO"
        )


class KafkaLags:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._pool = ThreadPoolExecutor(1, "kafka")

    def lags(self) -> Future[tuple[PartitionLag, ...]]:
        return self._pool.submit(self._lags)

    def _lags(self) -> tuple[PartitionLag, ...]:
        raise ServiceUnavailable(
            "Kafka", address=self._connections.kafka_bootstrap, reason="TODO"
        )

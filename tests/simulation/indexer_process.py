"""The real indexer on simulated servers: its own delivery, sink and dead letters."""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping, Sequence
from random import Random
from typing import cast

from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.kafka_consumer import Partition, Polled
from tailrace_indexer.acked_writer import AckedWriter
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.dead_letter_sink import KafkaDeadLetters
from tailrace_indexer.delivery import Delivery
from tailrace_indexer.flow import DeliveryPolicy
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.ledger_sink import KafkaLedger
from tailrace_indexer.sink import ElasticsearchSink
from tests.simulation.cluster import (
    NAMESPACE,
    Cluster,
    SimulatedElastic,
    connections_of_run,
)
from tests.simulation.floors_seen import FloorsSeen
from tests.simulation.world import HostClock, SimulatedCrash, World
from tests.support.fakes.kafka import MemoryMember

STEP_MS = (40, 130)
DRAIN_MS_MAX = 1_000


class PromptQueue:
    """Stands in for `queue.SimpleQueue`: whoever waits learns at once that nothing came."""

    def __init__(self) -> None:
        self._items: list[object] = []

    def put(self, item: object) -> None:
        self._items.append(item)

    def get(self, timeout: float | None = None) -> object:
        del timeout
        if not self._items:
            raise queue.Empty
        return self._items.pop(0)

    get_nowait = get


class QueueModule:
    """The part of `queue` that the sink names."""

    SimpleQueue = PromptQueue
    Empty = queue.Empty


class StoppedTime:
    """The part of `time` that the sink names: a bulk takes no time."""

    monotonic = staticmethod(lambda: 0.0)


assert time.monotonic() > StoppedTime.monotonic()


class SourceOnMember:
    """A member of the group, behind brokers that may be down."""

    def __init__(self, member: MemoryMember, cluster: Cluster) -> None:
        self._member = member
        self._cluster = cluster

    def poll(self, *, wait_ms_max: int) -> Polled:
        self._require_brokers()
        return self._member.poll(wait_ms_max=wait_ms_max)

    def commit(self, next_offsets: Mapping[Partition, int]) -> bool:
        self._require_brokers()
        return self._member.commit(next_offsets)

    def pause(self, partitions: Sequence[Partition]) -> None:
        self._member.pause(partitions)

    def resume(self, partitions: Sequence[Partition]) -> None:
        self._member.resume(partitions)

    def _require_brokers(self) -> None:
        if self._cluster.is_down():
            raise ServiceUnavailable("Kafka", address="sim", reason="it is down")


class IndexerLife:
    """One life of an indexer."""

    def __init__(self, world: World, cluster: Cluster) -> None:
        self._world = world
        self._cluster = cluster
        self._member = cluster.indexers.join()
        self._alarms = Alarms()
        self._floors = FloorsSeen(cluster)
        clock = HostClock(world)
        connections = connections_of_run()
        elastic = cast("Elastic", SimulatedElastic(cluster))
        self._sink = ElasticsearchSink(
            elastic,
            index_maker=IndexMaker(
                elastic,
                connections=connections,
                is_expired=self._floors.is_expired,
            ),
            in_flight_max=3,
        )
        writer = AckedWriter(connections)
        self.delivery = Delivery(
            source=SourceOnMember(self._member, cluster),
            sink=self._sink,
            dead_letters=KafkaDeadLetters(writer, namespace=NAMESPACE),
            ledger=KafkaLedger(writer, namespace=NAMESPACE),
            clock=clock,
            chance=Random(world.random.random()),
            namespace=NAMESPACE,
            policy=DeliveryPolicy(
                ready_bytes_max=40_000, held_bytes_max=40_000, commit_ms=200
            ),
            alarms=self._alarms,
        )

    def step(self) -> int:
        try:
            self.delivery.step(wait_ms_max=0)
        except ServiceUnavailable as error:
            self._world.tell(f"indexer: {error}")
        self._floors.step()
        self._alarms.take(now_ms=self._world.now_ms)
        return self._world.now_ms + self._world.random.randint(*STEP_MS)

    def crash(self, crash: SimulatedCrash) -> None:
        """It is on its way up to whoever stepped."""

    def kill(self) -> None:
        self._sink.close()

    def lose_session(self) -> None:
        self._cluster.indexers.expel(self._member)

    def stop(self) -> None:
        deadline_ms = self._world.now_ms + DRAIN_MS_MAX
        while not self.delivery.is_idle and self._world.now_ms < deadline_ms:
            self.delivery.drain()
            self._world.advance_to(self._world.now_ms + STEP_MS[1])
        try:
            self.delivery.commit()
        except ServiceUnavailable as error:
            self._world.tell(f"indexer: {error}")
        self._cluster.indexers.leave(self._member)
        self.kill()

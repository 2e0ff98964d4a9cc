"""What a consumer of a group brings: laws that the memory's Kafka and the real one obey."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import kafka
import pytest

from tailrace.kafka_admin import KafkaAdmin, NewTopic
from tailrace.kafka_consumer import Consumer, Gap, Partition, Polled, Record
from tailrace.kafka_options import kafka_options
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tests.support.fakes.kafka import MemoryKafka, MemoryMember
from tests.support.waiting import eventually

REBALANCE_WAIT_S_MAX = 20.0


class Member(Protocol):
    """What the laws ask of a member."""

    def poll(self, *, wait_ms_max: int) -> Polled: ...
    def commit(self, next_offsets: Mapping[Partition, int]) -> bool: ...
    def pause(self, partitions: Sequence[Partition]) -> None: ...
    def resume(self, partitions: Sequence[Partition]) -> None: ...


class Broker(Protocol):
    """What the laws ask of a cluster."""

    partitions: Sequence[Partition]

    def write(self, partition: Partition, value: bytes) -> int: ...
    def delete_before(self, partition: Partition, offset: int) -> None: ...
    def join(self) -> Member: ...
    def leave(self, member: Member) -> None: ...


class MemoryBroker:
    """The double, behind the same questions."""

    def __init__(self, partitions: Sequence[Partition]) -> None:
        self.partitions = partitions
        self._kafka = MemoryKafka(partitions)

    def write(self, partition: Partition, value: bytes) -> int:
        return self._kafka.write(partition, value)

    def delete_before(self, partition: Partition, offset: int) -> None:
        self._kafka.delete_before(partition, offset)

    def join(self) -> Member:
        return self._kafka.join()

    def leave(self, member: Member) -> None:
        assert isinstance(member, MemoryMember)
        self._kafka.leave(member)


class RealBroker:
    """A topic and a group of its own on real brokers."""

    def __init__(
        self, connections: Connections, *, topic: str, closing: ExitStack
    ) -> None:
        self._connections = connections
        self._topic = topic
        self._closing = closing
        self.partitions: Sequence[Partition] = (
            Partition(topic, 0),
            Partition(topic, 1),
        )
        with KafkaAdmin(connections) as admin:
            admin.create_topics([NewTopic(
                name=topic, partitions=2, replication_factor=1, settings={}
            )])  # fmt: skip
        untyped: Any = kafka
        options = kafka_options(connections, client_id="laws")
        self._producer = untyped.KafkaProducer(**options, metrics_enabled=False)
        closing.callback(self._producer.close)

    def write(self, partition: Partition, value: bytes) -> int:
        sent = self._producer.send(
            partition.topic, value=value, partition=partition.number
        )
        return sent.get(timeout=10).offset

    def delete_before(self, partition: Partition, offset: int) -> None:
        untyped: Any = kafka
        options = kafka_options(self._connections, client_id="laws-admin")
        admin = untyped.KafkaAdminClient(**options)
        place = untyped.TopicPartition(*partition)
        admin.delete_records({place: offset})
        admin.close()

    def join(self) -> Member:
        member = Consumer.connect(
            self._connections,
            group=f"{self._topic}-group",
            client_id="laws",
            topics=[self._topic],
        )
        self._closing.callback(member.close, wait_ms_max=2_000)
        return member

    def leave(self, member: Member) -> None:
        assert isinstance(member, Consumer)
        member.close(wait_ms_max=2_000)


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def broker(request: pytest.FixtureRequest, namespace: str) -> Iterator[Broker]:
    topic = f"{namespace}.laws"
    if request.param == "memory":
        yield MemoryBroker([Partition(topic, 0), Partition(topic, 1)])
        return
    stack: Endpoints = request.getfixturevalue("stack")
    connections = Connections(
        kafka_bootstrap=stack.kafka_bootstrap, namespace=namespace
    )
    with ExitStack() as closing:
        yield RealBroker(connections, topic=topic, closing=closing)


class Reader:
    """Polls a member, and remembers what it brought since its partitions were gained."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.owned: set[Partition] = set()
        self.records: list[Record] = []
        self.gaps: list[Gap] = []

    def poll(self) -> None:
        polled = self.member.poll(wait_ms_max=20)
        changed = polled.lost | polled.gained
        self.owned = (self.owned - polled.lost) | polled.gained
        self.records = [r for r in self.records if r.partition not in changed]
        self.records.extend(polled.records)
        self.gaps.extend(polled.gaps)

    def values(self, partition: Partition) -> list[bytes | None]:
        return [r.value for r in self.records if r.partition == partition]


def poll_until(predicate: Callable[[], bool], *readers: Reader) -> None:
    def polled() -> bool:
        for reader in readers:
            reader.poll()
        return predicate()

    eventually(polled, wait_s_max=REBALANCE_WAIT_S_MAX)


def filled(broker: Broker, *, count: int = 6) -> None:
    for number in range(count):
        for partition in broker.partitions:
            broker.write(partition, f"{partition.number}:{number}".encode())


def expected(partition: Partition, numbers: range) -> list[bytes]:
    return [f"{partition.number}:{number}".encode() for number in numbers]


@pytest.mark.timeout(60)
def test_each_partition_comes_in_order_from_its_beginning(broker: Broker) -> None:
    filled(broker)
    reader = Reader(broker.join())
    poll_until(lambda: len(reader.records) == 12, reader)

    for partition in broker.partitions:
        assert reader.values(partition) == expected(partition, range(6))
    assert reader.owned == set(broker.partitions)


@pytest.mark.timeout(60)
def test_what_was_read_and_not_committed_comes_again_after_a_rebalance(
    broker: Broker,
) -> None:
    """Even to the member that had it: it may have lost what it held in memory."""
    filled(broker)
    first = Reader(broker.join())
    poll_until(lambda: len(first.records) == 12, first)
    zero, one = broker.partitions
    assert first.member.commit({zero: 2, one: 4})

    second = Reader(broker.join())
    poll_until(lambda: len(first.owned) == 1 and len(second.owned) == 1, first, second)
    poll_until(lambda: len(first.records + second.records) == 6, first, second)
    together = first.records + second.records
    assert sorted(r.value for r in together if r.value) == [
        *expected(zero, range(2, 6)),
        *expected(one, range(4, 6)),
    ]

    broker.leave(second.member)
    poll_until(lambda: len(first.owned) == 2, first)
    poll_until(lambda: len(first.records) == 6, first)
    assert first.values(zero) == expected(zero, range(2, 6))
    assert first.values(one) == expected(one, range(4, 6))


@pytest.mark.timeout(60)
def test_k9_a_commit_for_a_partition_that_is_lost_skips_nothing(broker: Broker) -> None:
    """Kafka may take it from a member; what counts is that no owner loses records."""
    filled(broker)
    first = Reader(broker.join())
    poll_until(lambda: len(first.records) == 12, first)
    second = Reader(broker.join())
    poll_until(lambda: len(first.owned) == 1 and len(second.owned) == 1, first, second)
    (lost,) = second.owned
    poll_until(lambda: len(second.records) == 6, first, second)

    first.member.commit({lost: 3})

    poll_until(lambda: True, first, second)
    assert second.values(lost) == expected(lost, range(6))


@pytest.mark.timeout(60)
def test_k8_a_paused_partition_brings_nothing_and_loses_nothing(broker: Broker) -> None:
    reader = Reader(broker.join())
    poll_until(lambda: len(reader.owned) == 2, reader)
    zero, one = broker.partitions
    reader.member.pause([zero])
    filled(broker)

    def is_read_while_paused() -> bool:
        # A second rebalance may come of itself, and a partition that is gained by it is
        # not paused.
        reader.member.pause([zero])
        return len(reader.values(one)) == 6

    poll_until(is_read_while_paused, reader)

    assert reader.values(zero) == []
    reader.member.resume([zero])
    poll_until(lambda: len(reader.values(zero)) == 6, reader)

    assert reader.values(zero) == expected(zero, range(6))


@pytest.mark.timeout(60)
def test_k8_a_partition_paused_amid_its_records_goes_on_where_it_stood(
    broker: Broker,
) -> None:
    filled(broker)
    reader = Reader(broker.join())
    poll_until(lambda: bool(reader.records), reader)
    (begun,) = {record.partition for record in reader.records}
    assert len(reader.values(begun)) < 6, "all came at once: nothing is left to pause"
    (other,) = set(broker.partitions) - {begun}
    reader.member.pause([begun])
    poll_until(lambda: len(reader.values(other)) == 6, reader)
    reader.member.resume([begun])
    poll_until(lambda: len(reader.values(begun)) == 6, reader)

    assert reader.values(begun) == expected(begun, range(6))


@pytest.mark.timeout(60)
def test_k10_what_retention_deleted_is_told_and_reading_goes_on(broker: Broker) -> None:
    filled(broker)
    first = Reader(broker.join())
    poll_until(lambda: len(first.records) == 12, first)
    zero, _ = broker.partitions
    assert first.member.commit({zero: 1})
    broker.leave(first.member)
    broker.delete_before(zero, 4)

    second = Reader(broker.join())
    poll_until(lambda: len(second.values(zero)) == 2, second)

    assert second.values(zero) == expected(zero, range(4, 6))
    assert second.gaps == [Gap(zero, 1, 4)]

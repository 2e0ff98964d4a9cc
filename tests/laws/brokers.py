"""A cluster of brokers with one topic and one group, as laws ask it: in memory, and real."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import kafka
import kafka.admin
import pytest

from tailrace.kafka_admin import KafkaAdmin, NewTopic
from tailrace.kafka_consumer import Consumer, Gap, Partition, Polled, Record
from tailrace.kafka_options import kafka_options
from tailrace.provision import provision_topics
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tests.support.fakes.kafka import MemoryKafka, MemoryMember
from tests.support.waiting import eventually

REBALANCE_WAIT_S_MAX = 20.0


def with_topics(request: pytest.FixtureRequest) -> Connections:
    """Return the real brokers of a test, in whose namespace our topics are."""
    stack: Endpoints = request.getfixturevalue("stack")
    connections = Connections(
        kafka_bootstrap=stack.kafka_bootstrap,
        namespace=request.getfixturevalue("namespace"),
    )
    provision_topics(connections, replication=1)
    return connections


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
    def expel(self, member: Member) -> None: ...
    def committed(self) -> Mapping[Partition, int]: ...


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

    def expel(self, member: Member) -> None:
        assert isinstance(member, MemoryMember)
        self._kafka.group.expel(member)

    def committed(self) -> Mapping[Partition, int]:
        return self._kafka.commits


class RealBroker:
    """A topic and a group of its own on real brokers."""

    def __init__(
        self, connections: Connections, *, topic: str, closing: ExitStack
    ) -> None:
        self._connections = connections
        self._topic = topic
        self._group = f"{topic}-group"
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
        admin = self._admin()
        place = untyped.TopicPartition(*partition)
        admin.delete_records({place: offset})
        admin.close()

    def join(self) -> Member:
        member = Consumer.connect(
            self._connections,
            group=self._group,
            client_id="laws",
            topics=[self._topic],
        )
        self._closing.callback(member.close, wait_ms_max=2_000)
        return member

    def leave(self, member: Member) -> None:
        assert isinstance(member, Consumer)
        member.close(wait_ms_max=2_000)

    def expel(self, member: Member) -> None:
        """Let the broker give a member up, as it does with one of which it hears nothing."""
        inner: Any = member
        untyped: Any = kafka.admin
        name = inner._client._coordinator._generation.member_id
        admin = self._admin()
        asked = untyped.MemberToRemove(member_id=name)
        (answer,) = admin.remove_group_members(self._group, [asked]).values()
        admin.close()
        assert answer.errno == 0, answer

    def committed(self) -> Mapping[Partition, int]:
        with KafkaAdmin(self._connections) as admin:
            found = admin.committed_offsets(self._group)
        return {Partition(*place): offset for place, offset in found.items()}

    def _admin(self) -> Any:  # noqa: ANN401 - the library has no types
        untyped: Any = kafka
        options = kafka_options(self._connections, client_id="laws-admin")
        return untyped.KafkaAdminClient(**options)


class Reader:
    """Polls a member, and remembers what it brought since its partitions were gained."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.owned: set[Partition] = set()
        self.records: list[Record] = []
        self.gaps: list[Gap] = []
        self.lost: set[Partition] = set()
        """All that it was ever told that it has no more."""

    def poll(self) -> None:
        polled = self.member.poll(wait_ms_max=20)
        changed = polled.lost | polled.gained
        self.lost |= polled.lost
        self.owned = (self.owned - polled.lost) | polled.gained
        self.records = [r for r in self.records if r.partition not in changed]
        self.records.extend(polled.records)
        self.gaps.extend(polled.gaps)

    def values(self, partition: Partition) -> list[bytes | None]:
        return [r.value for r in self.records if r.partition == partition]


def poll_until(predicate: Callable[[], bool], *readers: Reader) -> None:
    """Poll all readers in turn until something is true."""

    def polled() -> bool:
        for reader in readers:
            reader.poll()
        return predicate()

    eventually(polled, wait_s_max=REBALANCE_WAIT_S_MAX)


def filled(broker: Broker, *, count: int = 6) -> None:
    """Write so many records to each partition."""
    for number in range(count):
        for partition in broker.partitions:
            broker.write(partition, f"{partition.number}:{number}".encode())


def expected(partition: Partition, numbers: range) -> list[bytes]:
    """Return what `filled` wrote there."""
    return [f"{partition.number}:{number}".encode() for number in numbers]

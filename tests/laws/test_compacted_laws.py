"""What the mender reads and writes: laws of the memory's compacted topics and of Kafka's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_consumer import Partition
from tailrace.settings import Connections
from tailrace.topics import FLOORS, LEDGER, STATE, TEMPLATES
from tailrace_indexer.acked_writer import AckedWriter, Writing
from tailrace_indexer.compacted_topics import KafkaCompactedTopics
from tailrace_indexer.mending import CompactedTopics, Place
from tests.laws.brokers import with_topics
from tests.support.fakes.compacted import MemoryCompactedTopics
from tests.support.fakes.kafka import MemoryKafka
from tests.support.waiting import eventually

COMPACTION_WAIT_S_MAX = 120.0
NUMBER = 3
SOON = {
    "min.compaction.lag.ms": "0",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.01",
}
"""As soon as brokers allow."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of a namespace, and what others do to them."""

    seen: CompactedTopics
    namespace: str
    append: Callable[[Place, bytes, bytes | None], None]
    compact: Callable[[Place], object]
    """Returns when every record but the last of its key is gone."""

    @property
    def state(self) -> Place:
        return STATE.name(self.namespace), NUMBER

    def pairs(self) -> list[tuple[int, bytes | None, bytes | None]]:
        return list(self.seen.records(self.state, end=self.seen.ends()[self.state]))


def in_memory(namespace: str) -> Topics:
    kafka = MemoryKafka(
        [
            Partition(topic.name(namespace), number)
            for topic in (LEDGER, FLOORS, STATE, TEMPLATES)
            for number in range(topic.partitions)
        ]
    )

    def append(place: Place, key: bytes, value: bytes | None) -> None:
        kafka.write(Partition(*place), value, key=key)

    return Topics(
        seen=MemoryCompactedTopics(kafka, kafka.partitions),
        namespace=namespace,
        append=append,
        compact=lambda place: kafka.compact(Partition(*place)),
    )


def on_brokers(connections: Connections, closing: ExitStack) -> Topics:
    writer = AckedWriter(connections)
    closing.callback(writer.close)
    seen = KafkaCompactedTopics(connections, writer, is_stopping=lambda: False)
    closing.callback(seen.close)

    def append(place: Place, key: bytes, value: bytes | None) -> None:
        assert writer.write([Writing(place[0], value, key, partition=place[1])]) == []

    def compact(place: Place) -> None:
        with KafkaAdmin(connections) as admin:
            admin.alter_topic_settings({place[0]: SOON})

        def is_compacted() -> bool:
            # A new record closes the segment that the others are in; it is left alone.
            append(place, b"filler", b"")
            held = seen.records(place, end=seen.ends()[place])
            keys = [key for _, key, _ in held if key != b"filler"]
            return len(keys) == len(set(keys))

        eventually(is_compacted, COMPACTION_WAIT_S_MAX)

    return Topics(
        seen=seen,
        namespace=connections.namespace,
        append=append,
        compact=compact,
    )


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def topics(request: pytest.FixtureRequest, namespace: str) -> Iterator[Topics]:
    if request.param == "memory":
        yield in_memory(namespace)
        return
    connections = with_topics(request)
    with ExitStack() as closing:
        yield on_brokers(connections, closing)


@pytest.mark.timeout(60)
def test_every_partition_of_every_topic_with_revisions_has_its_end(
    topics: Topics,
) -> None:
    topics.append(topics.state, b"a", b"1")
    topics.append(topics.state, b"a", None)

    ends = dict(topics.seen.ends())

    assert ends.pop(topics.state) == 2
    assert set(ends.values()) == {0}
    assert {*ends, topics.state} == {
        (topic.name(topics.namespace), number)
        for topic in (LEDGER, FLOORS, STATE, TEMPLATES)
        for number in range(topic.partitions)
    }


@pytest.mark.timeout(60)
def test_records_come_in_order_with_tombstones_and_none_from_the_end_on(
    topics: Topics,
) -> None:
    for key, value in [(b"a", b"1"), (b"b", None), (b"a", b"2"), (b"c", b"3")]:
        topics.append(topics.state, key, value)

    assert list(topics.seen.records(topics.state, end=3)) == [
        (0, b"a", b"1"),
        (1, b"b", None),
        (2, b"a", b"2"),
    ]
    assert list(topics.seen.records(topics.state, end=0)) == []


@pytest.mark.timeout(60)
def test_what_was_said_yes_to_is_there_behind_all_else_in_its_order(
    topics: Topics,
) -> None:
    topics.append(topics.state, b"a", b"1")

    assert topics.seen.write(topics.state, [(b"b", b"2"), (b"a", b"3")])

    assert topics.pairs()[1:] == [(1, b"b", b"2"), (2, b"a", b"3")]


@pytest.mark.timeout(180)
def test_k9_compaction_keeps_the_last_record_of_a_key_whatever_it_says(
    topics: Topics,
) -> None:
    """The greatest revision, under an older one, is gone: so there is a mender."""
    for key, value in [
        (b"a", b'{"revision":5}'),
        (b"b", b"only"),
        (b"a", b'{"revision":10}'),
        (b"c", b"dies"),
        (b"a", b'{"revision":7}'),
        (b"c", None),
    ]:
        topics.append(topics.state, key, value)

    topics.compact(topics.state)

    assert [each for each in topics.pairs() if each[1] != b"filler"] == [
        (1, b"b", b"only"),
        (4, b"a", b'{"revision":7}'),
        (5, b"c", None),
    ]

"""What an audit learns of ledger, groups and dead letters: laws of both brokers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import kafka
import kafka.structs
import pytest
from kafka.errors import KafkaError

from tailrace.audit.kafka import KafkaLagging, KafkaLedger, ReadLagging
from tailrace.audit.sources import Ledger
from tailrace.clock import SystemClock
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_consumer import Partition
from tailrace.kafka_options import kafka_options
from tailrace.ledger import ledger_key, ledger_partition
from tailrace.number_sets import NumberSet
from tailrace.partition_lag import PartitionLag
from tailrace.settings import Connections
from tailrace.topics import DEAD, DOCS, LEDGER, Topic
from tailrace.wire import encode
from tailrace_indexer.acked_writer import AckedWriter, Writing
from tests.infra.audit.builders import (
    GENERATION,
    agent_word,
    dead_letter,
    heartbeat,
    indexer_word,
    stream_word,
)
from tests.laws.brokers import with_topics
from tests.support.fakes.audited import MemoryAdmin, MemoryAuditLedger, MemoryLagging
from tests.support.fakes.kafka import MemoryGroup, MemoryKafka
from tests.support.waiting import eventually

COORDINATOR_WAIT_S_MAX = 20.0


class Admin(Protocol):
    """How far groups are."""

    def end_offsets(self, topics: Collection[str]) -> Mapping[tuple[str, int], int]: ...
    def committed_offsets(self, group: str) -> Mapping[tuple[str, int], int]: ...
    def group_lag(
        self, group: str, *, topics: Collection[str]
    ) -> Collection[PartitionLag]: ...


@dataclass(frozen=True, slots=True)
class Audited:
    """Brokers as audits see them, and what others do to them."""

    ledger: Ledger
    admin: Admin
    read_lagging: ReadLagging
    namespace: str
    append: Callable[[str, int, bytes | None, bytes | None], None]
    """Topic, partition, key and value."""
    commit: Callable[[str, int, int], None]
    """Topic, partition, and the offset that the indexers read next."""
    delete_before: Callable[[str, int, int], None]

    @property
    def group(self) -> str:
        return f"{self.namespace}-indexer"

    def name(self, topic: Topic) -> str:
        return topic.name(self.namespace)


def in_memory(namespace: str) -> Audited:
    partitions = {
        topic: [Partition(topic.name(namespace), n) for n in range(topic.partitions)]
        for topic in (LEDGER, DOCS, DEAD)
    }
    memory = MemoryKafka([place for places in partitions.values() for place in places])
    group = MemoryGroup(memory, memory.partitions)

    def append(topic: str, number: int, key: bytes | None, value: bytes | None) -> None:
        memory.write(Partition(topic, number), value, key=key)

    def commit(topic: str, number: int, offset: int) -> None:
        group.commits[Partition(topic, number)] = offset

    return Audited(
        ledger=MemoryAuditLedger(memory, partitions[LEDGER]),
        admin=MemoryAdmin(memory, {f"{namespace}-indexer": group}),
        read_lagging=MemoryLagging(memory, DEAD.name(namespace)),
        namespace=namespace,
        append=append,
        commit=commit,
        delete_before=lambda topic, number, offset: memory.delete_before(
            Partition(topic, number), offset
        ),
    )


def on_brokers(connections: Connections, closing: ExitStack) -> Audited:
    untyped: Any = kafka
    structs: Any = kafka.structs
    writer = AckedWriter(connections)
    closing.callback(writer.close)
    options = kafka_options(connections, client_id="laws")
    native = untyped.KafkaAdminClient(**options)
    closing.callback(native.close)

    def append(topic: str, number: int, key: bytes | None, value: bytes | None) -> None:
        assert writer.write([Writing(topic, value, key, partition=number)]) == []

    def commit(topic: str, number: int, offset: int) -> None:
        place = untyped.TopicPartition(topic, number)
        position = structs.OffsetAndMetadata(offset, "", -1)
        group = f"{connections.namespace}-indexer"

        def is_committed() -> bool:
            # Brokers make the topic of offsets for the first group: until it is there,
            # they refuse, or take what they do not keep.
            try:
                native.alter_group_offsets(group, {place: position})
                kept = native.list_group_offsets({group: None}).get(group, {})
            except KafkaError:
                return False
            return place in kept and kept[place].offset == offset

        eventually(is_committed, COORDINATOR_WAIT_S_MAX)

    def delete_before(topic: str, number: int, offset: int) -> None:
        native.delete_records({untyped.TopicPartition(topic, number): offset})

    return Audited(
        ledger=KafkaLedger(connections),
        admin=closing.enter_context(KafkaAdmin(connections)),
        read_lagging=KafkaLagging(connections, clock=SystemClock()),
        namespace=connections.namespace,
        append=append,
        commit=commit,
        delete_before=delete_before,
    )


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def audited(request: pytest.FixtureRequest, namespace: str) -> Iterator[Audited]:
    if request.param == "memory":
        yield in_memory(namespace)
        return
    connections = with_topics(request)
    with ExitStack() as closing:
        yield on_brokers(connections, closing)


@pytest.mark.timeout(60)
def test_the_ledger_says_the_greatest_of_each_key_wherever_it_stands(
    audited: Audited,
) -> None:
    ledger = audited.name(LEDGER)
    for number in (5, 9, 7):
        word = stream_word(number=number, revision=number)
        audited.append(ledger, 1, ledger_key(word), encode(word))
    for word in (agent_word(number=9), indexer_word(number=8)):
        audited.append(ledger, 1, ledger_key(word), encode(word))
    gone = indexer_word(number=3, generation="gone")
    audited.append(ledger, 2, ledger_key(gone), encode(gone))
    audited.append(ledger, 2, ledger_key(gone), None)

    told = audited.ledger.read()

    assert set(told.facts) == {GENERATION}
    facts = told.facts[GENERATION]
    assert facts.stream
    assert facts.agent
    assert facts.indexer
    assert (facts.stream.next_event_number, facts.cut, facts.sent_number) == (9, 8, 9)
    assert told.unreadable == ()


@pytest.mark.timeout(60)
def test_the_ledger_tells_of_each_agent_its_newest_heartbeat(audited: Audited) -> None:
    ledger = audited.name(LEDGER)
    for agent, said_at_ms in (("agent-1", 5), ("agent-2", 7), ("agent-1", 9)):
        word = heartbeat(agent, said_at_ms=said_at_ms)
        audited.append(ledger, ledger_partition(word), ledger_key(word), encode(word))

    told = audited.ledger.read()

    assert not told.facts
    assert sorted((each.agent_id, each.updated_at_ms) for each in told.heartbeats) == [
        ("agent-1", 9),
        ("agent-2", 7),
    ]


@pytest.mark.timeout(60)
def test_x5_a_record_that_cannot_be_read_is_told_by_its_place_until_one_can(
    audited: Audited,
) -> None:
    ledger = audited.name(LEDGER)
    word = stream_word(number=5)
    audited.append(ledger, 1, ledger_key(word), b"\xff poison")
    audited.append(ledger, 2, b"indexer|other", b"{")

    (first, second) = sorted(
        audited.ledger.read().unreadable, key=lambda entry: entry.partition
    )
    assert (first.key, first.partition, first.offset) == (ledger_key(word), 1, 0)
    assert (second.partition, second.offset) == (2, 0)

    audited.append(ledger, 1, ledger_key(word), encode(word))
    told = audited.ledger.read()
    assert [entry.partition for entry in told.unreadable] == [2]
    assert told.facts[GENERATION].stream == word


@pytest.mark.timeout(60)
def test_a_group_is_as_far_as_it_committed_or_at_the_oldest_record(
    audited: Audited,
) -> None:
    docs = audited.name(DOCS)
    for number in (0, 0, 0, 1, 1, 1):
        audited.append(docs, number, b"k", b"v")
    audited.commit(docs, 0, 2)
    audited.delete_before(docs, 1, 1)

    lags = {
        lag.partition: lag
        for lag in audited.admin.group_lag(audited.group, topics=[docs])
    }

    ends = {n: end for (_, n), end in audited.admin.end_offsets([docs]).items()}
    assert ends == {n: 3 if n in {0, 1} else 0 for n in range(DOCS.partitions)}
    assert audited.admin.committed_offsets(audited.group) == {(docs, 0): 2}
    assert set(lags) == set(ends)
    assert (lags[0].next_offset, lags[0].has_committed) == (2, True)
    assert (lags[1].next_offset, lags[1].has_committed) == (1, False)
    assert [lags[n].lag_records for n in range(3)] == [1, 2, 0]
    assert {lag.topic for lag in lags.values()} == {docs}


@pytest.mark.timeout(60)
def test_k10_what_retention_took_unread_is_missed_and_no_lag(
    audited: Audited,
) -> None:
    docs = audited.name(DOCS)
    for number in (0, 0, 0, 1, 1, 1, 2):
        audited.append(docs, number, b"k", b"v")
    for number in (0, 1, 2):
        audited.commit(docs, number, 1)
    audited.delete_before(docs, 0, 3)
    audited.delete_before(docs, 1, 2)
    audited.delete_before(docs, 2, 1)

    lags = audited.admin.group_lag(audited.group, topics=[docs])

    seen = {
        lag.partition: (lag.next_offset, lag.lag_records, lag.missed_records)
        for lag in lags
        if lag.partition < 3
    }
    assert seen == {0: (3, 0, 2), 1: (2, 1, 1), 2: (1, 0, 0)}


@pytest.mark.timeout(60)
def test_letters_that_lag_excuse_what_they_name_and_the_rest_is_counted(
    audited: Audited,
) -> None:
    dead = audited.name(DEAD)
    audited.append(dead, 0, None, dead_letter(1))
    audited.append(dead, 0, None, dead_letter(5, count=3))
    audited.append(dead, 0, None, b"not a letter")
    audited.append(dead, 1, None, dead_letter(20, generation="other"))
    audited.append(dead, 1, None, dead_letter(30))
    audited.delete_before(dead, 1, 1)

    found = audited.read_lagging({0: range(1, 3), 1: range(2)})

    assert found.of(GENERATION).spans == NumberSet.of([(5, 8), (30, 31)]).spans
    assert not found.of("other")
    assert found.unplaced_count == 1
    assert found.unread_count == 1

"""How far the groups are on a real Kafka, and what stands in letters that lag behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kafka
import pytest

from tailrace import kafka_spans
from tailrace.audit.kafka import progress_of
from tailrace.audit.sources import Drained
from tailrace.clock import SystemClock
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_consumer import Consumer, Partition
from tailrace.kafka_options import kafka_options
from tailrace.provision import provision
from tailrace.settings import Connections
from tailrace.topics import DEAD, DOCS, PARTITIONS, RAW, Topic
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.acked_writer import AckedWriter, Writing
from tests.infra.audit.builders import GENERATION, dead_letter
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


@pytest.fixture
def connections(stack: Endpoints, namespace: str) -> Connections:
    connections = Connections(
        kafka_bootstrap=stack.kafka_bootstrap,
        elasticsearch_url=stack.elasticsearch_url,
        namespace=namespace,
    )
    provision(connections)
    return connections


@pytest.fixture
def writer(connections: Connections) -> Iterator[AckedWriter]:
    writer = AckedWriter(connections)
    yield writer
    writer.close()


def write(writer: AckedWriter, connections: Connections, *values: bytes) -> None:
    topic = DEAD.name(connections.namespace)
    writings = [Writing(topic, value, None, n % 2) for n, value in enumerate(values)]
    assert writer.write(writings) == []


def commit(
    connections: Connections, next_offsets: dict[int, int], *, of: Topic = DEAD
) -> None:
    """Commit as a member of the topic's group that has read so far."""
    topic = of.name(connections.namespace)
    consumer = Consumer.connect(
        connections,
        group=f"{connections.namespace}-{'stream' if of is RAW else 'indexer'}",
        client_id="test",
        topics=[topic],
    )
    offsets = {Partition(topic, n): offset for n, offset in next_offsets.items()}
    owned: set[Partition] = set()

    def owns_all() -> bool:
        owned.update(consumer.poll(wait_ms_max=200).gained)
        return owned >= offsets.keys()

    try:
        eventually(owns_all)
        assert consumer.commit(offsets)
    finally:
        consumer.close(wait_ms_max=1_000)


def drained(connections: Connections) -> Drained:
    clock = SystemClock()
    with KafkaAdmin(connections) as admin:
        progress = progress_of(admin, connections=connections, clock=clock)
        return progress.drained(wait_ms_max=0)


def test_only_letters_that_are_not_committed_are_read(
    connections: Connections, writer: AckedWriter
) -> None:
    """Two partitions in turn: numbers 0, 2, 4 in one, 1 and 3 in the other."""
    write(writer, connections, *(dead_letter(n) for n in range(4)))
    write(writer, connections, dead_letter(4, count=3))
    before = drained(connections)
    commit(connections, {0: 2, 1: 1})

    after = drained(connections)

    assert before.lagging.of(GENERATION).pairs() == ((0, 7),)
    assert sum(before.dead_lag.values()) == 5
    assert after.lagging.of(GENERATION).pairs() == ((3, 7),)
    assert after.dead_lag[0] == after.dead_lag[1] == 1
    assert (after.lagging.unplaced_count, after.lagging.unread_count) == (0, 0)


def test_letters_that_name_nothing_are_counted(
    connections: Connections, writer: AckedWriter
) -> None:
    write(writer, connections, b"no letter", dead_letter(-1), dead_letter(9))

    found = drained(connections).lagging

    assert found.of(GENERATION).pairs() == ((9, 10),)
    assert found.unplaced_count == 2


def test_no_more_letters_are_read_than_the_limit_allows(
    connections: Connections, writer: AckedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_spans, "RECORDS_MAX", 0)
    write(writer, connections, *(dead_letter(n) for n in range(6)))

    found = drained(connections)

    assert sum(found.dead_lag.values()) == 6
    assert found.lagging.unread_count == 6
    assert not found.lagging.numbers


def test_a_partition_is_passed_once_its_records_and_its_documents_are_committed(
    connections: Connections, writer: AckedWriter
) -> None:
    topic = DOCS.name(connections.namespace)
    assert writer.write([Writing(topic, b"x", None, n) for n in (0, 0, 1)]) == []
    raw = RAW.name(connections.namespace)
    assert writer.write([Writing(raw, b"x", None, n) for n in (2, 3)]) == []
    commit(connections, {0: 2}, of=DOCS)
    commit(connections, {2: 1}, of=RAW)
    clock = SystemClock()

    with KafkaAdmin(connections) as admin:
        progress = progress_of(admin, connections=connections, clock=clock)
        passed = progress.passed(wait_ms_max=0)

    assert passed.documents == {*range(PARTITIONS)} - {1}
    assert passed.all == {*range(PARTITIONS)} - {1, 3}


def test_k10_what_retention_took_unread_is_not_waited_for(
    connections: Connections, writer: AckedWriter
) -> None:
    """Nobody commits past it before another record comes, and none may ever come."""
    topics = {each: each.name(connections.namespace) for each in (RAW, DOCS, DEAD)}
    for topic, name in topics.items():
        assert writer.write([Writing(name, b"x", None, n) for n in (0, 0, 1, 1)]) == []
        commit(connections, {0: 1, 1: 1}, of=topic)
    _delete_before(connections, {(name, 0): 2 for name in topics.values()})
    clock = SystemClock()

    with KafkaAdmin(connections) as admin:
        progress = progress_of(admin, connections=connections, clock=clock)
        found = progress.drained(wait_ms_max=0)
        passed = progress.passed(wait_ms_max=0)

    for lag in (found.raw_lag, found.docs_lag, found.dead_lag):
        assert (lag[0], lag[1]) == (0, 1)
    assert passed.documents == passed.all == {*range(PARTITIONS)} - {1}


def _delete_before(
    connections: Connections, begins: dict[tuple[str, int], int]
) -> None:
    """Do as retention does."""
    untyped: Any = kafka
    admin = untyped.KafkaAdminClient(**kafka_options(connections, client_id="test"))
    places = {untyped.TopicPartition(*place): to for place, to in begins.items()}
    admin.delete_records(places)
    admin.close()

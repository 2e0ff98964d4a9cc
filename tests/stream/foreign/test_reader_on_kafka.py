"""What the bridge asks of a real Kafka: notes beside commits, and no record given up."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from kafka import KafkaProducer

from tailrace.kafka_admin import KafkaAdmin, NewTopic
from tailrace.kafka_consumer import Consumer, Partition, Record
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


@pytest.fixture
def connections(stack: Endpoints, namespace: str) -> Connections:
    made = Connections(kafka_bootstrap=stack.kafka_bootstrap, namespace=namespace)
    with KafkaAdmin(made) as admin:
        topic = NewTopic(
            name=f"{namespace}-logs", partitions=1, replication_factor=1, settings={}
        )
        admin.create_topics([topic])
    return made


@pytest.fixture
def where(connections: Connections) -> Partition:
    return Partition(f"{connections.namespace}-logs", 0)


def member(connections: Connections, where: Partition) -> Consumer:
    return Consumer.connect(
        connections,
        group=f"{connections.namespace}-foreign",
        client_id="test",
        topics=[where.topic],
        isolation="read_committed",
    )


@pytest.fixture
def consumer(
    connections: Connections, where: Partition
) -> Generator[Consumer, None, None]:
    made = member(connections, where)
    yield made
    made.close(wait_ms_max=1_000)


def gained(consumer: Consumer, where: Partition) -> None:
    eventually(lambda: where in consumer.poll(wait_ms_max=200).gained, 60)


def read(consumer: Consumer, *, count: int) -> list[Record]:
    found: list[Record] = []

    def is_all() -> bool:
        found.extend(consumer.poll(wait_ms_max=200).records)
        return len(found) >= count

    eventually(is_all, 60)
    return found


def test_a_note_stands_beside_the_offset_that_it_was_committed_with(
    connections: Connections, where: Partition, consumer: Consumer
) -> None:
    gained(consumer, where)
    assert consumer.note_of(where) is None
    assert consumer.commit({where: 7}, notes={where: '{"topic_id":"x"}'})
    consumer.close(wait_ms_max=5_000)
    other = member(connections, where)
    gained(other, where)
    assert other.note_of(where) == '{"topic_id":"x"}'
    other.close(wait_ms_max=1_000)


def test_k12_it_can_begin_at_the_oldest_whatever_was_committed(
    connections: Connections, where: Partition, consumer: Consumer
) -> None:
    producer = KafkaProducer(bootstrap_servers=connections.kafka_bootstrap)
    for number in range(3):
        producer.send(where.topic, value=b"%d" % number, timestamp_ms=number + 1)
    producer.flush(timeout=10)
    producer.close()
    gained(consumer, where)
    assert len(read(consumer, count=3)) == 3
    consumer.begin_at_oldest(where)
    again = read(consumer, count=3)
    assert [(one.value, one.timestamp_ms) for one in again] == [
        (b"0", 1),
        (b"1", 2),
        (b"2", 3),
    ]


def test_records_of_a_transaction_that_was_given_up_are_no_events(
    connections: Connections, where: Partition, consumer: Consumer
) -> None:
    producer = KafkaProducer(
        bootstrap_servers=connections.kafka_bootstrap,
        transactional_id=f"{connections.namespace}-tx",
    )
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(where.topic, value=b"given up")
    producer.flush(timeout=10)
    producer.abort_transaction()
    producer.begin_transaction()
    producer.send(where.topic, value=b"kept")
    producer.commit_transaction()
    producer.close()
    gained(consumer, where)
    assert [one.value for one in read(consumer, count=1)] == [b"kept"]

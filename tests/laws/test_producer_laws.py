"""What the agent's delivery relies on, of the fake sink and of the real Kafka alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import kafka
import pytest

from tailrace.errors import ServiceUnavailable, TopicMissing
from tailrace.kafka_consumer import Partition
from tailrace.kafka_producer import FailureKind, Producer
from tailrace.provision import provision_topics
from tailrace.settings import Connections
from tailrace.topics import RAW
from tailrace_agent.kafka_sink import KafkaSink
from tailrace_agent.protocols import Outcome, Sink
from tailrace_agent.records import Outgoing
from tailrace_embedded.stack import Endpoints
from tests.agent.harness import RecordingSink
from tests.support.fakes.kafka import MemoryKafka
from tests.support.fakes.producer import MemoryProducer
from tests.support.waiting import eventually

library = cast("Any", kafka)


class Subject:
    """A sink, and what became durable in it."""

    def __init__(
        self, sink: Sink, *, topic: str, stored: Callable[[int], list[bytes]]
    ) -> None:
        self.sink = sink
        self.topic = topic
        self.stored = stored
        self._outcomes: list[Outcome] = []

    def send(self, value: bytes, *, ticket: int, partition: int = 0) -> None:
        self.sink.send(
            Outgoing(self.topic, partition, b"key", value, (("h", b"v"),)),
            ticket=ticket,
        )

    def close(self) -> None:
        if isinstance(self.sink, KafkaSink):
            self.sink.close()

    def await_outcomes(self, count: int) -> Sequence[Outcome]:
        def has_all() -> bool:
            self._outcomes.extend(self.sink.outcomes())
            return len(self._outcomes) >= count

        eventually(has_all, 15)
        return self._outcomes


@pytest.fixture
def connections(stack: Endpoints, namespace: str, tmp_path: Path) -> Connections:
    made = Connections().model_copy(
        update={
            "kafka_bootstrap": stack.kafka_bootstrap,
            "namespace": namespace,
            "data_dir": tmp_path,
        }
    )
    provision_topics(made)
    return made


def stored_in(connections: Connections, topic: str, partition: int) -> list[bytes]:
    consumer = library.KafkaConsumer(
        bootstrap_servers=connections.kafka_bootstrap, group_id=None
    )
    place = library.TopicPartition(topic, partition)
    consumer.assign([place])
    (end,) = consumer.end_offsets([place]).values()
    consumer.seek_to_beginning(place)
    values: list[bytes] = []
    while consumer.position(place) < end:
        for batch in consumer.poll(timeout_ms=500).values():
            values.extend(record.value for record in batch)
    consumer.close()
    return values


def fake_subject() -> Subject:
    sink = RecordingSink()
    return Subject(
        sink,
        topic="t.raw",
        stored=lambda partition: [
            record.value for record in sink.stored if record.partition == partition
        ],
    )


def kafka_subject(connections: Connections) -> Subject:
    """The same sink, on real brokers."""
    sink = KafkaSink(
        lambda: Producer.connect(connections, client_id="laws"), wake=lambda: None
    )
    sink.renew()
    topic = RAW.name(connections.namespace)
    return Subject(sink, topic=topic, stored=lambda n: stored_in(connections, topic, n))


def memory_subject() -> Subject:
    """The agent's real sink, on the producer and the brokers of the simulation."""
    memory = MemoryKafka([], bytes_max={"t.raw": RAW.message_bytes_max})
    sink = KafkaSink(
        lambda: cast("Producer", MemoryProducer(memory)), wake=lambda: None
    )
    sink.renew()
    return Subject(
        sink,
        topic="t.raw",
        stored=lambda number: [
            kept.record.value or b""
            for kept in memory.read(Partition("t.raw", number), offset=0)
        ],
    )


@pytest.fixture(
    params=["fake", "memory", pytest.param("kafka", marks=pytest.mark.stack)],
)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    if request.param == "fake":
        yield fake_subject()
        return
    if request.param == "memory":
        yield memory_subject()
        return
    connections = cast("Connections", request.getfixturevalue("connections"))
    with closing(kafka_subject(connections)) as made:
        yield made


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.stack)])
def sized_subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """Those that know the limit of a topic."""
    if request.param == "memory":
        yield memory_subject()
        return
    connections = cast("Connections", request.getfixturevalue("connections"))
    with closing(kafka_subject(connections)) as made:
        yield made


def test_every_ticket_has_one_outcome(subject: Subject) -> None:
    for ticket in range(50):
        subject.send(b"v%d" % ticket, ticket=ticket, partition=ticket % 4)
    outcomes = subject.await_outcomes(50)
    assert sorted(outcome.ticket for outcome in outcomes) == list(range(50))
    assert all(outcome.failure is None for outcome in outcomes)


def test_acknowledged_is_stored_and_in_order(subject: Subject) -> None:
    for ticket in range(50):
        subject.send(b"v%d" % ticket, ticket=ticket)
    subject.await_outcomes(50)
    assert subject.stored(0) == [b"v%d" % n for n in range(50)]


def test_k4_renewed_sink_takes_records_and_tells_nothing_of_earlier_ones(
    subject: Subject,
) -> None:
    for ticket in range(10):
        subject.send(b"old", ticket=ticket)
    subject.sink.renew()
    subject.send(b"new", ticket=100)
    outcomes = subject.await_outcomes(1)
    assert {outcome.ticket for outcome in outcomes} == {100}
    assert b"new" in subject.stored(0)


def test_k5_record_beyond_the_limit_is_refused_by_its_outcome(
    sized_subject: Subject,
) -> None:
    """And it alone: what was sent before and after it is stored."""
    sized_subject.send(b"before", ticket=1)
    sized_subject.send(bytes(RAW.message_bytes_max + 1), ticket=2)
    sized_subject.send(b"after", ticket=3)
    outcomes = sized_subject.await_outcomes(3)
    failures = {o.ticket: o.failure and o.failure.kind for o in outcomes}
    assert failures == {1: None, 2: FailureKind.TOO_LARGE, 3: None}
    assert sized_subject.stored(0) == [b"before", b"after"]


@pytest.mark.stack
@pytest.mark.timeout(60)
def test_k6_missing_topic_is_named_with_its_remedy(connections: Connections) -> None:
    producer = Producer.connect(connections, client_id="laws")
    with pytest.raises(TopicMissing, match="not_there") as raised:
        producer.send(
            "not_there", value=b"v", key=b"k", partition=0, on_done=lambda _f: None
        )
    assert "tailrace provision" in raised.value.remedy
    producer.close(wait_ms_max=1_000)


def test_k1_brokers_that_are_not_there_are_said_to_be(tmp_path: Path) -> None:
    # The environment wins over arguments, and may name real servers.
    connections = Connections().model_copy(
        update={"kafka_bootstrap": "127.0.0.1:1", "data_dir": tmp_path}
    )
    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:1"):
        Producer.connect(connections, client_id="laws")

"""The whole way on a real Kafka: topics of the user's own, read by worker processes."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Generator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.structs import TopicPartition

from tailrace.kafka_admin import KafkaAdmin, NewTopic
from tailrace.topics import DEAD, DOCS, LEDGER
from tailrace.wire import DeadLetter, decode
from tailrace_embedded.stack import Endpoints
from tests.stream.builders import Stored, stored_of
from tests.stream.foreign.test_chunks import otlp_of
from tests.stream.harness import StreamOnKafka, stream_on_kafka
from tests.stream.test_worker import told_in
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

RECORDS = tomllib.loads((Path(__file__).parent / "records.toml").read_text("utf-8"))
PARTITIONS = 3


@pytest.fixture
def stream(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> Generator[StreamOnKafka]:
    with stream_on_kafka(stack, namespace=namespace, folder=tmp_path) as started:
        yield started


def make_topic(stream: StreamOnKafka, name: str) -> str:
    """Make a topic as a user has it: with other partitions and its producers' times."""
    topic = f"{stream.connections.namespace}-{name}"
    with KafkaAdmin(stream.connections) as admin:
        made = NewTopic(
            name=topic, partitions=PARTITIONS, replication_factor=1, settings={}
        )
        admin.create_topics([made])
    return topic


def send(stream: StreamOnKafka, topic: str, values: list[bytes]) -> None:
    producer = KafkaProducer(
        bootstrap_servers=stream.connections.kafka_bootstrap, acks="all"
    )
    for number, value in enumerate(values):
        producer.send(topic, value=value, partition=number % PARTITIONS)
    producer.flush(timeout=10)
    producer.close()


def settings_of(*topics: str, **more: str) -> dict[str, str]:
    tables = [{"topic": topic, **more} for topic in topics]
    return {"TAILRACE_STREAM_FOREIGN": json.dumps(tables)}


def documents(stream: StreamOnKafka) -> list[Stored]:
    return [one for record in stream.read(DOCS) for one in stored_of(record.value)]


def foreign_lag(stream: StreamOnKafka, *topics: str) -> int:
    """Return how many records of the topics the group has still to read."""
    consumer = KafkaConsumer(
        bootstrap_servers=stream.connections.kafka_bootstrap,
        group_id=f"{stream.connections.namespace}-foreign",
        enable_auto_commit=False,
    )
    places = [TopicPartition(t, p) for t in topics for p in range(PARTITIONS)]
    ends = consumer.end_offsets(places)
    lag = sum(ends[place] - (consumer.committed(place) or 0) for place in places)
    consumer.close(autocommit=False)
    return lag


def wait_until_all_is_read(stream: StreamOnKafka, *topics: str) -> None:
    eventually(
        lambda: foreign_lag(stream, *topics) == 0, 90, what="the foreign topics read"
    )
    stream.wait_until_all_is_committed()


def test_records_of_every_collector_become_documents(stream: StreamOnKafka) -> None:
    topic = make_topic(stream, "logs")
    texts = [record["text"].encode() for record in RECORDS["record"]]
    send(stream, topic, [*texts, b"\xff no text", otlp_of("a", "b", "c")])
    stream.start(**settings_of(topic, f"{topic}-nobody-made"))
    wait_until_all_is_read(stream, topic)
    alarm = f"foreign topics: Kafka has no topic '{topic}-nobody-made'"
    eventually(lambda: alarm in stream.status().get("alarms", ()), 30, what="the alarm")
    assert stream.stop_all() == [0]
    found = documents(stream)
    assert len({one.document_id for one in found}) == len(found) == len(texts) + 4
    said = {one.document["message"] for one in found}
    wanted = {
        record["becomes"]["message"]
        for record in RECORDS["record"]
        if "message" in record["becomes"]
    }
    assert wanted | {"a", "b", "c"} <= said
    assert not stream.read(DEAD)
    told = told_in(stream.read(LEDGER)).values()
    assert sum(word.document_count for word in told) == len(found)
    assert stream.status()["counts"]["foreign.events"] == len(found)


@pytest.mark.parametrize("point", ["B1:2", "B2:1", "B2:3"])
def test_s2_p1_a_worker_killed_while_it_reads_foreign_topics_loses_and_doubles_nothing(
    stream: StreamOnKafka, point: str
) -> None:
    """Killed before or after its chunks are delivered; another one reads on."""
    topic = make_topic(stream, "logs")
    wanted = [f"line {n}" for n in range(1_200)]
    send(stream, topic, [line.encode() for line in wanted])
    settings = settings_of(topic)
    armed = stream.start(kill=point, **settings)
    stream.wait_for_death(armed, point=point[:2])
    stream.start(**settings)
    wait_until_all_is_read(stream, topic)
    assert stream.stop_all() == [0]
    by_id = {one.document_id: one.document["message"] for one in documents(stream)}
    assert sorted(by_id.values()) == sorted(wanted)
    told = told_in(stream.read(LEDGER)).values()
    assert sum(word.event_count for word in told) == len(wanted)


def test_k11_a_record_of_another_shape_is_a_dead_letter_and_the_others_go_on(
    stream: StreamOnKafka,
) -> None:
    topic = make_topic(stream, "beats")
    send(stream, topic, [b'{"message":"good"}', b"poison", b'{"message":"as good"}'])
    stream.start(**settings_of(topic, shape="filebeat", dataset="beats"))
    wait_until_all_is_read(stream, topic)
    assert stream.stop_all() == [0]
    (letter,) = [decode(one.value, as_type=DeadLetter) for one in stream.read(DEAD)]
    assert (letter.reason, letter.original) == ("record_unreadable", b"poison")
    assert letter.path == f"kafka/{topic}/1"
    found = documents(stream)
    assert sorted(one.document["message"] for one in found) == ["as good", "good"]
    assert {one.index.split("-")[1] for one in found} == {"beats"}

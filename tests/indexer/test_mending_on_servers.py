"""What a late writer buried in Kafka is on top again before real compaction comes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import kafka
import pytest
import structlog

from tailrace.clock import SystemClock
from tailrace.kafka_admin import KafkaAdmin
from tailrace.ledger import decode_ledger, ledger_key
from tailrace.ledger_topic import read_ledger_topic
from tailrace.provision import provision_topics
from tailrace.revisions import revision_of
from tailrace.settings import Connections
from tailrace.topics import COMPACTION_LAG_MS, FLOORS, LEDGER, STATE
from tailrace.wire import encode
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.acked_writer import AckedWriter, Writing
from tailrace_indexer.compacted_topics import KafkaCompactedTopics
from tailrace_indexer.mending import Mender
from tailrace_stream.seeding import BURIED
from tailrace_stream.state_store import KafkaStateReader
from tailrace_stream.windows import GenerationState
from tests.indexer.test_ledger import told_record
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

PLACE = 3


@pytest.fixture
def connections(stack: Endpoints, namespace: str) -> Connections:
    made = Connections().model_copy(
        update={"kafka_bootstrap": stack.kafka_bootstrap, "namespace": namespace}
    )
    provision_topics(made, replication=1)
    return made


@pytest.fixture
def writer(connections: Connections) -> Iterator[AckedWriter]:
    made = AckedWriter(connections)
    yield made
    made.close()


def _mended_count(connections: Connections, writer: AckedWriter) -> int:
    """Return how many records one look of a new mender writes again."""
    topics = KafkaCompactedTopics(connections, writer, is_stopping=lambda: False)
    with contextlib.closing(topics):
        return Mender(
            topics=topics, clock=SystemClock(), log=structlog.get_logger()
        ).keep()


def _state(revision: int) -> bytes:
    return encode(GenerationState(generation="g", revision=revision))


def _count(
    writer: AckedWriter, connections: Connections, *values: bytes | None
) -> None:
    topic = STATE.name(connections.namespace)
    for value in values:
        assert writer.write([Writing(topic, value, b"g", partition=PLACE)]) == []


def _values(connections: Connections, topic: str, partition: int) -> list[bytes]:
    """Return the values of the key `g` that a partition holds."""
    library = cast("Any", kafka)
    consumer = library.KafkaConsumer(
        bootstrap_servers=connections.kafka_bootstrap, group_id=None
    )
    with contextlib.closing(consumer):
        where = library.TopicPartition(topic, partition)
        consumer.assign([where])
        consumer.seek_to_beginning(where)
        end = consumer.end_offsets([where])[where]
        found: list[bytes] = []
        while consumer.position(where) < end:
            for records in consumer.poll(timeout_ms=500).values():
                found += [record.value for record in records if record.key == b"g"]
        return found


def test_k9_what_is_buried_in_kafka_is_written_again(
    connections: Connections, writer: AckedWriter
) -> None:
    told = [told_record(number) for number in (700, 1_000, 700)]
    topic = LEDGER.name(connections.namespace)
    for record in told:
        writing = Writing(topic, encode(record), ledger_key(record), partition=PLACE)
        assert writer.write([writing]) == []
    _count(writer, connections, _state(5), _state(10), _state(7))

    assert _mended_count(connections, writer) == 2

    values = _values(connections, STATE.name(connections.namespace), PLACE)
    assert [revision_of(value) for value in values] == [5, 10, 7, 10]
    records = read_ledger_topic(connections, client_id="t", is_stopping=lambda: False)
    last = [each.value for each in records if each.value is not None][-1]
    assert decode_ledger(last).revision == 1_000
    assert _mended_count(connections, writer) == 0


def test_k9_real_compaction_leaves_the_greatest(
    connections: Connections, writer: AckedWriter
) -> None:
    """With the lag and the segments as small as brokers allow, so that it comes soon."""
    topic = STATE.name(connections.namespace)
    _count(writer, connections, _state(5), _state(10), _state(7))
    assert _mended_count(connections, writer) == 1
    with KafkaAdmin(connections) as admin:
        soon = {
            "min.compaction.lag.ms": "0",
            "segment.ms": "100",
            "min.cleanable.dirty.ratio": "0.01",
        }
        admin.alter_topic_settings({topic: soon})

    def is_compacted() -> bool:
        # A new record closes the segment that the others are in.
        writing = Writing(topic, b"{}", b"other", partition=PLACE)
        assert writer.write([writing]) == []
        return len(_values(connections, topic, PLACE)) < 4

    eventually(is_compacted, 120)

    assert 10 in {revision_of(value) for value in _values(connections, topic, PLACE)}


def test_brokers_wait_for_the_mender(connections: Connections) -> None:
    names = [topic.name(connections.namespace) for topic in (LEDGER, FLOORS, STATE)]
    with KafkaAdmin(connections) as admin:
        settings = admin.topic_settings(names)
    lags = {settings[name]["min.compaction.lag.ms"] for name in names}
    assert lags == {str(COMPACTION_LAG_MS)}


def test_s3_a_partitions_states_words_and_tombstones_are_read_back(
    connections: Connections, writer: AckedWriter
) -> None:
    word = b'{"hop":"stream","revision":4}'
    topic = LEDGER.name(connections.namespace)
    for key, value in ((b"stream|h", word), (b"agent|h", b'{"revision":9}')):
        assert writer.write([Writing(topic, value, key, partition=PLACE)]) == []
    _count(writer, connections, _state(10), _state(7))
    gone = Writing(STATE.name(connections.namespace), None, b"gone", partition=PLACE)
    assert writer.write([gone]) == []

    found = KafkaStateReader(connections).read(PLACE, is_wanted=lambda: True)

    assert found.states == {"g": _state(10), "gone": BURIED}
    assert found.words == {"h": word}
    assert found.templates == {}, "nobody asked for them"

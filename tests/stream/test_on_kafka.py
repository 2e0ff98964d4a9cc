"""The worker on a real Kafka: killed anywhere, it loses nothing and doubles nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from pathlib import Path
from random import Random

import psutil
import pytest
from kafka import KafkaProducer

from tailrace.kafka_admin import KafkaAdmin
from tailrace.provision import provision_topics
from tailrace.template_records import TemplateRecord
from tailrace.topics import (
    DEAD,
    DOCS,
    LEDGER,
    RATES,
    RAW,
    STATE,
    TEMPLATES,
    Topic,
    partition_of,
)
from tailrace.wire import DeadLetter, DocumentsOrigin, decode
from tailrace_embedded.stack import Endpoints
from tailrace_stream.state_store import keep_template
from tests.stream.builders import ACCESS_LINE, origin, placement, stored_of
from tests.stream.harness import DEATH_WAIT_S_MAX, StreamOnKafka, stream_on_kafka
from tests.stream.test_worker import (
    assert_told_is_all,
    documents_in,
    expected_rates,
    rates_in,
    told_in,
)
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

STUCK_MS_MAX = 10_000
FIRST_MS = 1_795_482_003_000  # 2026-11-24T01:00:03Z
GENERATIONS = [f"{n:032x}" for n in (0xA1 << 120, 0xB2 << 120, 0xC3 << 120)]


@pytest.fixture
def stream(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> Generator[StreamOnKafka]:
    with stream_on_kafka(stack, namespace=namespace, folder=tmp_path) as started:
        yield started


def ship_all(stream: StreamOnKafka, *, count: int, seed: int = 7) -> None:
    random = Random(seed)
    for generation in GENERATIONS:
        stream.ship(generation, count=count, random=random)


def assert_exactly_once(stream: StreamOnKafka) -> None:
    """Every line is a document under one id, counts once, and is in the ledger once."""
    written = [line for lines in stream.lines.values() for line in lines]
    sent = stream.read(DOCS)
    assert sorted(documents_in(sent).values()) == sorted(map(bytes.decode, written))
    assert rates_in(stream.read(RATES)) == expected_rates(written)
    assert not stream.read(DEAD)
    told = told_in(stream.read(LEDGER))
    assert set(told) == set(stream.lines)
    for generation, lines in stream.lines.items():
        assert_told_is_all(told[generation], lines)


@pytest.mark.parametrize("point", ["S1:5", "S2:4", "S3:3", "S4:2"])
def test_s2_p1_a_worker_killed_between_two_steps_is_followed_exactly(
    stream: StreamOnKafka, point: str
) -> None:
    """Between poll, publish, acknowledgement and commit."""
    ship_all(stream, count=400)
    armed = stream.start(kill=point)
    stream.wait_for_death(armed, point=point[:2])
    assert stream.lag() > 0
    stream.start()
    stream.wait_until_all_is_committed()
    assert stream.stop_all() == [0]
    assert_exactly_once(stream)


def test_s3_a_worker_killed_while_it_reads_its_states_back_is_followed_exactly(
    stream: StreamOnKafka,
) -> None:
    """The states are read anew by the next one, not half of them."""
    ship_all(stream, count=300)
    stream.start()
    stream.wait_until_all_is_committed()
    assert stream.stop_all() == [0]
    assert stream.read(STATE)
    ship_all(stream, count=300)
    armed = stream.start(kill="S6:2")
    stream.wait_for_death(armed, point="S6")
    stream.start()
    stream.wait_until_all_is_committed()
    stream.stop_all()
    assert_exactly_once(stream)


def test_s9_workers_that_come_go_and_die_lose_nothing(stream: StreamOnKafka) -> None:
    """One joins, one is killed in the rebalance, one takes over."""
    ship_all(stream, count=300)
    first = stream.start(kill="S5:1")
    eventually(lambda: stream.read(DOCS), 30, what="the first worker's documents")
    stream.start()  # Its joining revokes the first one's partitions.
    stream.wait_for_death(first, point="S5")
    ship_all(stream, count=200, seed=8)
    stream.start()
    ship_all(stream, count=200, seed=9)
    stream.wait_until_all_is_committed()
    assert stream.stop_all() == [0, 0]
    assert_exactly_once(stream)


def test_s2_templates_keep_their_ids_and_go_on_after_a_kill(
    stream: StreamOnKafka,
) -> None:
    """Two workers, one of them killed, say the same of the same lines."""
    ship_all(stream, count=300)
    armed = stream.start(kill="S3:3")
    stream.wait_for_death(armed, point="S3")
    stream.start()
    stream.wait_until_all_is_committed()
    assert stream.stop_all() == [0]
    before = templates_told(stream)
    ship_all(stream, count=200, seed=8)
    stream.start()
    stream.start()
    stream.wait_until_all_is_committed()
    assert stream.stop_all() == [0, 0]
    after = templates_told(stream)
    # Under the same keys: each goes on where the last one ended.
    assert set(after) == set(before)
    ids = {
        document.document["tailrace.template.id"]
        for record in stream.read(DOCS)
        for document in stored_of(record.value)
    }
    assert {one.template_id for one in after.values()} == ids
    assert len(ids) == 1
    assert {one.partition for one in after.values()} == {
        partition_of(generation.encode()) for generation in GENERATIONS
    }
    for key, one in after.items():
        assert one.first_seen_ms == before[key].first_seen_ms == FIRST_MS
        assert one.count >= before[key].count + 200
    assert sum(one.count for one in after.values()) <= 3 * 500


def templates_told(stream: StreamOnKafka) -> dict[bytes, TemplateRecord]:
    """Return the newest record of each key."""
    newest: dict[bytes, bytes] = {}
    for record in stream.read(TEMPLATES):
        keep_template(newest, key=record.key, value=record.value)
    return {key: decode(value, as_type=TemplateRecord) for key, value in newest.items()}


@pytest.mark.parametrize(
    "topic", [RATES, STATE, LEDGER], ids=lambda topic: topic.suffix
)
def test_what_kafka_does_not_take_is_not_acknowledged_until_it_does(
    stream: StreamOnKafka, topic: Topic
) -> None:
    """A wrong topic setting: sends fail, nothing is committed; repaired, all is sent."""
    stream.set_topic(topic, max_message_bytes="10")
    ship_all(stream, count=200)
    stream.start()
    eventually(
        lambda: stream.status().get("counts", {}).get("failures.RecordTooLarge", 0) > 3,
        60,
        what="failed sends in the status",
    )
    sent = sizes_of_raw(stream)
    if topic is LEDGER:
        # Of records in flight together the last speaks for all of its generation.
        assert len(sent) <= stream.lag() <= sum(sent)
    else:
        assert stream.lag() == sum(sent)
    stream.set_topic(topic, max_message_bytes=str(topic.message_bytes_max))
    stream.wait_until_all_is_committed()
    assert stream.stop_all() == [0]
    assert_exactly_once(stream)


def sizes_of_raw(stream: StreamOnKafka) -> list[int]:
    """Return how many records each partition has that has any."""
    with KafkaAdmin(stream.connections) as admin:
        ends = admin.end_offsets([RAW.name(stream.connections.namespace)])
    return [end for end in ends.values() if end]


def test_k5_a_record_above_the_topics_limit_is_cut_and_nothing_stalls(
    stream: StreamOnKafka,
) -> None:
    """Halves of documents arrive; the one that cannot is a dead letter."""
    stream.set_topic(DOCS, max_message_bytes="20000")
    value = (ACCESS_LINE + b"\n") * 50 + b"y" * 30_000 + b"\n" + ACCESS_LINE + b"\n"
    made = origin(value, placed=placement("access", dataset="nginx.access"))
    producer = KafkaProducer(bootstrap_servers=stream.connections.kafka_bootstrap)
    stream.send_raw(producer, value, made)
    producer.close()
    # Uncompressed, because the limit is on what the broker stores.
    stream.start(TAILRACE_STREAM_COMPRESSION="none")
    stream.wait_until_all_is_committed()
    stream.stop_all()
    docs = stream.read(DOCS)
    found = [one for record in docs for one in stored_of(record.value)]
    offsets = Counter(one.document["log.offset"] for one in found)
    assert len(offsets) == 51
    (letter,) = [decode(r.value, as_type=DeadLetter) for r in stream.read(DEAD)]
    assert letter.reason == "document_refused"
    assert (letter.first_event_number, letter.event_count) == (50, 1)
    spans = [decode(r.header, as_type=DocumentsOrigin) for r in docs]
    assert sum(span.event_count for span in spans) == 52
    assert b"y" * 30_000 in letter.original


def test_k11_records_that_nobody_can_read_and_records_of_others(
    stream: StreamOnKafka,
) -> None:
    """Poison is dead-lettered once, a tombstone passes, foreign lines are taken."""
    name = RAW.name(stream.connections.namespace)
    producer = KafkaProducer(bootstrap_servers=stream.connections.kafka_bootstrap)
    producer.send(name, key=b"k", value=None, partition=0)
    producer.send(name, value=b"poison", headers=[("tailrace", b"{")], partition=0)
    producer.send(name, value=b'{"message":"hello"}', partition=0)
    producer.send(name, value=b"", partition=0)
    chunk = origin(b"\n" * 5, generation=GENERATIONS[0], framing="mapped")
    stream.send_raw(producer, b"no table", chunk)
    producer.close()
    stream.start()
    stream.wait_until_all_is_committed()
    stream.stop_all()
    docs = stream.read(DOCS)
    found = [one for record in docs for one in stored_of(record.value)]
    assert sorted(one.document["message"] for one in found) == ["", "hello"]
    letters = [decode(r.value, as_type=DeadLetter) for r in stream.read(DEAD)]
    assert {letter.reason: letter.original for letter in letters} == {
        "origin_unreadable": b"poison",
        "framing_unreadable": b"no table",
    }
    (empty,) = [record for record in docs if not record.value]
    span = decode(empty.header, as_type=DocumentsOrigin)
    assert (span.generation, span.event_count) == (chunk.generation, 5)
    told = told_in(stream.read(LEDGER))
    assert told[chunk.generation].dead == {"framing_unreadable": 5}
    (foreign,) = [one for name, one in told.items() if name != chunk.generation]
    assert (foreign.event_count, foreign.first_event_number) == (2, 2)


@pytest.mark.parametrize("use_metrics", [True, False])
def test_x18_a_worker_listens_on_loopback_for_its_figures_or_nowhere(
    stream: StreamOnKafka, *, use_metrics: bool
) -> None:
    """Faust's web server would listen on every interface."""
    ship_all(stream, count=10)
    worker = stream.start(TAILRACE_STREAM_USE_METRICS=str(use_metrics).lower())
    stream.wait_until_all_is_committed()
    connections = psutil.Process(worker.pid).net_connections()
    assert connections
    listening = [one for one in connections if one.status == psutil.CONN_LISTEN]
    assert [one.laddr.ip for one in listening] == ["127.0.0.1"] * use_metrics
    assert stream.stop_all() == [0]


def test_k6_a_missing_topic_is_named_and_read_once_it_is_there(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    with stream_on_kafka(stack, namespace=namespace, folder=tmp_path) as stream:
        name = f"{namespace}late"
        worker = stream.start(TAILRACE_NAMESPACE=name)
        eventually(lambda: f"'{name}.raw'" in stream.log.read_text(), 30)
        assert "tailrace provision" in stream.log.read_text()
        assert worker.poll() is None, "it waits for the topic"
        late = stream.connections.model_copy(update={"namespace": name})
        provision_topics(late)
        later = StreamOnKafka(late, tmp_path)
        ship_all(later, count=40)
        later.wait_until_all_is_committed()
        assert_exactly_once(later)
        assert worker.poll() is None, "the same worker reads it"


def test_s10_a_worker_whose_commits_stand_still_ends_and_the_next_one_goes_on(
    stream: StreamOnKafka,
) -> None:
    """What documents are sent to is gone: sending is tried again, for ever."""
    ship_all(stream, count=40)
    worker = stream.start(TAILRACE_STREAM_STUCK_MS_MAX=str(STUCK_MS_MAX))
    stream.wait_until_all_is_committed()
    done = stream.progress()[1]
    stream.delete_topic(DOCS)
    ship_all(stream, count=40)
    assert worker.wait(DEATH_WAIT_S_MAX + STUCK_MS_MAX / 1_000) == 1
    stream.running.remove(worker)
    assert '"worker_stuck"' in stream.log.read_text()
    assert stream.progress()[1] == done, "nothing is committed that was not sent"
    provision_topics(stream.connections)
    stream.start()
    stream.wait_until_all_is_committed()
    later = [line.decode() for lines in stream.lines.values() for line in lines[40:]]
    sent = Counter(documents_in(stream.read(DOCS)).values())
    # Chunks overlap: of the first ones some are sent again, each under its own id.
    assert max(sent.values()) == 1
    assert sent.keys() >= set(later)

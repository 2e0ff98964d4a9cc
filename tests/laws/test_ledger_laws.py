"""What takes the indexer's word: laws of the memory's ledger and of Kafka's, and of the
index where the word is looked up."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import pytest

from tailrace.elasticsearch import NDJSON, Elastic
from tailrace.kafka_consumer import Consumer
from tailrace.ledger import IndexerLedger, decode_ledger, ledger_key, ledger_partition
from tailrace.provision import provision
from tailrace.settings import Connections
from tailrace.topics import LEDGER, partition_of
from tailrace.wire import AgentLedger
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.acked_writer import AckedWriter
from tailrace_indexer.bulk import ALL_STORED
from tailrace_indexer.contracts import LedgerSink
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.ledger_documents import ledger_lines
from tailrace_indexer.ledger_sink import KafkaLedger
from tailrace_indexer.outcomes import Outcome
from tailrace_indexer.sink import BULK_PATH
from tests.agent.test_delivery import record as agent_record
from tests.indexer.doubles import MemoryLedger
from tests.indexer.test_ledger import told_record
from tests.support.waiting import eventually


@dataclass
class Place:
    """A sink, what stands there, and one behind which nothing takes a record."""

    sink: LedgerSink
    stored: Callable[[], Sequence[IndexerLedger]]
    refusing: LedgerSink


@pytest.fixture
def connections(stack: Endpoints, namespace: str) -> Connections:
    connections = Connections(
        kafka_bootstrap=stack.kafka_bootstrap,
        elasticsearch_url=stack.elasticsearch_url,
        namespace=namespace,
    )
    provision(connections)
    return connections


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "memory":
        memory = MemoryLedger()
        yield Place(memory, lambda: memory.records, MemoryLedger(refusals_left=1))
        return
    connections: Connections = request.getfixturevalue("connections")
    topic = LEDGER.name(connections.namespace)
    with contextlib.ExitStack() as closing:
        writer = AckedWriter(connections)
        closing.callback(writer.close)
        consumer = Consumer.connect(
            connections, group="laws", client_id="laws", topics=[topic]
        )
        closing.callback(consumer.close, wait_ms_max=1_000)
        records: list[IndexerLedger] = []

        def stored() -> Sequence[IndexerLedger]:
            for raw in consumer.poll(wait_ms_max=200).records:
                record = decode_ledger(raw.value or b"")
                assert isinstance(record, IndexerLedger)
                assert raw.key == ledger_key(record)
                assert raw.partition.number == ledger_partition(record)
                records.append(record)
            return records

        yield Place(
            KafkaLedger(writer, namespace=connections.namespace),
            stored,
            # Its topic was never made.
            KafkaLedger(writer, namespace=f"{connections.namespace}x"),
        )


@pytest.mark.timeout(60)
def test_what_was_said_yes_to_is_there_in_the_order_of_its_generation(
    place: Place,
) -> None:
    assert place.sink.write([told_record(3), told_record(7)])
    assert place.sink.write([told_record(9)])

    eventually(lambda: len(place.stored()) == 3, 30)
    assert [record.revision for record in place.stored()] == [3, 7, 9]


@pytest.mark.timeout(60)
def test_k11_what_kafka_does_not_take_is_said_no_to(place: Place) -> None:
    assert not place.refusing.write([told_record(3)])
    assert place.sink.write([told_record(3)])


@pytest.mark.stack
@pytest.mark.timeout(60)
def test_the_ledgers_documents_are_found_by_their_figures(
    connections: Connections,
) -> None:
    """The template types what a statement of completeness asks for."""
    index = f"{connections.namespace}-ledger"
    agent: AgentLedger = msgspec.structs.replace(
        agent_record(), seen_size_bytes=70, lost_bytes={"shrunk": 3, "deleted": 4}
    )
    with Elastic(connections) as elastic:
        made = IndexMaker(
            elastic, connections=connections, is_expired=lambda _index: False
        ).make(index)
        assert made.outcome is Outcome.STORED
        body = b"".join(
            ledger_lines(record, namespace=connections.namespace)
            for record in (told_record(9), agent)
        )
        answer = elastic.request("POST", BULK_PATH, body=body, content_type=NDJSON)
        assert answer.body.startswith(ALL_STORED), answer
        elastic.refresh(index)

        def found(query: dict[str, object]) -> list[str]:
            hits = elastic.search(index, body={"query": query})["hits"]["hits"]
            return sorted(hit["_id"] for hit in hits)

        indexer = ledger_key(told_record(9)).decode()
        assert found({"range": {"tailrace.next_event_number": {"gte": 9}}}) == [indexer]
        assert found({"range": {"tailrace.seen_size_bytes": {"gt": 69}}}) == [
            "agent|g1"
        ]
        assert found({"range": {"tailrace.lost_bytes": {"gt": 6}}}) == ["agent|g1"]
        assert found({"term": {"figures.lost_bytes.shrunk": "3"}}) == ["agent|g1"]
        assert found({"term": {"event.dataset": "generic"}}) == ["agent|g1"]
        assert found({"range": {"tailrace.observed_at_ms": {"lte": 1}}}) == [indexer]


def test_a_generations_ledger_stands_where_its_chunks_do() -> None:
    record = told_record(1)
    assert ledger_partition(record) == partition_of(record.generation.encode())

"""An old index goes on real servers, is counted in the ledger, and is not made again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import structlog

from tailrace.elasticsearch import NDJSON, Elastic
from tailrace.floor_topic import FloorReader, FloorWatch
from tailrace.index_templates import events_alias
from tailrace.ledger import RetentionLedger, decode_ledger
from tailrace.ledger_topic import newest_of, newest_records, read_ledger_topic
from tailrace.provision import provision
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.acked_writer import AckedWriter
from tailrace_indexer.event_indices import EventIndices
from tailrace_indexer.expiry import FLOOR_READ_MS, Expiry
from tailrace_indexer.floor_store import KafkaFloors
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.lead_work import DocumentsProgress
from tailrace_indexer.ledger_documents import ledger_lines
from tailrace_indexer.ledger_sink import KafkaLedger
from tailrace_indexer.outcomes import Outcome, Reason
from tailrace_indexer.retention import Keeping, RetentionPolicy
from tests.agent.test_delivery import record as agent_record
from tests.indexer.day_index import put_day
from tests.indexer.doubles import ManualClock
from tests.support.fakes.lead_register import claimed_fence

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

NOV_22_MS = 1_795_305_600_000
GENERATIONS = ("a" * 32, "b" * 32)
COUNT = 12_000
"""Of the first generation: more than one window of event numbers."""


@dataclass(slots=True)
class Retention:
    """An expiry wired as the leader wires it, but for the clock."""

    connections: Connections
    elastic: Elastic
    expiry: Expiry
    clock: ManualClock = field(
        default_factory=lambda: ManualClock(NOV_22_MS + 3 * 86_400_000)
    )

    def put(self, day: int, *, generation: str, numbers: range) -> str:
        """Store documents of one generation in the index of a day; return its name."""
        return put_day(
            self.elastic,
            self.connections,
            day,
            generation=generation,
            numbers=numbers,
        )

    def indices(self) -> set[str]:
        answer: dict[str, Any] = self.elastic.ask(
            "GET", f"/{events_alias(self.connections.namespace)}/_alias"
        )
        return set(answer)

    def told(self) -> list[RetentionLedger]:
        records = read_ledger_topic(
            self.connections, client_id="test", is_stopping=lambda: False
        )
        decoded = [decode_ledger(each.value) for each in records if each.value]
        return [r for r in decoded if isinstance(r, RetentionLedger)]


@pytest.fixture
def retention(stack: Endpoints, namespace: str) -> Iterator[Retention]:
    connections = Connections().model_copy(
        update={
            "kafka_bootstrap": stack.kafka_bootstrap,
            "elasticsearch_url": stack.elasticsearch_url,
            "namespace": namespace,
        }
    )
    provision(connections)
    clock = ManualClock(NOV_22_MS + 3 * 86_400_000)
    with contextlib.ExitStack() as closing:
        elastic = closing.enter_context(Elastic(connections))
        writer = AckedWriter(connections)
        closing.callback(writer.close)
        reader = FloorReader(connections, client_id="test-floors")
        closing.callback(reader.close)
        fence = claimed_fence(elastic, namespace=namespace)
        expiry = Expiry(
            indices=EventIndices(
                elastic, namespace=namespace, clock=clock, guard=fence
            ),
            floors=KafkaFloors(reader, writer, namespace=namespace),
            ledger=KafkaLedger(writer, namespace=namespace),
            progress=DocumentsProgress(connections, group=f"{namespace}-indexer"),
            read_ledger=lambda: newest_records(
                read_ledger_topic(
                    connections, client_id="test", is_stopping=lambda: False
                ),
                log=structlog.get_logger(),
            ),
            clock=clock,
            log=structlog.get_logger(),
            namespace=namespace,
        )
        yield Retention(connections, elastic, expiry, clock)


def test_an_expired_index_is_counted_and_gone_and_is_not_made_again(
    retention: Retention,
) -> None:
    first, second = GENERATIONS
    old = retention.put(22, generation=first, numbers=range(COUNT))
    retention.put(22, generation=second, numbers=range(5, 8))
    new = retention.put(23, generation=first, numbers=range(COUNT, COUNT + 5))

    retention.expiry.keep(1)
    assert retention.indices() == {old, new}
    retention.clock.sleep_ms(FLOOR_READ_MS)
    kept = retention.expiry.keep(1)

    assert kept.deleted == (old,)
    assert retention.indices() == {new}
    told = {record.generation: record for record in retention.told()}
    assert told[first].windows == {
        "0": (10_000, sum(range(10_000))),
        "1": (2_000, sum(range(10_000, 12_000))),
    }
    assert told[second].windows == {"0": (3, 5 + 6 + 7)}
    assert {record.index for record in told.values()} == {old}
    watch = FloorWatch(
        FloorReader(retention.connections, client_id="test-watch"),
        namespace=retention.connections.namespace,
        on_failure=lambda error: pytest.fail(str(error)),
    )
    watch.start()
    maker = IndexMaker(
        retention.elastic,
        connections=retention.connections,
        is_expired=watch.is_expired,
    )
    verdict = maker.make(old)
    watch.close()
    assert (verdict.outcome, verdict.reason) == (
        Outcome.DEAD_LETTER,
        Reason.INDEX_EXPIRED,
    )
    assert retention.indices() == {new}
    # One that is there may be sent again what it holds: no dead letter is due for that.
    below = IndexMaker(
        retention.elastic,
        connections=retention.connections,
        is_expired=lambda _index: True,
    )
    assert below.make(new).outcome is Outcome.STORED


def test_dead_letters_of_an_old_day_are_counted_and_gone(retention: Retention) -> None:
    namespace = retention.connections.namespace
    first, _ = GENERATIONS
    old, new = f"{namespace}-dead-2026.11.22", f"{namespace}-dead-2026.11.25"
    maker = IndexMaker(
        retention.elastic,
        connections=retention.connections,
        is_expired=lambda _index: False,
    )
    for index in (old, new):
        assert maker.make(index).outcome is Outcome.STORED
        document = {
            "@timestamp": NOV_22_MS,
            "event.sequence": 7,
            "dead.event_count": 2,
            "dead.id": "a",
            "tailrace.generation": first,
        }
        retention.elastic.ask("POST", f"/{index}/_doc?refresh=true", body=document)
    retention.expiry.policy = RetentionPolicy(of_dead_letters=Keeping(size_bytes_max=1))

    retention.expiry.keep(-1)
    retention.clock.sleep_ms(FLOOR_READ_MS)
    assert retention.expiry.keep(-1).deleted == (old,)

    (told,) = retention.told()
    assert (told.index, told.windows) == (old, {"0": (2, 7 + 8)})
    assert not retention.elastic.request("HEAD", f"/{old}").is_success
    assert retention.elastic.request("HEAD", f"/{new}").is_success


def test_what_is_over_is_gone_from_the_ledger_and_its_index(
    retention: Retention,
) -> None:
    first, _ = GENERATIONS
    old = retention.put(22, generation=first, numbers=range(3))
    retention.put(23, generation=GENERATIONS[1], numbers=range(3))
    namespace = retention.connections.namespace
    ledger_index = f"{namespace}-ledger"
    record = msgspec.structs.replace(
        agent_record(), generation=first, is_closed=True, updated_at_ms=1
    )
    writer = AckedWriter(retention.connections)
    assert KafkaLedger(writer, namespace=namespace).write([record])
    writer.close()
    maker = IndexMaker(
        retention.elastic,
        connections=retention.connections,
        is_expired=lambda _index: False,
    )
    assert maker.make(ledger_index).outcome is Outcome.STORED
    retention.elastic.request(
        "POST",
        "/_bulk?refresh=true",
        body=ledger_lines(record, namespace=namespace),
        content_type=NDJSON,
    )
    assert retention.elastic.count(ledger_index) == 1

    retention.expiry.keep(1)
    retention.clock.sleep_ms(FLOOR_READ_MS)
    assert retention.expiry.keep(1).deleted == (old,)

    records = read_ledger_topic(
        retention.connections, client_id="test", is_stopping=lambda: False
    )
    assert not newest_of(records).records
    retention.elastic.refresh(ledger_index)
    assert retention.elastic.count(ledger_index) == 0

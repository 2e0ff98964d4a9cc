"""How workers tell of templates: before they acknowledge, and again what they knew."""

from __future__ import annotations

import asyncio
from datetime import datetime
from random import Random

import pytest

from tailrace.template_records import TemplateRecord
from tailrace.topics import DOCS, STATE, TEMPLATES
from tailrace.wire import decode
from tailrace_stream.enrich.enrichment import Enrichment
from tailrace_stream.records import Outgoing
from tailrace_stream.state_store import keep_template
from tests.stream.builders import NAMESPACE, stored_of
from tests.stream.publishers import CrashingPublisher, HeldPublisher, RecordingPublisher
from tests.stream.running import to_end
from tests.stream.test_worker import (
    PARTITION,
    MemoryPartition,
    file_of,
    records_of,
    worker_on,
)

WITH_TEMPLATES = Enrichment(has_templates=True)
TOPIC = TEMPLATES.name(NAMESPACE)


def templates_in(sent: list[Outgoing]) -> list[TemplateRecord]:
    """Return what the index has in the end: of each key the greatest revision."""
    newest: dict[bytes, bytes] = {}
    for record in sent:
        if record.topic == TOPIC:
            assert record.partition == PARTITION
            keep_template(newest, key=record.key, value=record.value)
    return [decode(value, as_type=TemplateRecord) for value in newest.values()]


def ids_in(sent: list[Outgoing]) -> dict[str, str]:
    return {
        one.document_id: one.document["tailrace.template.id"]
        for record in sent
        if record.topic == DOCS.name(NAMESPACE)
        for one in stored_of(record.value)
    }


def test_s2_nothing_is_acknowledged_before_a_new_template_is_durable() -> None:
    partition = MemoryPartition(records_of(file_of(4), Random(0)))

    async def run() -> None:
        publisher = HeldPublisher(is_held=lambda record: record.topic == TOPIC)
        worker = worker_on(partition, publisher, enrichment=WITH_TEMPLATES)
        worker.assign([PARTITION])
        await worker.take(partition.records[0])
        await worker.drain(wait_ms_max=100)
        assert worker.lanes[PARTITION].acked_offset == 0
        assert STATE.name(NAMESPACE) not in {r.topic for r in publisher.durable}
        publisher.released.set()
        await worker.drain(wait_ms_max=5_000)
        assert worker.lanes[PARTITION].acked_offset == 1
        await worker.stop(wait_ms_max=1_000)

    to_end(run())


@pytest.mark.parametrize("seed", range(12))
def test_s2_a_template_keeps_its_id_and_its_first_time_whatever_crashes(
    seed: int,
) -> None:
    """S2: each life of a worker gives a line the id that the one before it gave."""
    random = Random(seed)
    lines = file_of(40)
    partition = MemoryPartition(records_of(lines, random))

    async def live_once() -> bool:
        publisher = CrashingPublisher(at=random.randrange(2, 40), random=random)
        publisher.durable = partition.sent
        worker = worker_on(partition, publisher, enrichment=WITH_TEMPLATES)
        worker.assign([PARTITION])
        lane = worker.lanes[PARTITION]
        for record in partition.records[partition.committed :]:
            await worker.take(record)
            if random.random() < 0.2:
                await worker.commit()
        await worker.drain(wait_ms_max=5_000)
        await worker.commit()
        lane.close()
        return lane.acked_offset == len(partition.records)

    async def run() -> None:
        for _ in range(200):
            if await live_once():
                return
        pytest.fail("the partition's end was never reached")

    to_end(run())
    (record,) = templates_in(partition.sent)
    assert set(ids_in(partition.sent).values()) == {record.template_id}
    assert record.text == "event <*>"
    assert record.count <= len(lines)
    minutes = sorted(line[:16].decode() for line in lines)
    assert record.first_seen_ms == _ms(f"{minutes[0]}:03")
    assert record.last_seen_ms <= _ms(f"{minutes[-1]}:03")


def test_an_orderly_end_leaves_every_figure_exact() -> None:
    lines = file_of(40)
    partition = MemoryPartition(records_of(lines, Random(1)))
    half = len(partition.records) // 2

    async def run() -> None:
        for part in (partition.records[:half], partition.records[half:]):
            publisher = RecordingPublisher()
            worker = worker_on(partition, publisher, enrichment=WITH_TEMPLATES)
            worker.assign([PARTITION])
            for record in part:
                await worker.take(record)
            await worker.revoke([PARTITION], wait_ms_max=5_000)
            partition.sent += publisher.durable

    to_end(run())
    (record,) = templates_in(partition.sent)
    assert record.count == len(lines)
    # Told at first sight in each life and at its end, and for no record between.
    assert [one.topic for one in partition.sent].count(TOPIC) == 4


def test_an_end_does_not_wait_for_ever_for_what_is_told_of_templates() -> None:
    partition = MemoryPartition(records_of(file_of(8), Random(1)))

    async def run() -> None:
        away: list[bool] = []
        publisher = HeldPublisher(
            is_held=lambda record: bool(away) and record.topic == TOPIC
        )
        worker = worker_on(partition, publisher, enrichment=WITH_TEMPLATES)
        worker.assign([PARTITION])
        for record in partition.records:
            await worker.take(record)
        await asyncio.wait(worker.lanes[PARTITION].tasks)
        away.append(True)
        await worker.revoke([PARTITION], wait_ms_max=50)
        assert partition.committed == len(partition.records)

    to_end(run())


def test_off_nothing_is_told() -> None:
    partition = MemoryPartition(records_of(file_of(8), Random(0)))

    async def run() -> None:
        worker = worker_on(partition, publisher := RecordingPublisher())
        worker.assign([PARTITION])
        for record in partition.records:
            await worker.take(record)
        await worker.stop(wait_ms_max=5_000)
        assert templates_in(publisher.durable) == []

    to_end(run())


def _ms(moment: str) -> int:
    return int(datetime.fromisoformat(f"{moment}+00:00").timestamp() * 1_000)

"""Documents, then state and ledger, then the acknowledgement: whatever fails in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from random import Random

import pytest

from tailrace_stream.protocol import Acknowledge, CommitProtocol, Publisher, Retry
from tailrace_stream.records import Outgoing, Work
from tests.stream.publishers import (
    FailingPublisher,
    HeldPublisher,
    RecordingPublisher,
)
from tests.stream.running import to_end

DOCS, RATES, DEAD, STATE = "t.docs", "t.rates", "t.dead", "t.state"
LEDGER = "t.ledger"


def outgoing(topic: str, value: bytes) -> Outgoing:
    return Outgoing(topic=topic, partition=0, key=b"g", value=value)


def work(offset: int) -> Work:
    name = b"%d" % offset
    return Work(
        partition=0,
        offset=offset,
        outputs=tuple(outgoing(topic, name) for topic in (DOCS, RATES, DEAD)),
        state=outgoing(STATE, name),
        ledger=outgoing(LEDGER, name),
        counts={},
    )


async def complete(
    one: CommitProtocol,
    work: Work,
    *,
    before: Awaitable[None] | None = None,
    is_ledger_due: bool = True,
    acknowledge: Acknowledge,
) -> None:
    await one.complete(
        work,
        before=before,
        is_ledger_due=lambda: is_ledger_due,
        acknowledge=acknowledge,
    )


class Waits:
    """Counts waits instead of waiting."""

    def __init__(self) -> None:
        self.waited_ms: list[int] = []

    async def __call__(self, wait_ms: int) -> None:
        self.waited_ms.append(wait_ms)
        await asyncio.sleep(0)


class AckedAfter:
    """Remembers what was durable at the moment of each acknowledgement."""

    def __init__(self, publisher: RecordingPublisher) -> None:
        self._publisher = publisher
        self.durable_at: dict[int, list[tuple[str, bytes]]] = {}

    def __call__(self, done: Work) -> None:
        self.durable_at[done.offset] = [
            (record.topic, record.value) for record in self._publisher.durable
        ]


def protocol(publisher: Publisher, waits: Waits | None = None) -> CommitProtocol:
    return CommitProtocol(
        publisher,
        retry=Retry(),
        wait=waits or Waits(),
        random=Random(0),
        on_failure=lambda _record, _error: None,
    )


def test_s2_nothing_is_acknowledged_before_all_is_durable_and_state_comes_last() -> (
    None
):
    async def run() -> None:
        publisher = RecordingPublisher()
        acked = AckedAfter(publisher)
        await complete(protocol(publisher), work(7), acknowledge=acked)
        topics = [topic for topic, _ in acked.durable_at[7]]
        assert sorted(topics[:3]) == sorted([DOCS, RATES, DEAD])
        assert sorted(topics[3:]) == [LEDGER, STATE]

    to_end(run())


def test_a_publish_that_fails_is_tried_again_until_it_is_durable() -> None:
    """For each of the topics: no failure is ever taken for a delivery."""

    async def run(topic: str) -> None:
        publisher = FailingPublisher(topic=topic, failures=20)
        acked, waits = AckedAfter(publisher), Waits()
        await complete(protocol(publisher, waits), work(7), acknowledge=acked)
        assert len(acked.durable_at[7]) == 5
        assert len(waits.waited_ms) == 20
        assert max(waits.waited_ms) <= Retry().wait_ms_max
        assert waits.waited_ms[-1] > waits.waited_ms[0]

    for topic in (DOCS, RATES, DEAD, STATE, LEDGER):
        to_end(run(topic))


def test_state_and_ledger_wait_for_every_delivery() -> None:
    async def run() -> None:
        publisher = HeldPublisher(is_held=lambda record: record.topic == RATES)
        acked = AckedAfter(publisher)
        task = asyncio.create_task(
            complete(protocol(publisher), work(1), acknowledge=acked)
        )
        for _ in range(20):
            await asyncio.sleep(0)
        assert {r.topic for r in publisher.durable} == {DOCS, DEAD}
        assert not acked.durable_at
        publisher.released.set()
        await task
        assert list(acked.durable_at) == [1]

    to_end(run())


def test_records_are_delivered_together_but_acknowledged_in_order() -> None:
    """Faust's bookkeeping would commit past an earlier record: order is all."""

    async def run() -> None:
        publisher = HeldPublisher(is_held=lambda r: r.value == b"1" and r.topic == DOCS)
        acked = AckedAfter(publisher)
        one = protocol(publisher)
        first = asyncio.create_task(complete(one, work(1), acknowledge=acked))
        second = asyncio.create_task(
            complete(one, work(2), before=first, acknowledge=acked)
        )
        for _ in range(20):
            await asyncio.sleep(0)
        assert (DOCS, b"2") in [(r.topic, r.value) for r in publisher.durable]
        assert not any(r.topic in {STATE, LEDGER} for r in publisher.durable)
        assert not acked.durable_at
        publisher.released.set()
        await second
        assert list(acked.durable_at) == [1, 2]
        states = [r.value for r in publisher.durable if r.topic == STATE]
        assert states == [b"1", b"2"]

    to_end(run())


def test_a_ledger_record_that_is_not_due_is_left_out_and_nothing_else_is() -> None:
    async def run() -> None:
        publisher = RecordingPublisher()
        acked = AckedAfter(publisher)
        one = protocol(publisher)
        await complete(one, work(7), is_ledger_due=False, acknowledge=acked)
        topics = [topic for topic, _ in acked.durable_at[7]]
        assert sorted(topics) == sorted([DOCS, RATES, DEAD, STATE])

    to_end(run())


@pytest.mark.parametrize("held", [STATE, LEDGER])
def test_nothing_is_acknowledged_before_both_state_and_ledger_are(held: str) -> None:
    async def run() -> None:
        publisher = HeldPublisher(is_held=lambda record: record.topic == held)
        acked = AckedAfter(publisher)
        task = asyncio.create_task(
            complete(protocol(publisher), work(1), acknowledge=acked)
        )
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(publisher.durable) == 4
        assert not acked.durable_at
        publisher.released.set()
        await task
        assert list(acked.durable_at) == [1]

    to_end(run())


def test_s3_the_first_word_of_a_generation_waits_for_its_state() -> None:
    """A word that is found without a state is taken for all that is left of one."""

    async def run() -> None:
        publisher = HeldPublisher(is_held=lambda record: record.topic == STATE)
        first = replace(work(1), is_state_first=True)
        acked = AckedAfter(publisher)
        task = asyncio.create_task(
            complete(protocol(publisher), first, acknowledge=acked)
        )
        for _ in range(20):
            await asyncio.sleep(0)
        assert LEDGER not in {record.topic for record in publisher.durable}
        publisher.released.set()
        await task
        assert [r.topic for r in publisher.durable][-2:] == [STATE, LEDGER]
        assert list(acked.durable_at) == [1]

    to_end(run())


def test_s1_nothing_is_acknowledged_past_a_record_that_was_given_up() -> None:
    async def run() -> None:
        publisher = HeldPublisher(is_held=lambda r: r.value == b"1")
        acked = AckedAfter(publisher)
        one = protocol(publisher)
        first = asyncio.create_task(complete(one, work(1), acknowledge=acked))
        second = asyncio.create_task(
            complete(one, work(2), before=first, acknowledge=acked)
        )
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first, second})
        assert second.cancelled()
        assert not acked.durable_at

    to_end(run())

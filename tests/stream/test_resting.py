"""What is open of a silent file is closed, and nobody who adds up its windows can tell."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

import pytest

from tailrace.topics import RATES, STATE
from tailrace.wire import decode, encode
from tailrace_stream import resting
from tailrace_stream.records import Outgoing
from tailrace_stream.resting import Silences, has_open, rested
from tailrace_stream.state_store import ReadBack
from tailrace_stream.window_config import SILENT_MS
from tailrace_stream.windows import GenerationState
from tests.stream.builders import GENERATION, NAMESPACE
from tests.stream.publishers import (
    Crashed,
    CrashingPublisher,
    HeldPublisher,
    RecordingPublisher,
)
from tests.stream.running import to_end
from tests.stream.test_worker import (
    PARTITION,
    MemoryPartition,
    SteppedClock,
    assert_told_is_all,
    end_life,
    expected_rates,
    file_of,
    live_to_end,
    rates_in,
    records_of,
    told_in,
    worker_on,
)


@dataclass
class GrowingPartition(MemoryPartition):
    """One that knows how far any worker has come in it: there it ended for the next one."""

    begun: int = 0

    def read(self, partition: int, **wanted: object) -> ReadBack:  # pyright: ignore[reportIncompatibleMethodOverride]
        del partition, wanted
        found = ReadBack(raw_end=self.begun)
        for record in self.sent:
            if record.topic == STATE.name(NAMESPACE):
                found.keep_state(record.key.decode(), record.value, at_ms=0)
        return found


def states_in(sent: list[Outgoing]) -> list[bytes]:
    return [record.value for record in sent if record.topic == STATE.name(NAMESPACE)]


def counted_state() -> bytes:
    """Return a state as a worker leaves it behind."""
    partition = MemoryPartition(records_of(file_of(40), Random(0)))

    async def run() -> None:
        worker = worker_on(partition, publisher := RecordingPublisher())
        publisher.durable = partition.sent
        worker.assign([PARTITION])
        for record in partition.records:
            await worker.take(record)
        await worker.stop(wait_ms_max=5_000)

    to_end(run())
    return states_in(partition.sent)[-1]


def test_s5_a_rested_state_keeps_what_was_counted_and_nothing_open() -> None:
    before = counted_state()
    after = rested(before)
    assert after is not None
    assert (has_open(before), has_open(after)) == (True, False)
    assert len(after) < len(before) - 300
    old = decode(before, as_type=GenerationState)
    new = decode(after, as_type=GenerationState)
    for name in ("generation", "revision", "counted", "figures", "watermark_ms"):
        assert getattr(new, name) == getattr(old, name)
    assert new.shape == old.shape


def test_what_nobody_can_read_has_nothing_to_close() -> None:
    for junk in (b"", b"\xff", b"[]", b'{"groups":'):
        assert not has_open(junk)
        assert rested(junk) is None
    assert not has_open(encode(GenerationState(generation="g")))


def test_s5_those_that_are_silent_for_longest_rest_first_and_not_too_many_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resting, "REST_MAX", 2)
    silences = Silences([("b", 2), ("a", 1), ("c", 3), ("d", 9)])
    silences.end("a", now_ms=10)
    assert silences.take(until_ms=3) == ["b", "c"]
    assert silences.take(until_ms=3) == []
    assert silences.take(until_ms=20) == ["d", "a"]
    assert len(silences) == 0


async def live_once(partition: GrowingPartition, random: Random) -> bool:
    """Run one life, in which whatever may rest does; tell whether it came to the end."""
    publisher = CrashingPublisher(at=random.randrange(2, 40), random=random)
    publisher.durable = partition.sent
    worker = worker_on(partition, publisher, silent_ms=0)
    worker.assign([PARTITION])
    for record in partition.records[partition.committed :]:
        worker.rest()
        await worker.take(record)
        partition.begun = max(partition.begun, record.offset + 1)
        for _ in range(random.choice([0, 3, 9])):
            await asyncio.sleep(0)
        worker.rest()
        if random.random() < 0.2:
            await worker.commit()
    return await end_life(worker, partition)


@pytest.mark.parametrize("seed", range(12))
def test_s2_s5_windows_are_exact_though_files_rest_and_workers_crash(seed: int) -> None:
    random = Random(seed)
    lines = file_of(40)
    partition = GrowingPartition(records_of(lines, random))

    live_to_end(lambda: live_once(partition, random))
    assert any(not has_open(state) for state in states_in(partition.sent)), (
        "the witness"
    )
    assert rates_in(partition.sent) == expected_rates(lines)
    assert_told_is_all(told_in(partition.sent)[GENERATION], lines)


def test_s5_a_silent_file_rests_once_and_goes_on_in_other_parts() -> None:
    lines = file_of(40)
    partition = MemoryPartition(records_of(lines, Random(0)))
    half = len(partition.records) // 2

    async def run() -> None:
        clock = SteppedClock()
        worker = worker_on(partition, publisher := RecordingPublisher(), clock=clock)
        publisher.durable = partition.sent
        worker.assign([PARTITION])
        records, partition.records = partition.records, partition.records[:half]
        for number, record in enumerate(records):
            if number == half:
                await worker.drain(wait_ms_max=5_000)
                clock.sleep_ms(SILENT_MS - 1)
                worker.rest()
                await worker.drain(wait_ms_max=5_000)
                assert has_open(states_in(partition.sent)[-1])
                clock.sleep_ms(1)
                for _ in range(3):
                    worker.rest()
                    await worker.drain(wait_ms_max=5_000)
                assert not has_open(states_in(partition.sent)[-1])
                assert worker.counts["generations_rested"] == 1
                partition.records = records
            await worker.take(record)
        await worker.stop(wait_ms_max=5_000)

    to_end(run())
    assert rates_in(partition.sent) == expected_rates(lines)


def test_s2_s5_nothing_rests_before_what_a_dead_worker_told_is_told_again() -> None:
    """Its windows were told and its state was not: both counts would stand."""
    lines = file_of(40)
    partition = MemoryPartition(records_of(lines, Random(0)), written_ms=-SILENT_MS)
    half = len(partition.records) // 2

    class Dying(RecordingPublisher):
        async def publish(self, record: Outgoing) -> None:
            if self.is_dying and record.topic == STATE.name(NAMESPACE):
                raise Crashed
            await super().publish(record)

        is_dying = False

    async def run() -> None:
        publisher = Dying()
        publisher.durable = partition.sent
        for is_dying, records in ((False, slice(0, half)), (True, slice(half, None))):
            worker = worker_on(partition, publisher, clock=SteppedClock())
            publisher.is_dying = is_dying
            worker.assign([PARTITION])
            for record in partition.records[records]:
                await worker.take(record)
            await worker.stop(wait_ms_max=5_000)
        assert partition.committed == half
        publisher.is_dying = False
        worker = worker_on(partition, publisher, clock=SteppedClock())
        worker.assign([PARTITION])
        lane = worker.lanes[PARTITION]
        assert lane.loading is not None
        await lane.loading
        worker.rest()
        assert not lane.resting
        for record in partition.records[half:]:
            await worker.take(record)
            worker.rest()
        await worker.stop(wait_ms_max=5_000)

    to_end(run())
    assert rates_in(partition.sent) == expected_rates(lines)


def test_s2_s5_a_file_that_goes_on_waits_until_its_rest_is_durable() -> None:
    """What is told of its next record no crash may then bring to the other state."""
    partition = MemoryPartition(records_of(file_of(40), Random(0)))
    half = len(partition.records) // 2

    async def run() -> None:
        clock = SteppedClock()
        publisher = HeldPublisher(
            is_held=lambda r: r.topic == STATE.name(NAMESPACE) and not has_open(r.value)
        )
        worker = worker_on(partition, publisher, clock=clock)
        worker.assign([PARTITION])
        partition.records, later = partition.records[:half], partition.records[half:]
        for record in partition.records:
            await worker.take(record)
        await worker.drain(wait_ms_max=5_000)
        clock.sleep_ms(SILENT_MS)
        worker.rest()
        told_count = _rates_count(publisher)
        partition.records += later
        taking = asyncio.create_task(worker.take(later[0]))
        await asyncio.sleep(0.2)
        assert not taking.done()
        assert _rates_count(publisher) == told_count
        publisher.released.set()
        await taking
        await worker.stop(wait_ms_max=5_000)
        assert _rates_count(publisher) == told_count + 1

    to_end(run())


def _rates_count(publisher: RecordingPublisher) -> int:
    return sum(r.topic == RATES.name(NAMESPACE) for r in publisher.durable)

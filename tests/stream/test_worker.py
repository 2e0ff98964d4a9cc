"""One worker on a partition in memory: crashes, rebalances and holes lose nothing."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random

import pytest
from structlog.testing import capture_logs

from tailrace import log
from tailrace.clock import Clock, SystemClock
from tailrace.floors import NO_FLOORS
from tailrace.ledger import StreamLedger, decode_ledger
from tailrace.topics import DOCS, LEDGER, RATES, STATE, TEMPLATES
from tailrace_stream.enrich.enrichment import NO_ENRICHMENT, Enrichment
from tailrace_stream.lanes import HOLE_ASKS_MAX
from tailrace_stream.offsets import OffsetsUnknown
from tailrace_stream.protocol import Publisher
from tailrace_stream.records import Outgoing, RawRecord
from tailrace_stream.redact.redaction import NO_REDACTION, Redaction
from tailrace_stream.state_store import (
    KafkaError,
    ReadBack,
    keep_template,
    keep_word,
)
from tailrace_stream.window_config import SILENT_MS
from tailrace_stream.worker import StreamWorker
from tests.stream.builders import (
    GENERATION,
    NAMESPACE,
    chunk_record,
    origin,
    placement,
    stored_of,
)
from tests.stream.publishers import (
    CrashingPublisher,
    FailingPublisher,
    HeldPublisher,
    RecordingPublisher,
)
from tests.stream.running import to_end
from tests.stream.test_protocol import protocol

PARTITION = 3


@dataclass
class MemoryPartition:
    """One partition of the raw topic, its committed offset, and all that was sent."""

    records: list[RawRecord]
    committed: int = 0
    commits: list[int] = field(default_factory=list[int])
    seeks: list[int] = field(default_factory=list[int])
    sent: list[Outgoing] = field(default_factory=list[Outgoing])
    state_failures: int = 0
    written_ms: int = 0
    """When the states that are read back were written."""

    async def start_of(self, partition: int) -> int:
        assert partition == PARTITION
        return self.committed

    async def seek(self, partition: int, *, offset: int) -> None:
        assert partition == PARTITION
        self.seeks.append(offset)

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        self.committed = offsets[PARTITION]
        self.commits.append(self.committed)
        return True

    def waiting_count(self, partition: int, *, next_offset: int) -> int:
        assert partition == PARTITION
        return len(self.records) - next_offset

    async def has_record(self, partition: int, *, next_offset: int) -> bool:
        return self.waiting_count(partition, next_offset=next_offset) > 0

    def read(self, partition: int, *, is_wanted: Callable[[], bool]) -> ReadBack:
        assert partition == PARTITION
        assert is_wanted()
        if self.state_failures:
            self.state_failures -= 1
            raise KafkaError("not now")
        found = ReadBack(raw_end=len(self.records))
        for record in self.sent:
            key, value = record.key, record.value
            if record.topic == STATE.name(NAMESPACE):
                found.keep_state(key.decode(), value, at_ms=self.written_ms)
            if record.topic == LEDGER.name(NAMESPACE):
                keep_word(found.words, key=key, value=value)
            if record.topic == TEMPLATES.name(NAMESPACE):
                keep_template(found.templates, key=key, value=value)
        return found


def worker_on(
    partition: MemoryPartition,
    publisher: Publisher,
    *,
    clock: Clock | None = None,
    in_flight_bytes_max: int = 10_000_000,
    redaction: Redaction = NO_REDACTION,
    enrichment: Enrichment = NO_ENRICHMENT,
    silent_ms: int = SILENT_MS,
) -> StreamWorker:
    return StreamWorker(
        protocol=protocol(publisher),
        offsets=partition,
        states=partition,
        clock=clock or SystemClock(),
        log=log.logger("test"),
        namespace=NAMESPACE,
        topic_id="t",
        floors=lambda: NO_FLOORS,
        in_flight_bytes_max=in_flight_bytes_max,
        redaction=redaction,
        enrichment=enrichment,
        silent_ms=silent_ms,
    )


def file_of(count: int) -> list[bytes]:
    levels = ["INFO", "WARN", "ERROR"]
    return [
        f"2026-11-24 01:{n % 7:02d}:03 {levels[n % 3]} event {n}\n".encode()
        for n in range(count)
    ]


def records_of(lines: list[bytes], random: Random) -> list[RawRecord]:
    """Ship a file as an agent does that sometimes goes back and cuts otherwise."""
    records: list[RawRecord] = []
    position = 0
    while position < len(lines):
        first = max(0, position - random.choice([0, 0, 0, 3]))
        position = random.randint(position + 1, min(position + 4, len(lines)))
        value = b"".join(lines[first:position])
        made = origin(
            value,
            first_offset=sum(map(len, lines[:first])),
            placed=placement("log4j", dataset="java.log"),
            first_event_number=first,
        )
        records.append(chunk_record(value, made=made, offset=len(records)))
    return records


def documents_in(sent: list[Outgoing]) -> dict[str, str]:
    return {
        one.document_id: one.document["event.original"] + "\n"
        for record in sent
        if record.topic == DOCS.name(NAMESPACE)
        for one in stored_of(record.value)
    }


def rates_in(sent: list[Outgoing]) -> Counter[tuple[str, str]]:
    """Store the windows as the index does, and add up their parts."""
    newest: dict[str, tuple[int, tuple[str, str], int]] = {}
    for record in sent:
        if record.topic != RATES.name(NAMESPACE):
            continue
        lines = record.value.split(b"\n")[:-1]
        for at in range(0, len(lines), 2):
            action = json.loads(lines[at])["index"]
            document = json.loads(lines[at + 1])
            name, version = action["_id"], action["version"]
            if name not in newest or newest[name][0] <= version:
                group = (document["@timestamp"], document["log.level"])
                newest[name] = (version, group, document["tailrace.rate.count"])
    found: Counter[tuple[str, str]] = Counter()
    for _, group, count in newest.values():
        found[group] += count
    return found


def told_in(sent: list[Outgoing]) -> dict[str, StreamLedger]:
    """Return the stream's last word on each generation, which is also its newest."""
    told: dict[str, StreamLedger] = {}
    for record in sent:
        if record.topic != LEDGER.name(NAMESPACE):
            continue
        found = decode_ledger(record.value)
        assert isinstance(found, StreamLedger)
        told[found.generation] = found
    return told


def assert_told_is_all(told: StreamLedger, lines: list[bytes]) -> None:
    """All lines came and became documents, and each was counted once."""
    assert (told.event_count, told.document_count) == (len(lines), len(lines))
    assert (told.first_event_number, told.next_event_number) == (0, len(lines))
    assert told.next_offset == sum(map(len, lines))
    assert (told.dead, told.dropped, told.gaps) == ({}, {}, ())


def expected_rates(lines: list[bytes]) -> Counter[tuple[str, str]]:
    return Counter(
        (
            f"{line[:16].decode().replace(' ', 'T')}:00.000Z",
            line.split()[2].decode().lower(),
        )
        for line in lines
    )


async def end_life(worker: StreamWorker, partition: MemoryPartition) -> bool:
    """Complete what a worker has begun; tell whether it came to the partition's end."""
    await worker.drain(wait_ms_max=5_000)
    is_done = worker.lanes[PARTITION].acked_offset == len(partition.records)
    if is_done:
        await worker.commit()
    for one in worker.lanes.values():
        one.close()
    return is_done


def live_to_end(live_once: Callable[[], Awaitable[bool]]) -> None:
    """Run one life after the other, until one comes to the partition's end."""

    async def run() -> None:
        for _ in range(200):
            if await live_once():
                return
        pytest.fail("the partition's end was never reached")

    to_end(run())


async def live_once(partition: MemoryPartition, random: Random) -> bool:
    """Run one life of a worker; tell whether it came to the end of the partition."""
    publisher = CrashingPublisher(at=random.randrange(2, 40), random=random)
    publisher.durable = partition.sent
    worker = worker_on(partition, publisher)
    worker.assign([PARTITION])
    for record in partition.records[partition.committed :]:
        await worker.take(record)
        if random.random() < 0.2:
            await worker.commit()
        if random.random() < 0.1:  # A rebalance that gives it back.
            await worker.revoke([PARTITION], wait_ms_max=random.choice([0, 1_000]))
            return partition.committed == len(partition.records)
    return await end_life(worker, partition)


@pytest.mark.parametrize("seed", range(12))
def test_s2_whatever_crashes_every_line_is_sent_and_counted_once(seed: int) -> None:
    random = Random(seed)
    lines = file_of(40)
    partition = MemoryPartition(records_of(lines, random))

    live_to_end(lambda: live_once(partition, random))
    assert partition.committed == len(partition.records)
    assert partition.commits == sorted(partition.commits)
    assert sorted(documents_in(partition.sent).values()) == sorted(
        line.decode() for line in lines
    )
    assert rates_in(partition.sent) == expected_rates(lines)
    told = told_in(partition.sent)[GENERATION]
    assert_told_is_all(told, lines)
    assert told.raw_next_offset == len(partition.records)


def test_a_busy_generation_says_its_word_once_and_not_for_every_record() -> None:
    partition = MemoryPartition(records_of(file_of(40), Random(0)))

    async def run() -> None:
        publisher = HeldPublisher(is_held=lambda r: r.topic == DOCS.name(NAMESPACE))
        worker = worker_on(partition, publisher, clock=SteppedClock())
        worker.assign([PARTITION])
        for record in partition.records:
            await worker.take(record)
        publisher.released.set()
        await worker.stop(wait_ms_max=5_000)
        ledger = LEDGER.name(NAMESPACE)
        assert [r.topic for r in publisher.durable].count(ledger) == 1
        assert_told_is_all(told_in(publisher.durable)[GENERATION], file_of(40))

    to_end(run())
    assert partition.committed == len(partition.records) > 5


@dataclass
class OvertakingPartition(MemoryPartition):
    """A broker that hears the first commit last."""

    arrival: asyncio.Event = field(default_factory=asyncio.Event)
    is_first: bool = True

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        if self.is_first:
            self.is_first = False
            await self.arrival.wait()
        return await MemoryPartition.commit(self, offsets)


def test_of_two_commits_at_once_the_older_does_not_stay() -> None:
    partition = OvertakingPartition(records_of(file_of(12), Random(0)))

    async def run() -> None:
        worker = worker_on(partition, RecordingPublisher())
        worker.assign([PARTITION])
        await worker.take(partition.records[0])
        await worker.drain(wait_ms_max=5_000)
        first = asyncio.create_task(worker.commit())
        await asyncio.sleep(0)
        await worker.take(partition.records[1])
        await worker.drain(wait_ms_max=5_000)
        second = asyncio.create_task(worker.commit())
        for _ in range(5):
            await asyncio.sleep(0)
        partition.arrival.set()
        await asyncio.gather(first, second)

    to_end(run())
    assert partition.commits == [1, 2]


def test_s9_a_record_out_of_turn_is_asked_for_and_nothing_is_passed_over() -> None:
    """Faust drops what it fetched before a rebalance; the commit must not pass it."""
    lines = file_of(12)
    partition = MemoryPartition(records_of(lines, Random(0)))

    async def run() -> None:
        worker = worker_on(partition, publisher := RecordingPublisher())
        worker.assign([PARTITION])
        await worker.take(partition.records[0])
        await worker.take(partition.records[2])
        await worker.drain(wait_ms_max=5_000)
        await worker.commit()
        assert partition.seeks == [1]
        assert partition.committed == 1
        for record in partition.records[1:]:
            await worker.take(record)
        await worker.stop(wait_ms_max=5_000)
        assert len(documents_in(publisher.durable)) == 12

    to_end(run())
    assert partition.committed == len(partition.records)


def test_k10_what_retention_took_is_told_and_reading_goes_on() -> None:
    """However often it is asked for, the oldest record left comes: the rest is gone."""
    lines = file_of(12)
    partition = MemoryPartition(records_of(lines, Random(0)))
    left = partition.records[3:]

    async def run() -> None:
        worker = worker_on(partition, publisher := RecordingPublisher())
        worker.assign([PARTITION])
        while len(partition.seeks) < HOLE_ASKS_MAX:
            await worker.take(left[0])
        assert worker.counts.get("records_missing", 0) == 0
        for record in left:
            await worker.take(record)
        await worker.stop(wait_ms_max=5_000)
        assert worker.counts["records_missing"] == 3
        assert documents_in(publisher.durable)

    with capture_logs() as said:
        to_end(run())
    assert partition.committed == len(partition.records)
    assert partition.seeks == [0] * HOLE_ASKS_MAX
    (missing,) = [each for each in said if each["event"] == "records_missing"]
    assert (missing["partition"], missing["first_offset"], missing["count"]) == (
        PARTITION,
        0,
        3,
    )


def test_a_state_that_cannot_be_read_yet_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tailrace_stream.worker.LOAD_RETRY_S", 0.01)
    partition = MemoryPartition(records_of(file_of(3), Random(0)), state_failures=3)

    async def run() -> None:
        worker = worker_on(partition, RecordingPublisher())
        worker.assign([PARTITION])
        for record in partition.records:
            await worker.take(record)
        await worker.stop(wait_ms_max=5_000)
        assert worker.counts["failures.load"] == 3

    to_end(run())
    assert partition.committed == len(partition.records)


def test_a_state_that_is_junk_is_survived_and_marked() -> None:
    """S3: the generation starts empty, under other names, and nothing stalls."""
    partition = MemoryPartition(records_of(file_of(3), Random(0)))
    partition.sent.append(
        Outgoing(
            topic=STATE.name(NAMESPACE),
            partition=PARTITION,
            key=GENERATION.encode(),
            value=b"\x00junk",
        )
    )

    async def run() -> None:
        publisher = RecordingPublisher()
        worker = worker_on(partition, publisher)
        worker.assign([PARTITION])
        for record in partition.records:
            await worker.take(record)
        await worker.stop(wait_ms_max=5_000)
        assert worker.counts["states_unreadable"] == 1
        assert rates_in(publisher.durable) == expected_rates(file_of(3))

    to_end(run())


def test_s3_states_lost_between_two_owners_make_no_figure_fall() -> None:
    """The state topic is gone; what the ledger says of each file is not."""
    lines = file_of(12)
    partition = MemoryPartition(records_of(lines, Random(1)))

    async def run() -> None:
        half = len(partition.records) // 2
        first = RecordingPublisher()
        worker = worker_on(partition, first)
        worker.assign([PARTITION])
        for record in partition.records[:half]:
            await worker.take(record)
        await worker.stop(wait_ms_max=5_000)
        partition.sent = [r for r in first.durable if not r.topic.endswith("state")]

        second = RecordingPublisher()
        worker = worker_on(partition, second)
        worker.assign([PARTITION])
        for record in partition.records[half:]:
            await worker.take(record)
        await worker.stop(wait_ms_max=5_000)

        assert worker.counts["states_seeded"] == 1
        told = [
            record
            for sent in second.durable
            if sent.topic == LEDGER.name(NAMESPACE)
            and isinstance(record := decode_ledger(sent.value), StreamLedger)
        ]
        assert told[-1].event_count == len(lines)
        rates = rates_in([*first.durable, *second.durable])
        assert rates == expected_rates(lines)

    to_end(run())


def test_p9_a_partition_that_is_not_ours_is_left_alone() -> None:
    partition = MemoryPartition(records_of(file_of(3), Random(0)))

    async def run() -> None:
        publisher = RecordingPublisher()
        worker = worker_on(partition, publisher)
        await worker.take(partition.records[0])
        worker.assign([PARTITION])
        await worker.revoke([PARTITION], wait_ms_max=0)
        await worker.take(partition.records[0])
        # What had been taken would be durable only after a while.
        await worker.stop(wait_ms_max=5_000)
        assert publisher.durable == []

    to_end(run())
    assert partition.commits == []


def test_p3_memory_is_bounded_while_kafka_does_not_take_anything() -> None:
    lines = file_of(200)
    partition = MemoryPartition(records_of(lines, Random(0)))

    async def run() -> None:
        publisher = HeldPublisher(is_held=lambda _record: True)
        worker = worker_on(partition, publisher, in_flight_bytes_max=10_000)
        worker.assign([PARTITION])

        async def feed() -> None:
            for record in partition.records:
                await worker.take(record)

        feeding = asyncio.create_task(feed())
        await asyncio.wait({feeding}, timeout=1)
        assert not feeding.done()
        assert worker.in_flight_bytes < 20_000
        publisher.released.set()
        await feeding
        await worker.stop(wait_ms_max=5_000)
        assert len(documents_in(publisher.durable)) == 200

    to_end(run())


class SteppedClock:
    """Stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.at_ms = 0

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> int:
        return self.at_ms

    def sleep_ms(self, wait_ms: int) -> None:
        self.at_ms += wait_ms


def test_s10_standing_still_counts_only_while_there_is_work() -> None:
    partition = MemoryPartition(records_of(file_of(3), Random(0)))

    async def run() -> None:
        clock = SteppedClock()
        publisher = FailingPublisher(topic=DOCS.name(NAMESPACE), failures=10**9)
        worker = worker_on(partition, publisher, clock=clock)
        clock.sleep_ms(100_000)
        assert not worker.is_stuck(stuck_ms_max=60_000, has_waiting=False)
        clock.sleep_ms(50_000)
        assert not worker.is_stuck(stuck_ms_max=60_000, has_waiting=True)
        worker.assign([PARTITION])
        await worker.take(partition.records[0])
        clock.sleep_ms(61_000)  # Since its partition was loaded.
        assert worker.is_stuck(stuck_ms_max=60_000, has_waiting=False)
        for lane in worker.lanes.values():
            lane.close()

    to_end(run())


def test_s10_a_worker_whose_topic_stays_empty_is_never_stuck() -> None:
    """As where no glob of any agent matches a file, for hours."""
    partition = MemoryPartition([])

    async def run() -> None:
        clock = SteppedClock()
        worker = worker_on(partition, RecordingPublisher(), clock=clock)
        worker.assign([PARTITION])
        loading = worker.lanes[PARTITION].loading
        assert loading is not None
        await loading
        for _ in range(10):
            clock.sleep_ms(3_600_000)
            assert not await worker.stands_still(stuck_ms_max=60_000)

    to_end(run())


@pytest.mark.parametrize(
    ("answer", "is_stuck"), [(True, True), (None, True), (False, False)]
)
def test_s10_offsets_that_wait_count_where_a_record_may_wait_behind_them(
    answer: bool | None, *, is_stuck: bool
) -> None:
    """Brokers that do not tell may have one; that there is none, they must say."""

    class Answering(MemoryPartition):
        async def has_record(self, partition: int, *, next_offset: int) -> bool:
            assert (partition, next_offset) == (PARTITION, 0)
            if answer is None:
                raise OffsetsUnknown("not now")
            return answer

    partition = Answering(records_of(file_of(3), Random(0)))

    async def run() -> None:
        clock = SteppedClock()
        worker = worker_on(partition, RecordingPublisher(), clock=clock)
        worker.assign([PARTITION])
        loading = worker.lanes[PARTITION].loading
        assert loading is not None
        await loading
        clock.sleep_ms(100_000)
        assert await worker.stands_still(stuck_ms_max=60_000) == is_stuck
        clock.sleep_ms(50_000)
        assert await worker.stands_still(stuck_ms_max=60_000) == is_stuck

    to_end(run())

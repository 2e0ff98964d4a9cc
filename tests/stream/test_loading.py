"""Partitions that become ours are loaded a few at a time, and fed only when they are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from random import Random

import pytest

from tailrace.topics import PARTITIONS
from tailrace_stream.enrich.enrichment import Enrichment
from tailrace_stream.records import RawRecord
from tailrace_stream.state_store import ReadBack
from tailrace_stream.templates.table import TemplateTable
from tailrace_stream.worker import LOADS_MAX, StreamWorker
from tests.indexer.doubles import ManualClock
from tests.stream.publishers import RecordingPublisher
from tests.stream.running import to_end
from tests.stream.test_worker import MemoryPartition, file_of, records_of, worker_on

ALL = range(PARTITIONS)
READ_S = 0.02
LOAD_MS = 2_000
STUCK_MS_MAX = 5_000


class SlowPartitions(MemoryPartition):
    """Partitions whose starts and states take a while to come."""

    def __init__(self, records: list[RawRecord] | None = None) -> None:
        super().__init__(records or [])
        self.asked: list[int] = []
        self.read_back: list[int] = []
        self.gate = threading.Event()
        """No reading ends before it is set, whoever still wants it."""
        self.gate.set()
        self.never = threading.Event()
        self.most = {"asking": 0, "reading": 0}
        """How many were under way at once."""
        self._now = dict(self.most)
        self._lock = threading.Lock()

    async def start_of(self, partition: int) -> int:
        with self._under_way("asking"):
            self.asked.append(partition)
            await asyncio.sleep(READ_S)
            return 0

    def read(self, partition: int, *, is_wanted: Callable[[], bool]) -> ReadBack:
        del is_wanted  # A client that is being opened asks nobody.
        with self._under_way("reading"):
            self.never.wait(READ_S)
            self.gate.wait(10)
            self.read_back.append(partition)
            return ReadBack()

    @contextmanager
    def _under_way(self, what: str) -> Generator[None]:
        with self._lock:
            self._now[what] += 1
            self.most[what] = max(self.most[what], self._now[what])
        try:
            yield
        finally:
            with self._lock:
                self._now[what] -= 1


async def loaded(worker: StreamWorker) -> None:
    loadings = [lane.loading for lane in worker.lanes.values()]
    await asyncio.gather(*(each for each in loadings if each is not None))


def test_s9_of_a_rebalance_only_so_many_partitions_are_loaded_at_once() -> None:
    """So that the wait for a start does not count the loading of all the others."""
    partitions = SlowPartitions()

    async def run() -> None:
        worker = worker_on(partitions, RecordingPublisher())
        worker.assign(ALL)
        await loaded(worker)
        assert all(lane.next_offset == 0 for lane in worker.lanes.values())
        assert not any(lane.loading for lane in worker.lanes.values())

    to_end(run())
    assert partitions.most == {"asking": LOADS_MAX, "reading": LOADS_MAX}
    assert sorted(partitions.asked) == sorted(partitions.read_back) == list(ALL)


def test_s9_a_partition_that_goes_while_it_waits_for_its_turn_is_not_loaded() -> None:
    partitions = SlowPartitions()
    gone = list(ALL)[LOADS_MAX : PARTITIONS - 1]

    async def run() -> None:
        worker = worker_on(partitions, RecordingPublisher())
        worker.assign(ALL)
        await asyncio.sleep(0)
        await worker.revoke(gone, wait_ms_max=0)
        await loaded(worker)

    to_end(run())
    left = sorted(set(ALL) - set(gone))
    assert sorted(partitions.asked) == sorted(partitions.read_back) == left


def test_s9_what_is_read_for_nobody_any_more_counts_as_well() -> None:
    """One rebalance after the other does not add up to a client for each."""
    partitions = SlowPartitions()

    async def run() -> None:
        worker = worker_on(partitions, RecordingPublisher())
        partitions.gate.clear()
        for _ in range(3):
            worker.assign(ALL)
            await asyncio.sleep(3 * READ_S)
            await worker.revoke(ALL, wait_ms_max=0)
        worker.assign(ALL)
        await asyncio.sleep(3 * READ_S)
        partitions.gate.set()
        await loaded(worker)

    to_end(run())
    assert partitions.most == {"asking": LOADS_MAX, "reading": LOADS_MAX}


def test_s9_no_record_is_taken_before_the_states_of_its_partition_are_there() -> None:
    partitions = SlowPartitions(records_of(file_of(3), Random(0)))
    record = partitions.records[0]

    async def run() -> None:
        worker = worker_on(partitions, RecordingPublisher())
        others = [each for each in ALL if each != record.partition]
        worker.assign([*others, record.partition])
        await worker.take(record)
        assert record.partition in partitions.read_back
        assert worker.lanes[record.partition].begun_count == 1
        await worker.stop(wait_ms_max=5_000)

    to_end(run())


def test_known_templates_are_decoded_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There are thousands, and heartbeats wait for no decoding."""
    decoded_in: list[threading.Thread] = []

    def table(*known: Iterable[bytes], raw_topic_id: str, partition: int) -> object:
        decoded_in.append(threading.current_thread())
        return TemplateTable(*known, raw_topic_id=raw_topic_id, partition=partition)

    monkeypatch.setattr("tailrace_stream.worker.TemplateTable", table)

    async def run() -> threading.Thread:
        enrichment = Enrichment(has_templates=True)
        worker = worker_on(
            SlowPartitions(), RecordingPublisher(), enrichment=enrichment
        )
        worker.assign(ALL)
        await loaded(worker)
        assert all(lane.templates is not None for lane in worker.lanes.values())
        return threading.current_thread()

    assert to_end(run()) not in decoded_in
    assert len(decoded_in) == PARTITIONS


def test_s9_a_partition_that_was_loaded_is_work_done() -> None:
    """A worker whose partitions take long one after the other is not taken for stuck."""
    clock = ManualClock()

    class Slower(SlowPartitions):
        def read(self, partition: int, *, is_wanted: Callable[[], bool]) -> ReadBack:
            found = super().read(partition, is_wanted=is_wanted)
            clock.at_ms += LOAD_MS
            return found

    async def run() -> None:
        worker = worker_on(Slower(), RecordingPublisher(), clock=clock)
        worker.assign(ALL)
        await loaded(worker)
        assert not worker.is_stuck(stuck_ms_max=STUCK_MS_MAX, has_waiting=True)
        clock.at_ms += STUCK_MS_MAX + 1
        assert worker.is_stuck(stuck_ms_max=STUCK_MS_MAX, has_waiting=True)

    to_end(run())

"""What a worker has in work when a partition is taken from it: finished, left or counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random

import pytest

from tailrace.topics import DOCS
from tailrace_stream.worker import StreamWorker
from tests.stream.builders import NAMESPACE
from tests.stream.publishers import HeldPublisher, RecordingPublisher
from tests.stream.running import to_end
from tests.stream.test_worker import (
    PARTITION,
    MemoryPartition,
    file_of,
    records_of,
    worker_on,
)

TURNS = 20
"""Of the event loop: more than anything here needs to go on as far as it can."""

GiveUp = Callable[[StreamWorker], Awaitable[None]]


async def revoke(worker: StreamWorker) -> None:
    await worker.revoke([PARTITION], wait_ms_max=5_000)


async def stop(worker: StreamWorker) -> None:
    await worker.stop(wait_ms_max=5_000)


@dataclass
class SlowCommits(MemoryPartition):
    """Brokers that answer a commit only after something else, and perhaps refuse it."""

    after: asyncio.Task[None] | None = None
    is_refused: bool = False

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        if self.after is not None:
            await asyncio.wait({self.after})
            for _ in range(TURNS):
                await asyncio.sleep(0)
        return not self.is_refused and await MemoryPartition.commit(self, offsets)


@pytest.mark.parametrize("give_up", [revoke, stop])
def test_s9_nothing_begins_of_a_partition_that_is_being_given_up(
    give_up: GiveUp,
) -> None:
    """What would be begun would be cut off, and done again by whoever has it next."""
    partition = SlowCommits(records_of(file_of(12), Random(0)))

    async def run() -> None:
        publisher = RecordingPublisher()
        worker = worker_on(partition, publisher)
        worker.assign([PARTITION])
        await worker.take(partition.records[0])
        await worker.drain(wait_ms_max=5_000)
        # It is being parsed now, and the commit ends long after.
        partition.after = asyncio.create_task(worker.take(partition.records[1]))
        await asyncio.sleep(0)
        await give_up(worker)
        await worker.take(partition.records[2])

        begun = [r for r in publisher.durable if r.topic == DOCS.name(NAMESPACE)]
        assert len(begun) == 1
        assert "records_given_up" not in worker.counts

    to_end(run())
    assert partition.committed == 1


@pytest.mark.parametrize("is_refused", [False, True])
def test_s9_what_has_begun_and_is_not_committed_is_counted_as_given_up(
    is_refused: bool,
) -> None:
    """Only that may be sent twice: by this worker, and by whoever has it next."""
    partition = SlowCommits(records_of(file_of(40), Random(0)))

    async def run() -> None:
        publisher = HeldPublisher(is_held=lambda r: r.topic == DOCS.name(NAMESPACE))
        worker = worker_on(partition, publisher)
        worker.assign([PARTITION])
        publisher.released.set()
        for record in partition.records[:2]:
            await worker.take(record)
        await worker.drain(wait_ms_max=5_000)
        publisher.released.clear()
        for record in partition.records[2:5]:
            await worker.take(record)
        partition.is_refused = is_refused
        await worker.revoke([PARTITION], wait_ms_max=0)

        assert worker.counts["records_given_up"] == (5 if is_refused else 3)

    to_end(run())
    assert partition.committed == (0 if is_refused else 2)

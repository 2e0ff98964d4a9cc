"""How raw records flow through one worker: taken in order, parsed apart, completed.

Parsing runs in a thread, where the columns' work lets go of the interpreter, while the
event loop goes on sending what earlier records gave. Everything else happens on the event
loop, so that a lane is never touched from two sides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tailrace.clock import Clock
from tailrace.floors import Floors
from tailrace.kill_points import reach
from tailrace.log import FilteringBoundLogger
from tailrace_stream.enrich.enrichment import NO_ENRICHMENT, Enrichment
from tailrace_stream.guard.guard import UNCOUNTED, Guard
from tailrace_stream.lanes import Lane, arrival, positions
from tailrace_stream.offsets import Offsets, OffsetsUnknown
from tailrace_stream.own.parser import NO_OWN, OwnParsers
from tailrace_stream.partition_figures import Taken, taken_after
from tailrace_stream.protocol import CommitProtocol
from tailrace_stream.records import Outgoing, RawRecord, Work
from tailrace_stream.redact.redaction import NO_REDACTION, Redaction
from tailrace_stream.shaping.book import NO_BOOK, RuleBook
from tailrace_stream.state_store import KafkaError, ReadBack, StateReader
from tailrace_stream.templates.table import TemplateTable
from tailrace_stream.window_config import SILENT_MS
from tailrace_stream.window_shape import STANDARD, WindowShape
from tailrace_stream.work import parse_record, template_outputs, work_of

LOAD_RETRY_S = 1.0
LOADS_MAX = 2
"""Partitions of which the states are read at once, each by a client of its own: all at a
time would take the processor from the answers that each waits for."""


class StreamWorker:
    """All partitions that one process has, and what is in flight of them."""

    def __init__(
        self,
        *,
        protocol: CommitProtocol,
        offsets: Offsets,
        states: StateReader,
        clock: Clock,
        log: FilteringBoundLogger,
        namespace: str,
        topic_id: str,
        floors: Callable[[], Floors],
        in_flight_bytes_max: int,
        own: OwnParsers = NO_OWN,
        enrichment: Enrichment = NO_ENRICHMENT,
        redaction: Redaction = NO_REDACTION,
        guard: Guard = UNCOUNTED,
        shape: WindowShape = STANDARD,
        rules: RuleBook = NO_BOOK,
        silent_ms: int = SILENT_MS,
    ) -> None:
        self.lanes: dict[int, Lane] = {}
        self.counts: dict[str, int] = {}
        self.in_flight_bytes = 0
        self.taken: dict[int, Taken] = {}
        self._protocol = protocol
        self._offsets = offsets
        self._states = states
        self._clock = clock
        self._log = log
        self._namespace = namespace
        self._topic_id = topic_id
        self._floors = floors
        self._in_flight_bytes_max = in_flight_bytes_max
        self._own = own
        self._enrichment = enrichment
        self._redaction = redaction
        self._guard = guard
        self._shape = shape
        self._rules = rules
        self._silent_ms = silent_ms
        self._room = asyncio.Event()
        self._room.set()
        self._is_draining = False
        self._committing = asyncio.Lock()
        self._load_turns = asyncio.Semaphore(LOADS_MAX)
        # Its own: no parsing waits for it. What is read for a closed lane ends in it, too.
        self._load_threads = ThreadPoolExecutor(LOADS_MAX, "load")
        self._moved_at_ms = clock.monotonic_ms()

    def count(self, name: str, count: int = 1) -> None:
        """Add to one of the counts of the status."""
        self.counts[name] = self.counts.get(name, 0) + count

    def assign(self, partitions: Iterable[int]) -> None:
        """Open a lane for each partition that is ours now, and begin to load its states."""
        for partition in partitions:
            self._close(partition)
            lane = self.lanes[partition] = Lane(partition)
            lane.loading = asyncio.create_task(self._load(lane))

    async def revoke(self, partitions: Iterable[int], *, wait_ms_max: int) -> None:
        """Close the lanes of partitions that are no longer ours.

        What has begun is completed and committed within the wait, or left, and counted.
        Nothing begins meanwhile: it would be sent, and come too late for the commit.
        """
        leaving = [p for p in partitions if p in self.lanes]
        if leaving:
            reach("S5")
            await self._give_up(leaving, wait_ms_max=wait_ms_max)

    async def _give_up(self, partitions: Iterable[int], *, wait_ms_max: int) -> None:
        for partition in partitions:
            self.lanes[partition].is_taking = False
        await self.drain(wait_ms_max=wait_ms_max, partitions=partitions)
        await self.commit()
        for partition in partitions:
            self._close(partition)

    def _close(self, partition: int) -> None:
        lane = self.lanes.pop(partition, None)
        if lane is None:
            return
        if count := lane.uncommitted_count:
            self.count("records_given_up", count)
            self._log.info(
                "records_given_up",
                partition=partition,
                next_offset=lane.committed_offset,
                count=count,
            )
        lane.close()

    async def take(self, record: RawRecord) -> None:
        """Begin one record; returns when it is parsed and its deliveries have begun.

        Records of a partition must come in their order. A record of a partition that is
        not ours, or is being given up, is left for a later reading.
        """
        lane = self.lanes.get(record.partition)
        if lane is None or self._is_draining:
            return
        if lane.loading is not None:
            await asyncio.wait({lane.loading})
        if not lane.is_taking:
            return
        decided = arrival(lane, record.offset)
        if decided.seek_offset is not None:
            lane.hole_end = record.offset
            lane.hole_asks += 1
            self.count("holes_asked_again")
            await self._offsets.seek(lane.partition, offset=decided.seek_offset)
        if not decided.is_taken:
            return
        if decided.missing_count:
            self.count("records_missing", decided.missing_count)
            self._log.warning(
                "records_missing",
                partition=lane.partition,
                first_offset=lane.next_offset,
                count=decided.missing_count,
            )
        lane.next_offset = record.offset + 1
        lane.hole_end, lane.hole_asks = None, 0
        reach("S1")
        await self._begin(record, lane)

    async def _begin(self, record: RawRecord, lane: Lane) -> None:
        now_ms = self._clock.now_ms()
        parsed = await asyncio.to_thread(
            parse_record,
            record,
            topic_id=self._topic_id,
            namespace=self._namespace,
            now_ms=now_ms,
            floors=self._floors(),
            own=self._own,
            enrichment=self._enrichment,
            redaction=self._redaction,
            guard=self._guard,
            shape=self._shape,
            rule=lane.rule(record.offset),
        )
        await self._room.wait()
        generation = parsed.chunk.origin.generation if parsed.chunk else ""
        if generation in lane.resting and lane.rest is not None:
            await asyncio.wait({lane.rest})
        if not lane.is_taking or generation in lane.resting:
            return
        self.taken[lane.partition] = taken_after(self.taken, parsed)
        work = work_of(
            parsed,
            state=lane.states.get(generation),
            word=lane.words.get(generation),
            templates=lane.templates,
            shape=self._shape,
            namespace=self._namespace,
            now_ms=now_ms,
        )
        if work.state is not None:
            lane.states[generation] = work.state.value
            lane.words.pop(generation, None)
            lane.silences.end(generation, now_ms=now_ms)
        self._start(work, lane)

    def _start(self, work: Work, lane: Lane) -> None:
        lane.begun_count += 1
        lane.ledger_turns.begin(work)
        completion = self._protocol.complete(
            work,
            before=lane.last,
            is_ledger_due=lambda: lane.ledger_turns.is_due(
                work, now_ms=self._clock.monotonic_ms()
            ),
            acknowledge=lambda done: self._acknowledge(done, lane),
        )
        self._follow(completion, lane, work.size_bytes)

    def _follow(
        self, completion: Coroutine[Any, Any, None], lane: Lane, size_bytes: int
    ) -> asyncio.Task[None]:
        """Have what comes after it in its lane wait for a completion."""
        self._hold(size_bytes)
        task = asyncio.create_task(completion)
        lane.last = task
        lane.tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, lane, size_bytes))
        return task

    def rest(self) -> None:
        """Close what is open of files that have been silent for long (`resting.py`)."""
        until_ms = self._clock.now_ms() - self._silent_ms
        for lane in self.lanes.values():
            told = lane.begin_rest(until_ms=until_ms, namespace=self._namespace)
            if told:
                # Behind their last states: of what is not delivered none may speak.
                completion = self._rest(lane, told, before=lane.last)
                lane.rest = self._follow(
                    completion, lane, sum(one.size_bytes for one in told.values())
                )

    async def _rest(
        self,
        lane: Lane,
        told: Mapping[str, Outgoing],
        *,
        before: Awaitable[None] | None,
    ) -> None:
        await self._protocol.tell(told.values(), before=before)
        lane.end_rest(told)
        self.count("generations_rested", len(told))

    def _acknowledge(self, work: Work, lane: Lane) -> None:
        lane.acked_offset = work.offset + 1
        lane.acked_count += 1
        self._moved_at_ms = self._clock.monotonic_ms()
        for name, count in work.counts.items():
            self.count(name, count)

    def _ended(self, task: asyncio.Task[None], lane: Lane, size_bytes: int) -> None:
        lane.tasks.discard(task)
        self._hold(-size_bytes)
        if lane.last is task:
            lane.last = None if not task.cancelled() and not task.exception() else task
        if not task.cancelled() and (error := task.exception()) is not None:
            # Nothing after it is acknowledged; the stuck detector ends the worker.
            self.count("failures.completion")
            self._log.error("completion_failed", error=repr(error))

    def _hold(self, size_bytes: int) -> None:
        self.in_flight_bytes += size_bytes
        if self.in_flight_bytes < self._in_flight_bytes_max:
            self._room.set()
        else:
            self._room.clear()

    async def commit(self) -> None:
        """Commit what is acknowledged and was not committed yet.

        One at a time: of two on their way the older might arrive last, and stay.
        """
        async with self._committing:
            due = positions(self.lanes)
            if not due:
                return
            moved = [(lane := self.lanes[p], lane.acked_count) for p in due]
            reach("S4")
            if await self._offsets.commit(due):
                for lane, count in moved:
                    offset = due[lane.partition]
                    lane.committed_offset = max(lane.committed_offset, offset)
                    lane.committed_count = count

    async def drain(
        self, *, wait_ms_max: int, partitions: Iterable[int] | None = None
    ) -> None:
        """Wait until what is in flight is acknowledged, at most so long.

        What is known of templates beyond what was told goes out meanwhile.
        """
        chosen = self.lanes if partitions is None else partitions
        lanes = [self.lanes[p] for p in chosen if p in self.lanes]
        tasks = {task for lane in lanes for task in lane.tasks}
        telling = self._tell_templates(lanes)
        if telling is not None:
            tasks.add(telling)
        if tasks:
            await asyncio.wait(tasks, timeout=wait_ms_max / 1_000)
        if telling is not None:
            telling.cancel()

    def _tell_templates(self, lanes: Iterable[Lane]) -> asyncio.Task[None] | None:
        records = [record for lane in lanes for record in lane.untold_templates()]
        if not records:
            return None
        outputs = template_outputs(records, namespace=self._namespace)
        return asyncio.create_task(self._protocol.tell(outputs))

    async def stop(self, *, wait_ms_max: int) -> None:
        """Take nothing more, complete and commit what can be, and close all lanes."""
        self._is_draining = True
        await self._give_up(tuple(self.lanes), wait_ms_max=wait_ms_max)

    def is_stuck(self, *, stuck_ms_max: int, has_waiting: bool) -> bool:
        """Tell whether there has been work for so long; to be asked every few seconds."""
        now_ms = self._clock.monotonic_ms()
        if not has_waiting and not any(lane.tasks for lane in self.lanes.values()):
            self._moved_at_ms = now_ms
        return now_ms - self._moved_at_ms > stuck_ms_max

    async def stands_still(self, *, stuck_ms_max: int) -> bool:
        """Tell whether the worker can only help by ending; to be asked like `is_stuck`.

        Offsets tell at no cost whether records wait. But not every offset has one, such
        as a transaction's marker, so that before it counts the brokers are asked.
        """
        waiting = [
            lane
            for lane in self.lanes.values()
            if self._offsets.waiting_count(lane.partition, next_offset=lane.next_offset)
        ]
        if not self.is_stuck(stuck_ms_max=stuck_ms_max, has_waiting=bool(waiting)):
            return False
        for lane in waiting:
            if await self._has_record(lane):
                return True
        if waiting:
            self.count("ends_without_record", len(waiting))
        return self.is_stuck(stuck_ms_max=stuck_ms_max, has_waiting=False)

    async def _has_record(self, lane: Lane) -> bool:
        """Tell whether a record waits for a lane, as far as can be known."""
        if lane.loading is not None:
            return True
        try:
            return await self._offsets.has_record(
                lane.partition, next_offset=lane.next_offset
            )
        except OffsetsUnknown:
            return True

    async def _load(self, lane: Lane) -> None:
        while lane.is_open:
            try:
                # The limit of asking for the start counts from its turn, too.
                async with self._load_turns:
                    start = await self._offsets.start_of(lane.partition)
                    found, templates = await asyncio.get_running_loop().run_in_executor(
                        self._load_threads, self._read_back, lane
                    )
                # Before any record: what is sent by these rules is then known to be.
                editions, due = self._rules.editions_of(found, lane.partition)
                await self._protocol.tell(due)
            except (KafkaError, OffsetsUnknown) as error:
                self.count("failures.load")
                self._log.warning(
                    "partition_not_loaded",
                    partition=lane.partition,
                    error=repr(error),
                )
                await asyncio.sleep(LOAD_RETRY_S)
            else:
                lane.remember(found, templates, editions)
                lane.begin_at(start)
                lane.loading = None
                self._moved_at_ms = self._clock.monotonic_ms()
                return

    def _read_back(self, lane: Lane) -> tuple[ReadBack, TemplateTable | None]:
        """Read, and decode, what was remembered of a partition; blocks for long."""
        found = self._states.read(lane.partition, is_wanted=lambda: lane.is_open)
        if not self._enrichment.has_templates:
            return found, None
        known, topic_id = found.templates.values(), self._topic_id
        table = TemplateTable(known, raw_topic_id=topic_id, partition=lane.partition)
        return found, table

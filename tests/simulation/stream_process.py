"""The real stream worker on a simulated loop: fed as Faust feeds it, traps included."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from random import Random

from kafka.errors import KafkaError

from tailrace.kafka_consumer import Partition
from tailrace.kill_points import reach
from tailrace.topics import DOCS, LEDGER, RAW, STATE, TEMPLATES
from tailrace_stream.enrich.enrichment import Enrichment
from tailrace_stream.offsets import OffsetsUnknown
from tailrace_stream.protocol import (
    CommitProtocol,
    PublishFailed,
    RecordTooLarge,
    Retry,
)
from tailrace_stream.records import Outgoing, RawRecord
from tailrace_stream.shaping.book import RuleBook
from tailrace_stream.shaping.rules import NO_RULES, Rules
from tailrace_stream.state_store import (
    ReadBack,
    keep_template,
    keep_word,
)
from tailrace_stream.worker import StreamWorker
from tests.simulation.cluster import NAMESPACE, WAY_MS, Cluster
from tests.simulation.event_loop import SimulatedLoop
from tests.simulation.floors_seen import FloorsSeen
from tests.simulation.logs import SILENT
from tests.simulation.process import EndedItself
from tests.simulation.world import HostClock, SimulatedCrash, World
from tests.support.fakes.kafka import TooLarge
from tests.support.fakes.producer import Fate

BUFFERED_RECORDS_MAX = 16
FETCH_S = 0.1
COMMIT_S = 0.25
REVOKE_WAIT_MS_MAX = 300
STOP_WAIT_MS_MAX = 1_000
STUCK_MS_MAX = 4_000
STUCK_ASKED_S = 0.5
STEP_MS = 40
REST_MS = 6_000
"""Longer than a worker may go on that has lost its partitions and does not know."""
THREAD_WAIT_MS = (0, 12)


class StreamLife:
    """One life of a worker, and the part of Faust around it."""

    def __init__(
        self,
        world: World,
        cluster: Cluster,
        *,
        commit_s: float = COMMIT_S,
        rules: Rules = NO_RULES,
    ) -> None:
        self._world = world
        self._cluster = cluster
        self._random = Random(world.random.random())
        self.loop = SimulatedLoop(
            now_ms=lambda: world.now_ms,
            thread_wait_ms=lambda: self._random.randint(*THREAD_WAIT_MS),
        )
        self._member = cluster.streams.join()
        self._buffer: deque[RawRecord] = deque()
        self._has_records = asyncio.Event()
        self._fetched: deque[RawRecord] = deque(maxlen=BUFFERED_RECORDS_MAX // 2)
        """The newest, whether they were handed over or not."""
        self._topic = RAW.name(NAMESPACE)
        self._floors = FloorsSeen(cluster)
        clock = HostClock(world)
        self.worker = StreamWorker(
            protocol=CommitProtocol(
                self,
                retry=Retry(wait_ms_max=400),
                wait=lambda wait_ms: asyncio.sleep(wait_ms / 1_000),
                random=self._random,
                on_failure=lambda _record, _error: None,
            ),
            offsets=self,
            states=self,
            clock=clock,
            log=SILENT,
            namespace=NAMESPACE,
            topic_id="t",
            in_flight_bytes_max=60_000,
            floors=lambda: self._floors.floors,
            enrichment=Enrichment(has_templates=True),
            rules=RuleBook(rules=rules, namespace=NAMESPACE),
            silent_ms=REST_MS,
        )
        self._is_stuck = False
        self._commit_s = commit_s
        for part in (self._fetch(), self._feed(), self._commit(), self._look_after()):
            self.loop.create_task(part)

    def step(self) -> int:
        """Run what is due.

        Raises:
            EndedItself: nothing was done for long although there is work.
        """
        self.loop.run_due()
        if self.loop.errors:
            raise AssertionError("; ".join(self.loop.errors))
        self._floors.step()
        if self._is_stuck:
            raise EndedItself("stream.stuck")
        return self._world.now_ms + STEP_MS

    def crash(self, crash: SimulatedCrash) -> None:
        self.loop.crash = crash

    def kill(self) -> None:
        self.loop.kill()

    def lose_session(self) -> None:
        self._cluster.streams.expel(self._member)

    def stop(self) -> None:
        stopping = self.loop.create_task(self.worker.stop(wait_ms_max=STOP_WAIT_MS_MAX))
        while not stopping.done():
            self.loop.run_due()
            self._world.advance_to(self._world.now_ms + STEP_MS)
        self._cluster.streams.leave(self._member)
        self.loop.kill()

    # What Faust does: fetch, call back when partitions change hands, hand over.

    async def _fetch(self) -> None:
        fresh: set[Partition] = set()
        while True:
            if self._member.must_rejoin:
                lost = sorted(place.number for place in self._member.owned)
                await self.worker.revoke(lost, wait_ms_max=REVOKE_WAIT_MS_MAX)
                self._member.rejoin()
                # What was fetched before a rebalance, Faust may hand over after it, too.
                if self._fetched and self._world.strikes("faust.fetched_twice"):
                    self._buffer.extend(self._fetched)
            room = BUFFERED_RECORDS_MAX - len(self._buffer)
            self._member.records_max = max(room, 0)
            polled = self._member.poll(wait_ms_max=0)
            self.worker.assign(sorted(place.number for place in polled.gained))
            fresh |= polled.gained
            for record in polled.records:
                # Of what was fetched around a rebalance, Faust drops some in silence.
                if record.partition in fresh and self._world.strikes("faust.dropped"):
                    continue
                fresh.discard(record.partition)
                (kept, *_) = self._cluster.kafka.read(
                    record.partition, offset=record.offset
                )
                self._fetched.append(
                    RawRecord(
                        topic=record.partition.topic,
                        partition=record.partition.number,
                        offset=record.offset,
                        key=record.key,
                        value=record.value,
                        headers=tuple(record.headers),
                        appended_at_ms=kept.at_ms,
                    )
                )
                self._buffer.append(self._fetched[-1])
            if self._buffer:
                self._has_records.set()
            await asyncio.sleep(FETCH_S)

    async def _feed(self) -> None:
        while True:
            await self._has_records.wait()
            self._has_records.clear()
            while self._buffer:
                await self.worker.take(self._buffer.popleft())

    async def _commit(self) -> None:
        while True:
            await asyncio.sleep(self._commit_s)
            await self.worker.commit()
            self.worker.rest()

    async def _look_after(self) -> None:
        while not self._is_stuck:
            await asyncio.sleep(STUCK_ASKED_S)
            self._is_stuck = await self.worker.stands_still(stuck_ms_max=STUCK_MS_MAX)

    # What the worker asks of its consumer, its producer and the state topic.

    async def start_of(self, partition: int) -> int:
        await asyncio.sleep(self._random.randint(*WAY_MS) / 1_000)
        if self._cluster.is_down():
            raise OffsetsUnknown("the brokers are down")
        place = Partition(self._topic, partition)
        oldest = self._cluster.kafka.oldest.get(place, 0)
        return self._cluster.streams.commits.get(place, oldest)

    async def seek(self, partition: int, *, offset: int) -> None:
        self._member.seek(Partition(self._topic, partition), offset=offset)

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        generation = self._member.generation
        await asyncio.sleep(self._random.randint(*WAY_MS) / 1_000)
        if self._cluster.is_down() or self._member.generation != generation:
            return False
        places = {Partition(self._topic, p): offset for p, offset in offsets.items()}
        return self._member.commit(places)

    def waiting_count(self, partition: int, *, next_offset: int) -> int:
        end = self._cluster.kafka.ends.get(Partition(self._topic, partition), 0)
        return max(end - next_offset, 0)

    async def has_record(self, partition: int, *, next_offset: int) -> bool:
        await asyncio.sleep(self._random.randint(*WAY_MS) / 1_000)
        if self._cluster.is_down():
            raise OffsetsUnknown("the brokers are down")
        place = Partition(self._topic, partition)
        return bool(self._cluster.kafka.read(place, offset=next_offset))

    def read(self, partition: int, *, is_wanted: Callable[[], bool]) -> ReadBack:
        if self._cluster.is_down():
            raise KafkaError("the brokers are down")
        ends = self._cluster.kafka.ends
        raw_end = ends.get(Partition(self._topic, partition), 0)
        is_fresh = not ends.get(Partition(DOCS.name(NAMESPACE), partition), 0)
        found = ReadBack(raw_end=raw_end, fresh_offset=0 if is_fresh else raw_end)
        place = Partition(STATE.name(NAMESPACE), partition)
        for kept in self._cluster.kafka.read(place, offset=0):
            if not is_wanted():
                break
            reach("S6")
            generation = (kept.record.key or b"").decode()
            found.keep_state(generation, kept.record.value, at_ms=kept.at_ms)
        place = Partition(LEDGER.name(NAMESPACE), partition)
        for kept in self._cluster.kafka.read(place, offset=0):
            keep_word(found.words, key=kept.record.key or b"", value=kept.record.value)
        place = Partition(TEMPLATES.name(NAMESPACE), partition)
        for kept in self._cluster.kafka.read(place, offset=0):
            key, value = kept.record.key or b"", kept.record.value
            keep_template(found.templates, key=key, value=value)
        return found

    async def publish(self, record: Outgoing) -> None:
        """Send a record; it may arrive after this life is over."""
        if self._cluster.is_down():
            raise PublishFailed("the brokers are down")
        answered: asyncio.Future[None] = self.loop.create_future()
        fate = self._cluster.fate_of(record.topic)

        def arrive() -> None:
            if self.loop.is_dead and self._world.has_luck(0.5):
                return
            error = self._store(record, fate)
            if answered.done():
                return
            if error is None:
                answered.set_result(None)
            else:
                answered.set_exception(error)

        self._world.later(self._random.randint(*WAY_MS), arrive)
        await answered

    def _store(self, record: Outgoing, fate: Fate) -> Exception | None:
        if fate is Fate.REFUSED:
            return PublishFailed("the broker went away")
        if fate is Fate.LATE:
            self._cluster.arrive_late(lambda: self._write(record))
        elif (error := self._write(record)) is not None:
            return error
        if fate in (Fate.ACK_LOST, Fate.LATE):
            return PublishFailed("no answer came in time")
        return None

    def _write(self, record: Outgoing) -> Exception | None:
        try:
            self._cluster.kafka.write(
                Partition(record.topic, record.partition),
                record.value,
                key=record.key,
                headers=record.headers,
            )
        except TooLarge as error:
            return RecordTooLarge(str(error))
        return None

"""Moves records of other collectors' topics to the raw topic, each once for good.

A topic of the user's own has as many partitions as it likes, and the stream's state is by
partitions of ours. So its records are not worked where they stand: they become chunks of the
raw topic, keyed by generation as an agent's are, and everything behind it goes on as ever.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from tailrace.clock import Clock
from tailrace.framing import decode_mapped, encode_mapped
from tailrace.kafka_consumer import Partition, Polled, Record
from tailrace.kill_points import reach
from tailrace.log import FilteringBoundLogger
from tailrace.topics import DEAD, RAW, partition_of
from tailrace.wire import DeadLetter, encode
from tailrace_stream.foreign.chunks import Batch, batch_of
from tailrace_stream.foreign.config import ForeignSettings
from tailrace_stream.foreign.notes import Note, read_note
from tailrace_stream.intake import Chunk, dead_chunk
from tailrace_stream.records import Outgoing, RawRecord
from tailrace_stream.redact.redaction import NO_REDACTION, Redaction

TOO_LARGE = "record_too_large"


class SessionOver(Exception):
    """The partitions may be another's by now: everything begins anew at the commits."""


class Source(Protocol):
    """Where foreign records come from (`tailrace.kafka_consumer.Consumer`)."""

    def poll(self, *, wait_ms_max: int) -> Polled:
        """Return what came, and which partitions changed hands."""
        ...

    def note_of(self, partition: Partition) -> str | None:
        """Return what stood beside the commit that a partition began at."""
        ...

    def begin_at_oldest(self, partition: Partition) -> None:
        """Read a partition from its oldest record on."""
        ...

    def commit(
        self,
        next_offsets: Mapping[Partition, int],
        *,
        notes: Mapping[Partition, str] | None = None,
    ) -> bool:
        """Store what is to be read next; False where it is not ours to say."""
        ...


class Sink(Protocol):
    """Where chunks and dead letters go."""

    def deliver(self, records: Sequence[Outgoing]) -> Sequence[Outgoing]:
        """Return once all are durable, but for those returned, which are too large.

        Raises:
            ServiceUnavailable: it is not known what is durable.
        """
        ...


class ForeignBridge:
    """One member of the group that reads the foreign topics.

    Of each batch of records:
    1. where a record bears no time to be believed, the day that it is put under is committed
       beside the position, which stays: sent again tomorrow, it goes under the same day.
    2. all chunks and dead letters are acknowledged by all in-sync replicas.
    3. the position behind the batch is committed.
    A crash in between costs that the batch is sent again: the same ids in the same indices,
    the same numbers, whatever its boundaries are then.
    """

    def __init__(
        self,
        source: Source,
        sink: Sink,
        *,
        sources: Iterable[ForeignSettings],
        topic_ids: Mapping[str, str],
        namespace: str,
        clock: Clock,
        log: FilteringBoundLogger,
        redaction: Redaction = NO_REDACTION,
        counts: Counter[str] | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter() if counts is None else counts
        self._source = source
        self._sink = sink
        self._sources = {one.topic: one for one in sources}
        self._topic_ids = topic_ids
        self._namespace = namespace
        self._clock = clock
        self._log = log
        self._redaction = redaction
        self._notes: dict[Partition, Note] = {}

    def turn(self, *, wait_ms_max: int) -> None:
        """Move what comes within `wait_ms_max`.

        Raises:
            SessionOver: another member may have these partitions.
            ServiceUnavailable: Kafka does not answer; asking a new bridge is safe.
        """
        polled = self._source.poll(wait_ms_max=wait_ms_max)
        for partition in polled.lost:
            self._notes.pop(partition, None)
        for partition in polled.gained:
            self._begin(partition)
        for gap in polled.gaps:
            missed = gap.resumed_at - gap.missed_from
            # What was committed may also lie behind the end, of a topic made anew.
            self.counts["foreign.records_missed"] += max(missed, 0)
            self._log.error(
                "foreign_records_missed",
                topic=gap.partition.topic,
                partition=gap.partition.number,
                first_offset=gap.missed_from,
                resumed_at=gap.resumed_at,
            )
        waiting: dict[Partition, list[RawRecord]] = defaultdict(list)
        for record in polled.records:
            if record.partition in self._notes:
                waiting[record.partition].append(_raw(record))
        while waiting:
            self._move(
                {partition: self._apart(partition, waiting) for partition in [*waiting]}
            )

    def _begin(self, partition: Partition) -> None:
        topic_id = self._topic_ids[partition.topic]
        metadata = self._source.note_of(partition)
        note = Note(topic_id=topic_id)
        if metadata is not None:
            read = read_note(metadata, topic_id=topic_id)
            if read is None:
                self.counts["foreign.topics_made_anew"] += 1
                self._log.warning("foreign_topic_made_anew", topic=partition.topic)
                self._source.begin_at_oldest(partition)
            note = read or note
        self._notes[partition] = note

    def _apart(
        self, partition: Partition, waiting: dict[Partition, list[RawRecord]]
    ) -> list[RawRecord]:
        """Take the records that are of one day if they have none of their own."""
        records = waiting.pop(partition)
        until = self._notes[partition].until_offset
        first = [record for record in records if record.offset < until]
        if first and len(first) < len(records):
            waiting[partition] = records[len(first) :]
        return first or records

    def _move(self, taken: Mapping[Partition, Sequence[RawRecord]]) -> None:
        now_ms = self._clock.now_ms()
        batches: list[Batch] = []
        declared: dict[Partition, int] = {}
        for partition, records in taken.items():
            note, first = self._notes[partition], records[0].offset
            today_ms = note.today_for(first, now_ms=now_ms)
            batch = batch_of(
                records,
                topic_id=note.topic_id,
                source=self._sources[partition.topic],
                today_ms=today_ms,
                now_ms=now_ms,
            )
            batches.append(batch)
            if batch.has_undated and first >= note.until_offset:
                declared[partition] = first
                self._notes[partition] = msgspec.structs.replace(
                    note, until_offset=records[-1].offset + 1, today_ms=today_ms
                )
        # 1. The day of what has none.
        if declared:
            self._commit(declared)
        reach("B1")
        # 2. Delivered.
        self._deliver(batches, now_ms=now_ms)
        reach("B2")
        # 3. The position.
        self._commit({p: records[-1].offset + 1 for p, records in taken.items()})
        for batch in batches:
            self.counts.update(batch.counts)

    def _commit(self, next_offsets: Mapping[Partition, int]) -> None:
        notes = {
            partition: self._notes[partition].encode() for partition in next_offsets
        }
        if not self._source.commit(next_offsets, notes=notes):
            raise SessionOver

    def _deliver(self, batches: Iterable[Batch], *, now_ms: int) -> None:
        chunks: dict[bytes, list[Chunk]] = defaultdict(list)
        outgoing: list[Outgoing] = []
        for batch in batches:
            outgoing += [self._letter(letter) for letter in batch.dead]
            for chunk in batch.chunks:
                made = self._chunk(chunk)
                chunks[made.header].append(chunk)
                outgoing.append(made)
        for refused in self._sink.deliver(outgoing):
            for chunk in chunks.pop(refused.header, []):
                self._deliver_smaller(chunk, now_ms=now_ms)

    def _deliver_smaller(self, chunk: Chunk, *, now_ms: int) -> None:
        """Halve a chunk that the topic does not take; of one event make a dead letter."""
        halves = _halves(chunk)
        if halves:
            batch = Batch(chunks=halves)
        else:
            letter, word = self._buried(chunk, now_ms=now_ms)
            # The letter is safe before anybody is told to count on it.
            self._sink.deliver([self._letter(letter)])
            self.counts[f"foreign.dead_letters.{TOO_LARGE}"] += 1
            batch = Batch(chunks=[word])
        if not halves and not chunk.value:
            return
        self._deliver([batch], now_ms=now_ms)

    def _buried(self, chunk: Chunk, *, now_ms: int) -> tuple[DeadLetter, Chunk]:
        origin = chunk.origin
        (event,) = decode_mapped(chunk.value)
        key = origin.generation.encode()
        record = RawRecord(
            topic=RAW.name(self._namespace),
            partition=partition_of(key),
            offset=-1,
            key=key,
            value=event.stored,
            headers=(),
            appended_at_ms=origin.observed_at_ms,
        )
        letter = dead_chunk(
            record,
            origin=origin,
            reason=TOO_LARGE,
            detail=f"the raw topic does not take its {len(event.stored)} bytes",
            died_at_ms=now_ms,
        )
        word = msgspec.structs.replace(origin, dead_reason=TOO_LARGE)
        return letter, Chunk(word, b"")

    def _chunk(self, chunk: Chunk) -> Outgoing:
        key = chunk.origin.generation.encode()
        return Outgoing(
            topic=RAW.name(self._namespace),
            partition=partition_of(key),
            key=key,
            value=chunk.value,
            header=encode(chunk.origin),
        )

    def _letter(self, letter: DeadLetter) -> Outgoing:
        letter = self._redaction.of_letter(letter)
        key = letter.generation.encode()
        return Outgoing(
            topic=DEAD.name(self._namespace),
            partition=partition_of(key or letter.dead_id.encode()),
            key=key,
            value=encode(letter),
        )


def _halves(chunk: Chunk) -> list[Chunk]:
    """Return a chunk in two; nothing where it holds one event, or is a word of one."""
    origin = chunk.origin
    if origin.event_count < 2 or not chunk.value:
        return []
    events = decode_mapped(chunk.value)
    middle = len(events) // 2
    second = events[middle].offset
    return [
        Chunk(
            msgspec.structs.replace(
                origin,
                first_offset=start,
                size_bytes=end - start,
                first_event_number=start,
                event_count=len(part),
            ),
            encode_mapped(part),
        )
        for part, start, end in (
            (events[:middle], origin.first_offset, second),
            (events[middle:], second, origin.next_offset),
        )
    ]


def _raw(record: Record) -> RawRecord:
    return RawRecord(
        topic=record.partition.topic,
        partition=record.partition.number,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        appended_at_ms=record.timestamp_ms,
    )

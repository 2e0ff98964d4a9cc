"""What records of another collector's topic become: chunks of the raw topic, like an agent's.

Pure. An event's id, index and number follow from its record alone, so it does not matter at
which records a batch begins or ends. Event numbers are offsets, as of all records of other
collectors: so a chunk ends where an offset is missing, or another day begins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import crc32c

from tailrace.capped_records import UNPACKED_TOO_LARGE, refusal_of
from tailrace.datasets import NAMES
from tailrace.detect import AUTO, CSV, PARSER_OF_DATASET
from tailrace.framing import FLAG_CONVERTED, FLAG_CUT, ROW, MappedEvent, encode_mapped
from tailrace.identity import DAY_MS
from tailrace.topics import CHUNK_BYTES_MAX, EVENT_BYTES_MAX, MEBIBYTE
from tailrace.wire import DeadLetter, Origin, Placement
from tailrace_stream.foreign.config import ForeignSettings
from tailrace_stream.foreign.otlp import (
    LogRecord,
    OtlpError,
    log_records_of,
    may_be_request,
)
from tailrace_stream.foreign.places import (
    Day,
    Generation,
    day_of,
    generation_of,
    place_of,
)
from tailrace_stream.foreign.reading import PREFIX
from tailrace_stream.intake import FOREIGN_AGENT, Chunk, dead_record
from tailrace_stream.records import RawRecord

RECORD_BYTES_MAX = 4 * MEBIBYTE
"""A larger record is cut to `EVENT_BYTES_MAX`: with its table it must fit the raw topic."""
OTLP = "otlp"
_BY_LINE = frozenset({"access", "syslog", "log4j", "json", "logfmt"}) | NAMES - {CSV}
"""Parsers that need to know nothing of a file but the line."""


@dataclass(slots=True)
class Batch:
    """What is to be sent for consecutive records of one partition."""

    chunks: list[Chunk] = field(default_factory=list[Chunk])
    dead: list[DeadLetter] = field(default_factory=list[DeadLetter])
    """Of records of which nothing can be read, whatever their shape."""
    has_undated: bool = False
    """A record bears no time that can be believed: it was put under `today_ms`."""
    counts: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True, slots=True)
class _Event:
    generation: Generation
    shape: str
    mapped: MappedEvent
    record: RawRecord
    next_offset: int
    """Where the next event of the generation can be at the earliest: what lies between
    belongs to nobody."""


def batch_of(
    records: Iterable[RawRecord],
    *,
    topic_id: str,
    source: ForeignSettings,
    today_ms: int,
    now_ms: int,
) -> Batch:
    """Return what becomes of records of one partition, which come in their order.

    `today_ms` is the day of those whose own time cannot be believed; `now_ms` is told of
    dead letters alone.
    """
    batch = Batch()
    run: list[_Event] = []
    run_bytes = 0
    for record in records:
        refusal = refusal_of(record.headers)
        if refusal is not None:
            letter = dead_record(
                record, reason=UNPACKED_TOO_LARGE, detail=refusal, died_at_ms=now_ms
            )
            batch.dead.append(letter)
            continue
        if record.value is None:
            batch.counts["foreign.empty_records"] += 1
            continue
        batch.counts["foreign.records"] += 1
        day = day_of(record.appended_at_ms, today_ms=today_ms)
        batch.has_undated |= not day.is_believed
        for event in _events(record, record.value, day, topic_id, source):
            size_bytes = ROW.size + len(event.mapped.stored)
            is_full = run_bytes + size_bytes > CHUNK_BYTES_MAX
            if run and (is_full or not _follows(event, run[-1])):
                batch.chunks.append(_chunk(run, source=source))
                run, run_bytes = [], 0
            run.append(event)
            run_bytes += size_bytes
    if run:
        batch.chunks.append(_chunk(run, source=source))
    batch.counts["foreign.events"] += sum(c.origin.event_count for c in batch.chunks)
    return batch


def _follows(event: _Event, last: _Event) -> bool:
    # Their numbers follow each other, too: behind a request others are left out.
    is_next = event.mapped.offset == last.mapped.offset + 1
    return is_next and event.generation == last.generation and event.shape == last.shape


def _events(
    record: RawRecord, value: bytes, day: Day, topic_id: str, source: ForeignSettings
) -> Iterator[_Event]:
    """Yield the events of one record; without a log record in it there is none."""

    def generation(slice_: str = "") -> Generation:
        return generation_of(
            topic_id=topic_id,
            partition=record.partition,
            born_at_ms=day.born_at_ms,
            dataset=source.dataset,
            slice_=slice_,
        )

    several = _several(value, shape=source.shape)
    if several is None:
        yield _Event(
            generation(),
            source.shape,
            _whole(value, offset=record.offset),
            record,
            record.offset + 1,
        )
        return
    for number, one in enumerate(several):
        place = place_of(record.offset, place=number)
        following = place_of(record.offset, place=number + 1)
        # The last one stands for all places that no event has.
        is_last = number + 1 == len(several) or following.slice_ != place.slice_
        mapped = MappedEvent(
            place.offset,
            one.size_bytes,
            one.checksum,
            one.stored[:EVENT_BYTES_MAX],
            FLAG_CONVERTED | FLAG_CUT * (len(one.stored) > EVENT_BYTES_MAX),
        )
        next_offset = place.record_end if is_last else following.offset
        yield _Event(generation(place.slice_), OTLP, mapped, record, next_offset)


def _several(value: bytes, *, shape: str) -> Sequence[LogRecord] | None:
    """Return the log records of an OTLP request; None where the record is one event."""
    if shape not in (AUTO, OTLP) or (shape == AUTO and not may_be_request(value)):
        return None
    try:
        found = log_records_of(value)
    except OtlpError:
        return None
    # What only might be a request must hold something to be one.
    is_none = not found and (shape == AUTO or not value.strip())
    return None if is_none else found


def _whole(value: bytes, *, offset: int) -> MappedEvent:
    """Return a record as one event: its bytes, without a newline at their end."""
    line = value.removesuffix(b"\n")
    is_cut = len(line) > RECORD_BYTES_MAX
    stored = line[:EVENT_BYTES_MAX] if is_cut else line
    flags = FLAG_CUT if is_cut else 0
    return MappedEvent(offset, len(line), crc32c.crc32c(line), stored, flags)


def _chunk(run: list[_Event], *, source: ForeignSettings) -> Chunk:
    first, last = run[0], run[-1]
    born_at_ms = first.generation.born_at_ms
    # The day of the newest time tells the birth, so it must lie in the day.
    seen_at_ms = max(event.record.appended_at_ms for event in run)
    observed_at_ms = min(max(seen_at_ms, born_at_ms), born_at_ms + DAY_MS - 1)
    origin = Origin(
        agent_id=FOREIGN_AGENT,
        host_id=FOREIGN_AGENT,
        host_name=FOREIGN_AGENT,
        path=f"kafka/{first.record.topic}/{first.record.partition}",
        generation=first.generation.name,
        born_at_ms=born_at_ms,
        first_offset=first.mapped.offset,
        size_bytes=last.next_offset - first.mapped.offset,
        first_event_number=first.mapped.offset,
        event_count=len(run),
        source=FOREIGN_AGENT,
        placement=_placement(source, shape=first.shape, born_at_ms=born_at_ms),
        time_zone=source.time_zone,
        framing="mapped",
        observed_at_ms=observed_at_ms,
    )
    return Chunk(origin, encode_mapped([event.mapped for event in run]))


def _placement(source: ForeignSettings, *, shape: str, born_at_ms: int) -> Placement:
    parser = PARSER_OF_DATASET.get(source.dataset, "")
    return Placement(
        dataset=source.dataset,
        parser=f"{PREFIX}{shape}",
        time_rule="generation",
        time_zone=source.time_zone,
        anchor_ms=born_at_ms,
        earliest_ms=born_at_ms,
        latest_ms=born_at_ms,
        # Empty for a parser of the user's own, and where each message tells for itself.
        inner=parser if parser in _BY_LINE else "",
    )

"""What follows from one raw record: documents, dead letters, rates, state and ledger.

Pure: a record and the state before it give the work, the same each time, so that a record
read again after a crash sends what it sent before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from tailrace.errors import WireError
from tailrace.floors import NO_FLOORS, Floors
from tailrace.ledger import EXPIRED, ledger_key, ledger_partition
from tailrace.template_records import TemplateRecord, template_key
from tailrace.topics import DEAD, DOCS, LEDGER, RATES, STATE, TEMPLATES
from tailrace.wire import DeadLetter, DocumentsOrigin, Origin, encode
from tailrace_stream.chunk import DeadEvent, ProcessedChunk, process_chunk
from tailrace_stream.counting import (
    count_chunk,
    count_dropped,
    count_unreadable,
    fields_of,
    ledger_of,
)
from tailrace_stream.enrich.enrichment import NO_ENRICHMENT, Enrichment
from tailrace_stream.guard.guard import UNCOUNTED, Guard
from tailrace_stream.intake import Chunk, dead_chunk, dead_id, read_record
from tailrace_stream.own.parser import NO_OWN, OwnParsers
from tailrace_stream.rates import rates_body
from tailrace_stream.records import Outgoing, RawRecord, Work
from tailrace_stream.redact.redaction import NO_REDACTION, Redaction
from tailrace_stream.seeding import Remembered, beginning_of
from tailrace_stream.shaping.editions import RuledBy, RuleMarks, ruled_by_none
from tailrace_stream.templates.sightings import sightings_of
from tailrace_stream.templates.table import TemplateTable
from tailrace_stream.unsent import without_dropped
from tailrace_stream.window_shape import STANDARD, WindowShape
from tailrace_stream.windows import Changed, GenerationState, within_intervals


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A record that was read and parsed, but not yet counted."""

    record: RawRecord
    chunk: Chunk | None = None
    processed: ProcessedChunk | None = None
    dead: DeadLetter | None = None
    """Of the record, or of all its events; None where its agent wrote it already."""
    rule_marks: RuleMarks = ()
    """Those of its generation after it."""


def parse_record(
    record: RawRecord,
    *,
    topic_id: str,
    namespace: str,
    now_ms: int,
    floors: Floors = NO_FLOORS,
    own: OwnParsers = NO_OWN,
    enrichment: Enrichment = NO_ENRICHMENT,
    redaction: Redaction = NO_REDACTION,
    guard: Guard = UNCOUNTED,
    shape: WindowShape = STANDARD,
    rule: RuledBy = ruled_by_none,
) -> Parsed:
    """Parse a record; it may be done apart from its neighbours' deliveries.

    `rule` says which rules its events are judged by, and its generation's marks then.
    """
    read = read_record(record, topic_id=topic_id, died_at_ms=now_ms)
    if not isinstance(read, Chunk):
        dead = None if read is None else redaction.of_letter(read)
        return Parsed(record=record, dead=dead)
    if read.origin.dead_reason or read.origin.dropped_reason:
        return Parsed(record=record, chunk=read)
    ruling, marks = rule(read.origin)
    try:
        processed = process_chunk(
            read.value,
            origin=read.origin,
            namespace=namespace,
            floors=floors,
            own=own,
            enrichment=enrichment,
            redaction=redaction,
            guard=guard,
            counted=fields_of(shape),
            ruling=ruling,
        )
    except WireError as error:
        dead = dead_chunk(
            record,
            origin=read.origin,
            reason="framing_unreadable",
            detail=str(error),
            died_at_ms=now_ms,
        )
        return Parsed(record=record, chunk=read, dead=redaction.of_letter(dead))
    return Parsed(record=record, chunk=read, processed=processed, rule_marks=marks)


def work_of(
    parsed: Parsed,
    *,
    state: bytes | None,
    word: bytes | None = None,
    templates: TemplateTable | None = None,
    shape: WindowShape = STANDARD,
    namespace: str,
    now_ms: int,
) -> Work:
    """Return what is to be sent and remembered for a parsed record.

    `state` is the generation's newest state record, `word` what the ledger says of it,
    which stands in for a state that is lost (`seeding.py`). Windows are then parts of
    other names, so what is counted anew adds to what was. `templates` are those of the
    partition, which the record is counted to, and `shape` says what windows tell.
    """
    record = parsed.record
    if parsed.chunk is None:
        return _without_chunk(parsed, namespace=namespace)
    origin = parsed.chunk.origin
    beginning = beginning_of(Remembered(state, word), origin=origin)
    before = beginning.state
    out = _Out(namespace=namespace, record=record, key=origin.generation.encode())
    if parsed.processed is not None:
        processed = without_dropped(parsed.processed, before, origin=origin)
        outputs, after, counts = _of_events(
            processed, before, shape, origin=origin, out=out, now_ms=now_ms
        )
        if after.revision != before.revision:
            after = msgspec.structs.replace(after, rule_marks=parsed.rule_marks)
        if templates is not None and parsed.processed.templates is not None:
            told, passed_over_count = _of_templates(
                parsed.processed,
                before,
                templates,
                origin=origin,
                out=out,
                now_ms=now_ms,
            )
            outputs += told
            if passed_over_count:
                counts["templates_passed_over"] = passed_over_count
    elif origin.dropped_reason:
        outputs, after, counts = _of_dropped(before, shape, origin=origin, out=out)
    else:
        outputs, after, counts = _of_dead(parsed.dead, before, origin=origin, out=out)
    if beginning.is_state_unreadable:
        counts["states_unreadable"] = 1
    if beginning.is_seeded:
        counts["states_seeded"] = 1
    if beginning.is_returned:
        counts["generations_returned"] = 1
    ledger = ledger_of(after, origin=origin, record=record, now_ms=now_ms)
    return Work(
        partition=record.partition,
        offset=record.offset,
        outputs=tuple(outputs),
        state=out.to(STATE.name(namespace), encode(after)) if after != before else None,
        is_state_first=not beginning.is_state_read,
        ledger=Outgoing(
            topic=LEDGER.name(namespace),
            partition=ledger_partition(ledger),
            key=ledger_key(ledger),
            value=encode(ledger),
        ),
        counts=counts,
    )


_Result = tuple[list[Outgoing], GenerationState, dict[str, int]]


def _of_events(
    processed: ProcessedChunk,
    before: GenerationState,
    shape: WindowShape,
    *,
    origin: Origin,
    out: _Out,
    now_ms: int,
) -> _Result:
    record, namespace = out.record, out.namespace
    after, changed = count_chunk(
        before, processed, origin=origin, part=record.offset, shape=shape
    )
    outputs = _document_records(processed, origin=origin, out=out)
    outputs += [
        out.to(DEAD.name(namespace), encode(_dead_letter(e, origin, out, now_ms)))
        for e in processed.dead
    ]
    outputs += _rates(changed, after, origin=origin, out=out)
    counts = {
        "chunks": 1,
        "events": processed.event_count,
        "documents": sum(piece.document_count for piece in processed.pieces),
    }
    for event in processed.dead:
        reason = f"dead_letters.{event.reason}"
        counts[reason] = counts.get(reason, 0) + 1
    if len(processed.expired_positions):
        counts[f"dropped.{EXPIRED}"] = len(processed.expired_positions)
    for reason in processed.left_out.reasons:
        counts[f"dropped.{reason}"] = counts.get(f"dropped.{reason}", 0) + 1
    if changed.late_count:
        counts["events_late"] = changed.late_count
    if processed.inner_unread_count:
        counts["inner_unread"] = processed.inner_unread_count
    for rule, count in processed.redacted:
        name = f"redacted.{rule}"
        counts[name] = counts.get(name, 0) + count
    for name, count in processed.conflicts:
        counts[f"conflicts.{name}"] = counts.get(f"conflicts.{name}", 0) + count
    if processed.event_count != origin.event_count:
        # Its agent numbered other events than there are; the ledger will not add up.
        counts["event_counts_wrong"] = 1
    return outputs, after, counts


def _rates(
    changed: Changed, after: GenerationState, *, origin: Origin, out: _Out
) -> list[Outgoing]:
    if not changed.count:
        return []
    body = rates_body(
        changed, revision=after.revision, origin=origin, namespace=out.namespace
    )
    header = encode(_span(origin, out.record, document_count=changed.count))
    return [out.to(RATES.name(out.namespace), body, header=header)]


def _of_dropped(
    before: GenerationState, shape: WindowShape, *, origin: Origin, out: _Out
) -> _Result:
    """A chunk that its agent did not send: counted, and passed over by all that follow."""
    part = out.record.offset
    after, changed = count_dropped(before, origin=origin, part=part, shape=shape)
    span = _span(origin, out.record, document_count=0)
    outputs = [out.to(DOCS.name(out.namespace), b"", header=encode(span))]
    outputs += _rates(changed, after, origin=origin, out=out)
    return outputs, after, {f"dropped.{origin.dropped_reason}": origin.event_count}


def _of_templates(
    processed: ProcessedChunk,
    before: GenerationState,
    templates: TemplateTable,
    *,
    origin: Origin,
    out: _Out,
    now_ms: int,
) -> tuple[list[Outgoing], int]:
    """Return the templates that are to be told now, and how many there is no room for."""
    assert processed.templates is not None, "nobody asked for templates"
    sightings = sightings_of(
        processed.templates,
        times_ns=processed.times_ns,
        is_new=~within_intervals(processed.offsets, intervals=before.counted),
        origin=origin,
    )
    due, passed_over_count = templates.see(
        sightings,
        offset=out.record.offset,
        dataset=origin.placement.dataset,
        now_ms=now_ms,
    )
    return template_outputs(due, namespace=out.namespace), passed_over_count


def template_outputs(
    records: Iterable[TemplateRecord], *, namespace: str
) -> list[Outgoing]:
    """Return what is sent of templates, each to the partition it was read from."""
    return [
        Outgoing(
            topic=TEMPLATES.name(namespace),
            partition=record.partition,
            key=template_key(record),
            value=encode(record),
        )
        for record in records
    ]


def _of_dead(
    dead: DeadLetter | None, before: GenerationState, *, origin: Origin, out: _Out
) -> _Result:
    """A chunk that is dead as a whole: whoever follows the numbers must pass over it."""
    reason = origin.dead_reason if dead is None else dead.reason
    after = count_unreadable(before, origin=origin, reason=reason)
    span = _span(origin, out.record, document_count=0)
    outputs = [out.to(DOCS.name(out.namespace), b"", header=encode(span))]
    if dead is None:
        return outputs, after, {"dead_at_agent": 1}
    outputs.append(out.to(DEAD.name(out.namespace), encode(dead)))
    return outputs, after, {f"dead_letters.{dead.reason}": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Out:
    """Where all records of one piece of work go: beside the record they come from."""

    namespace: str
    record: RawRecord
    key: bytes

    def to(self, topic: str, value: bytes, *, header: bytes = b"") -> Outgoing:
        return Outgoing(
            topic=topic,
            partition=self.record.partition,
            key=self.key,
            value=value,
            header=header,
        )


def _without_chunk(parsed: Parsed, *, namespace: str) -> Work:
    record = parsed.record
    outputs: tuple[Outgoing, ...] = ()
    counts = {"empty_records": 1}
    if parsed.dead is not None:
        out = _Out(namespace=namespace, record=record, key=record.key or b"")
        outputs = (out.to(DEAD.name(namespace), encode(parsed.dead)),)
        counts = {f"dead_letters.{parsed.dead.reason}": 1}
    return Work(
        partition=record.partition,
        offset=record.offset,
        outputs=outputs,
        state=None,
        ledger=None,
        counts=counts,
    )


def _document_records(
    processed: ProcessedChunk, *, origin: Origin, out: _Out
) -> list[Outgoing]:
    pieces = processed.pieces
    records: list[Outgoing] = []
    for index, piece in enumerate(pieces):
        is_last = index + 1 == len(pieces)
        following = origin.next_offset if is_last else pieces[index + 1].first_offset
        span = msgspec.structs.replace(
            _span(origin, out.record, document_count=piece.document_count),
            first_offset=piece.first_offset,
            next_offset=following,
            first_event_number=origin.first_event_number + piece.first_event,
            event_count=piece.event_count,
        )
        records.append(
            out.to(DOCS.name(out.namespace), piece.body, header=encode(span))
        )
    return records


def _span(origin: Origin, record: RawRecord, *, document_count: int) -> DocumentsOrigin:
    return DocumentsOrigin(
        agent_id=origin.agent_id,
        host_name=origin.host_name,
        path=origin.path,
        generation=origin.generation,
        first_offset=origin.first_offset,
        next_offset=origin.next_offset,
        first_event_number=origin.first_event_number,
        event_count=origin.event_count,
        document_count=document_count,
        observed_at_ms=origin.observed_at_ms,
        raw_partition=record.partition,
        raw_offset=record.offset,
        is_repeat=origin.is_repeat,
    )


def _dead_letter(
    event: DeadEvent, origin: Origin, out: _Out, now_ms: int
) -> DeadLetter:
    place = f"{origin.generation}/{event.offset}"
    return DeadLetter(
        dead_id=dead_id(place, original=event.original),
        stage="stream",
        reason=event.reason,
        detail=event.detail,
        original=event.original,
        died_at_ms=now_ms,
        topic=out.record.topic,
        partition=out.record.partition,
        offset=out.record.offset,
        generation=origin.generation,
        first_offset=event.offset,
        first_event_number=origin.first_event_number + event.position,
        host_name=origin.host_name,
        path=origin.path,
        dataset=origin.placement.dataset,
    )

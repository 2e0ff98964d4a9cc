"""What one chunk becomes: bulk lines for the index, dead letters, and columns to count.

A pure function of the record, its origin and the floors. Each event becomes exactly one
document or exactly one dead letter, or nothing: it is expired, or a rule leaves it out. A parser that raises for some line costs that line alone: the
chunk is halved until the line stands by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PanicException

from tailrace.floors import NO_FLOORS, Floors
from tailrace.topics import DOCUMENTS_BYTES_MAX
from tailrace.wire import Origin
from tailrace_stream.bulk import NO_LINE, BulkLines, bulk_lines, joined
from tailrace_stream.counted_fields import NOTHING, Counted, counted_fields
from tailrace_stream.documents import Documents, documents_of
from tailrace_stream.enrich.enrichment import NO_ENRICHMENT, Enrichment
from tailrace_stream.events import Events, read_events
from tailrace_stream.guard.guard import UNCOUNTED, Guard
from tailrace_stream.own.parser import NO_OWN, OwnParsers
from tailrace_stream.parsers.columns import TOLD, UNREADABLE
from tailrace_stream.parsing import parse
from tailrace_stream.pieces import BulkPiece, pieces_of
from tailrace_stream.placing import document_ids, index_names
from tailrace_stream.redact.hiding import Counts
from tailrace_stream.redact.redaction import NO_REDACTION, Redaction
from tailrace_stream.shaping.fates import (
    NO_RULING,
    NONE_LEFT_OUT,
    Fates,
    LeftOut,
    Ruling,
)
from tailrace_stream.shaping.leaving import left_out_of, part_fates, weighted
from tailrace_stream.templates import sightings

_NO_TIME = pl.Series([None], dtype=pl.Int64)
_NO_LEVEL = pl.Series([None], dtype=pl.String)


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """One event that no document could be made of."""

    reason: str
    detail: str
    original: bytes
    offset: int
    position: int
    """How many events of the chunk stand before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessedChunk:
    """Everything that is to be sent for one chunk, and what is to be counted of it."""

    pieces: list[BulkPiece]
    dead: list[DeadEvent]
    expired_positions: npt.NDArray[np.int64]
    """How many events stand before each of those whose index retention has taken away,
    ascending: nothing is sent of them."""
    event_count: int
    offsets: npt.NDArray[np.int64]
    """Of all events; the columns are of equal length."""
    times_ns: pl.Series
    levels: pl.Series
    fields: pl.DataFrame
    """What else is counted: those of the fields asked for that a parser knows."""
    inner_unread_count: int = 0
    """Documents of containers' lines whose own text no parser could read."""
    redacted: Counts = ()
    """How often each rule took something out."""
    templates: sightings.ChunkTemplates | None = None
    conflicts: Counts = ()
    """How many documents say of each field that its value did not fit."""
    left_out: LeftOut = NONE_LEFT_OUT
    """What rules leave out: nothing is sent of it."""


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive events of a chunk and their documents, or one event without."""

    events: Events
    made: Documents | None
    error: str = ""
    redacted: Counts = ()
    parsed: pl.DataFrame | None = None
    """Its fields, as they may be told."""
    unreadable: pl.Series | None = None
    """Why an event is none of its collector's; null where it is, None where all are."""


def process_chunk(
    value: bytes,
    *,
    origin: Origin,
    namespace: str,
    floors: Floors = NO_FLOORS,
    own: OwnParsers = NO_OWN,
    enrichment: Enrichment = NO_ENRICHMENT,
    redaction: Redaction = NO_REDACTION,
    guard: Guard = UNCOUNTED,
    counted: Counted = NOTHING,
    ruling: Ruling = NO_RULING,
    piece_bytes_max: int = DOCUMENTS_BYTES_MAX,
) -> ProcessedChunk:
    """Return what to send for a chunk, whose events are judged by the rules of `ruling`.

    `counted` are fields that its events are counted by.

    Raises:
        WireError: the table of a mapped chunk does not fit its bytes.
    """
    events = read_events(value, origin=origin)
    if not len(events):
        return _without_events(events, origin=origin)
    is_open = origin.framing == "newline" and not value.endswith(b"\n")
    events, redacted = redaction.of_events(events, origin=origin, is_open=is_open)
    parts = documents_in_parts(
        events,
        origin=origin,
        own=own,
        enrichment=enrichment,
        redaction=redaction,
        guard=guard,
    )
    # As they are without what is to be hidden.
    stored = [line for part in parts for line in part.events.stored]
    dead = _unparsed(parts, events, stored=stored)
    expired = np.concatenate(
        [_expired(p, origin=origin, namespace=namespace, floors=floors) for p in parts]
    )
    fates = [(p, part_fates(p, origin=origin, ruling=ruling)) for p in parts]
    lines = joined([_lines(*one, origin=origin, namespace=namespace) for one in fates])
    unreadable = _unreadable(parts, events, expired=expired, stored=stored)
    dead += unreadable
    lines = lines.without(np.flatnonzero(expired).tolist())
    lines = lines.without([event.position for event in unreadable])
    left_out = left_out_of(fates, is_there=lines.sizes > 0)
    lines = lines.without([] if ruling.keeps_all else left_out.positions.tolist())
    too_large, lines = _too_large(lines, events, stored, bytes_max=piece_bytes_max)
    dead += too_large
    return ProcessedChunk(
        pieces=pieces_of(lines, events=events, bytes_max=piece_bytes_max),
        dead=dead,
        expired_positions=np.flatnonzero(expired),
        event_count=len(events),
        offsets=events.offsets,
        times_ns=pl.concat([p.made.times_ns if p.made else _NO_TIME for p in parts]),
        levels=pl.concat([p.made.levels if p.made else _NO_LEVEL for p in parts]),
        fields=counted_fields([p.parsed for p in parts], counted=counted),
        inner_unread_count=sum(p.made.inner_unread_count for p in parts if p.made),
        redacted=redacted + tuple(one for p in parts for one in p.redacted),
        templates=sightings.joined(
            [(p.made.templates if p.made else None, len(p.events)) for p in parts]
        ),
        conflicts=tuple(one for p in parts if p.made for one in p.made.conflicts),
        left_out=left_out,
    )


def _too_large(
    lines: BulkLines, events: Events, stored: list[bytes], *, bytes_max: int
) -> tuple[list[DeadEvent], BulkLines]:
    """Return the dead letters of documents that no record holds, and the lines without."""
    rows: list[int] = np.flatnonzero(lines.sizes > bytes_max).tolist()
    dead: list[DeadEvent] = []
    for row in rows:
        size = lines.sizes[row]
        detail = f"its document has {size} bytes, a record holds {bytes_max}"
        dead.append(_dead(events, row, "document_too_large", detail, stored=stored))
    return dead, lines.without(rows)


def _without_events(events: Events, *, origin: Origin) -> ProcessedChunk:
    """Return what is sent for no event: what it skips in the file is passed on."""
    nothing = pl.Series([], dtype=pl.String)
    return ProcessedChunk(
        pieces=[BulkPiece.without_events(origin)],
        dead=[],
        expired_positions=events.offsets,
        event_count=0,
        offsets=events.offsets,
        times_ns=nothing.cast(pl.Int64),
        levels=nothing,
        fields=pl.DataFrame(),
    )


def documents_in_parts(
    events: Events,
    *,
    origin: Origin,
    own: OwnParsers = NO_OWN,
    enrichment: Enrichment = NO_ENRICHMENT,
    redaction: Redaction = NO_REDACTION,
    guard: Guard = UNCOUNTED,
) -> list[Part]:
    """Return the documents of `events`, in several parts only where a parser raised."""
    try:
        parsed = parse(
            events.text, stored=events.stored, placement=origin.placement, own=own
        )
        unreadable = None
        if UNREADABLE in parsed.columns:
            parsed, events, unreadable = _without_unreadable(
                parsed, events, redaction=redaction
            )
        parsed = enrichment.enriched(parsed, text=events.text, origin=origin)
        common = enrichment.common_of(origin)
        parsed, shown, redacted = redaction.of_fields(parsed, events)
        if shown is not events:
            parsed = parsed.drop(TOLD, strict=False)
        parsed = guard.of_fields(parsed, source=origin.source)
        made = documents_of(
            shown,
            parsed,
            origin=origin,
            common=common,
            has_templates=enrichment.has_templates,
        )
        return [
            Part(shown, made, redacted=redacted, parsed=parsed, unreadable=unreadable)
        ]
    # Whatever a line does to a parser costs that line alone; a panic of polars' own
    # is no Exception.
    except (Exception, PanicException) as error:  # noqa: BLE001
        if len(events) > 1:
            half = len(events) // 2
            return [
                part
                for piece in (events.part(0, half), events.part(half, len(events)))
                for part in documents_in_parts(
                    piece,
                    origin=origin,
                    own=own,
                    enrichment=enrichment,
                    redaction=redaction,
                    guard=guard,
                )
            ]
        return [_without_document(events, error, redaction=redaction)]


def _without_unreadable(
    parsed: pl.DataFrame, events: Events, *, redaction: Redaction
) -> tuple[pl.DataFrame, Events, pl.Series | None]:
    """Take out of the fields why records are none of their collector's.

    One that was cut could not be read, and is a document all the same.
    """
    why = parsed.get_column(UNREADABLE)
    parsed = parsed.drop(UNREADABLE)
    if events.are_cut is not None:
        why = why.set(events.are_cut, None)
    if not why.is_not_null().any():
        return parsed, events, None
    if redaction.is_by_field:
        # Which of its bytes are the fields' to be hidden, nobody knows.
        stored = [
            line if reason is None else redaction.withheld(line)
            for line, reason in zip(events.stored, why, strict=True)
        ]
        events = replace(events, stored=stored)
    return parsed, events, why


def _unparsed(
    parts: list[Part], events: Events, *, stored: list[bytes]
) -> list[DeadEvent]:
    return [
        _dead(events, p.events.first_position, "parser_raised", p.error, stored=stored)
        for p in parts
        if p.made is None
    ]


def _unreadable(
    parts: list[Part],
    events: Events,
    *,
    expired: npt.NDArray[np.bool_],
    stored: list[bytes],
) -> list[DeadEvent]:
    """Return the dead letters of records that are none of their collector's."""
    return [
        _dead(events, position, "record_unreadable", reason, stored=stored)
        for part in parts
        if part.unreadable is not None
        for position, reason in enumerate(part.unreadable, part.events.first_position)
        if reason is not None and not expired[position]
    ]


def _without_document(
    events: Events, error: BaseException, *, redaction: Redaction
) -> Part:
    """Return one event that a parser raised for.

    Where values of fields are to be hidden, nobody knows them in it: so neither it nor
    the error's words, which may quote it, are told.
    """
    kind = type(error).__name__
    if not redaction.is_by_field:
        return Part(events, None, f"{kind}: {error}")
    stored = [redaction.withheld(line) for line in events.stored]
    return Part(replace(events, stored=stored), None, kind)


def _dead(
    events: Events, position: int, reason: str, detail: str, *, stored: list[bytes]
) -> DeadEvent:
    return DeadEvent(
        reason,
        detail[:2_000],
        stored[position],
        int(events.offsets[position]),
        position,
    )


def _expired(
    part: Part, *, origin: Origin, namespace: str, floors: Floors
) -> npt.NDArray[np.bool_]:
    """Tell of each event of a part whether its index is expired."""
    if not floors or part.made is None:
        return np.zeros(len(part.events), np.bool_)
    indices = _indices(part.made, origin=origin, namespace=namespace)
    # A chunk has a few indices, and thousands of events.
    below = [
        index
        for index in indices.unique().to_list()
        if floors.is_expired(index, namespace=namespace)
    ]
    return indices.is_in(below).to_numpy()


def _indices(made: Documents, *, origin: Origin, namespace: str) -> pl.Series:
    return index_names(
        made.times_ns,
        namespace=namespace,
        placement=origin.placement,
        born_at_ms=origin.born_at_ms,
    )


def _lines(
    part: Part, fates: Fates | None, *, origin: Origin, namespace: str
) -> BulkLines:
    events, made = part.events, part.made
    if made is None:
        return NO_LINE
    return bulk_lines(
        indices=_indices(made, origin=origin, namespace=namespace),
        ids=document_ids(
            events.offsets,
            checksums=events.checksums,
            generation=origin.generation,
            born_at_ms=origin.born_at_ms,
        ),
        open_bodies=weighted(part, fates),
    )

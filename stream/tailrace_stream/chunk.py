"""What one chunk becomes: bulk lines for the index, dead letters, and columns to count.

A pure function of the record and its origin. Each event becomes exactly one document or
exactly one dead letter. A parser that raises for some line costs that line alone: the
chunk is halved until the line stands by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PanicException

from tailrace.topics import DOCUMENTS_BYTES_MAX
from tailrace.wire import Origin
from tailrace_stream.documents import Documents, body_sizes, documents_of
from tailrace_stream.events import Events, read_events
from tailrace_stream.parsing import parse
from tailrace_stream.placing import document_ids, index_names

_NO_TIME = pl.Series([None], dtype=pl.Int64)
_NO_LEVEL = pl.Series([None], dtype=pl.String)


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """One event that no document could be made of."""

    reason: str
    detail: str
    original: bytes
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPiece:
    """Bulk lines of consecutive events, no larger than one record may be."""

    body: bytes
    document_count: int
    event_count: int
    """With the dead ones among them."""
    first_event: int
    """Position in the chunk of its first event."""
    first_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessedChunk:
    """Everything that is to be sent for one chunk, and what is to be counted of it."""

    pieces: list[BulkPiece]
    dead: list[DeadEvent]
    event_count: int
    offsets: npt.NDArray[np.int64]
    """Of all events; the three columns are of equal length."""
    times_ns: pl.Series
    levels: pl.Series


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive events of a chunk and their documents, or one event without."""

    events: Events
    made: Documents | None
    error: str = ""


def process_chunk(
    value: bytes,
    *,
    origin: Origin,
    namespace: str,
    piece_bytes_max: int = DOCUMENTS_BYTES_MAX,
) -> ProcessedChunk:
    """Return what to send for a chunk.

    Raises:
        WireError: the table of a mapped chunk does not fit its bytes.
    """
    events = read_events(value, origin=origin)
    if not len(events):
        nothing = pl.Series([], dtype=pl.String)
        return ProcessedChunk(
            pieces=[],
            dead=[],
            event_count=0,
            offsets=events.offsets,
            times_ns=nothing.cast(pl.Int64),
            levels=nothing,
        )
    parts = documents_in_parts(events, origin=origin)
    dead: list[DeadEvent] = []
    texts: list[pl.Series] = []
    for part in parts:
        if part.made is None:
            dead.append(_dead(part.events, 0, "parser_raised", part.error))
            texts.append(pl.Series([None], dtype=pl.String))
        else:
            texts.append(_bulk_lines(part, part.made, origin, namespace=namespace))
    text = pl.concat(texts)
    sizes = body_sizes(text.fill_null(""))
    too_large = np.flatnonzero(sizes > piece_bytes_max)
    for row in too_large.tolist():
        detail = (
            f"its document has {sizes[row]} bytes, a record holds {piece_bytes_max}"
        )
        dead.append(_dead(events, row, "document_too_large", detail))
    if len(too_large):
        sizes = np.where(sizes > piece_bytes_max, 0, sizes)
        rows = pl.Series(too_large)
        text = text.scatter(rows, None)
    return ProcessedChunk(
        pieces=_pieces(text, sizes, events=events, bytes_max=piece_bytes_max),
        dead=dead,
        event_count=len(events),
        offsets=events.offsets,
        times_ns=pl.concat([p.made.times_ns if p.made else _NO_TIME for p in parts]),
        levels=pl.concat([p.made.levels if p.made else _NO_LEVEL for p in parts]),
    )


def documents_in_parts(events: Events, *, origin: Origin) -> list[Part]:
    """Return the documents of `events`, in several parts only where a parser raised."""
    try:
        parsed = parse(events.text, placement=origin.placement)
        return [Part(events, documents_of(events, parsed, origin=origin))]
    # Whatever a line does to a parser costs that line alone; a panic of polars' own
    # is no Exception.
    except (Exception, PanicException) as error:  # noqa: BLE001
        if len(events) > 1:
            half = len(events) // 2
            return [
                *documents_in_parts(events.part(0, half), origin=origin),
                *documents_in_parts(events.part(half, len(events)), origin=origin),
            ]
        return [Part(events, None, f"{type(error).__name__}: {error}")]


def _dead(events: Events, row: int, reason: str, detail: str) -> DeadEvent:
    return DeadEvent(
        reason, detail[:2_000], events.stored[row], int(events.offsets[row])
    )


def _bulk_lines(
    part: Part, made: Documents, origin: Origin, *, namespace: str
) -> pl.Series:
    events = part.events
    frame = pl.DataFrame(
        [
            index_names(
                made.times_ns,
                namespace=namespace,
                placement=origin.placement,
                born_at_ms=origin.born_at_ms,
            ).alias("index"),
            document_ids(
                events.offsets,
                checksums=events.checksums,
                generation=origin.generation,
                born_at_ms=origin.born_at_ms,
            ).alias("id"),
            made.bodies.alias("body"),
        ]
    )
    return frame.select(
        pl.concat_str(
            pl.lit('{"create":{"_index":"'),
            pl.col("index"),
            pl.lit('","_id":"'),
            pl.col("id"),
            pl.lit('"}}\n'),
            pl.col("body"),
            pl.lit("\n"),
        )
    ).to_series()


def _pieces(
    text: pl.Series,
    sizes: npt.NDArray[np.int64],
    *,
    events: Events,
    bytes_max: int,
) -> list[BulkPiece]:
    """Cut the lines into records: each as full as it may be, none empty."""
    ends = np.cumsum(sizes)
    has_line = text.is_not_null().to_numpy()
    pieces: list[BulkPiece] = []
    start, start_bytes = 0, 0
    while start < len(sizes):
        stop = int(np.searchsorted(ends, start_bytes + bytes_max, side="right"))
        document_count = int(has_line[start:stop].sum())
        if document_count:
            joined = text.slice(start, stop - start).drop_nulls().str.join("")
            pieces.append(
                BulkPiece(
                    body=joined.item().encode(),
                    document_count=document_count,
                    event_count=stop - start,
                    first_event=start,
                    first_offset=int(events.offsets[start]),
                )
            )
        start_bytes = int(ends[stop - 1])
        start = stop
    return pieces

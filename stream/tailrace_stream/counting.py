"""What one raw record adds to its generation's state, and what the ledger then says of it.

Pure: a record that is read again after its state was written adds nothing, and the ledger
record that follows from it says the same again.
"""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from tailrace.ledger import EXPIRED, StreamLedger
from tailrace.wire import Origin
from tailrace_stream.chunk import ProcessedChunk
from tailrace_stream.counted_fields import Counted
from tailrace_stream.figures import Span, gaps_in, new_of_unreadable, with_events
from tailrace_stream.intake import FOREIGN_AGENT
from tailrace_stream.records import RawRecord
from tailrace_stream.shaping.fates import NOTHING_LEFT_OUT, LeftOutSums, sums_of
from tailrace_stream.unsent import edges_after, new_spans
from tailrace_stream.window_groups import GroupColumns
from tailrace_stream.window_shape import STANDARD, WindowShape
from tailrace_stream.windows import (
    NOTHING_CHANGED,
    Changed,
    EventColumns,
    GenerationState,
    add_interval,
    count_events,
    count_unsent,
    within_intervals,
)

_STATUS = "status"
_VALUE, _TEXT = "value:", "text:"


def fields_of(shape: WindowShape) -> Counted:
    """Return what of parsed fields is counted."""
    return {
        _STATUS: ("http.response.status_code", pl.Int64),
        **{f"{_VALUE}{name}": (name, pl.Float64) for name in shape.values},
        **{f"{_TEXT}{name}": (name, pl.String) for name in shape.top},
    }


def count_chunk(
    before: GenerationState,
    processed: ProcessedChunk,
    *,
    origin: Origin,
    part: int,
    shape: WindowShape = STANDARD,
) -> tuple[GenerationState, Changed]:
    """Count the events of a chunk that were not counted before, the dead ones too.

    Return the new state, and what of its windows changed.
    """
    after, changed = count_events(
        before,
        _columns_of(processed),
        span=_span_of(origin),
        observed_at_ms=origin.observed_at_ms,
        part=part,
        shape=shape,
    )
    if after.counted != before.counted:
        edges = edges_after(before, after.counted, origin=origin, span=_span_of(origin))
        after = msgspec.structs.replace(after, edges=edges)
    if after.revision == before.revision:
        return after, changed
    figures = with_events(
        before.figures,
        origin=origin,
        is_first=before.revision == 0,
        event_count=processed.event_count,
        dead=_new_dead(processed, counted=before.counted),
        dropped=_new_expired(processed, origin=origin, counted=before.counted),
        left_out=_new_left_out(processed, origin=origin, counted=before.counted),
    )
    return msgspec.structs.replace(after, figures=figures), changed


def _columns_of(processed: ProcessedChunk) -> EventColumns:
    fields, templates = processed.fields, processed.templates
    return EventColumns(
        offsets=processed.offsets,
        groups=GroupColumns(
            times_ns=processed.times_ns,
            levels=processed.levels,
            statuses=fields.get_column(_STATUS) if _STATUS in fields.columns else None,
            template_ids=None if templates is None else templates.ids,
        ),
        values=_named(fields, _VALUE),
        texts=_named(fields, _TEXT),
    )


def _named(fields: pl.DataFrame, start: str) -> dict[str, pl.Series]:
    return {
        column.name.removeprefix(start): column
        for column in fields.get_columns()
        if column.name.startswith(start)
    }


def count_unreadable(
    before: GenerationState, *, origin: Origin, reason: str
) -> GenerationState:
    """Count a chunk that is dead as a whole; its events have no time, so no window."""
    new_count, span = new_of_unreadable(
        before.figures, origin=origin, span=_span_of(origin), counted=before.counted
    )
    counted = add_interval(before.counted, span)
    edges = edges_after(before, counted, origin=origin, span=span)
    if not new_count:
        return msgspec.structs.replace(before, counted=counted, edges=edges)
    figures = with_events(
        before.figures,
        origin=origin,
        is_first=before.revision == 0,
        event_count=origin.event_count,
        dead={reason: new_count},
        dropped={},
    )
    return msgspec.structs.replace(
        before,
        revision=before.revision + new_count,
        counted=counted,
        figures=figures,
        edges=edges,
    )


def count_dropped(
    before: GenerationState,
    *,
    origin: Origin,
    part: int,
    shape: WindowShape = STANDARD,
) -> tuple[GenerationState, Changed]:
    """Count the events of a chunk that its agent did not send, those that are new.

    Return the new state, and what of its windows changed.
    """
    span = _span_of(origin)
    counted, numbers = before.counted, list[Span]()
    for offsets, told in new_spans(before, origin=origin, span=span):
        counted = add_interval(counted, offsets)
        if told[0] < told[1]:
            numbers.append(told)
    edges = edges_after(before, counted, origin=origin, span=span)
    new_count = sum(stop - start for start, stop in numbers)
    if not new_count:
        after = msgspec.structs.replace(before, counted=counted, edges=edges)
        return after, NOTHING_CHANGED
    figures = with_events(
        before.figures,
        origin=origin,
        is_first=before.revision == 0,
        event_count=origin.event_count,
        dead={},
        dropped={origin.dropped_reason: numbers},
    )
    after, changed = count_unsent(
        before,
        new_count,
        observed_at_ms=origin.observed_at_ms,
        part=part,
        shape=shape,
    )
    after = msgspec.structs.replace(
        after,
        revision=before.revision + new_count,
        counted=counted,
        figures=figures,
        edges=edges,
    )
    return after, changed


def ledger_of(
    state: GenerationState, *, origin: Origin, record: RawRecord, now_ms: int
) -> StreamLedger:
    """Return what the ledger says of a generation after `record`.

    Where a record is an event of another collector its offset is that of Kafka, and what
    lies between two of them belongs to others: there are no gaps.
    """
    figures = state.figures
    is_foreign = origin.agent_id == FOREIGN_AGENT
    lost = sum(figures.dead.values()) + sum(figures.dropped.values())
    return StreamLedger(
        generation=state.generation,
        revision=state.revision,
        agent_id=origin.agent_id,
        host_name=origin.host_name,
        path=origin.path,
        dataset=origin.placement.dataset,
        index=origin.placement.index,
        first_event_number=figures.first_event_number,
        next_event_number=figures.next_event_number,
        next_offset=state.counted[-1][1] if state.counted else 0,
        event_count=state.revision,
        document_count=state.revision - lost,
        dead=figures.dead,
        dropped=figures.dropped,
        dropped_spans=figures.dropped_spans,
        dropped_untold=figures.dropped_untold,
        left_out=figures.left_out,
        event_numbers=_numbers_of(state) if is_foreign else (),
        gaps=() if is_foreign else gaps_in(state.counted),
        observed_at_ms=max(figures.observed_at_ms, origin.observed_at_ms),
        raw_partition=record.partition,
        raw_next_offset=record.offset + 1,
        updated_at_ms=now_ms,
    )


def _numbers_of(state: GenerationState) -> tuple[Span, ...]:
    """Return the numbers of a generation whose offsets are its numbers; none if unsure.

    Where intervals became too many, gaps were taken for counted, and they hold more
    numbers than there are events.
    """
    held = sum(stop - start for start, stop in state.counted)
    return state.counted if held == state.revision else ()


def _new_dead(processed: ProcessedChunk, *, counted: tuple[Span, ...]) -> Counter[str]:
    if not processed.dead:
        return Counter()
    offsets = np.fromiter((event.offset for event in processed.dead), np.int64)
    is_old = within_intervals(offsets, intervals=counted)
    return Counter(
        event.reason
        for event, old in zip(processed.dead, is_old, strict=True)
        if not old
    )


def _new_expired(
    processed: ProcessedChunk, *, origin: Origin, counted: tuple[Span, ...]
) -> dict[str, list[Span]]:
    """Return the numbers of expired events that were not counted before."""
    positions = processed.expired_positions
    if not len(positions):
        return {}
    is_old = within_intervals(processed.offsets[positions], intervals=counted)
    spans = spans_of(origin.first_event_number + positions[~is_old])
    return {EXPIRED: spans} if spans else {}


def _new_left_out(
    processed: ProcessedChunk, *, origin: Origin, counted: tuple[Span, ...]
) -> LeftOutSums:
    """Return the sums of what rules left out and that was not counted before."""
    left = processed.left_out
    if not len(left.positions):
        return NOTHING_LEFT_OUT
    offsets = processed.offsets[left.positions]
    return sums_of(
        left,
        first_number=origin.first_event_number,
        is_new=~within_intervals(offsets, intervals=counted),
    )


def spans_of(numbers: npt.NDArray[np.int64]) -> list[Span]:
    """Return ascending numbers as spans `[from, to)`, as few as there can be."""
    if not len(numbers):
        return []
    breaks = np.flatnonzero(np.diff(numbers) != 1)
    firsts = numbers[np.concatenate(([0], breaks + 1))]
    lasts = numbers[np.concatenate((breaks, [len(numbers) - 1]))]
    return list(zip(firsts.tolist(), (lasts + 1).tolist(), strict=True))


def _span_of(origin: Origin) -> Span:
    """Return all that a chunk covers, its holes before the first event included."""
    return origin.first_offset - origin.skipped_before_bytes, origin.next_offset

"""Events that an agent did not send, and said so in their place: counted, and kept out.

Their word is a chunk's origin without its bytes (`Origin.dropped_reason`). It tells where
they begin and end together, and not each; so which of them are new, where some were counted
before, is told by the event numbers at the edges of what was. An agent that starts anew may
cut its chunks otherwise, and be within its rate where it was beyond: what comes first of an
event is what counts, and no document is made of one that was counted as dropped. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec

from tailrace.ledger import UNSENT
from tailrace.number_sets import NO_NUMBERS, NumberSet
from tailrace.wire import Origin
from tailrace_stream.chunk import ProcessedChunk
from tailrace_stream.figures import Span
from tailrace_stream.intake import FOREIGN_AGENT
from tailrace_stream.pieces import BulkPiece
from tailrace_stream.windows import GenerationState, within_intervals

EDGES_MAX: Final = 200
"""Of more gaps than half as many the first edges are forgotten: a word that ends in one of
those then fills it not, and its events are asked for as a hole."""


class _Place(msgspec.Struct):
    number: int = msgspec.field(name="event.sequence")


_place = msgspec.json.Decoder(_Place)


def new_spans(
    before: GenerationState, *, origin: Origin, span: Span
) -> list[tuple[Span, Span]]:
    """Return the offsets of a word of which nothing was counted, each with its numbers.

    Left out is what begins or ends at an edge of which the number is not known.
    """
    first = origin.first_event_number
    last = first + origin.event_count
    known = _known(before) | {span[0]: first, span[1]: last}
    found: list[tuple[Span, Span]] = []
    for start, end in _gaps(before.counted, within=span):
        if start in known and end in known:
            numbers = max(known[start], first), min(known[end], last)
            if numbers[0] <= numbers[1]:
                found.append(((start, end), numbers))
    return found


def edges_after(
    before: GenerationState, counted: Sequence[Span], *, origin: Origin, span: Span
) -> tuple[Span, ...]:
    """Return each edge of a gap with the number of the first event behind it.

    Nearly always there is no gap, and none is returned.
    """
    if len(counted) == 1 and not counted[0][0]:
        return ()
    if not counted or origin.agent_id == FOREIGN_AGENT:
        return ()
    first = origin.first_event_number
    known = _known(before) | {span[0]: first, span[1]: first + origin.event_count}
    gaps = _gaps(counted, within=(0, counted[-1][1]))
    edges = [
        (offset, known[offset]) for gap in gaps for offset in gap if offset in known
    ]
    return tuple(edges[-EDGES_MAX:])


def without_dropped(
    processed: ProcessedChunk, before: GenerationState, *, origin: Origin
) -> ProcessedChunk:
    """Return what is to be sent of a chunk: nothing of events that count as not sent.

    They come again where their agent started anew, or was asked for a hole beside them.
    """
    first = origin.first_event_number
    dropped = _dropped(before).within(range(first, first + processed.event_count))
    if not dropped:
        return processed
    is_counted = within_intervals(processed.offsets, intervals=before.counted)
    # Of an agent that numbers otherwise than before, what is new is new all the same.
    gone = {n for span in dropped.spans for n in span if is_counted[n - first]}
    return replace(
        processed,
        pieces=[_without(piece, gone) for piece in processed.pieces],
        dead=[each for each in processed.dead if first + each.position not in gone],
    )


def _dropped(state: GenerationState) -> NumberSet:
    told = state.figures.dropped_spans
    if not told:
        return NO_NUMBERS
    return NumberSet.of(span for r in UNSENT for span in told.get(r, ()))


def _known(state: GenerationState) -> dict[int, int]:
    """Return by offset the number of the first event behind it, where that is known."""
    known = {0: 0, **dict(state.edges)}
    if state.counted:
        known.setdefault(state.counted[-1][1], state.figures.next_event_number)
    return known


def _gaps(counted: Sequence[Span], *, within: Span) -> list[Span]:
    """Return the spans of offsets in `within` of which nothing was counted."""
    at, stop = within
    gaps: list[Span] = []
    for start, end in counted:
        if start >= stop:
            break
        if start > at:
            gaps.append((at, start))
        at = max(at, end)
    if at < stop:
        gaps.append((at, stop))
    return gaps


def _without(piece: BulkPiece, gone: set[int]) -> BulkPiece:
    """Return the bulk lines without the documents of these event numbers."""
    lines = piece.body.split(b"\n")
    pairs = list(zip(lines[0:-1:2], lines[1::2], strict=True))
    kept = [each for each in pairs if _place.decode(each[1]).number not in gone]
    if len(kept) == len(pairs):
        return piece
    body = b"".join(line + b"\n" for pair in kept for line in pair)
    return replace(piece, body=body, document_count=len(kept))

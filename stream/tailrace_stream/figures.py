"""How far a generation has come: absolute figures, in which each event is counted once.

They stand in the generation's state beside the intervals of offsets that were counted, and
only what those did not hold is added. Where a chunk cannot be read, its events have no
offsets of their own; then as many are added as can be told exactly, and of the rest the
intervals keep a hole, so that it is asked for and counted when it comes in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tailrace.ledger import (
    DROPPED_SPANS_MAX,
    GAPS_MAX,
    LEFT_OUT_WINDOWS_MAX,
    UNSENT,
    WINDOW_EVENTS,
)
from tailrace.number_sets import NumberSet
from tailrace.wire import Origin
from tailrace_stream.shaping.fates import NOTHING_LEFT_OUT, LeftOutSums

Span = tuple[int, int]
"""Offsets or numbers `[from, to)`."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What is not told by a state's intervals and its revision, the count of events.

    A state that was written before there were figures says that all its events became
    documents, which is what they did but for a few that nobody counted then.
    """

    first_event_number: int = 0
    next_event_number: int = 0
    dead: dict[str, int] = {}
    """Dead-lettered events by reason."""
    dropped: dict[str, int] = {}
    """Events of which nothing is kept, by reason."""
    dropped_spans: dict[str, tuple[Span, ...]] = {}
    """Their numbers, by reason, `DROPPED_SPANS_MAX` spans of them together."""
    dropped_untold: Span | None = None
    """Where those lie that are counted and have no span."""
    left_out: dict[str, tuple[int, int]] = {}
    """What rules left out, by window of event numbers: how many, and their numbers' sum
    (`StreamLedger.left_out`)."""
    observed_at_ms: int = 0
    """When the agent read the newest chunk that brought events."""


def with_events(
    figures: Figures,
    *,
    origin: Origin,
    is_first: bool,
    event_count: int,
    dead: Mapping[str, int],
    dropped: Mapping[str, Sequence[Span]],
    left_out: LeftOutSums = NOTHING_LEFT_OUT,
) -> Figures:
    """Return the figures after new events of a chunk came, the dead among them by reason.

    So are the numbers of those of which nothing is kept, and the sums of what rules left
    out.

    `event_count` is how many events the chunk has, new or not; `is_first` says that none
    of the generation was counted before.
    """
    first = origin.first_event_number
    if dropped:
        figures = _with_dropped(figures, dropped)
    if left_out.counts:
        figures = _with_left_out(figures, left_out)
    return msgspec.structs.replace(
        figures,
        first_event_number=first
        if is_first
        else min(figures.first_event_number, first),
        next_event_number=max(figures.next_event_number, first + event_count),
        dead=_added(figures.dead, dead),
        observed_at_ms=max(figures.observed_at_ms, origin.observed_at_ms),
    )


def _with_left_out(figures: Figures, new: LeftOutSums) -> Figures:
    """Return the figures with what rules left out now.

    Where windows become too many, the first are told by their count alone from then on.
    """
    windows = dict(figures.left_out)
    for name, (count, total) in new.windows.items():
        before = windows.get(name, (0, 0))
        windows[name] = (before[0] + count, before[1] + total)
    untold = _untold_before(figures)
    over = len(windows) - LEFT_OUT_WINDOWS_MAX
    for number in sorted(map(int, windows))[: max(over, 0)]:
        del windows[str(number)]
        span = (number * WINDOW_EVENTS, (number + 1) * WINDOW_EVENTS)
        untold = _hull([span, *([untold] if untold else [])])
    return msgspec.structs.replace(
        figures,
        dropped=_added(figures.dropped, new.counts),
        left_out=windows,
        dropped_untold=untold,
    )


def _with_dropped(figures: Figures, dropped: Mapping[str, Sequence[Span]]) -> Figures:
    """Return the figures with new numbers dropped, each as a span as far as there is room.

    The others are counted, and the one span that holds all of them is widened.
    """
    counts = {reason: _length(spans) for reason, spans in dropped.items()}
    told = {r: NumberSet.of(spans) for r, spans in figures.dropped_spans.items()}
    untold = _untold_before(figures)
    for reason, spans in dropped.items():
        before = told.get(reason, NumberSet())
        others = sum(len(numbers.spans) for numbers in told.values())
        room = DROPPED_SPANS_MAX - others + len(before.spans)
        if reason in UNSENT:
            after, left = _newest(before, spans, spans_max=room)
        else:
            after, left = _as_room_is(before, spans, spans_max=room)
        told[reason] = after
        if after.count - before.count < counts[reason] - _length(left):
            # Numbers that were told before, though counted as new: an agent that
            # numbers its events wrongly. They count, and lie within these.
            left = spans
        if left:
            untold = _hull([*left, *([untold] if untold else [])])
    return msgspec.structs.replace(
        figures,
        dropped=_added(figures.dropped, counts),
        dropped_spans={r: numbers.pairs() for r, numbers in told.items() if numbers},
        dropped_untold=untold,
    )


def _as_room_is(
    before: NumberSet, spans: Sequence[Span], *, spans_max: int
) -> tuple[NumberSet, Sequence[Span]]:
    """Return the numbers with as many of the spans as may be, and the spans left out."""
    free = max(spans_max - len(before.spans), 0)
    # One more may touch the last, and so need no room.
    for taken in (len(spans), min(free + 1, len(spans)), min(free, len(spans))):
        after = NumberSet.of([*before.spans, *spans[:taken]])
        if len(after.spans) <= spans_max:
            return after, spans[taken:]
    return before, spans


def _newest(
    before: NumberSet, spans: Sequence[Span], *, spans_max: int
) -> tuple[NumberSet, Sequence[Span]]:
    """Return the newest spans of both that there is room for, and the spans left out.

    What an agent sends again, as it started anew, is what it sent last.
    """
    every = NumberSet.of([*before.spans, *spans]).spans
    over = max(len(every) - max(spans_max, 0), 0)
    return NumberSet(every[over:]), NumberSet(every[:over]).pairs()


def _untold_before(figures: Figures) -> Span | None:
    """Return where numbers lie that are counted only.

    Anywhere, in a state that was written before there were spans.
    """
    told = sum(_length(spans) for spans in figures.dropped_spans.values())
    told += sum(count for count, _ in figures.left_out.values())
    if figures.dropped_untold is None and told < sum(figures.dropped.values()):
        return (figures.first_event_number, figures.next_event_number)
    return figures.dropped_untold


def _length(spans: Sequence[Span]) -> int:
    return sum(stop - start for start, stop in spans)


def _hull(spans: Sequence[Span]) -> Span:
    return min(start for start, _ in spans), max(stop for _, stop in spans)


def new_of_unreadable(
    figures: Figures, *, origin: Origin, span: Span, counted: Sequence[Span]
) -> tuple[int, Span]:
    """Return how many events of a chunk that cannot be read are new, and their offsets.

    All, where nothing of its span was counted; else those beyond all that was counted,
    which are told by their numbers. What falls into a hole only in part cannot be told:
    none of it is taken, and the offsets that come back are empty.
    """
    first, last = span
    if not any(start < last and first < end for start, end in counted):
        return origin.event_count, span
    reached = counted[-1][1]
    if last <= reached:
        return 0, (last, last)
    next_number = origin.first_event_number + origin.event_count
    beyond = next_number - figures.next_event_number
    return min(max(beyond, 0), origin.event_count), (reached, last)


def gaps_in(counted: Sequence[Span]) -> tuple[Span, ...]:
    """Return the spans before the end of which nothing came, the first `GAPS_MAX`."""
    ends = [0, *(end for _, end in counted)]
    gaps = [
        (end, start)
        for end, (start, _) in zip(ends, counted, strict=False)
        if start > end
    ]
    return tuple(gaps[:GAPS_MAX])


def _added(sums: Mapping[str, int], counts: Mapping[str, int]) -> dict[str, int]:
    added = dict(sums)
    for reason, count in counts.items():
        added[reason] = added.get(reason, 0) + count
    return added

"""Figures are absolute: whatever comes again, in whatever pieces, adds only what is new."""

from __future__ import annotations

import pytest

from tailrace.ledger import DROPPED_SPANS_MAX, GAPS_MAX
from tailrace_stream.figures import (
    Figures,
    Span,
    gaps_in,
    new_of_unreadable,
    with_events,
)
from tests.stream.builders import SEEN_AT_MS, origin


def test_dead_events_are_summed_by_reason() -> None:
    figures = Figures()
    for number, dead in ((0, {"a": 1}), (3, {"a": 2, "b": 1}), (6, {})):
        figures = with_events(
            figures,
            origin=origin(b"", first_event_number=number),
            is_first=number == 0,
            event_count=3,
            dead=dead,
            dropped={},
        )
    assert figures == Figures(
        next_event_number=9, dead={"a": 3, "b": 1}, observed_at_ms=SEEN_AT_MS
    )


def test_the_first_number_is_the_lowest_that_came() -> None:
    figures = Figures()
    found: list[tuple[int, int]] = []
    for number in (40, 20, 60):
        figures = with_events(
            figures,
            origin=origin(b"", first_event_number=number),
            is_first=number == 40,
            event_count=10,
            dead={},
            dropped={"expired": [(number, number + 1)]},
        )
        found.append((figures.first_event_number, figures.next_event_number))
    assert found == [(40, 50), (20, 50), (20, 70)]


@pytest.mark.parametrize(
    ("counted", "gaps"),
    [
        ((), ()),
        (((0, 10),), ()),
        (((5, 10),), ((0, 5),)),
        (((0, 10), (20, 30), (31, 40)), ((10, 20), (30, 31))),
    ],
)
def test_gaps_are_what_lies_before_the_end_and_never_came(
    counted: tuple[Span, ...], gaps: tuple[Span, ...]
) -> None:
    assert gaps_in(counted) == gaps


def test_no_more_gaps_are_told_than_a_record_holds() -> None:
    counted = [(10 * n + 5, 10 * n + 10) for n in range(2 * GAPS_MAX)]
    assert gaps_in(counted) == tuple((10 * n, 10 * n + 5) for n in range(GAPS_MAX))


@pytest.mark.parametrize(
    ("counted", "first_number", "span", "expected"),
    [
        ((), 0, (0, 50), (5, (0, 50))),
        # In a hole that nothing of it touches, all are new.
        (((0, 10), (90, 100)), 1, (20, 70), (5, (20, 70))),
        # Sent again, with three events beyond: they are told by their numbers.
        (((0, 100),), 8, (80, 130), (3, (100, 130))),
        (((0, 100),), 2, (20, 70), (0, (70, 70))),
        # Partly in a hole: how many of its events lie there, nobody can tell.
        (((0, 30), (50, 100)), 1, (10, 60), (0, (60, 60))),
        (((0, 30), (50, 100)), 7, (20, 120), (2, (100, 120))),
    ],
)
def test_of_a_chunk_that_cannot_be_read_what_can_be_told_is_counted(
    counted: tuple[Span, ...],
    first_number: int,
    span: Span,
    expected: tuple[int, Span],
) -> None:
    """Ten bytes an event; the generation came as far as event 10."""
    made = origin(b"\n" * 5, first_event_number=first_number)
    figures = Figures(next_event_number=10)
    assert (
        new_of_unreadable(figures, origin=made, span=span, counted=counted) == expected
    )


def after(
    figures: Figures, *dropped: dict[str, list[Span]], number: int = 0
) -> Figures:
    """Return the figures after chunks of ten events, of which these were dropped."""
    for each in dropped:
        figures = with_events(
            figures,
            origin=origin(b"", first_event_number=number),
            is_first=number == 0,
            event_count=10,
            dead={},
            dropped=each,
        )
        number += 10
    return figures


def test_what_is_dropped_is_told_by_reason_and_number() -> None:
    figures = after(
        Figures(),
        {"expired": [(0, 2), (9, 10)]},
        {},
        {"expired": [(20, 21)], "sampled": [(21, 25)]},
        {"expired": [(30, 31)]},
    )

    assert figures.dropped == {"expired": 5, "sampled": 4}
    assert figures.dropped_spans == {
        "expired": ((0, 2), (9, 10), (20, 21), (30, 31)),
        "sampled": ((21, 25),),
    }
    assert figures.dropped_untold is None
    touching = after(figures, {"expired": [(31, 33)]}, number=40)
    assert touching.dropped_spans["expired"][-1] == (30, 33)


def test_what_is_dropped_beyond_the_limit_is_counted_and_its_place_is_bounded() -> None:
    figures = Figures()
    many = [(2 * n, 2 * n + 1) for n in range(DROPPED_SPANS_MAX - 1)]
    end = 2 * DROPPED_SPANS_MAX
    figures = after(figures, {"expired": many})
    full = after(figures, {"sampled": [(end, end + 1), (end + 5, end + 9)]}, number=end)
    more = after(full, {"expired": [(end + 10, end + 12)]}, number=end + 10)
    longer = after(more, {"sampled": [(end + 1, end + 2)]}, number=end + 20)

    assert full.dropped_spans == {
        "expired": tuple(many),
        "sampled": ((end, end + 1),),
    }
    assert full.dropped == {"expired": DROPPED_SPANS_MAX - 1, "sampled": 5}
    assert full.dropped_untold == (end + 5, end + 9)
    assert more.dropped_spans == full.dropped_spans
    assert more.dropped["expired"] == DROPPED_SPANS_MAX + 1
    assert more.dropped_untold == (end + 5, end + 12)
    # One that touches the last needs no room.
    assert longer.dropped_spans["sampled"] == ((end, end + 2),)
    assert longer.dropped_untold == more.dropped_untold


def test_what_was_dropped_before_there_were_spans_may_lie_anywhere() -> None:
    older = Figures(next_event_number=40, dropped={"expired": 3})

    same = after(older, {}, number=40)
    figures = after(older, {"expired": [(42, 43)]}, number=40)

    assert same.dropped_untold is None
    assert figures.dropped == {"expired": 4}
    assert figures.dropped_spans == {"expired": ((42, 43),)}
    assert figures.dropped_untold == (0, 40)


def test_a_number_that_is_dropped_twice_is_counted_and_its_place_is_bounded() -> None:
    """Only an agent that numbers its events wrongly makes it so."""
    figures = after(Figures(), {"expired": [(3, 5)]}, {"expired": [(4, 6)]})

    assert figures.dropped == {"expired": 4}
    assert figures.dropped_spans == {"expired": ((3, 6),)}
    assert figures.dropped_untold == (4, 6)

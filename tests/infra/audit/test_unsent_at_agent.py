"""What an agent did not send for its source's rate is dropped to the audit, and so to `why`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.holes import neighbours_of, requests_for
from tailrace.audit.shown import report_lines
from tailrace.audit.sources import StoredPlace
from tailrace.audit.verdict import ProblemKind, report_json
from tailrace.why.hops import Found, LinePlace, State, Witness, hops
from tests.infra.audit.builders import (
    GENERATION,
    LINE_BYTES,
    facts_at_rest,
    held,
    report_of,
    stream_word,
)

EVENTS = 20
SPANS = {"overload": ((3, 7),), "redirected": ((10, 12), (14, 15))}
GONE = {3, 4, 5, 6, 10, 11, 14}
DOCUMENTS = tuple(n for n in range(EVENTS) if n not in GONE)


def facts() -> GenerationFacts:
    stream = stream_word(
        number=EVENTS,
        document_count=len(DOCUMENTS),
        dropped={"overload": 4, "redirected": 3},
        dropped_spans=SPANS,
    )
    return replace(facts_at_rest(EVENTS), stream=stream)


def test_what_was_beyond_a_rate_is_dropped_and_told_by_its_reason() -> None:
    report = report_of(held(*DOCUMENTS), facts())

    assert report.is_sound
    assert report.is_settled
    (verdict,) = report.verdicts
    assert (verdict.stored_count, verdict.dropped_count) == (len(DOCUMENTS), len(GONE))
    assert (verdict.in_flight_count, verdict.facts.lost_bytes) == (0, 0)
    told = report_json(report)
    assert told["dropped_by_reason"] == {"overload": 4, "redirected": 3}
    assert told["totals"]["dropped"] == len(GONE)
    (line,) = [each for each in report_lines(report) if each.startswith("DROP")]
    assert line.endswith(
        "beyond the rate of their source: 4 events overload, 3 events redirected"
    )


def test_what_was_beyond_a_rate_excuses_nothing_else_and_may_not_be_there() -> None:
    without_two = tuple(n for n in DOCUMENTS if n != 2)
    report = report_of(held(*without_two, 4), facts())

    found = {(p.kind, p.event_number) for p in report.unsound[0].problems}
    assert found == {(ProblemKind.MISSING, 2), (ProblemKind.DROPPED_AND_KEPT, 4)}


def test_k10_a_hole_beside_what_was_dropped_is_asked_for_from_what_is_stored_around() -> (
    None
):
    """Not from the head of the file: a span of more than so many bytes is refused."""
    report = report_of(held(*(n for n in DOCUMENTS if n not in {7, 9, 18})), facts())
    (verdict,) = report.verdicts
    assert verdict.missing == (7, 9, 18)
    around = neighbours_of(verdict.missing, unsent=verdict.facts.unsent)
    places = {
        number: StoredPlace(
            number=number,
            document=f"i/{number}",
            offset=number * LINE_BYTES,
            size_bytes=LINE_BYTES - 1,
        )
        for number in around & set(DOCUMENTS)
    }

    first, second = requests_for(verdict, places=places)

    assert (first.first_event_number, first.event_count) == (2, 10)
    assert (first.first_offset, first.next_offset) == (2 * LINE_BYTES, 12 * LINE_BYTES)
    assert (second.first_event_number, second.event_count) == (17, 2)
    assert second.next_offset == 19 * LINE_BYTES


def states_of(
    *, number: int | None, around: range = range(0), found: Found | None = None
) -> dict[str, tuple[State, str]]:
    place = LinePlace(
        generation=GENERATION, offset=5 * LINE_BYTES, line=b"x", event_number=number
    )
    witness = Witness(place=place, facts=facts(), around=around, found=found or Found())
    return {each.hop: (each.state, each.text) for each in hops(witness)}


@pytest.mark.parametrize(
    ("number", "around"), [(5, range(0)), (None, range(3, 7)), (None, range(4, 6))]
)
def test_why_says_of_a_line_that_it_was_dropped_and_not_that_it_is_missing(
    number: int | None, around: range
) -> None:
    told = states_of(number=number, around=around)
    assert told["stream"][0] is State.REFUSED
    assert "dropped by its agent" in told["stream"][1]
    assert told["agent"][1].startswith("its number alone was sent: offset ")
    assert told["indexer"] == (State.REFUSED, "nothing to store: it was dropped")


def test_why_says_where_a_redirected_line_is() -> None:
    told = states_of(number=11)
    assert "the topic `overflow`" in told["stream"][1]
    assert told["agent"][1].startswith("sent to the topic `overflow`, and its number")


@pytest.mark.parametrize(
    ("number", "around"), [(8, range(0)), (None, range(3, 8)), (None, range(0))]
)
def test_why_claims_nothing_of_a_line_that_may_be_another(
    number: int | None, around: range
) -> None:
    told = states_of(number=number, around=around)
    assert told["stream"][0] is State.DONE
    assert told["indexer"][0] is State.MISSING


def test_why_says_of_what_is_stored_where_it_is() -> None:
    found = Found(documents=("t-generic-1/id",))
    assert (
        states_of(number=None, around=range(3, 7), found=found)["indexer"][0]
        is State.DONE
    )

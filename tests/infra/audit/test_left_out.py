"""What rules left out adds up by the sums of windows, and excuses nothing else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import msgspec
import pytest

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.shown import report_lines
from tailrace.audit.verdict import Problem, ProblemKind, report_json
from tailrace.why.hops import Found, LinePlace, Made, State, Witness, hops
from tests.infra.audit.builders import (
    GENERATION,
    LINE_BYTES,
    WINDOW,
    facts_at_rest,
    held,
    indexer_word,
    report_of,
    retention_word,
    stream_word,
)

EVENTS = 2 * WINDOW + WINDOW // 2
GONE = (1, 4, 5, WINDOW, WINDOW + 3, 2 * WINDOW + 1)
KEPT = tuple(n for n in range(EVENTS) if n not in GONE)
DROPPED = {"sampled:some": len(GONE) - 1, "rule:noise": 1}


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tailrace.audit.facts", "tailrace.why.hops"):
        monkeypatch.setattr(f"{module}.WINDOW_EVENTS", WINDOW)


def sums(numbers: Collection[int]) -> dict[str, tuple[int, int]]:
    return retention_word(numbers, index="i").windows


def facts(gone: Collection[int] = GONE, *, stored_to: int = EVENTS) -> GenerationFacts:
    stream = stream_word(
        number=EVENTS,
        document_count=EVENTS - len(GONE),
        dropped=DROPPED,
        left_out=sums(gone),
    )
    indexer = indexer_word(number=stored_to)
    return replace(facts_at_rest(EVENTS), stream=stream, indexer=indexer)


def problems(*numbers: int, told: GenerationFacts | None = None) -> list[Problem]:
    report = report_of(held(*numbers), told or facts())
    return [each for one in report.unsound for each in one.problems]


def test_what_rules_left_out_is_dropped_and_told_by_its_rule() -> None:
    report = report_of(held(*KEPT), facts())
    (verdict,) = report.verdicts
    assert report.is_sound
    assert report.is_settled
    assert not verdict.is_counted_only
    assert (verdict.stored_count, verdict.dropped_count) == (len(KEPT), len(GONE))
    told = report_json(report)
    assert told["dropped_by_reason"] == DROPPED
    assert told["totals"]["dropped"] == len(GONE)
    (line,) = [each for each in report_lines(report) if each.startswith("DROP")]
    assert line.endswith(
        "left out by rules of the stream: 1 events rule:noise, 5 events sampled:some"
    )
    deep = report_of(held(*KEPT), facts(), is_deep=True)
    assert deep.is_sound
    assert deep.verdicts[0].dropped_count == len(GONE)


@pytest.mark.parametrize("missing", [0, 2, 9, WINDOW + 4, EVENTS - 1])
def test_one_that_is_missing_beside_them_is_named(missing: int) -> None:
    found = problems(*(n for n in KEPT if n != missing))
    assert [(p.kind, p.event_number) for p in found] == [(ProblemKind.MISSING, missing)]


def test_several_that_are_missing_are_counted() -> None:
    found = problems(*(n for n in KEPT if n not in {0, 2}))
    assert [(p.kind, p.count, p.event_number) for p in found] == [
        (ProblemKind.MISSING, 2, None)
    ]
    apart = problems(*(n for n in KEPT if n not in {0, WINDOW + 1}))
    assert [p.event_number for p in apart] == [0, WINDOW + 1]


@pytest.mark.parametrize("back", GONE)
def test_one_that_is_there_though_it_was_left_out_is_named(back: int) -> None:
    found = problems(*KEPT, back)
    assert [(p.kind, p.event_number) for p in found] == [
        (ProblemKind.DROPPED_AND_KEPT, back)
    ]


def test_one_left_out_that_is_there_does_not_stand_for_one_that_is_missing() -> None:
    found = problems(*(n for n in KEPT if n != 2), 4)
    assert [p.kind for p in found] == [ProblemKind.MISSING]


def test_a_doubled_one_is_found_beside_them() -> None:
    found = problems(*KEPT, 2)
    assert [(p.kind, p.event_number) for p in found] == [(ProblemKind.DOUBLED, 2)]


def test_the_end_of_a_window_that_is_not_all_stored_is_in_flight() -> None:
    """How much of it was left out is told of all of it, so nothing of it is judged yet."""
    stored_to = WINDOW + 5
    report = report_of(
        held(*(n for n in KEPT if n < stored_to)), facts(stored_to=stored_to)
    )
    (verdict,) = report.verdicts
    assert report.is_sound
    assert verdict.facts.cut == WINDOW
    above = [n for n in KEPT if n >= WINDOW]
    assert verdict.in_flight_count == len(above)
    # A window of which nothing was left out is cut where it is.
    told = facts([n for n in GONE if n < WINDOW], stored_to=stored_to)
    assert told.cut == stored_to


def test_what_retention_took_of_such_windows_adds_up_too() -> None:
    gone = (0, 2, WINDOW + 1)
    told = replace(facts(), retention=(retention_word(gone, index="old"),))
    report = report_of(held(*(n for n in KEPT if n not in gone)), told)
    (verdict,) = report.verdicts
    assert report.is_sound
    assert (verdict.dropped_count, verdict.expired_count) == (len(GONE), len(gone))
    lacking = problems(*(n for n in KEPT if n not in {*gone, 7}), told=told)
    assert [(p.kind, p.count) for p in lacking] == [(ProblemKind.MISSING, 1)]


def test_what_is_beyond_the_windows_that_are_told_is_held_to_its_count() -> None:
    word = facts([n for n in GONE if n >= WINDOW]).stream
    assert word is not None
    word = msgspec.structs.replace(word, dropped_untold=(0, WINDOW))
    untold = replace(facts(), stream=word)
    report = report_of(held(*KEPT), untold)
    assert report.is_sound
    assert report.verdicts[0].is_counted_only
    assert report.verdicts[0].dropped_count == len(GONE)
    found = problems(*(n for n in KEPT if n != 2), told=untold)
    assert [(p.kind, p.count) for p in found] == [(ProblemKind.MISSING, 1)]


def state_of(
    number: int | None, *, by: str = "", found: Found | None = None
) -> dict[str, tuple[State, str]]:
    place = LinePlace(
        generation=GENERATION, offset=5 * LINE_BYTES, line=b"x", event_number=number
    )
    witness = Witness(
        place=place,
        facts=facts(),
        made=Made(left_out_by=by),
        found=found or Found(),
    )
    return {each.hop: (each.state, each.text) for each in hops(witness)}


@pytest.mark.parametrize("number", [5, None])
def test_why_says_which_rule_took_a_line(number: int | None) -> None:
    told = state_of(number, by="sampled:some")
    assert told["stream"] == (
        State.REFUSED,
        (
            "left out of the sample that the rule 'some' takes (`sampled:some`), as rules"
            " are today"
        ),
    )
    assert told["indexer"] == (State.REFUSED, "nothing to store: it was dropped")
    told = state_of(number, by="rule:noise")
    assert told["stream"][1] == (
        "left out by the rule 'noise' (`rule:noise`), as rules are today"
    )


def test_why_knows_not_whether_a_line_is_missing_where_rules_were_others() -> None:
    told = state_of(5, by="rule:new")
    assert told["stream"][0] is State.DONE
    assert told["indexer"][0] is State.UNKNOWN
    assert "rules left 3 events out" in told["indexer"][1]


def test_why_says_of_what_is_stored_where_it_is() -> None:
    found = Found(documents=("t-generic-1/id",))
    assert state_of(5, by="rule:noise", found=found)["indexer"][0] is State.DONE

"""The place of a missing event: exact where its neighbours tell it, else between two."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import crc32c
import msgspec
import pytest

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.line import newline_bytes
from tailrace.audit.locate import HOLE_BYTES_MIN, located
from tailrace.audit.shown import problem_text
from tailrace.audit.sources import StoredPlace
from tailrace.audit.verdict import GenerationVerdict, Problem, ProblemKind
from tailrace.identity import document_id
from tailrace.wire import MultilineRule
from tailrace_agent import nuls
from tests.infra.audit.builders import (
    GENERATION,
    HeldDocument,
    HeldIndex,
    facts_at_rest,
    held,
    report_of,
)


@dataclass(frozen=True, slots=True)
class FixedPlaces:
    """Knows where some documents lie."""

    known: Sequence[StoredPlace]

    def places(
        self, generation: str, *, numbers: Collection[int]
    ) -> Sequence[StoredPlace]:
        assert generation == GENERATION
        return [place for place in self.known if place.number in numbers]


def at(number: int, offset: int, size: int = 29, newline: int = 1) -> StoredPlace:
    return StoredPlace(
        number=number,
        document=f"i/{number}",
        offset=offset,
        size_bytes=size,
        newline_bytes=newline,
    )


def spans(
    missing: Sequence[int], *known: StoredPlace, facts: GenerationFacts | None = None
) -> list[tuple[int | None, int | None, int | None]]:
    problems = tuple(
        Problem(kind=ProblemKind.MISSING, text="", event_number=number)
        for number in missing
    )
    verdict = GenerationVerdict(facts=facts or facts_at_rest(60), problems=problems)
    found = located(verdict, snapshot=FixedPlaces(known)).problems
    return [(each.after_offset, each.offset, each.next_offset) for each in found]


def test_f32_an_event_behind_a_newline_of_two_bytes_is_named_at_its_offset() -> None:
    before = at(49, 1_550, size=30, newline=2)
    assert spans([50], before, at(51, 1_614)) == [(1_580, 1_582, 1_614)]
    assert spans([50], replace(before, newline_bytes=1), at(51, 1_613)) == [
        (1_580, 1_581, 1_613)
    ]


def test_f17_an_event_that_a_hole_may_stand_before_is_named_between_two_offsets() -> (
    None
):
    begin = 30 + 30
    assert HOLE_BYTES_MIN == nuls.HOLE_BYTES_MIN
    below = at(3, begin + HOLE_BYTES_MIN - 1)
    assert spans([2], at(1, 30), below) == [(59, begin, below.offset)]
    beyond = at(3, begin + HOLE_BYTES_MIN)
    assert spans([2], at(1, 30), beyond) == [(59, None, beyond.offset)]


def _facts_with(rule: MultilineRule) -> GenerationFacts:
    facts = facts_at_rest(60)
    assert facts.agent is not None
    placement = msgspec.structs.replace(facts.agent.placement, multiline=rule)
    agent = msgspec.structs.replace(facts.agent, placement=placement)
    return replace(facts, agent=agent)


def test_an_entry_of_a_journal_is_named_between_two_offsets() -> None:
    facts = _facts_with(MultilineRule(rule="journald", max_lines=1, max_bytes=1))
    assert spans([2], at(1, 30), at(3, 90), facts=facts) == [(59, None, 90)]


def test_f27_an_event_amid_a_containers_streams_is_named_between_two_offsets() -> None:
    """Behind the one before it may stand the rest of an event that began earlier."""
    rule = MultilineRule(rule="pieces", container="cri", max_lines=2, max_bytes=100)
    found = spans([2], at(1, 30), at(3, 90), facts=_facts_with(rule))
    assert found == [(30, None, 90)]


def test_each_event_of_a_run_is_named_within_what_the_run_can_hold() -> None:
    assert spans([2, 3, 4], at(1, 30), at(5, 150)) == [
        (59, 60, 150),
        (59, None, 150),
        (59, None, 150),
    ]


def test_the_first_event_is_named_between_the_head_of_its_file_and_the_next() -> None:
    assert spans([0], at(1, 33)) == [(0, None, 33)]


def test_the_last_event_is_named_before_where_the_indexer_stands() -> None:
    facts = facts_at_rest(3)
    assert spans([2], at(1, 20, size=19), facts=facts) == [(39, 40, 60)]


def test_between_what_was_dropped_nothing_is_claimed() -> None:
    assert spans([2], facts=replace(facts_at_rest(3), indexer=None)) == [
        (None, None, None)
    ]


@pytest.mark.parametrize(("codec", "size"), [("utf-8", 1), ("utf-16-le", 2)])
@pytest.mark.parametrize("end", ["", "\r"])
def test_the_encoding_of_a_document_tells_how_long_its_newline_is(
    codec: str, size: int, end: str
) -> None:
    name = document_id(
        generation=GENERATION,
        born_at_ms=0,
        offset=7,
        checksum=crc32c.crc32c(f"žluť{end}".encode(codec)),
    )
    assert newline_bytes({"message": "žluť"}, document_id=name) == size
    assert newline_bytes({"message": "other"}, document_id=name) is None


def test_a_span_is_shown_with_both_its_ends() -> None:
    problem = Problem(
        kind=ProblemKind.MISSING,
        text="neither stored nor dead",
        event_number=7,
        after_offset=10,
        next_offset=90,
    )
    shown = problem_text(problem)
    assert shown.startswith("missing: event 7 between offsets 10 and 90: ")


def test_documents_that_no_ledger_tells_of_are_named_with_their_file() -> None:
    other = "f" * 32
    index = held(*range(3))
    index.documents += [HeldDocument(number, generation=other) for number in (4, 8)]

    (verdict,) = report_of(HeldIndex(index.documents), facts_at_rest(3)).unsound

    (problem,) = verdict.problems
    assert problem.kind is ProblemKind.UNKNOWN_GENERATION
    assert problem.text.endswith("they say that they are of web-1:/srv/app.log")
    assert (problem.event_number, problem.offset) == (4, 80)
    assert len(problem.documents) == 2

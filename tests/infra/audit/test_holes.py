"""Which spans are asked for: every missing event lies in one, and each can be read again."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tailrace.audit.facts import facts_of
from tailrace.audit.holes import neighbours_of, requests_for, runs_of
from tailrace.audit.repair import Asked, named_missing, with_missing, without
from tailrace.audit.sources import StoredPlace
from tailrace.audit.verdict import (
    AuditReport,
    GenerationVerdict,
    Problem,
    ProblemKind,
)
from tailrace.dead.letters import Letter
from tailrace.holes import HoleRequest
from tailrace.ledger import HoleAnswer
from tests.infra.audit.builders import (
    GENERATION,
    LINE_BYTES,
    agent_word,
    indexer_word,
    stream_word,
)

COUNT = 40


def _verdict(missing: set[int]) -> GenerationVerdict:
    words = (
        agent_word(number=COUNT),
        stream_word(number=COUNT),
        indexer_word(number=COUNT),
    )
    return GenerationVerdict(
        facts=facts_of(words)[GENERATION], missing=tuple(sorted(missing))
    )


def _places(missing: set[int]) -> dict[int, StoredPlace]:
    """Return where the stored neighbours lie, as the index would tell."""
    return {
        number: StoredPlace(
            number=number,
            document=f"i/{number}",
            offset=number * LINE_BYTES,
            size_bytes=LINE_BYTES - 1,
        )
        for number in neighbours_of(sorted(missing))
        if number < COUNT and number not in missing
    }


@given(missing=st.sets(st.integers(0, COUNT - 1), min_size=1))
def test_every_missing_event_lies_in_just_one_span(missing: set[int]) -> None:
    requests = requests_for(_verdict(missing), places=_places(missing))

    covered = [
        request.first_event_number + step
        for request in requests
        for step in range(request.event_count)
    ]
    assert missing <= set(covered)
    assert len(covered) == len(set(covered)) or _only_edges_repeat(requests)
    for request in requests:
        assert request.first_offset == request.first_event_number * LINE_BYTES
        end = request.first_event_number + request.event_count
        assert request.next_offset == end * LINE_BYTES
        assert end <= COUNT


def _only_edges_repeat(requests: list[HoleRequest]) -> bool:
    """Tell whether spans meet only in an event that is there, which is sent twice."""
    return all(
        later.first_event_number >= earlier.first_event_number + earlier.event_count - 1
        for earlier, later in itertools.pairwise(requests)
    )


@given(numbers=st.sets(st.integers(0, 50)))
def test_runs_hold_the_numbers_and_nothing_else(numbers: set[int]) -> None:
    runs = runs_of(sorted(numbers))

    assert [number for run in runs for number in run] == sorted(numbers)
    assert all(a.stop < b.start for a, b in itertools.pairwise(runs))


def test_a_generation_that_no_agent_has_is_not_asked_for() -> None:
    facts = facts_of([stream_word(number=COUNT), indexer_word(number=COUNT)])
    verdict = GenerationVerdict(facts=facts[GENERATION], missing=(3,))

    assert requests_for(verdict, places={}) == []


def test_what_was_sent_again_and_is_missing_all_the_same_is_no_success() -> None:
    request = HoleRequest(
        generation=GENERATION,
        path="/srv/app.log",
        first_offset=0,
        next_offset=100,
        first_event_number=4,
        event_count=3,
    )
    answer = HoleAnswer(
        generation=GENERATION,
        revision=1,
        agent_id="agent-1",
        first_offset=0,
        next_offset=100,
        first_event_number=4,
        event_count=3,
        updated_at_ms=1,
    )
    asked = Asked(request=request, agent_id="agent-1", answer=answer)
    after = AuditReport(verdicts=(_verdict({3, 4, 6, 7}),))

    said = with_missing(asked, after).sentence()
    whole = with_missing(asked, AuditReport(verdicts=(_verdict({3, 7}),))).sentence()

    assert said.startswith("sent again, and 2 of them are missing all the same: ")
    assert whole.startswith("sent again: ")


def test_what_is_missing_by_name_is_looked_for_in_letters_and_no_file_is_read_for_it() -> (
    None
):
    """Where retention took some of a window, nobody knows which of them is missing."""
    named = Problem(kind=ProblemKind.MISSING, text="", event_number=4)
    other = Problem(kind=ProblemKind.DOUBLED, text="", event_number=5)
    vague = Problem(kind=ProblemKind.MISSING, text="3 events", count=3)
    report = AuditReport(
        verdicts=(replace(_verdict({4, 6}), problems=(named, other, vague)),)
    )
    letter = Letter(generation=GENERATION, event_number=4)

    assert named_missing(report) == {GENERATION: [4]}
    (left,) = without(report, {(GENERATION, letter.event_number)}).verdicts
    assert left.missing == (6,)


def test_what_became_of_a_question_is_said_with_its_place() -> None:
    (request,) = requests_for(_verdict({3}), places=_places({3}))
    answer = HoleAnswer(
        generation=GENERATION,
        revision=1,
        agent_id="a",
        first_offset=request.first_offset,
        next_offset=request.next_offset,
        first_event_number=request.first_event_number,
        event_count=request.event_count,
        updated_at_ms=1,
    )
    filled = Asked(request=request, agent_id="a", answer=answer)
    refused = HoleAnswer(
        generation=GENERATION,
        revision=1,
        agent_id="a",
        first_offset=request.first_offset,
        next_offset=request.next_offset,
        first_event_number=request.first_event_number,
        event_count=0,
        refusal="the file is gone",
        updated_at_ms=1,
    )

    assert filled.is_filled
    assert filled.sentence().startswith("sent again: /srv/app.log, 2 events")
    unfilled = Asked(request=request, agent_id="a", answer=refused)
    assert not unfilled.is_filled
    assert unfilled.sentence().endswith("from offset 40: the file is gone")


def test_k10_a_tail_that_no_hop_has_is_asked_for_up_to_what_was_sent() -> None:
    """And is to be told of: by a repeat the indexer would never come to know of it."""
    words = (
        agent_word(number=COUNT + 9),
        stream_word(number=COUNT + 5),
        indexer_word(number=COUNT),
    )
    facts = facts_of(words)[GENERATION]
    lost = GenerationVerdict(facts=facts, missing=(COUNT, COUNT + 1))
    unread = replace(lost, missing=(*range(COUNT, COUNT + 8),))
    within = replace(lost, missing=(COUNT - 3,))
    before = StoredPlace(
        number=COUNT - 1,
        document="i/x",
        offset=(COUNT - 1) * LINE_BYTES,
        size_bytes=LINE_BYTES - 1,
    )

    spans = [
        (request.first_event_number, request.next_offset, request.is_untold)
        for verdict in (lost, unread, within)
        for request in requests_for(verdict, places={COUNT - 1: before})
    ]

    assert spans == [
        (COUNT - 1, (COUNT + 5) * LINE_BYTES, True),
        (COUNT - 1, (COUNT + 9) * LINE_BYTES, True),
        (0, COUNT * LINE_BYTES, False),
    ]


def test_k10_of_a_file_of_which_the_indexer_has_nothing_all_is_asked_for() -> None:
    facts = facts_of([agent_word(number=COUNT), stream_word(number=COUNT)])[GENERATION]
    verdict = GenerationVerdict(facts=facts, missing=(0, 1))

    (request,) = requests_for(verdict, places={})

    assert (request.first_offset, request.event_count) == (0, COUNT)
    assert request.is_untold

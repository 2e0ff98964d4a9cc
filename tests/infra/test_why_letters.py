"""A line that stands in a dead letter of many events, asked about by its place alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tailrace.audit.facts import GenerationFacts
from tailrace.why.hops import Found, LinePlace, State, Witness, hops
from tailrace.why.letters import end_number_of
from tailrace.why.lookup import COPIES_MAX, Lookup
from tests.infra.audit.builders import (
    GENERATION,
    LINE_BYTES,
    agent_word,
    facts_at_rest,
    indexer_word,
    stream_word,
)
from tests.infra.why_letters import SearchedElastic, document_of, letter_of

EVENTS = 600
LETTER = range(100, 500)
STORED = [document_of(n) for n in range(EVENTS) if n not in LETTER]
ONE_LETTER = [letter_of(LETTER.start, count=len(LETTER))]


def place_at(number: int) -> LinePlace:
    """Return a place as a file tells it, without the number."""
    return LinePlace(generation=GENERATION, offset=number * LINE_BYTES, line=b"x")


def found_of(
    elastic: SearchedElastic,
    place: LinePlace,
    *,
    facts: GenerationFacts | None = None,
) -> Found:
    end_number = end_number_of(place, facts or facts_at_rest(EVENTS))
    return Lookup(elastic, namespace="t").found(place, made=None, end_number=end_number)


def told(
    elastic: SearchedElastic, number: int, *, facts: GenerationFacts | None = None
) -> tuple[State, str]:
    """Return what is said of a line at the last hop."""
    place = place_at(number)
    facts = facts or facts_at_rest(EVENTS)
    found = found_of(elastic, place, facts=facts)
    verdict = hops(Witness(place=place, facts=facts, found=found))[-1]
    return verdict.state, verdict.text


@pytest.mark.parametrize("number", [LETTER[0], LETTER[200], LETTER[-1]])
def test_k5_any_line_of_a_dead_letter_of_many_events_is_dead(number: int) -> None:
    state, text = told(SearchedElastic(documents=STORED, letters=ONE_LETTER), number)

    assert (state, "too_large_100" in text) == (State.REFUSED, True)


@pytest.mark.parametrize("number", [LETTER[0] - 1, LETTER[-1] + 1])
def test_a_stored_line_beside_such_a_letter_is_none_of_its(number: int) -> None:
    elastic = SearchedElastic(documents=STORED, letters=ONE_LETTER)

    found = found_of(elastic, place_at(number))

    assert (len(found.documents), found.dead, found.perhaps_dead) == (1, (), ())


def test_a_missing_line_with_a_document_between_it_and_a_letter_is_missing() -> None:
    documents = [each for each in STORED if each["event.sequence"] != LETTER.stop + 1]
    elastic = SearchedElastic(documents=documents, letters=ONE_LETTER)

    assert told(elastic, LETTER.stop + 1)[0] is State.MISSING


@pytest.mark.parametrize("number", [LETTER[-1], LETTER.stop])
def test_where_the_first_line_behind_a_letter_is_missing_neither_is_claimed(
    number: int,
) -> None:
    """One of the two is dead and one missing, and no document tells where they part."""
    documents = [each for each in STORED if each["event.sequence"] != LETTER.stop]
    elastic = SearchedElastic(documents=documents, letters=ONE_LETTER)

    state, text = told(elastic, number)

    assert state is State.UNKNOWN
    assert "events 100 to 499" in text
    assert "too_large_100" in text


@pytest.mark.parametrize("number", [20, 39, 40, 59, 60, 79])
def test_of_letters_side_by_side_a_line_is_in_the_one_before_it(number: int) -> None:
    letters = [letter_of(first, count=20) for first in (20, 40, 60)]
    stored = [document_of(n) for n in range(20)]

    state, text = told(
        SearchedElastic(documents=stored, letters=letters),
        number,
        facts=facts_at_rest(80),
    )

    assert state is State.REFUSED
    assert text.count("too_large") == 1
    assert f"too_large_{number // 20 * 20}" in text


def test_a_line_behind_the_letter_that_ends_what_was_read_is_not_dead() -> None:
    facts = replace(
        facts_at_rest(LETTER.stop),
        agent=agent_word(number=LETTER.stop + 1),
        stream=stream_word(number=LETTER.stop),
        indexer=indexer_word(number=LETTER.stop),
    )
    elastic = SearchedElastic(documents=STORED[: LETTER.start], letters=ONE_LETTER)

    assert told(elastic, LETTER[-1], facts=facts)[0] is State.REFUSED
    assert told(elastic, LETTER.stop, facts=facts)[0] is State.WAITING


def test_a_letter_that_was_delivered_makes_no_line_of_its_own_dead() -> None:
    letter = letter_of(LETTER.start, count=len(LETTER), **{"dead.delivered_at": 5})
    elastic = SearchedElastic(documents=STORED, letters=[letter])

    assert told(elastic, LETTER[200])[0] is State.MISSING


def test_a_copy_of_the_letter_is_told_of_too() -> None:
    elastic = SearchedElastic(documents=STORED, letters=[*ONE_LETTER, *ONE_LETTER])

    assert len(found_of(elastic, place_at(LETTER[200])).dead) == 2


def test_k5_of_a_file_with_many_letters_the_one_of_an_event_is_found() -> None:
    first_numbers = range(0, 10 * (COPIES_MAX + 10), 10)
    letters = [letter_of(first, count=10) for first in first_numbers]
    elastic = SearchedElastic(letters=letters)

    for number in (5, first_numbers[-1] + 5):
        found = found_of(elastic, replace(place_at(number), event_number=number))
        (dead,) = found.dead
        assert f"too_large_{number // 10 * 10}:" in dead


def test_a_letter_without_a_number_at_the_very_place_is_not_behind_those_with_one() -> (
    None
):
    number = 10 * (COPIES_MAX + 10)
    letters = [letter_of(first, count=10) for first in range(0, number, 10)]
    letter = letter_of(number, count=1)
    del letter["event.sequence"]

    place = replace(place_at(number), event_number=number)
    (dead,) = found_of(SearchedElastic(letters=[*letters, letter]), place).dead

    assert f"too_large_{number}:" in dead


def test_the_originals_of_letters_are_not_fetched() -> None:
    """Each may be of a megabyte, and nothing of them is said."""
    elastic = SearchedElastic(documents=STORED, letters=ONE_LETTER)

    found_of(elastic, place_at(LETTER[200]))

    assert len(elastic.asked_dead) == 3
    for body in elastic.asked_dead:
        assert "dead.original_base64" in body["_source"]["excludes"]

"""Where a line stands, and what each hop's words mean for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tailrace.audit.facts import GenerationFacts
from tailrace.errors import CommandFailed
from tailrace.why.hops import Found, LinePlace, Made, State, Witness, hops
from tailrace.why.place import READ_BYTES, line_at, lines_like
from tests.infra.audit.builders import (
    GENERATION,
    LINE_BYTES,
    agent_word,
    facts_at_rest,
    indexer_word,
    retention_word,
    stream_word,
)

MADE = Made(document_id="id", index="t-generic-1", dataset="generic", parser="auto")


def place_of(number: int) -> LinePlace:
    return LinePlace(
        generation=GENERATION,
        offset=number * LINE_BYTES,
        line=b"x",
        event_number=number,
    )


def told(witness: Witness) -> dict[str, tuple[State, str]]:
    return {each.hop: (each.state, each.text) for each in hops(witness)}


def test_a_line_is_found_by_its_number_across_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    long = b"y" * (READ_BYTES - 3)
    path.write_bytes(b"one\n" + long + b"\n\nfour\n")

    found = [line_at(path, line_number=number) for number in (1, 2, 3, 4)]

    assert [each.line for each in found] == [b"one", long, b"", b"four"]
    assert [each.offset for each in found] == [0, 4, 5 + len(long), 6 + len(long)]


@pytest.mark.parametrize("number", [3, 4, 1_000])
def test_a_line_beyond_the_end_says_how_many_there_are(
    tmp_path: Path, number: int
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntwo\n")

    with pytest.raises(CommandFailed, match="has 2 complete lines, and no line"):
        line_at(path, line_number=number)


def test_a_line_without_its_newline_is_not_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntw")

    with pytest.raises(CommandFailed, match=r"Line 2 of .* is not complete"):
        line_at(path, line_number=2)


@pytest.mark.parametrize("number", [0, -3])
def test_lines_count_from_one(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\n")

    with pytest.raises(CommandFailed, match="cannot be asked for"):
        line_at(path, line_number=number)


def test_a_file_that_cannot_be_read_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="cannot be read: No such file"):
        line_at(tmp_path / "none", line_number=1)


def test_lines_are_found_by_their_words_within_the_last_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"same\nother\nsame\r\nsame, longer\nsame")

    everywhere = list(lines_like(path, line=b"same", bytes_max=1_000))
    at_the_end = list(lines_like(path, line=b"same", bytes_max=30))

    assert [each.offset for each in everywhere] == [0, 11]
    assert [each.offset for each in at_the_end] == [11]
    assert everywhere[1].line == b"same\r"


def test_a_stored_line_is_done_at_every_hop() -> None:
    found = Found(documents=("t-generic-1/id",), is_where_computed=True)

    verdicts = told(
        Witness(place=place_of(3), facts=facts_at_rest(5), made=MADE, found=found)
    )

    assert {state for state, _ in verdicts.values()} == {State.DONE}
    assert verdicts["indexer"][1] == "stored as t-generic-1/id"


def test_a_line_that_was_not_sent_waits_from_the_agent_on() -> None:
    verdicts = told(Witness(place=place_of(7), facts=facts_at_rest(5), made=MADE))

    assert verdicts["agent"][0] is State.WAITING
    assert verdicts["stream"][0] is State.WAITING
    assert verdicts["indexer"][0] is State.WAITING


def test_a_line_in_kafka_waits_for_the_stream() -> None:
    facts = replace(facts_at_rest(5), agent=agent_word(number=9))

    verdicts = told(Witness(place=place_of(7), facts=facts, made=MADE))

    assert verdicts["agent"][0] is State.DONE
    assert verdicts["kafka"][0] is State.WAITING


def test_a_line_below_the_indexers_word_that_is_nowhere_is_missing() -> None:
    verdicts = told(Witness(place=place_of(3), facts=facts_at_rest(5), made=MADE))

    assert verdicts["indexer"][0] is State.MISSING


def test_a_line_that_may_have_expired_is_not_called_missing() -> None:
    facts = replace(
        facts_at_rest(5), retention=(retention_word((3,), index="t-generic-0"),)
    )

    verdicts = told(Witness(place=place_of(3), facts=facts, made=MADE))

    assert verdicts["indexer"][0] is State.UNKNOWN


def test_a_dead_line_names_where_it_died_and_why() -> None:
    found = Found(dead=("stream: parser_raised: too odd (t-dead-1/x)",))

    verdicts = told(Witness(place=place_of(3), facts=facts_at_rest(5), found=found))

    assert verdicts["stream"][0] is State.REFUSED
    assert "parser_raised: too odd" in verdicts["indexer"][1]


def test_a_held_line_names_the_index_and_the_reason() -> None:
    facts = replace(facts_at_rest(5), indexer=indexer_word(number=2))

    verdicts = told(
        Witness(
            place=place_of(3),
            facts=facts,
            made=MADE,
            held_indices={"t-generic-1": "read_only: disk is full"},
        )
    )

    assert verdicts["indexer"][0] is State.WAITING
    assert "held: t-generic-1 takes nothing now: read_only" in verdicts["indexer"][1]


def test_a_line_in_a_gap_never_reached_the_stream() -> None:
    stream = stream_word(number=5, gaps=((3 * LINE_BYTES, 4 * LINE_BYTES),))
    facts = replace(facts_at_rest(5), stream=stream)

    verdicts = told(Witness(place=place_of(3), facts=facts, made=MADE))

    assert verdicts["stream"][0] is State.MISSING


def test_another_id_than_todays_code_would_give_is_said() -> None:
    found = Found(documents=("t-generic-1/other",), is_where_computed=False)

    verdicts = told(
        Witness(place=place_of(3), facts=facts_at_rest(5), made=MADE, found=found)
    )

    assert "today's code would store it as t-generic-1/id" in verdicts["indexer"][1]


def test_a_generation_of_another_collector_has_no_agent() -> None:
    stream = msgspec.structs.replace(stream_word(number=5), agent_id="foreign")
    facts = GenerationFacts(generation=GENERATION, stream=stream)

    verdicts = told(Witness(place=place_of(3), facts=facts))

    assert verdicts["agent"][0] is State.UNKNOWN

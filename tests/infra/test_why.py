"""Where a line stands, and what each hop's words mean for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tailrace.audit.facts import GenerationFacts
from tailrace.errors import CommandFailed
from tailrace.why.hops import Found, LinePlace, Made, State, Witness, hops
from tailrace.why.place import READ_BYTES, FileLine, Written, line_at, lines_like
from tests.infra.audit.builders import (
    GENERATION,
    LINE_BYTES,
    agent_word,
    facts_at_rest,
    indexer_word,
    retention_word,
    stream_word,
)

UTF_8 = Written()


def found_at(
    path: Path, number: int, *, written: Written = UTF_8, sent_to: int = 0
) -> FileLine:
    with path.open("rb") as content:
        return line_at(
            content, path=path, line_number=number, written=written, sent_to=sent_to
        )


def found_like(
    path: Path, line: str, *, bytes_max: int, written: Written = UTF_8
) -> list[FileLine]:
    begin = max(path.stat().st_size - bytes_max, 0)
    with path.open("rb") as content:
        return list(
            lines_like(
                content,
                path=path,
                line=line,
                begin=begin,
                bytes_max=bytes_max,
                written=written,
            )
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

    found = [found_at(path, number) for number in (1, 2, 3, 4)]

    assert [each.line for each in found] == [b"one", long, b"", b"four"]
    assert [each.offset for each in found] == [0, 4, 5 + len(long), 6 + len(long)]


@pytest.mark.parametrize("number", [3, 4, 1_000])
def test_a_line_beyond_the_end_says_how_many_there_are(
    tmp_path: Path, number: int
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntwo\n")

    with pytest.raises(CommandFailed, match="has 2 complete lines, and no line"):
        found_at(path, number)


def test_a_line_without_its_newline_is_not_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntw")

    with pytest.raises(CommandFailed, match=r"Line 2 of .* is not complete"):
        found_at(path, 2)


def test_f28_a_line_that_time_ended_needs_no_newline(tmp_path: Path) -> None:
    """Once it was sent; one that begins where the agent has got to waits for its end."""
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntw")

    found = found_at(path, 2, sent_to=6)
    assert (found.offset, found.line, found.end_offset) == (4, b"tw", 6)
    assert not found.is_complete
    with pytest.raises(CommandFailed, match=r"Line 2 of .* is not complete"):
        found_at(path, 2, sent_to=4)


def test_what_was_lost_or_dropped_of_its_file_is_said_in_words() -> None:
    facts = replace(
        facts_at_rest(5),
        agent=agent_word(
            number=5, lost_bytes={"truncated": 7, "deleted": 2, "shrunk": 0}
        ),
        stream=stream_word(number=5, dropped={"sampled": 3, "expired": 1}),
    )

    verdicts = told(Witness(place=place_of(3), facts=facts, made=MADE))

    assert verdicts["agent"][1].endswith(
        "; of this file it declared lost: 2 bytes deleted, 7 bytes truncated"
    )
    assert verdicts["stream"][1].endswith(
        "; of this file it dropped events: 1 expired, 3 sampled"
    )


@pytest.mark.parametrize("number", [0, -3])
def test_lines_count_from_one(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\n")

    with pytest.raises(CommandFailed, match="cannot be asked for"):
        found_at(path, number)


def test_lines_are_found_by_their_words_within_the_last_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"same\nother\nsame\r\nsame, longer\nsame")

    everywhere = found_like(path, "same", bytes_max=1_000)
    at_the_end = found_like(path, "same", bytes_max=30)

    assert [each.offset for each in everywhere] == [0, 11]
    assert [each.offset for each in at_the_end] == [11]
    assert everywhere[1].line == b"same\r"


def test_of_a_life_that_ended_with_nothing_lost_nothing_is_said_to_be_lost() -> None:
    agent = agent_word(number=5, lost_bytes={"truncated": 0})
    facts = replace(facts_at_rest(5), agent=agent)

    verdicts = told(Witness(place=place_of(3), facts=facts, made=MADE))

    assert "lost" not in verdicts["agent"][1]


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
        facts_at_rest(5), retention=(retention_word((3,), index="t-generic-1-r2"),)
    )

    verdicts = told(Witness(place=place_of(3), facts=facts, made=MADE))

    assert verdicts["indexer"][0] is State.UNKNOWN
    assert "retention took t-generic-1 with 1 documents" in verdicts["indexer"][1]


@pytest.mark.parametrize(
    "seen", [{"made": MADE}, {"placed_index": "t-generic-1"}], ids=["line", "placement"]
)
def test_a_line_is_missing_where_retention_took_another_index_than_its_own(
    seen: dict[str, Any],
) -> None:
    facts = replace(
        facts_at_rest(5), retention=(retention_word((3,), index="t-generic-0"),)
    )

    verdicts = told(Witness(place=place_of(3), facts=facts, **seen))

    assert verdicts["indexer"][0] is State.MISSING
    assert "neither in its index, t-generic-1, nor" in verdicts["indexer"][1]


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


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_lines_of_two_bytes_a_character_end_where_both_bytes_say_so(
    tmp_path: Path, codec: str
) -> None:
    """U+0A0A and U+0A00, U+000A's neighbours, hold bytes of a newline, and end nothing."""
    path = tmp_path / "a.log"
    texts = ["one", "\u0a0a\u0a00\u000d", "", "\u010a\u0a01", "x" * READ_BYTES, "six"]
    mark = "\ufeff".encode(codec)
    content = mark + "".join(f"{text}\n" for text in texts).encode(codec)
    path.write_bytes(content + b"o")
    written = Written(newline="\n".encode(codec), mark=mark, codec=codec)

    found = [
        found_at(path, number + 1, written=written) for number in range(len(texts))
    ]
    by_words = found_like(path, "six", bytes_max=len(content), written=written)
    at_the_end = found_like(path, "six", bytes_max=33, written=written)

    assert [each.line for each in found] == [text.encode(codec) for text in texts]
    assert [each.offset for each in found] == [
        2 + 2 * sum(len(text) + 1 for text in texts[:number])
        for number in range(len(texts))
    ]
    assert [each.offset for each in by_words] == [found[-1].offset]
    assert [each.offset for each in at_the_end] == [found[-1].offset]
    with pytest.raises(CommandFailed, match=r"Line 7 of .* is not complete"):
        found_at(path, 7, written=written)


def test_a_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
    written = Written(mark=b"\xef\xbb\xbf")

    first = found_at(path, 1, written=written)
    second = found_at(path, 2, written=written)

    assert (first.offset, first.line, first.end_offset) == (3, b"one\r", 7)
    assert (second.offset, second.line) == (8, b"two")
    (found,) = found_like(path, "one", bytes_max=1_000, written=written)
    assert found.offset == 3


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


@pytest.mark.parametrize(("index", "is_said"), [("t-generic-1", False), ("t-x", True)])
def test_of_bytes_that_are_not_at_hand_only_another_index_is_said(
    index: str, is_said: bool
) -> None:
    made = replace(MADE, document_id="", index=index)
    found = Found(documents=("t-generic-1/other",), is_where_computed=False)

    verdicts = told(
        Witness(place=place_of(3), facts=facts_at_rest(5), made=made, found=found)
    )

    assert ("today's code" in verdicts["indexer"][1]) is is_said


@pytest.mark.parametrize(
    ("document", "is_said"),
    [("t-generic-1-r2/id", False), ("t-generic-2-r2/id", True)],
)
def test_e9_a_line_that_a_replay_put_where_it_belongs_is_not_elsewhere(
    document: str, *, is_said: bool
) -> None:
    verdicts = told(
        Witness(
            place=place_of(3),
            facts=facts_at_rest(10),
            found=Found(documents=[document]),
            made=MADE,
        )
    )

    assert ("today's code" in verdicts["indexer"][1]) is is_said


def test_k10_a_line_that_retention_took_unread_waits_for_nobody() -> None:
    """Unless something is left to be read, in which it may stand."""
    sent = replace(facts_at_rest(5), agent=agent_word(number=9))
    made = replace(sent, stream=stream_word(number=9))

    before = told(Witness(place=place_of(7), facts=sent, made=MADE, raw_missed=2))
    behind = told(Witness(place=place_of(7), facts=made, made=MADE, docs_missed=2))
    unsent = told(Witness(place=place_of(9), facts=sent, made=MADE, raw_missed=2))
    waiting = told(Witness(place=place_of(7), facts=made, made=MADE))

    assert before["kafka"][0] is behind["indexer"][0] is State.MISSING
    assert "took 2 records" in before["kafka"][1]
    assert unsent["kafka"][0] is waiting["indexer"][0] is State.WAITING

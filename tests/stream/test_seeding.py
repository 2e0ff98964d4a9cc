"""Where a state is lost, counting goes on from the ledger's word, and no figure falls."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.ledger import GAPS_MAX, StreamLedger
from tailrace.wire import encode
from tailrace_stream.counting import ledger_of
from tailrace_stream.figures import Figures
from tailrace_stream.intake import FOREIGN_AGENT
from tailrace_stream.records import RawRecord, Work
from tailrace_stream.seeding import BURIED, Remembered, beginning_of, seed_of
from tailrace_stream.state_store import keep_word
from tailrace_stream.windows import GenerationState, add_interval
from tailrace_stream.work import work_of
from tests.stream.builders import (
    GENERATION,
    NAMESPACE,
    SEEN_AT_MS,
    chunk_record,
    origin,
    placement,
    raw_record,
)
from tests.stream.test_counting import parsed_of, told_by, work_on

JUNK = b"\xff no state"


def chunk(first: int, last: int, *, offset: int) -> RawRecord:
    """Return lines `first` up to `last` of a file whose lines have ten bytes."""
    value = b"".join(b"line %04d\n" % n for n in range(first, last))
    made = origin(
        value,
        first_offset=first * 10,
        placed=placement("plain"),
        first_event_number=first,
    )
    return chunk_record(value, made=made, offset=offset)


def work_with(
    record: RawRecord, *, state: bytes | None, word: bytes | None = None
) -> Work:
    return work_of(
        parsed_of(record),
        state=state,
        word=word,
        namespace=NAMESPACE,
        now_ms=SEEN_AT_MS,
    )


def words_of(work: Work) -> bytes:
    assert work.ledger is not None
    return work.ledger.value


@pytest.mark.parametrize("state", [None, JUNK])
def test_s3_a_lost_state_goes_on_from_the_ledgers_word(state: bytes | None) -> None:
    first = work_on(chunk(0, 5, offset=0), None)

    work = work_with(chunk(5, 8, offset=1), state=state, word=words_of(first))

    told = told_by(work)
    assert (told.event_count, told.document_count, told.revision) == (8, 8, 8)
    assert (told.next_event_number, told.next_offset, told.gaps) == (8, 80, ())
    assert work.counts["states_seeded"] == 1
    assert work.counts.get("states_unreadable", 0) == (state == JUNK)


@pytest.mark.parametrize("state", [None, JUNK])
def test_s3_what_comes_again_to_a_lost_state_is_not_counted_again(
    state: bytes | None,
) -> None:
    """An agent that lost its checkpoint sends the file from its head."""
    first = work_on(chunk(0, 5, offset=0), None)

    again = work_with(chunk(0, 3, offset=1), state=state, word=words_of(first))

    assert told_by(again).revision == told_by(first).revision == 5
    assert again.state is None


def test_a_state_that_can_be_read_is_counted_on_whatever_the_word_says() -> None:
    """A crash leaves the state behind its word; what is missing comes again to it.

    Its rates were delivered, and only with its windows are they the same parts again.
    """
    one = work_on(chunk(0, 5, offset=0), None)
    assert one.state is not None
    two = work_on(chunk(5, 8, offset=1), one.state.value)

    begun = beginning_of(
        Remembered(one.state.value, words_of(two)), origin=origin(b"a\n")
    )

    assert begun.state.revision == 5
    assert begun.state.windows
    assert not begun.is_seeded


def test_only_a_generation_without_a_state_lets_its_word_wait_for_it() -> None:
    one = work_on(chunk(0, 5, offset=0), None)
    assert one.state is not None

    assert one.is_state_first
    assert not work_on(chunk(5, 8, offset=1), one.state.value).is_state_first
    assert work_with(chunk(5, 8, offset=1), state=JUNK).is_state_first


def test_gaps_that_the_word_has_no_room_for_are_taken_for_counted() -> None:
    gaps = tuple((100 + 20 * n, 110 + 20 * n) for n in range(GAPS_MAX))
    word = msgspec.structs.replace(_word(9), gaps=gaps, next_offset=5_000)

    counted = seed_of(word).counted

    assert counted[:2] == ((0, 100), (110, 120))
    assert counted[-1] == (gaps[-1][1], 5_000)


@pytest.mark.parametrize("word", [None, JUNK, b'{"hop":"indexer"}'])
def test_without_a_word_a_lost_state_begins_at_nothing(word: bytes | None) -> None:
    begun = beginning_of(Remembered(JUNK, word), origin=origin(b"a\n"))

    assert begun.state == GenerationState(generation=GENERATION)
    assert begun.is_state_unreadable
    assert not begun.is_seeded


def test_a_buried_file_that_grows_again_has_all_before_it_expired() -> None:
    """Its agent goes on where it stood; its state and its words are forgotten."""
    work = work_with(chunk(5, 8, offset=9), state=BURIED)

    told = told_by(work)
    assert (told.event_count, told.document_count) == (8, 3)
    assert told.dropped == {"expired": 5}
    assert (told.first_event_number, told.next_event_number) == (0, 8)
    assert told.gaps == ()
    assert work.counts["generations_returned"] == 1
    assert work.is_state_first


def test_a_buried_file_that_is_sent_from_its_head_is_counted_from_there() -> None:
    work = work_with(chunk(0, 3, offset=9), state=BURIED)

    assert told_by(work).dropped == {}
    assert told_by(work).event_count == 3
    assert "generations_returned" not in work.counts


def test_a_file_whose_beginning_is_missing_is_not_taken_for_one_that_was_buried() -> (
    None
):
    """Without a tombstone nothing says that it expired: it is a gap, and stays one."""
    work = work_with(chunk(5, 8, offset=9), state=None)

    assert told_by(work).dropped == {}
    assert told_by(work).gaps == ((0, 50),)


def test_another_collectors_events_are_never_taken_for_expired() -> None:
    assert told_by(work_with(foreign(7), state=BURIED)).dropped == {}


SPANS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 60)), min_size=1, max_size=12
)


@settings(max_examples=200, deadline=None)
@given(SPANS, st.integers(0, 9), st.booleans())
def test_a_seed_is_the_state_that_the_word_was_told_from_but_for_windows(
    spans: list[tuple[int, int]], dead: int, is_told_late: bool
) -> None:
    counted: tuple[tuple[int, int], ...] = ()
    for first, length in spans:
        counted = add_interval(counted, (first, first + length))
    state = GenerationState(
        generation=GENERATION,
        revision=100,
        counted=counted,
        figures=Figures(
            first_event_number=3,
            next_event_number=200,
            dead={"parser_raised": dead} if dead else {},
            dropped={"expired": 5},
            observed_at_ms=SEEN_AT_MS + is_told_late,
        ),
    )
    made = origin(b"a\n", placed=placement("plain"))
    record = chunk_record(b"a\n", made=made)

    word = ledger_of(state, origin=made, record=record, now_ms=SEEN_AT_MS)

    assert seed_of(word) == state


def test_another_collectors_events_before_the_word_are_not_counted_again() -> None:
    """Offsets between two of them are others': they say nothing, and are no gaps."""
    first = work_on(foreign(7), None)
    assert first.state is not None
    second = work_on(foreign(20), first.state.value)
    word = words_of(second)
    assert told_by(second).agent_id == FOREIGN_AGENT

    assert told_by(work_with(foreign(7), state=None, word=word)).event_count == 2
    assert told_by(work_with(foreign(21), state=None, word=word)).event_count == 3


def foreign(offset: int) -> RawRecord:
    return raw_record(b"a line of another collector", offset=offset)


def test_of_the_ledger_only_the_streams_words_are_kept_and_the_greatest_stays() -> None:
    words: dict[str, bytes] = {}
    newest = _word(9)
    for key, word in (
        (b"stream|g", newest),
        (b"stream|g", _word(4)),
        (b"agent|g", _word(99)),
        (b"stream|over", _word(1)),
    ):
        keep_word(words, key=key, value=encode(word))
    keep_word(words, key=b"stream|over", value=None)

    assert words == {"g": encode(newest)}


def _word(revision: int) -> StreamLedger:
    told = told_by(work_on(chunk(0, 1, offset=0), None))
    return msgspec.structs.replace(told, revision=revision)

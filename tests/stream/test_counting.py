"""The ledger's figures are exact, whatever comes again, is cut anew, or crashes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.floors import Floors
from tailrace.ledger import (
    DROPPED_SPANS_MAX,
    FloorLedger,
    StreamLedger,
    decode_ledger,
    ledger_key,
    ledger_partition,
)
from tailrace.number_sets import NumberSet
from tailrace.topics import DEAD, DOCS, STATE_BYTES_MAX
from tailrace.wire import DeadLetter, DocumentsOrigin, decode, encode
from tailrace_stream.counting import ledger_of, spans_of
from tailrace_stream.figures import Figures
from tailrace_stream.records import Outgoing, RawRecord, Work
from tailrace_stream.seeding import Remembered, beginning_of
from tailrace_stream.windows import GenerationState
from tailrace_stream.work import Parsed, parse_record, work_of
from tests.stream.builders import (
    GENERATION,
    NAMESPACE,
    SEEN_AT_MS,
    chunk_record,
    origin,
    placement,
    raw_record,
)
from tests.stream.poison import POISON, poison_at


def parsed_of(record: RawRecord) -> Parsed:
    return parse_record(record, topic_id="t", namespace=NAMESPACE, now_ms=SEEN_AT_MS)


def work_on(record: RawRecord, state: bytes | None) -> Work:
    return work_from(parsed_of(record), state)


def work_from(parsed: Parsed, state: bytes | None) -> Work:
    return work_of(parsed, state=state, namespace=NAMESPACE, now_ms=SEEN_AT_MS)


def told_by(work: Work) -> StreamLedger:
    assert work.ledger is not None
    told = decode_ledger(work.ledger.value)
    assert isinstance(told, StreamLedger)
    assert (work.ledger.topic, work.ledger.key, work.ledger.partition) == (
        f"{NAMESPACE}.ledger",
        ledger_key(told),
        ledger_partition(told),
    )
    return told


def sent_to(work: Work, suffix: str) -> list[Outgoing]:
    return [r for r in work.outputs if r.topic == f"{NAMESPACE}.{suffix}"]


def numbers_in(work: Work) -> list[int]:
    """Return every event number that the spans of its docs records hold."""
    spans = [
        decode(r.header, as_type=DocumentsOrigin) for r in sent_to(work, DOCS.suffix)
    ]
    return [
        span.first_event_number + n for span in spans for n in range(span.event_count)
    ]


@dataclass
class ShippedFile:
    """A file and the chunks of it, as an agent sends them that may go back."""

    lines: list[bytes]
    records: list[RawRecord] = field(default_factory=list[RawRecord])
    chunks: list[range] = field(default_factory=list[range])

    def send(self, first: int, last: int, *, is_readable: bool = True) -> None:
        value = b"".join(self.lines[first:last])
        made = origin(
            value,
            first_offset=sum(map(len, self.lines[:first])),
            placed=placement("plain"),
            first_event_number=first,
        )
        if not is_readable:
            made = msgspec.structs.replace(made, framing="mapped")
            value = b"no table"
        self.records.append(chunk_record(value, made=made, offset=len(self.records)))
        self.chunks.append(range(first, last))


LINES = st.lists(
    st.sampled_from([b"a\n", b"\n", b"b\n", b"longer line\n", POISON + b"\n"]),
    min_size=1,
    max_size=9,
)
CHUNKS = st.lists(
    st.tuples(st.integers(0, 11), st.integers(1, 12), st.integers(0, 4)), max_size=5
)
CRASHES = st.lists(st.sampled_from(["", "", "before state", "before ack"]), max_size=9)


@pytest.mark.parametrize("unreadable_in_five", [0, 2])
@settings(max_examples=20, deadline=None)
@given(LINES, CHUNKS, CRASHES)
def test_every_event_is_counted_once_and_every_number_passed_over_once(
    unreadable_in_five: int,
    lines: list[bytes],
    chunks: list[tuple[int, int, int]],
    crashes: list[str],
) -> None:
    """Any chunks of a file in any order, some unreadable, and at last all of it."""
    file = ShippedFile(lines)
    for first, length, luck in chunks:
        start = first % len(lines)
        file.send(
            start,
            min(start + length, len(lines)),
            is_readable=luck >= unreadable_in_five,
        )
    file.send(0, len(lines))
    is_all_readable = all(record.value != b"no table" for record in file.records)
    state: bytes | None = None
    told: StreamLedger | None = None
    at = committed = 0
    with pytest.MonkeyPatch.context() as patched:
        poison_at(patched)
        parsed = [parsed_of(record) for record in file.records]
    while at < len(parsed):
        work = work_from(parsed[at], state)
        assert numbers_in(work) == list(file.chunks[at])
        crash = crashes.pop() if crashes else ""
        if crash == "before state":
            at = committed
            continue
        state = work.state.value if work.state is not None else state
        before, told = told, told_by(work)
        assert before is None or told.revision >= before.revision
        if crash == "before ack":
            assert told_by(work_from(parsed[at], state)) == told
            at = committed
            continue
        at += 1
        committed = at if len(crashes) % 2 else committed
    assert told is not None
    assert told.event_count == len(lines)
    assert (told.first_event_number, told.next_event_number) == (0, len(lines))
    assert told.next_offset == sum(map(len, lines))
    assert told.gaps == ()
    poisoned = lines.count(POISON + b"\n")
    assert told.document_count == len(lines) - sum(told.dead.values())
    if is_all_readable:
        assert Counter(told.dead) == Counter({"parser_raised": poisoned})


def test_a_chunk_without_a_document_left_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poison_at(monkeypatch)
    value = (POISON + b"\n") * 3
    work = work_on(
        chunk_record(value, made=origin(value, first_offset=70, first_event_number=7)),
        None,
    )
    (docs,) = sent_to(work, DOCS.suffix)
    span = decode(docs.header, as_type=DocumentsOrigin)
    assert docs.value == b""
    assert (span.document_count, span.event_count, span.first_event_number) == (0, 3, 7)
    assert (span.first_offset, span.next_offset) == (70, 70 + len(value))
    letters = [decode(r.value, as_type=DeadLetter) for r in sent_to(work, DEAD.suffix)]
    places = [(x.generation, x.first_event_number, x.event_count) for x in letters]
    assert places == [(GENERATION, n, 1) for n in (7, 8, 9)]


def test_a_chunk_that_cannot_be_read_counts_as_dead_and_is_passed_over() -> None:
    made = origin(b"\n" * 30, first_event_number=4, framing="mapped")
    work = work_on(chunk_record(b"no table", made=made, offset=9), None)
    told = told_by(work)
    assert (told.event_count, told.document_count) == (30, 0)
    assert told.dead == {"framing_unreadable": 30}
    assert (told.first_event_number, told.next_event_number) == (4, 34)
    assert (told.next_offset, told.gaps) == (30, ())
    assert (told.raw_partition, told.raw_next_offset) == (3, 10)
    assert numbers_in(work) == list(range(4, 34))
    (dead,) = sent_to(work, DEAD.suffix)
    letter = decode(dead.value, as_type=DeadLetter)
    assert (letter.generation, letter.dataset) == (GENERATION, "generic")
    assert (letter.first_event_number, letter.event_count) == (4, 30)
    # Sent again under another offset it is the same letter, and counts nothing.
    assert work.state is not None
    again = work_on(chunk_record(b"no table", made=made, offset=10), work.state.value)
    assert again.state is None
    (other,) = sent_to(again, DEAD.suffix)
    assert decode(other.value, as_type=DeadLetter).dead_id == letter.dead_id
    assert told_by(again).event_count == 30


def test_a_chunk_without_events_passes_on_what_it_skips() -> None:
    made = msgspec.structs.replace(
        origin(b"", first_offset=50, first_event_number=3), skipped_before_bytes=50
    )
    work = work_on(chunk_record(b"", made=made), None)
    (docs,) = sent_to(work, DOCS.suffix)
    span = decode(docs.header, as_type=DocumentsOrigin)
    assert (docs.value, span.event_count, span.next_offset) == (b"", 0, 50)
    told = told_by(work)
    assert (told.event_count, told.next_offset, told.gaps) == (0, 50, ())


def test_a_hole_is_a_gap_until_it_is_filled() -> None:
    file = ShippedFile([b"0123456\n"] * 9)
    for first, last in ((0, 2), (6, 8), (3, 5), (2, 6)):
        file.send(first, last)
    state: bytes | None = None
    gaps: list[tuple[tuple[int, int], ...]] = []
    for record in file.records:
        work = work_on(record, state)
        assert work.state is not None
        state = work.state.value
        gaps.append(told_by(work).gaps)
    assert gaps == [(), ((16, 48),), ((16, 24), (40, 48)), ()]


def test_events_of_other_collectors_have_numbers_and_no_gaps() -> None:
    state: bytes | None = None
    told: list[StreamLedger] = []
    for offset in (12, 17, 12, 40):
        work = work_on(raw_record(b"x", offset=offset), state)
        assert numbers_in(work) == [offset]
        state = work.state.value if work.state is not None else state
        told.append(told_by(work))
    last = told[-1]
    assert [one.event_count for one in told] == [1, 2, 2, 3]
    assert (last.first_event_number, last.next_event_number) == (12, 41)
    assert (last.next_offset, last.gaps) == (41, ())
    assert last.document_count == 3
    assert last.event_numbers == ((12, 13), (17, 18), (40, 41))


def test_numbers_of_other_collectors_are_told_only_where_they_are_exact() -> None:
    """In more intervals than a state holds, gaps were taken for counted."""
    counted = ((10, 12), (14, 15))
    exact = GenerationState(generation=GENERATION, revision=3, counted=counted)
    blurred = msgspec.structs.replace(exact, counted=((10, 15),))
    told = [
        ledger_of(
            state,
            origin=msgspec.structs.replace(origin(b"x"), agent_id="foreign"),
            record=raw_record(b"x", offset=14),
            now_ms=SEEN_AT_MS,
        ).event_numbers
        for state in (exact, blurred)
    ]
    own = ledger_of(
        exact,
        origin=origin(b"x"),
        record=raw_record(b"x", offset=14),
        now_ms=SEEN_AT_MS,
    )

    assert told == [counted, ()]
    assert own.event_numbers == ()


def test_a_word_tells_to_which_index_a_file_is_routed() -> None:
    """An audit that has not heard its agent finds the documents at home."""
    told = ledger_of(
        GenerationState(generation=GENERATION),
        origin=origin(b"x", placed=placement(dataset="json", index="web")),
        record=raw_record(b"x"),
        now_ms=SEEN_AT_MS,
    )
    assert (told.dataset, told.index) == ("json", "web")


def test_a_state_from_before_there_were_figures_counts_on() -> None:
    file = ShippedFile([b"0123456\n"] * 9)
    file.send(0, 4)
    file.send(2, 9)
    first = work_on(file.records[0], None)
    assert first.state is not None
    fields = msgspec.json.decode(first.state.value)
    del fields["figures"]
    older = msgspec.json.encode(fields)
    begun = beginning_of(Remembered(older), origin=origin(b"a\n"))
    assert begun.state.figures == Figures()
    told = told_by(work_on(file.records[1], older))
    assert (told.event_count, told.document_count) == (9, 9)
    assert (told.first_event_number, told.next_event_number) == (0, 9)


def buried_record(first: int, count: int, *, first_offset: int) -> RawRecord:
    """Return an agent's word of events that it dead-lettered itself."""
    made = msgspec.structs.replace(
        origin(b"x" * 100, first_offset=first_offset, first_event_number=first),
        event_count=count,
        dead_reason="record_too_large",
    )
    return chunk_record(b"", made=made, offset=1)


def test_k5_what_the_agent_buried_counts_as_dead_and_is_passed_over() -> None:
    first = work_on(chunk_record(b"a\nb\n", made=origin(b"a\nb\n")), None)
    assert first.state is not None

    work = work_on(buried_record(2, 3, first_offset=4), first.state.value)

    told = told_by(work)
    assert told.dead == {"record_too_large": 3}
    assert (told.event_count, told.document_count) == (5, 2)
    assert (told.next_event_number, told.next_offset) == (5, 104)
    assert told.gaps == ()
    assert numbers_in(work) == [2, 3, 4]
    # Its dead letter is the agent's, and safe before this was sent.
    assert sent_to(work, DEAD.suffix) == []


def test_k5_what_the_agent_buried_is_counted_once_however_often_it_says_so() -> None:
    record = buried_record(0, 3, first_offset=0)
    once = work_on(record, None)
    assert once.state is not None

    again = work_on(record, once.state.value)

    assert told_by(again).dead == {"record_too_large": 3}
    assert again.state is None


def test_an_agent_that_counts_wrong_is_noticed() -> None:
    made = msgspec.structs.replace(origin(b"a\nb\n"), event_count=3)
    assert (
        work_on(chunk_record(b"a\nb\n", made=made), None).counts["event_counts_wrong"]
        == 1
    )


def test_a_state_with_figures_stays_small() -> None:
    reasons = ("parser_raised", "document_too_large", "framing_unreadable")
    full = GenerationState(
        generation=GENERATION,
        revision=2**47,
        figures=Figures(
            first_event_number=2**47,
            next_event_number=2**47,
            dead=dict.fromkeys(reasons, 2**47),
            observed_at_ms=SEEN_AT_MS,
        ),
    )
    assert len(encode(full)) < STATE_BYTES_MAX / 100
    spans = tuple((2**47 - 2 * n, 2**47 - 2 * n + 1) for n in range(DROPPED_SPANS_MAX))
    dropping = msgspec.structs.replace(full.figures, dropped_spans={"expired": spans})
    full = msgspec.structs.replace(full, figures=dropping)
    assert len(encode(full)) < STATE_BYTES_MAX / 5


def expired_work(record: RawRecord, state: bytes | None, *, floor_ms: int) -> Work:
    """Work on a record while the floor of its dataset stands at `floor_ms`."""
    floors = Floors(
        [
            FloorLedger(
                dataset=placement().dataset,
                period="day",
                floor_ms=floor_ms,
                updated_at_ms=1,
            )
        ]
    )
    parsed = parse_record(
        record, topic_id="t", namespace=NAMESPACE, now_ms=SEEN_AT_MS, floors=floors
    )
    return work_from(parsed, state)


def two_days() -> RawRecord:
    value = b"2026-11-22 10:00:00 INFO old\n2026-11-23 10:00:00 INFO new\n"
    return chunk_record(value, made=origin(value))


NOV_23_MS = 1_795_392_000_000


def test_an_event_below_the_floor_is_counted_as_expired_and_not_sent() -> None:
    work = expired_work(two_days(), None, floor_ms=NOV_23_MS)

    (docs,) = sent_to(work, DOCS.suffix)
    assert docs.value.count(b"\n") == 2
    assert b"-2026.11.23" in docs.value
    assert numbers_in(work) == [0, 1]
    told = told_by(work)
    assert told.dropped == {"expired": 1}
    assert told.dropped_spans == {"expired": ((0, 1),)}
    assert told.dropped_untold is None
    assert (told.event_count, told.document_count) == (2, 1)
    assert work.counts["dropped.expired"] == 1


def test_an_event_that_was_sent_before_the_floor_rose_is_not_counted_again() -> None:
    """Its document is in the index, or retention has counted it there."""
    before = work_on(two_days(), None)
    assert before.state is not None

    again = expired_work(two_days(), before.state.value, floor_ms=NOV_23_MS)

    assert told_by(again).dropped == {}
    assert told_by(again).dropped_spans == {}
    assert told_by(again).event_count == 2


def test_a_chunk_all_expired_still_passes_its_numbers_on() -> None:
    work = expired_work(two_days(), None, floor_ms=NOV_23_MS + 86_400_000)

    (docs,) = sent_to(work, DOCS.suffix)
    assert docs.value == b""
    assert numbers_in(work) == [0, 1]
    assert told_by(work).dropped == {"expired": 2}
    assert told_by(work).dropped_spans == {"expired": ((0, 2),)}


def test_k15_dropped_events_are_told_by_their_numbers_however_often_they_come() -> None:
    """Also where a chunk comes again that begins earlier, and where some were counted."""
    lines = b"".join(
        b"2026-11-%d 10:00:00 INFO %d\n" % (22 if n in {1, 2, 5} else 23, n)
        for n in range(7)
    )
    size = len(lines) // 7
    first = chunk_record(
        lines[2 * size :],
        made=origin(lines[2 * size :], first_offset=2 * size, first_event_number=2),
    )
    state = expired_work(first, None, floor_ms=NOV_23_MS).state
    assert state is not None
    whole = chunk_record(lines, made=origin(lines), offset=1)

    again = expired_work(whole, state.value, floor_ms=NOV_23_MS)

    told = told_by(again)
    assert told.dropped == {"expired": 3}
    assert told.dropped_spans == {"expired": ((1, 3), (5, 6))}
    assert told.event_count == 7


def test_a_state_from_before_there_were_spans_counts_on() -> None:
    state = expired_work(two_days(), None, floor_ms=NOV_23_MS).state
    assert state is not None
    fields = msgspec.json.decode(state.value)
    del fields["figures"]["dropped_spans"]
    del fields["figures"]["dropped_untold"]
    value = b"2026-11-22 10:00:00 INFO older\n"
    made = origin(value, first_offset=10_000, first_event_number=2)

    work = expired_work(
        chunk_record(value, made=made, offset=1),
        msgspec.json.encode(fields),
        floor_ms=NOV_23_MS,
    )

    told = told_by(work)
    assert told.dropped == {"expired": 2}
    assert told.dropped_spans == {"expired": ((2, 3),)}
    assert told.dropped_untold == (0, 2)


@given(st.sets(st.integers(0, 60)))
def test_numbers_become_as_few_spans_as_there_can_be(numbers: set[int]) -> None:
    spans = spans_of(np.array(sorted(numbers), np.int64))

    assert spans == list(NumberSet.of((n, n + 1) for n in numbers).pairs())

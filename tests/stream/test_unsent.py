"""Events that their agent did not send count as dropped, once, and become no document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.ledger import DROPPED_SPANS_MAX, StreamLedger
from tailrace.number_sets import NumberSet
from tailrace.topics import DEAD, DOCS, RATES
from tailrace.wire import DroppedReason, Origin
from tailrace_stream.figures import Figures, with_events
from tailrace_stream.records import RawRecord, Work
from tailrace_stream.windows import GenerationState
from tests.stream.builders import SEEN_AT_MS, chunk_record, origin, placement
from tests.stream.poison import POISON, poison_at
from tests.stream.test_counting import (
    numbers_in,
    sent_to,
    told_by,
    work_on,
)

LINE_BYTES = 10


class Document(msgspec.Struct):
    """What of a document tells its event."""

    number: int = msgspec.field(name="event.sequence")


class Rate(msgspec.Struct):
    """What of a window is asked for here."""

    count: int = msgspec.field(name="tailrace.rate.count")
    timestamp: str = msgspec.field(name="@timestamp")
    level: str = msgspec.field(name="log.level", default="")


def line(number: int) -> bytes:
    return b"%09d\n" % number


def made_of(numbers: range, *, reason: DroppedReason = "") -> Origin:
    value = b"".join(map(line, numbers))
    made = origin(
        value,
        first_offset=numbers.start * LINE_BYTES,
        placed=placement("plain"),
        first_event_number=numbers.start,
    )
    return msgspec.structs.replace(made, dropped_reason=reason)


@dataclass
class Stream:
    """One generation as a worker reads it, record by record."""

    state: bytes | None = None
    offset: int = 0
    documents: Counter[int] = field(default_factory=Counter[int])
    dead: int = 0
    rates: dict[bytes, Rate] = field(default_factory=dict[bytes, Rate])
    told: StreamLedger | None = None
    records: list[RawRecord] = field(default_factory=list[RawRecord])

    def take(self, first: int, last: int, reason: DroppedReason = "") -> Work:
        made = made_of(range(first, last), reason=reason)
        value = b"" if reason else b"".join(map(line, range(first, last)))
        return self.read(chunk_record(value, made=made, offset=self.offset))

    def read(self, record: RawRecord) -> Work:
        self.records.append(record)
        self.offset += 1
        work = work_on(record, self.state)
        self.state = self.state if work.state is None else work.state.value
        self.told = told_by(work)
        self.documents.update(documents_in(work))
        self.dead += len(sent_to(work, DEAD.suffix))
        for body in (each.value for each in sent_to(work, RATES.suffix)):
            lines = body.split(b"\n")
            for action, document in zip(lines[0:-1:2], lines[1::2], strict=True):
                self.rates[action] = msgspec.json.decode(document, type=Rate)
        return work

    @property
    def word(self) -> StreamLedger:
        assert self.told is not None
        return self.told

    def counted_in_rates(self) -> int:
        """Return the sum over all windows, each part at its newest."""
        newest: dict[bytes, Rate] = {}
        for action, rate in self.rates.items():
            newest[action.partition(b'"_id"')[2]] = rate
        return sum(rate.count for rate in newest.values())


def documents_in(work: Work) -> list[int]:
    return [
        msgspec.json.decode(document, type=Document).number
        for record in sent_to(work, DOCS.suffix)
        for document in record.value.split(b"\n")[1::2]
    ]


def dropped_in(word: StreamLedger) -> list[int]:
    spans = [s for told in word.dropped_spans.values() for s in told]
    return [n for start, stop in spans for n in range(start, stop)]


@pytest.mark.parametrize("reason", ["overload", "redirected"])
def test_what_was_not_sent_is_counted_by_its_reason_and_passed_over(
    reason: DroppedReason,
) -> None:
    stream = Stream()
    stream.take(0, 5)
    work = stream.take(5, 12, reason)
    assert documents_in(work) == []
    assert numbers_in(work) == list(range(5, 12))
    assert stream.word.dropped == {reason: 7}
    assert stream.word.dropped_spans == {reason: ((5, 12),)}
    assert (stream.word.event_count, stream.word.document_count) == (12, 5)
    assert (stream.word.next_event_number, stream.word.next_offset) == (12, 120)
    assert (stream.word.gaps, stream.word.dead, stream.dead) == ((), {}, 0)
    assert work.counts == {f"dropped.{reason}": 7}
    stream.take(12, 20)
    assert sorted(stream.documents) == [*range(5), *range(12, 20)]
    assert stream.word.document_count == 13


def test_a_word_that_comes_again_counts_nothing() -> None:
    stream = Stream()
    stream.take(0, 5, "overload")
    again = stream.take(0, 5, "overload")
    assert stream.word.dropped == {"overload": 5}
    assert again.state is None
    assert stream.counted_in_rates() == 5


def test_p1_what_was_dropped_and_is_sent_by_the_next_life_stays_dropped() -> None:
    """Its agent starts anew and is within the rate: it was counted, and is told as gone."""
    stream = Stream()
    stream.take(0, 5)
    stream.take(5, 10, "overload")
    work = stream.take(3, 14)
    assert documents_in(work) == [3, 4, 10, 11, 12, 13]
    assert numbers_in(work) == list(range(3, 14))
    assert stream.word.dropped_spans == {"overload": ((5, 10),)}
    assert stream.word.document_count == 9


def test_p1_what_was_sent_and_is_dropped_by_the_next_life_stays_sent() -> None:
    stream = Stream()
    stream.take(0, 5)
    stream.take(5, 10)
    stream.take(3, 14, "overload")
    assert stream.word.dropped_spans == {"overload": ((10, 14),)}
    assert stream.word.document_count == 10
    assert sorted(dropped_in(stream.word)) == [10, 11, 12, 13]


def test_p1_what_a_word_says_between_two_that_came_is_told_by_its_numbers() -> None:
    """Redirected chunks are told of late: what is behind them may have come before."""
    stream = Stream()
    stream.take(0, 4)
    stream.take(8, 12)
    stream.take(16, 20)
    assert stream.word.gaps == ((40, 80), (120, 160))
    stream.take(2, 18, "redirected")
    assert stream.word.dropped_spans == {"redirected": ((4, 8), (12, 16))}
    assert (stream.word.gaps, stream.word.event_count) == ((), 20)


def test_a_hole_that_is_read_again_brings_back_nothing_that_was_dropped() -> None:
    stream = Stream()
    stream.take(0, 5)
    stream.take(5, 10, "overload")
    stream.take(12, 15)
    made = msgspec.structs.replace(made_of(range(3, 13)), is_repeat=True)
    value = b"".join(map(line, range(3, 13)))
    work = stream.read(chunk_record(value, made=made, offset=stream.offset))
    assert documents_in(work) == [3, 4, 10, 11, 12]
    assert stream.word.gaps == ()


def test_a_dead_event_among_what_was_dropped_is_no_dead_letter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poison_at(monkeypatch)
    value = POISON + b"\n" + line(1) + POISON + b"\n"
    made = origin(value, placed=placement("plain"))
    head = msgspec.structs.replace(
        made, size_bytes=17, event_count=2, dropped_reason="overload"
    )
    stream = Stream()
    stream.read(chunk_record(b"", made=head, offset=0))
    stream.read(chunk_record(value, made=made, offset=1))
    assert (stream.dead, stream.documents) == (1, Counter())
    assert stream.word.dead == {"parser_raised": 1}
    assert stream.word.dropped == {"overload": 2}


def test_lines_that_an_agent_numbers_otherwise_are_kept() -> None:
    """An agent that lost its numbers tells of others by those of what was dropped."""
    stream = Stream()
    stream.take(0, 5, "overload")
    made = made_of(range(10, 15))
    made = msgspec.structs.replace(made, first_event_number=0)
    value = b"".join(map(line, range(10, 15)))
    work = stream.read(chunk_record(value, made=made, offset=1))
    assert len(documents_in(work)) == 5


def test_what_was_not_sent_is_counted_in_the_window_in_which_it_was_read() -> None:
    stream = Stream()
    stream.take(0, 5, "overload")
    stream.take(5, 9)
    assert stream.counted_in_rates() == 9
    window = SEEN_AT_MS // 60_000 * 60_000
    (rate,) = {r.timestamp for r in stream.rates.values()}
    assert rate == "2026-11-24T06:00:00.000Z"
    assert window % 60_000 == 0
    assert {r.level for r in stream.rates.values()} == {""}


CHUNKS = st.lists(
    st.tuples(
        st.integers(0, 29),
        st.integers(1, 9),
        st.sampled_from(["", "", "overload", "redirected"]),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=50, deadline=None)
@given(CHUNKS)
def test_each_event_counts_once_as_what_it_was_first_whatever_comes_again(
    chunks: Sequence[tuple[int, int, DroppedReason]],
) -> None:
    """In any order, with other ends each time: as agents that crash send it."""
    stream = Stream()
    first_fate: dict[int, str] = {}
    for first, count, reason in chunks:
        stream.take(first, first + count, reason)
        for number in range(first, first + count):
            first_fate.setdefault(number, reason)
    dropped = {n for n, fate in first_fate.items() if fate}
    assert set(dropped_in(stream.word)) == dropped
    assert stream.word.dropped == Counter(f for f in first_fate.values() if f)
    assert set(stream.documents) == first_fate.keys() - dropped
    assert stream.word.event_count == len(first_fate)
    assert stream.counted_in_rates() == len(first_fate)


def test_of_more_spans_than_there_is_room_for_the_newest_are_told() -> None:
    """What an agent may send again is what it sent last."""
    figures = Figures()
    made = made_of(range(1), reason="overload")
    for number in range(0, 2 * DROPPED_SPANS_MAX + 20, 2):
        figures = with_events(
            figures,
            origin=msgspec.structs.replace(made, first_event_number=number),
            is_first=number == 0,
            event_count=1,
            dead={},
            dropped={"overload": [(number, number + 1)]},
        )
    spans = figures.dropped_spans["overload"]
    assert len(spans) == DROPPED_SPANS_MAX
    assert spans[-1] == (2 * DROPPED_SPANS_MAX + 18, 2 * DROPPED_SPANS_MAX + 19)
    assert figures.dropped == {"overload": DROPPED_SPANS_MAX + 10}
    assert figures.dropped_untold == (0, 19)
    assert NumberSet.of(spans).count == DROPPED_SPANS_MAX
    assert all(a[1] < b[0] for a, b in pairwise(spans))


def test_a_state_of_before_has_no_edges_and_leaves_what_it_cannot_tell_a_gap() -> None:
    stream = Stream()
    stream.take(0, 4)
    stream.take(8, 12)
    assert stream.state is not None
    fields = msgspec.json.decode(stream.state)
    del fields["edges"]
    stream.state = msgspec.json.encode(fields)
    stream.take(2, 10, "overload")
    assert stream.word.gaps == ((40, 80),)
    assert stream.word.dropped == {}
    stream.take(0, 12)
    assert stream.word.gaps == ()
    assert sorted(stream.documents) == list(range(12))
    assert isinstance(
        msgspec.json.decode(stream.state, type=GenerationState).edges, tuple
    )

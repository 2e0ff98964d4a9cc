"""Events of several lines: the same ones, whatever the chunks are and whenever it crashes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.framing import (
    FLAG_CUT,
    FLAG_SPLIT,
    FLAG_UNTERMINATED,
    decode_mapped,
)
from tailrace.wire import Cut, MultilineRule
from tailrace_agent.building import LongEvent
from tailrace_agent.chunking import Chunker, Limits
from tailrace_agent.forms import INFLATED, PLAIN, Form, form_of, with_rule
from tailrace_agent.positions import START, Chunk, OpenEvent, Position, Reading
from tests.agent.test_chunking import BytesFile, events_in
from tests.infra.multiline import traces
from tests.infra.multiline.oracle import events_of, rule

EVENT_BYTES_MAX = 400

LINES = st.lists(
    st.sampled_from(
        sorted(
            {
                line.encode()
                for events in (*traces.BY_LANGUAGE.values(), traces.TIME[:4])
                for event in events
                for line in event.split("\n")
            }
        )
    )
    | st.sampled_from([b"", b"\r", b" ", b"x", b"\tat x", b"\0", b"z" * 600])
    | st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"\r")),
    max_size=14,
)


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    content = b"\n".join(draw(LINES)) + draw(st.sampled_from([b"", b"\n"]))
    return content.removeprefix(b"\xef\xbb\xbf").strip(b"\0")


RULES = st.builds(
    rule,
    st.sampled_from(["java", "python", "trace", "time"]),
    max_lines=st.integers(2, 6),
    max_bytes=st.integers(20, 390),
) | st.builds(
    rule,
    st.sampled_from(["start", "continuation"]),
    pattern=st.sampled_from([r"^\S", r"^[ \t]", "at"]),
    max_lines=st.integers(2, 6),
    max_bytes=st.integers(20, 390),
)


@dataclass(slots=True)
class Reader:
    """Reads a file that grows, as a turn does: with what is held, and with cuts noted."""

    form: Form
    chunk_bytes: int
    position: Position = START
    cuts: tuple[Cut, ...] = ()
    chunks: list[Chunk] = field(default_factory=list[Chunk])
    held: OpenEvent | None = None
    value_bytes_max: int | None = None
    """As of a source that is nearly at its rate."""
    _event: LongEvent | None = None

    def read(
        self,
        content: bytes,
        *,
        is_flushing: bool = False,
        is_settled: bool = False,
        is_stale: bool = False,
    ) -> Reading | OpenEvent:
        """Take all chunks there are; return what there is then."""
        reader = Chunker(Limits(self.chunk_bytes, EVENT_BYTES_MAX))
        file = BytesFile(content)
        while True:
            if self._event is None:
                result = reader.next_chunk(
                    file,
                    position=self.position,
                    cuts=self.cuts,
                    form=self.form,
                    is_flushing=is_flushing,
                    is_settled=is_settled,
                    is_stale=is_stale,
                    held=self.held,
                    value_bytes_max=self.value_bytes_max,
                )
            else:
                result = reader.pass_event(
                    file,
                    self._event,
                    position=self.position,
                    cuts=self.cuts,
                    form=self.form,
                    is_flushing=is_flushing,
                )
            if isinstance(result, LongEvent):
                self._event = result
            elif isinstance(result, Chunk):
                self.chunks.append(result)
                self.position, self.held, self._event = (
                    result.after,
                    result.follower,
                    None,
                )
                if result.cut is not None:
                    self.cuts = (*self.cuts, result.cut)
            elif result is not Reading.MORE:
                if isinstance(result, OpenEvent):
                    self.held = result
                return result

    def crash(self, *, kept_count: int) -> Reader:
        """Return the next life, which knows the first chunks and every cut."""
        kept = self.chunks[:kept_count]
        return Reader(
            self.form,
            self.chunk_bytes,
            kept[-1].after if kept else START,
            self.cuts,
            kept,
        )


def expected(content: bytes, rule: MultilineRule) -> list[tuple[int, int, int]]:
    return [
        (e.start, e.end - e.start, crc32c(content[e.start : e.end]))
        for e in events_of(content, rule)
    ]


def tiled(chunks: list[Chunk]) -> int:
    """Return where chunks end that follow one another without a gap."""
    offset = number = 0
    for chunk in chunks:
        assert chunk.first_offset - chunk.skipped_before_bytes == offset
        assert chunk.first_event_number == number
        offset = chunk.first_offset + chunk.size_bytes
        number += chunk.event_count
        assert chunk.after.offset == offset
        assert len(events_in([chunk])) == chunk.event_count
    return offset


@given(contents(), RULES, st.integers(8, 120))
def test_f30_an_event_is_never_parted_by_the_end_of_a_chunk(
    content: bytes, rule: MultilineRule, chunk_bytes: int
) -> None:
    reader = Reader(with_rule(PLAIN, rule), chunk_bytes)
    reader.read(content, is_flushing=True)
    assert events_in(reader.chunks) == expected(content, rule)
    assert tiled(reader.chunks) == len(content)


@given(contents(), RULES, st.integers(8, 120), st.data())
def test_f30_a_file_that_grows_in_any_steps_has_the_same_events_of_several_lines(
    content: bytes, rule: MultilineRule, chunk_bytes: int, data: st.DataObject
) -> None:
    """No time passes over a line, so only what follows ends an event."""
    reader, size = Reader(with_rule(PLAIN, rule), chunk_bytes), 0
    while size < len(content):
        size += data.draw(st.integers(1, len(content)))
        reader.read(content[:size])
    over = reader.position.offset
    assert events_in(reader.chunks) == [
        event for event in expected(content, rule) if event[0] < over
    ]
    assert not any(chunk.cut for chunk in reader.chunks)
    # Nothing but the last event waits.
    reader.read(content, is_flushing=True)
    assert events_in(reader.chunks) == expected(content, rule)
    whole = content[: content.rfind(b"\n") + 1]
    waiting = [e for e in expected(whole, rule) if e[0] >= over]
    assert len(waiting) <= 1


@pytest.mark.parametrize("name", ["python", "trace"])
def test_f30_a_limit_that_parts_a_chain_of_tracebacks_parts_it_for_every_reading(
    name: str,
) -> None:
    """Found by chance: behind such a limit nobody knows what stood before the blank line."""
    begin = b"  in f\nDuring handling of the above exception, x:\n"
    content = begin + b"\nTraceback (most recent call last):\n  in g\n"
    form = with_rule(PLAIN, rule(name, max_lines=2))
    whole, behind = Reader(form, 1_024), Reader(form, 1_024)
    whole.read(content, is_flushing=True)
    behind.read(content[len(begin) :], is_flushing=True)

    expected_behind = [
        (offset + len(begin), *rest) for offset, *rest in events_in(behind.chunks)
    ]
    assert events_in(whole.chunks)[1:] == expected_behind
    assert [event[1] for event in expected_behind] == [0, 41]


def test_f30_a_carriage_return_alone_at_the_end_is_a_blank_line() -> None:
    """Found by chance: blank lines of a trace belong together, the last one, too."""
    form, content = (
        with_rule(PLAIN, rule("trace", max_lines=2, max_bytes=390)),
        b" \n\r",
    )
    reader = Reader(form, 8)
    reader.read(content)
    reader.read(content, is_flushing=True)
    assert [event[:2] for event in events_in(reader.chunks)] == [(0, 3)]


@settings(max_examples=60)
@given(
    contents(),
    RULES,
    st.integers(8, 120),
    st.integers(8, 120),
    st.booleans(),
    st.data(),
)
def test_f28_p1_what_time_ended_is_ended_there_by_every_later_reading(
    content: bytes,
    rule: MultilineRule,
    chunk_bytes: int,
    other_bytes: int,
    is_settled: bool,
    data: st.DataObject,
) -> None:
    """Flush anywhere and anyhow, crash anywhere: the ids stay what they were."""
    form = with_rule(PLAIN, rule)
    reader, size = Reader(form, chunk_bytes), 0
    sent: set[tuple[int, int, int]] = set()
    while size < len(content):
        size += data.draw(st.integers(1, len(content)))
        reader.read(
            content[:size],
            is_flushing=data.draw(st.booleans()),
            is_settled=is_settled,
        )
        sent.update(events_in(reader.chunks))
        if data.draw(st.booleans()):
            kept_count = data.draw(st.integers(0, len(reader.chunks)))
            reader = reader.crash(kept_count=kept_count)
            reader.chunk_bytes = other_bytes
    reader.read(content, is_flushing=True)
    assert sent <= set(events_in(reader.chunks))
    offset = number = 0
    for chunk in reader.chunks:
        assert chunk.first_event_number == number
        between = content[offset : chunk.first_offset]
        assert between in {b"", b"\n", b"\r", b"\r\n"}
        offset, number = chunk.after.offset, chunk.after.event_number
    assert content[offset:] in {b"", b"\n", b"\r", b"\r\n"}


@given(contents(), RULES, st.integers(8, 120), st.sampled_from(["le", "be"]))
def test_f32_events_of_several_lines_in_utf_16_are_those_of_their_text(
    content: bytes, rule: MultilineRule, chunk_bytes: int, order: str
) -> None:
    text = content.decode("latin-1").replace("\xff", "").replace("\xfe", "")
    if not text.strip("\0") or "\0" in text:
        return
    wide = text.encode(f"utf-16-{order}")
    form = form_of(b"", encoding=f"utf-16{order}", is_archive=False)  # pyright: ignore[reportArgumentType]
    doubled = MultilineRule(
        rule=rule.rule,
        pattern=rule.pattern,
        max_lines=rule.max_lines,
        max_bytes=2 * rule.max_bytes,
    )
    utf8 = text.encode()
    if len(utf8) != len(text):
        return  # Places are compared by doubling them.
    reader = Reader(with_rule(form, doubled), 2 * chunk_bytes)
    reader.read(wide, is_flushing=True)
    assert [(o, n) for o, n, _ in events_in(reader.chunks)] == [
        (2 * o, 2 * n) for o, n, _ in expected(utf8, rule)
    ]
    stored = [e.stored for chunk in reader.chunks for e in decode_mapped(chunk.value)]
    texts = [utf8[o : o + n] for o, n, _ in expected(utf8, rule)]
    for got, whole in zip(stored, texts, strict=True):
        assert whole.startswith(got)
        assert len(got) >= min(len(whole), EVENT_BYTES_MAX // 2)


TRACE = b"a\n b\n c\nnext\n"


def read_all(
    content: bytes, *, chunk_bytes: int = 4_096, form: Form | None = None
) -> list[Chunk]:
    reader = Reader(form or with_rule(PLAIN, rule("java")), chunk_bytes)
    reader.read(content, is_flushing=True)
    return reader.chunks


def test_a_chunk_without_an_event_of_several_lines_is_the_files_bytes() -> None:
    first, last = read_all(b"a\nb\nc\n")
    assert (first.framing, first.value, first.cut) == ("newline", b"a\nb\n", None)
    assert (last.framing, last.value) == ("newline", b"c\n")
    assert last.cut == Cut(offset=4, next_offset=6, reason="flushed")


def test_an_event_of_several_lines_stands_in_a_table_with_its_newlines() -> None:
    first, _ = read_all(TRACE)
    (event,) = decode_mapped(first.value)
    assert (event.offset, event.original_size_bytes) == (0, 7)
    assert event.stored == b"a\n b\n c"
    assert event.checksum == crc32c(b"a\n b\n c")
    assert event.flags == 0
    assert (first.size_bytes, first.event_count, first.cut) == (8, 1, None)


def test_an_archives_event_of_several_lines_is_one_row() -> None:
    form = with_rule(INFLATED, rule("java"))
    chunks = read_all(TRACE, form=form)
    stored = [e.stored for c in chunks for e in decode_mapped(c.value)]
    assert stored == [b"a\n b\n c", b"next"]


def test_an_event_waits_for_the_next_line_and_is_told_as_open() -> None:
    reader = Reader(with_rule(PLAIN, rule("java")), 4_096)
    assert reader.read(b"a\n b\n") == OpenEvent(0, b"a\n b\n")
    assert reader.read(b"a\n b\n c") == OpenEvent(0, b"a\n b\n")
    assert reader.read(TRACE) == OpenEvent(8, b"next\n")
    # Half a line may yet become one that goes on: it begins nothing.
    assert reader.read(TRACE + b"Caus") == OpenEvent(8, b"next\n")
    cause = b"next\nCaused by: x\n"
    assert reader.read(TRACE[:8] + cause) == OpenEvent(8, cause)
    assert reader.chunks[0].follower == OpenEvent(8, b"next\n")


def test_f28_half_a_line_is_taken_as_it_stands_when_its_time_is_over() -> None:
    """What it would have been is not known: its boundary is a cut, and is kept."""
    (chunk,) = read_all(b"a\n b\nne")
    events = decode_mapped(chunk.value)
    assert [e.stored for e in events] == [b"a\n b", b"ne"]
    assert [e.flags for e in events] == [0, FLAG_UNTERMINATED]
    assert chunk.cut == Cut(offset=5, next_offset=7, reason="flushed")


def test_f28_a_blank_line_behind_an_event_that_time_ended_is_an_event() -> None:
    """Behind half a line a newline is that line's own; behind a whole one it is none."""
    reader = Reader(with_rule(PLAIN, rule("time")), 4_096)
    reader.read(b"x\n y\n", is_settled=True)
    assert reader.position.offset == 5
    reader.read(b"x\n y\n\nz\n", is_settled=True)
    assert [e[:2] for e in events_in(reader.chunks)] == [(0, 4), (5, 2)]
    again = reader.crash(kept_count=1)
    again.read(b"x\n y\n\nz\n", is_settled=True)
    assert events_in(again.chunks) == events_in(reader.chunks)


def test_whole_lines_settle_while_half_a_line_is_still_waited_for() -> None:
    reader = Reader(with_rule(PLAIN, rule("java")), 4_096)
    assert reader.read(b"a\n b\n c", is_settled=True) == OpenEvent(0, b"a\n b\n")
    assert not reader.chunks
    reader.read(b"a\n b\n c\n", is_settled=True)
    assert [e[:2] for e in events_in(reader.chunks)] == [(0, 7)]


def test_f4_f5_an_open_event_that_the_file_lost_is_noticed() -> None:
    held = OpenEvent(0, b"a\n b\n")
    reader = Chunker(Limits(4_096, 4_096))
    form = with_rule(PLAIN, rule("java"))
    for content in (b"", b"a", b"a\n", b"a\n c\n more\n", b"\0" * 9):
        result = reader.next_chunk(
            BytesFile(content), position=START, form=form, held=held
        )
        assert result is Reading.REWRITTEN, content
    chunk = reader.held_chunk(held, position=START, form=form)
    assert [e.stored for e in decode_mapped(chunk.value)] == [b"a\n b"]
    assert chunk.cut == Cut(offset=0, next_offset=5, reason="flushed")
    assert chunk.after.offset == 5


def test_f17_a_hole_ends_an_event_and_a_few_nuls_wait_for_what_they_are() -> None:
    form = with_rule(PLAIN, rule("time"))
    reader = Reader(form, 4_096)
    assert reader.read(b"x\n y\n" + b"\0" * 100) == OpenEvent(0, b"x\n y\n")
    line = b"x\n y\n" + b"\0" * 100 + b"\n"
    assert reader.read(line) == OpenEvent(0, line)
    hole = Reader(form, 4_096)
    hole.read(b"x\n y\n" + b"\0" * 2_000 + b"z\n")
    assert [e[:2] for e in events_in(hole.chunks)] == [(0, 4)]
    assert hole.held == OpenEvent(2_005, b"z\n")
    # A hole is the same, whatever part of it is seen at a time.
    for size in (600, 1_000, 5_000):
        other = Reader(form, size)
        other.read(b"x\n y\n" + b"\0" * 2_000 + b"z\n", is_flushing=True)
        assert [e[:2] for e in events_in(other.chunks)] == [(0, 4), (2_005, 1)]


def test_f27_a_line_too_long_for_an_event_stands_alone() -> None:
    limited = with_rule(PLAIN, rule("java", max_bytes=100))
    content = b"a\n b\n" + b" " + b"c" * 1_000 + b"\n d\n"
    chunks = read_all(content, form=limited, chunk_bytes=64)
    events = [
        e for c in chunks if c.framing == "mapped" for e in decode_mapped(c.value)
    ]
    assert [(e.offset, e.original_size_bytes) for e in events] == [(0, 4), (5, 1_001)]
    assert events[1].flags == FLAG_CUT
    assert tiled(chunks) == len(content)


def test_a_limit_marks_the_event_that_it_ends_and_counts_it() -> None:
    limited = with_rule(PLAIN, rule("java", max_lines=2))
    chunks = read_all(b"a\n b\n c\n d\ne\n", form=limited)
    events = [
        e for c in chunks if c.framing == "mapped" for e in decode_mapped(c.value)
    ]
    assert [e.flags for e in events] == [FLAG_SPLIT, FLAG_SPLIT]
    assert sum(chunk.split_count for chunk in chunks) == 2

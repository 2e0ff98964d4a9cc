"""Any lines, any rule: the events that stand there, whatever piece of them is looked at."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.multiline.joining import Joiner, pattern_problem
from tailrace.multiline.lines import ListedLines
from tailrace.multiline.shapes import HEADS, LANGUAGES, SHAPES
from tailrace.wire import MultilineRule
from tests.infra.multiline import traces
from tests.infra.multiline.oracle import Event, events_of, rule, texts_of

SNIPPETS = sorted(
    {
        line
        for events in (*traces.BY_LANGUAGE.values(), traces.TIME, traces.SLOWLOG)
        for event in events
        for line in event.split("\n")
    }
)
RULES = st.builds(
    rule,
    st.sampled_from(sorted(SHAPES)),
    max_lines=st.integers(2, 6),
    max_bytes=st.integers(1, 300),
) | st.builds(
    rule,
    st.sampled_from(["start", "continuation"]),
    pattern=st.sampled_from([r"^\S", r"^[ \t]", "at", "^2026"]),
    max_lines=st.integers(2, 6),
    max_bytes=st.integers(1, 300),
)
LINES = st.lists(
    st.sampled_from([s.encode() for s in SNIPPETS])
    | st.sampled_from([b"", b"\r", b" ", b"x", b"\tat ", b"\xff\xfe", b"\0"])
    | st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"\r")),
    max_size=14,
)


def found_events(content: bytes, rule: MultilineRule) -> list[Event]:
    grouped = Joiner(rule).group(content, len(content), seen_bytes=len(content))
    events: list[Event] = []
    position = 0
    joined = {one.start: one.end for one in grouped.joined}
    while position < len(content):
        line_end = content.find(b"\n", position)
        line_end = len(content) if line_end < 0 else line_end
        end = joined.pop(position, line_end)
        events.append(Event(position, end))
        position = end + 1
    assert not joined, "an event that begins within another one"
    assert events[-1].start == grouped.last_start
    return events


@given(LINES, RULES, st.booleans())
def test_a_block_has_the_events_that_its_lines_make_one_by_one(
    lines: list[bytes], rule: MultilineRule, is_ended: bool
) -> None:
    content = b"\n".join(lines) + (b"\n" if is_ended else b"")
    if not content:
        return
    assert found_events(content, rule) == events_of(content, rule)


@settings(max_examples=40)
@given(LINES, RULES)
def test_reading_on_from_any_event_finds_the_same_events(
    lines: list[bytes], rule: MultilineRule
) -> None:
    """Only kinds decide, and a limit counts from the event's first line."""
    content = b"\n".join(lines) + b"\n"
    whole = found_events(content, rule)
    for index, event in enumerate(whole):
        rest = found_events(content[event.start :], rule)
        shifted = [Event(e.start + event.start, e.end + event.start) for e in rest]
        if "chain" in SHAPES.get(rule.rule, {}) and shifted != whole[index:]:
            # A limit parted a chain of tracebacks at its blank line.
            assert event.start > 0
            continue
        assert shifted == whole[index:]


@settings(max_examples=40)
@given(LINES, RULES)
def test_what_follows_never_changes_an_event_that_is_over(
    lines: list[bytes], rule: MultilineRule
) -> None:
    content = b"\n".join(lines) + b"\n"
    whole = found_events(content, rule)
    for size in range(1, len(content)):
        end = content.rfind(b"\n", 0, size) + 1
        if not end:
            continue
        grouped = Joiner(rule).group(content, end, seen_bytes=size)
        stop = end if grouped.is_last_full else grouped.last_start
        over = [event for event in whole if event.start < stop]
        assert all(event.end < stop for event in over)
        joined = {j.start: j.end for j in grouped.joined if j.start < stop}
        for event in over:
            is_line = b"\n" not in content[event.start : event.end]
            assert joined.pop(event.start, event.end if is_line else None) == event.end
        assert not joined


@settings(max_examples=40)
@given(LINES, RULES)
def test_lines_of_another_writing_make_the_same_events(
    lines: list[bytes], rule: MultilineRule
) -> None:
    """As UTF-16 does: every place is doubled, and the limit in bytes with it."""
    texts = lines or [b"x"]
    content = b"\n".join(texts) + b"\n"
    wide = MultilineRule(
        rule=rule.rule,
        pattern=rule.pattern,
        max_lines=rule.max_lines,
        max_bytes=2 * rule.max_bytes,
    )
    listed = ListedLines([2 * len(text) for text in texts], newline_bytes=2)
    grouped = Joiner(wide).group_texts(texts, listed, seen_bytes=2 * len(content))
    plain = Joiner(rule).group(content, len(content), seen_bytes=len(content))
    assert [(j.start, j.end, j.is_split) for j in grouped.joined] == [
        (2 * j.start, 2 * j.end, j.is_split) for j in plain.joined
    ]
    assert grouped.last_start == 2 * plain.last_start


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_trace_of_each_language_is_one_event_with_the_line_before_it(
    language: str,
) -> None:
    expected = traces.BY_LANGUAGE[language]
    content = ("\n".join(expected) + "\n").encode()
    assert texts_of(content, rule(language)) == expected
    assert found_events(content, rule(language)) == events_of(content, rule(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_traces_of_windows_lines_are_the_same_events(language: str) -> None:
    expected = traces.BY_LANGUAGE[language]
    content = ("\n".join(expected) + "\n").replace("\n", "\r\n").encode()
    found = texts_of(content, rule(language))
    assert [text.replace("\r", "") for text in found] == expected


@pytest.mark.parametrize("language", ["java", "python", "go", "node"])
def test_the_rule_for_any_trace_finds_each_languages_own(language: str) -> None:
    expected = traces.BY_LANGUAGE[language]
    content = ("\n".join(expected) + "\n").encode()
    assert texts_of(content, rule("trace")) == expected


def test_lines_behind_one_that_begins_with_a_time_belong_to_it() -> None:
    content = ("\n".join(traces.TIME) + "\n").encode()
    assert texts_of(content, rule("time")) == traces.TIME


def test_an_entry_of_a_slow_log_is_one_event_with_its_statement() -> None:
    content = ("\n".join(traces.SLOWLOG) + "\n").encode()
    assert texts_of(content, rule("slowlog")) == traces.SLOWLOG


def test_a_limit_begins_the_next_event_and_loses_no_line() -> None:
    content = b"x\n a\n b\n c\n d\ny\n"
    by_lines = Joiner(rule("java", max_lines=2)).group(
        content, len(content), seen_bytes=len(content)
    )
    assert [(j.start, j.end, j.is_split) for j in by_lines.joined] == [
        (0, 4, True),
        (5, 10, True),
    ]
    by_bytes = Joiner(rule("java", max_bytes=7)).group(
        content, len(content), seen_bytes=len(content)
    )
    assert [(j.start, j.end, j.is_split) for j in by_bytes.joined] == [
        (0, 7, True),
        (8, 13, False),
    ]


def test_an_event_with_all_the_lines_it_may_have_waits_for_none() -> None:
    content = b"x\n a\n"
    full = Joiner(rule("java", max_lines=2)).group(content, 5, seen_bytes=5)
    assert full.is_last_full
    room = Joiner(rule("java", max_lines=3)).group(content, 5, seen_bytes=5)
    assert not room.is_last_full
    # The next line has begun, and is too long for the event already.
    long = Joiner(rule("java", max_bytes=8)).group(content, 5, seen_bytes=9)
    assert long.is_last_full


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(?=a)b", "look-around"),
        (r"(a)\1", "backreferences"),
        ("(", "unclosed group"),
        (".*", "matches every line"),
        ("x?", "matches every line"),
    ],
)
def test_a_pattern_that_cannot_serve_is_told_with_its_reason(
    pattern: str, problem: str
) -> None:
    told = pattern_problem(pattern)
    assert told is not None
    assert repr(pattern) in told
    assert problem in told


def test_a_pattern_reads_text_and_not_bytes() -> None:
    content = "Größe 1\n·rest\nGröße 2\n".encode()
    assert pattern_problem("^Größe") is None
    found = found_events(content, rule("start", pattern="^Gr..e"))
    assert found == [Event(0, 16), Event(17, 26)]


def test_x8_no_line_and_no_pattern_take_more_than_linear_time() -> None:
    """Each would take `re` longer than anybody waits; the time-out of a test is 20 s."""
    evil = b"a" * 100_000 + b"\n"
    hostile = Joiner(rule("start", pattern="^(a|aa)+$|(a*)*b"))
    hostile.group(b"x\n" + evil * 20, 2 + 20 * len(evil), seen_bytes=0)
    heads = [b"a.", b"A_", b" ", b"\t", b"goroutine 1", b"a/", b"(", b"\\", b"$.", b"^"]
    block = b"".join(b"x\n" + head * 50_000 + b"\n" for head in heads)
    per_byte: list[float] = []
    for name in sorted(SHAPES):
        joiner = Joiner(rule(name))
        for content in (block, block * 4):
            began = time.process_time()
            joiner.group(content, len(content), seen_bytes=0)
            per_byte.append((time.process_time() - began) / len(content))
    assert max(per_byte) < 1e-6, "a microsecond a byte"


def test_every_shape_knows_its_kinds() -> None:
    for shape in SHAPES.values():
        assert set(shape) <= set(HEADS)
        behind = {name for names in shape.values() for name in names}
        assert behind <= set(shape) | {"any", "plain"}

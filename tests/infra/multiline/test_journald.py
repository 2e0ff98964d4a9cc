"""Where entries of a journal end: by their own bytes, however many of them are seen at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.multiline.journald import (
    BINARY_BYTES_MAX,
    CURSOR,
    EntryScan,
    begins_entry,
    whole_entries,
)
from tests.infra.multiline.journals import SHIPPED, entry, field, with_message

NAMES = st.sampled_from(["MESSAGE", "_PID", "X", "A" * 64, "__SEQNUM", "9"])
VALUES = st.binary(max_size=40) | st.sampled_from(
    [b"", b"\n", b"\n\n", b"a\n\nb", b"\n__CURSOR=x\n", b"A\n" + bytes(8), b"a=b"]
)


@st.composite
def fields(draw: st.DrawFn) -> bytes:
    value = draw(VALUES)
    is_binary = b"\n" in value or draw(st.booleans())
    return field(draw(NAMES), value, is_binary=is_binary)


@st.composite
def one_entry(draw: st.DrawFn) -> bytes:
    return CURSOR + b"s=1;i=2\n" + b"".join(draw(st.lists(fields(), max_size=6)))


ENTRIES = one_entry()


def cut(content: bytes) -> list[bytes]:
    return [content[a:b] for a, b in whole_entries(content, len(content))]


@given(st.lists(ENTRIES, max_size=5))
def test_entries_end_with_an_empty_line_that_no_value_holds(
    entries: list[bytes],
) -> None:
    assert cut(b"".join(one + b"\n" for one in entries)) == entries


@given(st.lists(ENTRIES, min_size=1, max_size=3), st.data())
def test_an_entry_ends_at_the_same_byte_in_blocks_of_any_size(
    entries: list[bytes], data: st.DataObject
) -> None:
    content = b"".join(one + b"\n" for one in entries)
    scan = EntryScan()
    at, seen = 0, 0
    is_ended = False
    while not is_ended:
        seen = data.draw(st.integers(min(seen + 1, len(content)), len(content)))
        at, is_ended = scan.feed(content, at, seen)
        assert at <= seen
    assert content[:at] == entries[0]


@given(st.lists(ENTRIES, min_size=1, max_size=3), st.data())
def test_what_is_not_read_yet_changes_no_end(
    entries: list[bytes], data: st.DataObject
) -> None:
    content = b"".join(one + b"\n" for one in entries)
    whole = whole_entries(content, len(content))
    seen = whole_entries(content, data.draw(st.integers(0, len(content))))
    assert seen == whole[: len(seen)]


def test_f29_a_writer_that_died_takes_no_entry_but_its_own() -> None:
    half = b"".join(field(name, value) for name, value in SHIPPED[:5])
    assert cut(half + entry(SHIPPED) + b"\n") == [
        half.removesuffix(b"\n"),
        entry(SHIPPED),
    ]


def test_f29_a_cursor_that_is_half_there_is_waited_for() -> None:
    half = b"".join(field(name, value) for name, value in SHIPPED[:5])
    for size in range(len(CURSOR)):
        assert cut(half + CURSOR[:size]) == []
    assert len(cut(half + CURSOR)) == 1


def test_empty_lines_before_an_entry_are_of_it() -> None:
    assert cut(b"\n\n" + with_message(b"x") + b"\n") == [b"\n\n" + with_message(b"x")]


@pytest.mark.parametrize(
    "line",
    [
        b"WORDS\nof a text",
        b"SIZE\n" + (BINARY_BYTES_MAX + 1).to_bytes(8, "little"),
        b"lower\n\x01\0\0\0\0\0\0\0",
        b"X" * 65 + b"\n\x01\0\0\0\0\0\0\0",
        b"no field at all",
        b"=",
    ],
)
def test_x4_what_only_looks_like_a_binary_value_swallows_nothing(line: bytes) -> None:
    """Where time ended an entry in a value, its rest stands where fields should."""
    content = line + b"\n\n" + entry(SHIPPED) + b"\n"
    assert cut(content)[-1] == entry(SHIPPED)


def test_an_export_is_told_by_its_first_bytes() -> None:
    assert begins_entry(entry(SHIPPED))
    assert begins_entry(b"\n" + entry(SHIPPED))
    assert not begins_entry(b"MESSAGE=x\n")
    assert not begins_entry(b"")

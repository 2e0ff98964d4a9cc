"""A chunk that is to be small ends between two events, and the events stay what they are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.framing import MappedEvent, decode_mapped
from tailrace.wire import MultilineRule
from tailrace_agent.forms import INFLATED, PLAIN, Form, form_of, with_rule
from tailrace_agent.positions import Chunk
from tests.agent.test_chunking import events_in
from tests.agent.test_journald_chunking import FORM as JOURNAL
from tests.agent.test_multiline_chunking import RULES, Reader, contents, tiled
from tests.agent.test_redaction_chunks import HIDING, KEY, events_of
from tests.agent.test_redaction_rules import CARDS, SECRETS
from tests.agent.test_streams_chunking import WRITTEN, content_of, stored
from tests.agent.test_streams_chunking import form_of as streams_form
from tests.agent.test_streams_chunking import rule as streams_rule
from tests.infra.multiline.journals import SHIPPED, entry

CHUNK_BYTES = 2_000
SECRET_LINES = [
    *(text.encode() for text in (*list(SECRETS)[:4], *list(CARDS)[:2])),
    b"x",
    *KEY,
]
WIDE = form_of(b"", encoding="utf-16le", is_archive=False)


def read(content: bytes, form: Form, *, value_bytes_max: int | None) -> list[Chunk]:
    reader = Reader(form, CHUNK_BYTES, value_bytes_max=value_bytes_max)
    reader.read(content)
    reader.read(content, is_flushing=True, is_settled=True)
    return reader.chunks


def holds(chunks: list[Chunk], *, value_bytes_max: int) -> bool:
    """Return whether each is small enough, or as small as can be.

    What time ended is an event, with at most half a line behind it.
    """
    return all(
        len(chunk.value) <= value_bytes_max
        or chunk.event_count == 1
        or (chunk.cut is not None and chunk.event_count == 2)
        for chunk in chunks
    )


def flags_of(chunks: list[Chunk]) -> list[tuple[int, int]]:
    mapped = [one for one in chunks if one.framing == "mapped"]
    return [(e.offset, e.flags) for one in mapped for e in decode_mapped(one.value)]


@settings(max_examples=60)
@given(contents(), RULES | st.none(), st.booleans(), st.integers(1, 600))
def test_f27_f30_smaller_chunks_have_the_same_events(
    content: bytes, rule: MultilineRule | None, is_archive: bool, value_bytes_max: int
) -> None:
    form = INFLATED if is_archive else PLAIN
    form = form if rule is None else with_rule(form, rule)
    whole = read(content, form, value_bytes_max=None)
    small = read(content, form, value_bytes_max=value_bytes_max)
    assert events_in(small) == events_in(whole)
    assert tiled(small) == tiled(whole) == len(content)
    assert [one.after for one in small[-1:]] == [one.after for one in whole[-1:]]
    assert holds(small, value_bytes_max=value_bytes_max)


@settings(max_examples=60)
@given(
    WRITTEN,
    st.sampled_from(["cri", "docker"]),
    st.sampled_from(["pieces", "java", "trace"]),
    st.integers(1, 1_500),
)
def test_f30_a_smaller_chunk_ends_where_no_event_of_two_streams_is_parted(
    lines: list[tuple[str, str, bool]], container: str, name: str, value_bytes_max: int
) -> None:
    form = streams_form(streams_rule(name, container=container))
    content = content_of(lines, container=container)
    whole = read(content, form, value_bytes_max=None)
    small = read(content, form, value_bytes_max=value_bytes_max)
    assert events_by_offset(stored(small)) == events_by_offset(stored(whole))
    assert tiled(small) == len(content)


def events_by_offset(events: list[MappedEvent]) -> list[tuple[int, bytes, int]]:
    return sorted((one.offset, one.stored, one.checksum) for one in events)


@pytest.mark.parametrize("value_bytes_max", [1, 130, 400])
def test_x11_smaller_chunks_show_nothing_more_and_count_each_secret_once(
    value_bytes_max: int,
) -> None:
    content = b"".join(line + b"\n" for line in (b"-", *SECRET_LINES))
    whole = Reader(HIDING, 65_536)
    whole.read(content, is_flushing=True)
    small = Reader(HIDING, 65_536, value_bytes_max=value_bytes_max)
    small.read(content, is_flushing=True)
    texts = [
        {offset: one.stored for offset, one in events_of(each.chunks).items()}
        for each in (whole, small)
    ]
    assert texts[0] == texts[1]
    counts = [
        sum(count for chunk in each.chunks for _rule, count in chunk.redacted)
        for each in (whole, small)
    ]
    assert counts[0] == counts[1] > 2


@pytest.mark.parametrize("value_bytes_max", [0, 1, 700, 5_000])
def test_an_entry_of_a_journal_is_never_parted(value_bytes_max: int) -> None:
    content = (entry(SHIPPED) + b"\n") * 12
    whole = read(content, JOURNAL, value_bytes_max=None)
    small = read(content, JOURNAL, value_bytes_max=value_bytes_max)
    assert events_in(small) == events_in(whole)
    assert tiled(small) == len(content)
    assert holds(small, value_bytes_max=value_bytes_max)


def test_f32_two_bytes_a_character_are_never_parted() -> None:
    content = b"\xff\xfe" + "".join(f"line {n}\n" for n in range(40)).encode("utf-16le")
    whole = read(content, WIDE, value_bytes_max=None)
    small = read(content, WIDE, value_bytes_max=200)
    assert events_in(small) == events_in(whole)
    assert len(small) > len(whole)
    assert holds(small, value_bytes_max=200)


def test_of_lines_as_many_are_taken_as_fit_and_one_at_least() -> None:
    content = b"12345678\n" * 10
    ends = [
        read(content, PLAIN, value_bytes_max=limit)[0].size_bytes
        for limit in (0, 8, 9, 17, 18, 44, 90, 1_000)
    ]
    assert ends == [9, 9, 9, 9, 18, 36, 90, 90]

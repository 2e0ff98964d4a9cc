"""Entries of a journal are events, whatever the chunks are, whenever it crashes."""

from __future__ import annotations

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tailrace.framing import FLAG_CUT, FLAG_UNTERMINATED, MappedEvent, decode_mapped
from tailrace.wire import Placement
from tailrace_agent.config import SourceSettings
from tailrace_agent.forms import PLAIN, with_rule
from tailrace_agent.placement import ENTRIES, placement_of
from tailrace_agent.positions import Chunk, Reading
from tests.agent.test_multiline_chunking import EVENT_BYTES_MAX, Reader
from tests.infra.multiline.journals import SHIPPED, entry, with_message
from tests.infra.multiline.test_journald import ENTRIES as ENTRIES_OF_ANY_KIND

FORM = with_rule(PLAIN, ENTRIES)


def events(chunks: list[Chunk]) -> list[MappedEvent]:
    found: list[MappedEvent] = []
    for chunk in chunks:
        assert chunk.framing == "mapped"
        here = decode_mapped(chunk.value)
        assert len(here) == chunk.event_count
        assert here[0].offset == chunk.first_offset
        found += here
    return found


def placed(content: bytes, **changes: object) -> Placement:
    source = SourceSettings.model_validate(
        {"name": "journal", "paths": ["/var/log/journal.export"], **changes}
    )
    return placement_of(
        content,
        path="/var/log/journal.export",
        source=source,
        host_time_zone="UTC",
        first_seen_at_ms=1,
    )


def test_an_export_is_known_by_its_first_bytes_or_by_name() -> None:
    told = placed(entry(SHIPPED))
    assert (told.parser, told.dataset) == ("journald", "journald.log")
    assert told.time_rule == "event"
    assert told.multiline == ENTRIES
    named = placed(b"MESSAGE=x\n", format="journald", dataset="edge.journal")
    assert (named.parser, named.dataset) == ("journald", "edge.journal")
    assert placed(entry(SHIPPED), format="lines").multiline is None
    assert placed(entry(SHIPPED), dataset="shop.api").multiline is None


def test_lines_cannot_be_joined_where_there_are_none() -> None:
    with pytest.raises(ValidationError, match="entries of fields"):
        placed(b"", format="journald", multiline="java")


@settings(max_examples=200)
@given(
    st.lists(ENTRIES_OF_ANY_KIND, min_size=1, max_size=5),
    # A chunk is larger than a binary field's name and size, which are seen at once.
    st.integers(80, EVENT_BYTES_MAX),
    st.data(),
)
def test_p1_entries_are_the_same_whatever_is_read_at_once_and_after_a_crash(
    entries: list[bytes], chunk_bytes: int, data: st.DataObject
) -> None:
    content = b"".join(one + b"\n" for one in entries)
    reader = Reader(FORM, chunk_bytes)
    for _ in range(3):
        reader.read(content[: data.draw(st.integers(0, len(content)))])
    crashed = reader.crash(kept_count=data.draw(st.integers(0, len(reader.chunks))))
    crashed.read(content)
    offset = 0
    for event, one in zip(events(crashed.chunks), entries, strict=True):
        assert event.offset == offset
        assert event.original_size_bytes == len(one)
        assert event.checksum == crc32c(one)
        assert event.stored == one[:EVENT_BYTES_MAX]
        assert bool(event.flags & FLAG_CUT) == (len(one) > EVENT_BYTES_MAX)
        offset += len(one) + 1
    assert crashed.position.offset == len(content)


def test_f28_half_an_entry_waits_and_is_sent_when_time_has_passed() -> None:
    content = entry(SHIPPED) + b"\n" + entry(SHIPPED)
    reader = Reader(FORM, EVENT_BYTES_MAX)
    assert reader.read(content) is Reading.PARTIAL
    assert [event.stored for event in events(reader.chunks)] == [entry(SHIPPED)]
    reader.read(content, is_settled=True)
    assert len(reader.chunks) == 1, "whole lines make no whole entry"
    reader.read(content, is_flushing=True)
    cut = reader.chunks[1].cut
    assert cut is not None
    assert (cut.offset, cut.next_offset) == (len(entry(SHIPPED)) + 1, len(content))
    assert events(reader.chunks)[1].stored == entry(SHIPPED)
    # What comes later is an entry of its own, also for a reader that begins anew.
    grown = content + b"\n" + with_message(b"next") + b"\n"
    for one in (reader, reader.crash(kept_count=0)):
        one.read(grown)
        texts = [event.stored for event in events(one.chunks)]
        assert texts == [entry(SHIPPED), entry(SHIPPED), b"\n" + with_message(b"next")]


@pytest.mark.parametrize("kept", [30, 200, 3_000, 5_000])
def test_f28_an_entry_that_time_ended_is_ended_there_again(kept: int) -> None:
    long = with_message(b"two\n\nlines\n" * 500)
    reader = Reader(FORM, 300)
    reader.read(long[:kept], is_flushing=True)
    flushed = events(reader.chunks)
    assert [event.original_size_bytes for event in flushed] == [kept]
    assert flushed[0].flags & FLAG_UNTERMINATED
    again = reader.crash(kept_count=0)
    again.read(long + b"\n" + entry(SHIPPED) + b"\n")
    found = events(again.chunks)
    assert (found[0].original_size_bytes, found[0].checksum) == (
        kept,
        flushed[0].checksum,
    )
    # Empty lines are the only thing that may come before it.
    assert found[-1].stored.lstrip(b"\n") == entry(SHIPPED), "the next is whole"


@pytest.mark.parametrize("rest", [b"", b"_PI", b"__CUR", b"DATA\n\x01\0"])
def test_f28_a_long_entry_that_time_ended_has_all_bytes_there_were(
    rest: bytes,
) -> None:
    """Also those that tell nothing yet without what follows them."""
    half = with_message(b"x" * 9_000) + rest
    reader = Reader(FORM, 300)
    reader.read(half)
    reader.read(half, is_flushing=True)
    (event,) = events(reader.chunks)
    assert (event.original_size_bytes, event.checksum) == (len(half), crc32c(half))
    again = reader.crash(kept_count=0)
    again.read(half + b"D=5\n\n")
    assert events(again.chunks)[0] == event


@pytest.mark.parametrize("value", [b"x" * 9_000, b"\n\n" * 4_500])
def test_x4_an_entry_beyond_the_limit_is_cut_and_its_true_length_told(
    value: bytes,
) -> None:
    long = with_message(value)
    content = long + b"\n" + entry([("MESSAGE", b"y")]) + b"\n"
    reader = Reader(FORM, 256)
    assert reader.read(content) is Reading.EMPTY
    cut, after = events(reader.chunks)
    assert cut.stored == long[:EVENT_BYTES_MAX]
    assert (cut.original_size_bytes, cut.checksum) == (len(long), crc32c(long))
    assert cut.flags == FLAG_CUT
    assert [chunk.is_cut for chunk in reader.chunks] == [True, False]
    assert after.offset == len(long) + 1


def test_f29_an_entry_that_a_dead_writer_left_is_no_longer_than_it_is() -> None:
    half = entry(SHIPPED[:4])
    half += b"X=" + b"x" * (EVENT_BYTES_MAX - len(half) - 4) + b"\n"
    assert len(half) == EVENT_BYTES_MAX - 1
    reader = Reader(FORM, 256)
    reader.read(half + entry(SHIPPED[:1]) + b"\n")
    first, second = events(reader.chunks)
    assert (first.stored, first.flags) == (half.removesuffix(b"\n"), 0)
    assert second.stored == entry(SHIPPED[:1])

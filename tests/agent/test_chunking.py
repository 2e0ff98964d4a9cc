"""Any bytes, any read sizes: the same events at the same offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from tailrace.framing import FLAG_CUT, FLAG_UNTERMINATED, decode_mapped
from tailrace.wire import Cut
from tailrace_agent.building import LongEvent
from tailrace_agent.chunking import Chunker, Limits
from tailrace_agent.positions import START, Chunk, Position, Reading


@dataclass(slots=True)
class BytesFile:
    """A file that is a piece of memory; `hole_bytes` at its head take no room."""

    content: bytes
    hole_bytes: int = 0
    reads: list[int] = field(default_factory=list[int])

    def read_into(self, buffers: Sequence[memoryview], *, offset: int) -> int:
        read = 0
        for buffer in buffers:
            piece = self.content[offset + read : offset + read + len(buffer)]
            buffer[: len(piece)] = piece
            read += len(piece)
        self.reads.append(read)
        return read

    def data_offset(self, offset: int = 0) -> int:
        return max(offset, self.hole_bytes)


def chunker(*, chunk_bytes: int, event_bytes_max: int | None = None) -> Chunker:
    return Chunker(Limits(chunk_bytes, event_bytes_max or chunk_bytes))


def read_all(
    content: bytes,
    *,
    chunk_bytes: int = 64,
    event_bytes_max: int = 256,
    position: Position = START,
    cuts: tuple[Cut, ...] = (),
    is_flushing: bool = True,
    hole_bytes: int = 0,
) -> list[Chunk]:
    """Read to the end as the agent does."""
    reader = chunker(chunk_bytes=chunk_bytes, event_bytes_max=event_bytes_max)
    file = BytesFile(content, hole_bytes)
    chunks: list[Chunk] = []
    while True:
        result = reader.next_chunk(
            file, position=position, cuts=cuts, is_flushing=is_flushing
        )
        if isinstance(result, LongEvent):
            event = result
            while (
                result := reader.pass_event(
                    file, event, position=position, cuts=cuts, is_flushing=is_flushing
                )
            ) is Reading.MORE:
                pass
        if not isinstance(result, Chunk):
            assert result in {Reading.EMPTY, Reading.PARTIAL}
            return chunks
        chunks.append(result)
        position = result.after


def events_in(chunks: list[Chunk]) -> list[tuple[int, int, int]]:
    """Return offset, length and checksum of each event, as the index knows it."""
    events: list[tuple[int, int, int]] = []
    for chunk in chunks:
        if chunk.framing == "mapped":
            events.extend(
                (e.offset, e.original_size_bytes, e.checksum)
                for e in decode_mapped(chunk.value)
            )
            continue
        offset = chunk.first_offset
        lines = chunk.value.split(b"\n")
        for line in lines[:-1] if not lines[-1] else lines:
            events.append((offset, len(line), crc32c(line)))
            offset += len(line) + 1
    return events


def expected_events(content: bytes) -> list[tuple[int, int, int]]:
    events: list[tuple[int, int, int]] = []
    offset = 0
    lines = content.split(b"\n")
    for line in lines[:-1] if not lines[-1] else lines:
        events.append((offset, len(line), crc32c(line)))
        offset += len(line) + 1
    return events


LINES = st.lists(
    st.binary(max_size=400).map(lambda b: b.replace(b"\n", b"\r")), max_size=12
)


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    content = b"\n".join(draw(LINES)) + draw(st.sampled_from([b"", b"\n"]))
    # NULs at the head are a hole, and at the end not yet an event; a byte order mark is
    # none at all: they have their own tests.
    return content.removeprefix(b"\xef\xbb\xbf").strip(b"\0")


@given(contents(), st.integers(1, 90), st.integers(0, 200))
def test_f30_every_byte_belongs_to_the_events_that_stand_there(
    content: bytes, chunk_bytes: int, more_bytes: int
) -> None:
    chunks = read_all(
        content, chunk_bytes=chunk_bytes, event_bytes_max=chunk_bytes + more_bytes
    )
    assert events_in(chunks) == expected_events(content)
    offset = number = 0
    for chunk in chunks:
        assert chunk.first_offset == offset
        assert chunk.first_event_number == number
        assert chunk.skipped_before_bytes == 0
        offset += chunk.size_bytes
        number += chunk.event_count
    assert offset == len(content)
    assert number == len(expected_events(content))


@given(contents(), st.integers(1, 90), st.data())
def test_f30_a_file_that_grows_in_any_steps_gives_the_same_events(
    content: bytes, chunk_bytes: int, data: st.DataObject
) -> None:
    reader = chunker(chunk_bytes=chunk_bytes, event_bytes_max=chunk_bytes + 50)
    chunks: list[Chunk] = []
    position, size, event = START, 0, None
    while size < len(content):
        size += data.draw(st.integers(1, len(content)))
        file = BytesFile(content[:size])
        while True:
            if event is None:
                result = reader.next_chunk(file, position=position)
            else:
                result = reader.pass_event(file, event, position=position)
            if isinstance(result, LongEvent):
                event = result
            elif isinstance(result, Chunk):
                chunks.append(result)
                position, event = result.after, None
            elif result is not Reading.MORE:
                break
    whole = content[: content.rfind(b"\n") + 1]
    assert events_in(chunks) == expected_events(whole)


@given(contents(), st.integers(1, 200), st.integers(1, 200), st.data())
def test_a_line_that_was_flushed_keeps_its_boundary_when_it_is_read_again(
    content: bytes, chunk_bytes: int, other_bytes: int, data: st.DataObject
) -> None:
    """Flush in the middle, then read all again with other chunks and the known cut."""
    flushed_at = data.draw(st.integers(0, len(content)))
    first = read_all(content[:flushed_at], chunk_bytes=chunk_bytes)
    cuts = tuple(chunk.cut for chunk in first if chunk.cut is not None)
    position = first[-1].after if first else START
    rest = read_all(content, chunk_bytes=chunk_bytes, position=position, cuts=cuts)
    again = read_all(content, chunk_bytes=other_bytes, cuts=cuts)
    assert events_in(again) == events_in([*first, *rest])


def test_the_newline_of_a_flushed_line_is_skipped_and_counted() -> None:
    first = read_all(b"one\ntwo")
    cut = Cut(offset=4, next_offset=7, reason="flushed")
    assert first[-1].cut == cut
    rest = read_all(b"one\ntwo\nthree\n", position=first[-1].after, cuts=(cut,))
    assert [c.value for c in rest] == [b"three\n"]
    assert (rest[0].first_offset, rest[0].skipped_before_bytes) == (8, 1)
    assert rest[0].first_event_number == 2


def test_the_carriage_return_of_a_flushed_line_is_skipped_with_its_newline() -> None:
    first = read_all(b"one")
    cuts = (Cut(offset=0, next_offset=3, reason="flushed"),)
    rest = read_all(b"one\r\ntwo\r\n", position=first[0].after, cuts=cuts)
    assert [c.value for c in rest] == [b"two\r\n"]
    assert rest[0].skipped_before_bytes == 2


def test_a_last_line_without_newline_waits_until_it_is_flushed() -> None:
    assert [c.value for c in read_all(b"a\nb", is_flushing=False)] == [b"a\n"]
    assert [c.value for c in read_all(b"a\nb")] == [b"a\n", b"b"]


def test_a_blank_line_is_an_event() -> None:
    (chunk,) = read_all(b"\n\na\n")
    assert (chunk.value, chunk.event_count) == (b"\n\na\n", 3)


def test_f27_x4_a_too_long_event_is_cut_and_its_true_length_told() -> None:
    line = bytes(range(1, 10)) * 100
    line = line.replace(b"\n", b"")
    content = line + b"\nnext\n"
    chunks = read_all(content, chunk_bytes=64, event_bytes_max=100)
    (event,) = decode_mapped(chunks[0].value)
    assert event.stored == line[:100]
    assert event.original_size_bytes == len(line)
    assert event.checksum == crc32c(line)
    assert event.flags == FLAG_CUT
    assert chunks[0].size_bytes == len(line) + 1
    assert [c.value for c in chunks[1:]] == [b"next\n"]


def test_a_too_long_event_without_an_end_is_told_to_be_unterminated() -> None:
    (chunk,) = read_all(b"x" * 1_000, chunk_bytes=64, event_bytes_max=100)
    (event,) = decode_mapped(chunk.value)
    assert event.flags == FLAG_CUT | FLAG_UNTERMINATED
    assert chunk.cut == Cut(offset=0, next_offset=1_000, reason="flushed")


def test_f5_content_that_was_replaced_is_noticed_though_the_file_is_longer() -> None:
    position = read_all(b"old line\n" * 10)[-1].after
    result = chunker(chunk_bytes=64).next_chunk(
        BytesFile(b"new line\n" * 100), position=position
    )
    assert result is Reading.REWRITTEN


def test_f16_a_shorter_file_is_noticed() -> None:
    position = read_all(b"old line\n" * 10)[-1].after
    result = chunker(chunk_bytes=64).next_chunk(BytesFile(b"old"), position=position)
    assert result is Reading.REWRITTEN


def test_f17_a_hole_at_the_head_is_skipped_and_counted() -> None:
    chunks = read_all(b"\0" * 5_000 + b"a\nb\n", hole_bytes=4_096)
    assert [c.value for c in chunks] == [b"a\nb\n"]
    assert (chunks[0].first_offset, chunks[0].skipped_before_bytes) == (5_000, 5_000)


def test_f17_a_file_that_is_all_hole_waits() -> None:
    assert not read_all(b"\0" * 5_000, hole_bytes=4_096)


def test_a_line_that_begins_with_a_nul_is_content() -> None:
    (chunk,) = read_all(b"\0binary\n")
    assert (chunk.first_offset, chunk.value) == (0, b"\0binary\n")


def test_f27_x4_a_read_costs_no_more_memory_than_a_chunk() -> None:
    file = BytesFile(b"x" * 100_000 + b"\n")
    reader = chunker(chunk_bytes=64, event_bytes_max=128)
    event = reader.next_chunk(file, position=START)
    assert isinstance(event, LongEvent)
    assert isinstance(reader.pass_event(file, event, position=START), Chunk)
    # The tail that is remembered is read at the end, at most 1 KiB.
    assert max(file.reads) <= 1_024

"""UTF-16, byte order marks and NULs: text becomes UTF-8, places stay those of the file."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.framing import FLAG_CUT, FLAG_UNTERMINATED, decode_mapped
from tailrace_agent.building import LongEvent
from tailrace_agent.chunking import Chunker, Limits
from tailrace_agent.forms import PLAIN, form_of
from tailrace_agent.positions import START, Chunk, Position, Reading
from tests.agent.harness import AgentHarness, events_of, unique_lines
from tests.agent.test_chunking import BytesFile

BIG = "utf-16-be"
LITTLE = "utf-16-le"
# U+0A0A and U+000A share bytes: only whole code units are compared.
TEXT = st.text(st.sampled_from("ab \rä€\u0a0a\u0a00\u010a\U0001f600"), max_size=30)


def read_all(
    content: bytes, *, encoding: str, chunk_bytes: int = 64, event_bytes_max: int = 256
) -> list[Chunk]:
    reader = Chunker(Limits(chunk_bytes, event_bytes_max))
    file, position = BytesFile(content), START
    form = form_of(content[:3], encoding=encoding, is_archive=False)  # pyright: ignore[reportArgumentType]
    chunks: list[Chunk] = []
    while True:
        result = reader.next_chunk(file, position=position, form=form, is_flushing=True)
        while isinstance(result, LongEvent) or result is Reading.MORE:
            assert isinstance(result, LongEvent)
            result = reader.pass_event(
                file, result, position=position, form=form, is_flushing=True
            )
        if not isinstance(result, Chunk):
            assert result is Reading.EMPTY
            return chunks
        chunks.append(result)
        position = result.after


@settings(deadline=None)  # A busy machine breaks no law.
@given(
    st.lists(TEXT, min_size=1, max_size=8),
    st.sampled_from([BIG, LITTLE]),
    st.integers(8, 90),
    st.booleans(),
)
def test_f32_utf_16_is_the_same_text_at_its_own_offsets(
    texts: list[str], codec: str, chunk_bytes: int, is_marked: bool
) -> None:
    mark = "\ufeff".encode(codec) if is_marked else b""
    content = mark + "".join(f"{text}\n" for text in texts).encode(codec)
    encoding = "auto" if is_marked else codec.replace("-16-", "-16")
    chunks = read_all(content, encoding=encoding, chunk_bytes=chunk_bytes)
    events = [event for chunk in chunks for event in decode_mapped(chunk.value)]
    assert [e.stored.decode() for e in events] == texts
    offset = len(mark)
    for event, text in zip(events, texts, strict=True):
        original = text.encode(codec)
        assert event.offset == offset
        assert event.original_size_bytes == len(original)
        assert event.checksum == crc32c(original)
        offset += len(original) + 2
    assert chunks[-1].after.offset == len(content)
    assert chunks[0].skipped_before_bytes == len(mark)


def test_f32_long_and_unended_events_of_utf_16_keep_their_length() -> None:
    # Amid the long line stand the bytes of a newline at an odd place, and are none.
    straddling = "\u0a05\u0100"
    assert b"\n\0" in straddling.encode(LITTLE)
    x = "x" * 200 + straddling + "x" * 298
    content = (x + "\n" + "y" * 3).encode(LITTLE) + b"z"
    long, last = read_all(content, encoding="utf-16le", event_bytes_max=101)
    (event,) = decode_mapped(long.value)
    assert event.flags == FLAG_CUT
    assert event.stored == b"x" * 50
    assert event.original_size_bytes == 1_000
    assert event.checksum == crc32c(x.encode(LITTLE))
    (event,) = decode_mapped(last.value)
    assert event.flags == FLAG_UNTERMINATED
    assert event.stored == b"yyy"
    assert last.cut is not None
    assert last.after.offset == 1_002 + 6  # Half a code unit waits for its other half.


@pytest.mark.parametrize("codec", [BIG, LITTLE])
def test_f32_file_with_a_mark_is_read_as_what_it_says(
    tmp_path: Path, codec: str
) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", "\ufeffeins\r\nzwei ä\n".encode(codec))
    agent.pass_ms()
    agent.write("a.log", "drei\n".encode(codec))
    agent.pass_ms()
    agent.crash()
    again = AgentHarness(tmp_path, sink=agent.sink)
    again.write("a.log", "vier\n".encode(codec))
    again.pass_ms()
    stored = [e.stored.decode() for e in events_of(agent.sink)]
    assert stored == ["eins\r", "zwei ä", "drei", "vier"]
    assert [e.offset for e in events_of(agent.sink)] == [2, 14, 28, 38]


def test_f32_declared_encoding_needs_no_mark(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, source={"encoding": "utf-16be"})
    agent.write("a.log", "eins\nzwei\n".encode(BIG))
    agent.pass_ms()
    assert unique_lines(agent.sink) == [b"eins", b"zwei"]


def test_f32_mark_of_utf_8_is_stripped_once(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n")
    agent.pass_ms()
    first, second = events_of(agent.sink)
    assert (first.offset, first.stored) == (3, b"one")
    assert second.stored == b"\xef\xbb\xbftwo"


def test_f31_what_is_no_utf_16_is_no_exception() -> None:
    content = b"\x00\xd8a\x00\n\x00"  # Half of a surrogate pair.
    (chunk,) = read_all(content, encoding="utf-16le")
    (event,) = decode_mapped(chunk.value)
    assert event.checksum == crc32c(content[:4])
    assert event.stored.decode("utf-8", "surrogatepass") == "\ud800a"


def test_f17_hole_left_by_a_writer_that_does_not_append(tmp_path: Path) -> None:
    """It goes on at its old place after a truncation: a gigabyte of nothing."""
    agent = AgentHarness(tmp_path)
    path = agent.logs / "a.log"
    with path.open("wb", buffering=0) as writer:
        writer.write(b"before\n" * 10)
        agent.pass_ms()
        os.truncate(path, 0)
        agent.pass_ms()
        writer.seek(1 << 30)
        writer.write(b"after\n")
        assert path.stat().st_blocks < 1_000, "this test needs sparse files"
        tracemalloc.start()
        agent.pass_ms()
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert [e.stored for e in events_of(agent.sink)][-1] == b"after"
    assert events_of(agent.sink)[-1].offset == 1 << 30
    assert not any(b"\0" in e.stored for e in events_of(agent.sink))
    assert peak_bytes < 4 << 20


@pytest.mark.parametrize("count", [512, 4_096, 1 << 20])
def test_f18_block_of_nuls_between_lines_is_skipped_and_counted(
    tmp_path: Path, count: int
) -> None:
    agent = AgentHarness(tmp_path, chunk_bytes=4_096)
    agent.write("a.log", b"one\ntwo\n" + b"\0" * count)
    agent.pass_ms(20_000)
    assert unique_lines(agent.sink) == [b"one", b"two"]  # Nothing is flushed of it.
    agent.write("a.log", b"three\n")
    agent.pass_ms()
    assert [e.stored for e in events_of(agent.sink)] == [b"one", b"two", b"three"]
    assert events_of(agent.sink)[-1].offset == 8 + count


@settings(deadline=None)  # A busy machine breaks no law.
@given(
    st.lists(
        st.sampled_from([b"a\n", b"\n", b"\0" * 5, b"\0" * 600, b"\0b\n"]), max_size=12
    ),
    st.integers(8, 700),
)
def test_f18_events_are_the_same_however_nuls_are_read(
    pieces: list[bytes], chunk_bytes: int
) -> None:
    content = b"".join(pieces) + b"end\n"

    def places(size: int) -> list[tuple[int, bytes]]:
        reader = Chunker(Limits(size, 2_000))
        position: Position = START
        found: list[tuple[int, bytes]] = []
        while True:
            result = reader.next_chunk(
                BytesFile(content), position=position, form=PLAIN
            )
            if not isinstance(result, Chunk):
                assert result is Reading.EMPTY
                return found
            offset = result.first_offset
            for line in result.value.splitlines(keepends=True):
                found.append((offset, line))
                offset += len(line)
            position = result.after

    assert places(chunk_bytes) == places(2_000)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16le", "utf-16be"])
@pytest.mark.parametrize("old", ["old\n", "old\nha\u010a\u0a0alf", "\u0a00" * 40_000])
def test_f32_file_of_utf_16_that_is_begun_at_its_end_is_read_from_a_whole_line(
    tmp_path: Path, encoding: str, old: str
) -> None:
    """Not from amid the two bytes of a newline, nor from a character that has one of them."""
    codec = BIG if encoding == "utf-16be" else LITTLE
    mark = "\ufeff" if encoding == "utf-16" else ""
    source: dict[str, object] = {"encoding": encoding, "start_at": "end"}
    agent = AgentHarness(tmp_path, source=source)
    agent.write("a.log", f"{mark}{old}".encode(codec))
    agent.pass_ms()
    agent.write("a.log", "new\nest\n".encode(codec))
    agent.pass_ms()
    begun = old.rpartition("\n")[2]
    expected = [f"{begun}new".encode(), b"est"]
    assert [event.stored for event in events_of(agent.sink)] == expected
    agent.crash()


@settings(deadline=None)  # A busy machine breaks no law.
@given(
    st.lists(
        st.sampled_from(["a\n", "\n", "\0" * 5, "\0" * 300, "\0b\n", "\u0a00\n"]),
        max_size=12,
    ),
    st.sampled_from([BIG, LITTLE]),
    st.integers(8, 700),
)
def test_f18_f32_events_of_utf_16_are_the_same_however_nuls_are_read(
    pieces: list[str], codec: str, chunk_bytes: int
) -> None:
    content = "".join((*pieces, "end\n")).encode(codec)
    encoding = codec.replace("16-", "16")

    def places(size: int) -> list[tuple[int, bytes]]:
        chunks = read_all(
            content, encoding=encoding, chunk_bytes=size, event_bytes_max=9_000
        )
        events = [event for chunk in chunks for event in decode_mapped(chunk.value)]
        return [(event.offset, event.stored) for event in events]

    assert places(chunk_bytes) == places(9_000)


@pytest.mark.parametrize("rule", [None, "java"])
@pytest.mark.parametrize("count", [256, 4_096])
def test_f18_f32_block_of_nuls_in_utf_16_is_skipped_and_ends_no_life(
    tmp_path: Path, rule: str | None, count: int
) -> None:
    """Taken for a file that was written anew, it would begin one life after the other."""
    agent = AgentHarness(
        tmp_path, source={"encoding": "utf-16le", "multiline": rule}, chunk_bytes=4_096
    )
    agent.write("a.log", "one\ntwo\n".encode(LITTLE))
    agent.write("a.log", f"{chr(0) * count}three\n".encode(LITTLE))
    agent.pass_ms(20_000)
    assert [e.stored for e in events_of(agent.sink)] == [b"one", b"two", b"three"]
    assert events_of(agent.sink)[-1].offset == 16 + 2 * count
    assert len({e.generation for e in events_of(agent.sink)}) == 1
    assert not agent.said("file_truncated")
    agent.crash()


def test_f18_nuls_within_a_line_are_content(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", b"a" + b"\0" * 600 + b"b\n\0c\n")
    agent.pass_ms()
    assert unique_lines(agent.sink) == sorted([b"a" + b"\0" * 600 + b"b", b"\0c"])

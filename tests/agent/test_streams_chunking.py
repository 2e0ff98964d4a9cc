"""stdout and stderr in one file: each has the events that it has alone, however it is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.framing import FLAG_SPLIT, MappedEvent
from tailrace.multiline.streams import BOUNDS, Bounds, StreamsJoiner
from tailrace.wire import MultilineRule
from tailrace_agent.forms import PLAIN, Form
from tailrace_agent.positions import Chunk, OpenEvent, Reading
from tailrace_agent.preview import events_of
from tests.agent.test_chunking import events_in
from tests.agent.test_container_chunking import cri, docker
from tests.agent.test_multiline_chunking import Reader, tiled
from tests.infra.multiline import traces

NARROW = Bounds(gap_lines_max=2, gap_bytes_max=400, knot_bytes_max=900)
Written = tuple[str, str, bool]
"""A line as its program wrote it: the stream, the text, whether it is a piece."""

TEXTS = sorted(
    {
        line
        for events in (*traces.BY_LANGUAGE.values(), traces.TIME[:4])
        for event in events
        for line in event.split("\n")
    }
)
WRITTEN = st.lists(
    st.tuples(
        st.sampled_from(["stdout", "stderr"]),
        st.sampled_from(TEXTS)
        | st.sampled_from(["", "x", "\tat x", '"\\', "é\t", "e" * 400]),
        st.sampled_from([False, False, True]),
    ),
    max_size=16,
)
RULES = ["pieces", "java", "python", "trace", "time", "start", "continuation"]


def rule(
    name: str, *, container: str, max_lines: int = 500, max_bytes: int = 100_000
) -> MultilineRule:
    pattern = {"start": r"^\S", "continuation": r"^\s"}.get(name, "")
    return MultilineRule(
        rule=name,
        pattern=pattern,
        max_lines=max_lines,
        max_bytes=max_bytes,
        container=container,
    )


def form_of(rule: MultilineRule, *, bounds: Bounds = BOUNDS) -> Form:
    return replace(PLAIN, joiner=StreamsJoiner(rule, bounds=bounds))


def line_of(written: Written, *, container: str) -> bytes:
    stream, text, is_piece = written
    if container == "cri":
        return cri(text, stream=stream, tag="P" if is_piece else "F")
    return docker(text if is_piece else f"{text}\n", stream=stream)


def content_of(lines: Sequence[Written], *, container: str) -> bytes:
    return b"".join(line_of(line, container=container) for line in lines)


def stored(chunks: Sequence[Chunk]) -> list[MappedEvent]:
    return [event for chunk in chunks for event in events_of(chunk)]


def of_stream(events: Sequence[MappedEvent], stream: str) -> list[bytes]:
    return [event.stored for event in events if _stream_of(event.stored) == stream]


def _stream_of(line: bytes) -> str:
    first = line.partition(b"\n")[0]
    if first.startswith(b"{"):
        return str(json.loads(first)["stream"])
    return first.split(b" ", 2)[1].decode()


@given(
    WRITTEN,
    st.sampled_from(["cri", "docker"]),
    st.sampled_from(RULES),
    st.integers(120, 2_000),
    st.data(),
)
def test_f27_f30_each_stream_has_the_events_that_it_has_alone(
    lines: list[Written],
    container: str,
    name: str,
    chunk_bytes: int,
    data: st.DataObject,
) -> None:
    asked = rule(
        name,
        container=container,
        max_lines=data.draw(st.sampled_from([2, 3, 500])),
        max_bytes=data.draw(st.sampled_from([300, 100_000])),
    )
    form = form_of(asked)
    content = content_of(lines, container=container)
    both = Reader(form, chunk_bytes)
    for size in sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=4))):
        both.read(content[:size])
        if data.draw(st.booleans()):
            both = both.crash(kept_count=data.draw(st.integers(0, len(both.chunks))))
    both.read(content)
    both.read(content, is_settled=True)
    assert tiled(both.chunks) == len(content)
    found = stored(both.chunks)
    for stream in ("stdout", "stderr"):
        alone = Reader(form, 2_000)
        own = [line for line in lines if line[0] == stream]
        own_content = content_of(own, container=container)
        alone.read(own_content)
        alone.read(own_content, is_settled=True)
        assert of_stream(found, stream) == [e.stored for e in stored(alone.chunks)]


def _runs_of(chunk: Chunk) -> dict[int, tuple[tuple[int, int], ...]]:
    return {one.start: one.runs for one in chunk.parted}


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["stdout", "stderr", "none"]),
            st.sampled_from(["a", "\tat x", "b" * 90]),
            st.booleans(),
        ),
        max_size=24,
    ),
    st.sampled_from(["cri", "docker"]),
    st.sampled_from(["pieces", "java"]),
    st.integers(100, 1_200),
    st.data(),
)
def test_p1_f28_limits_and_times_end_the_same_events_in_every_reading(
    lines: list[Written],
    container: str,
    name: str,
    chunk_bytes: int,
    data: st.DataObject,
) -> None:
    """Whatever was sent once is made again; each byte of the file is one event's."""
    content = b"".join(
        b"junk\n" if line[0] == "none" else line_of(line, container=container)
        for line in lines
    )
    asked = rule(name, container=container, max_lines=4, max_bytes=700)
    form = form_of(asked, bounds=NARROW)
    reader, size = Reader(form, chunk_bytes), 0
    sent: set[tuple[int, int, int]] = set()
    while size < len(content):
        size += data.draw(st.integers(1, len(content)))
        reader.read(
            content[:size],
            is_flushing=data.draw(st.booleans()),
            is_settled=data.draw(st.booleans()),
            is_stale=data.draw(st.booleans()),
        )
        sent.update(events_in(reader.chunks))
        if data.draw(st.booleans()):
            reader = reader.crash(
                kept_count=data.draw(st.integers(0, len(reader.chunks)))
            )
            reader.chunk_bytes = data.draw(st.integers(100, 1_200))
    reader.read(content, is_flushing=True)
    assert sent <= set(events_in(reader.chunks))
    offset = 0
    for chunk in reader.chunks:
        # Behind half a line that time ended its newline is no event's.
        assert content[offset : chunk.first_offset] in {b"", b"\n"}
        offset = chunk.after.offset
        events, runs = events_of(chunk), _runs_of(chunk)
        owned: list[tuple[int, int]] = []
        for event in events:
            at = event.offset - chunk.first_offset
            spans = runs.get(at, ((at, at + event.original_size_bytes),))
            owned += spans
            original = b"\n".join(
                content[chunk.first_offset + start : chunk.first_offset + end]
                for start, end in spans
            )
            assert crc32c(original) == event.checksum
        owned.sort()
        ends = [0, *(end + 1 for _, end in owned)]
        assert [start for start, _ in owned] == ends[:-1]
        half = content[chunk.after.offset - 1 : chunk.after.offset] != b"\n"
        assert ends[-1] == chunk.size_bytes + half
    assert content[offset:] in {b"", b"\n"}


OUT, ERR = ("stdout", "half ", True), ("stderr", "oops", False)


@pytest.mark.parametrize("container", ["cri", "docker"])
def test_f27_a_piece_waits_no_longer_than_a_limit_of_lines_says(container: str) -> None:
    form = form_of(rule("pieces", container=container), bounds=NARROW)
    for between, is_joined in ((2, True), (3, False)):
        lines = [OUT, *[ERR] * between, ("stdout", "line", False)]
        reader = Reader(form, 8_192)
        waiting = reader.read(content_of(lines[:-1], container=container))
        assert isinstance(waiting, OpenEvent) == is_joined
        reader.read(content_of(lines, container=container))
        found = stored(reader.chunks)
        assert len(found) == between + 2 - is_joined
        assert found[0].flags == (0 if is_joined else FLAG_SPLIT)
        assert sum(c.split_count for c in reader.chunks) == (not is_joined)


@pytest.mark.parametrize("container", ["cri", "docker"])
def test_f27_a_piece_waits_no_longer_than_limits_of_bytes_say(container: str) -> None:
    long = ("stderr", "e" * 500, False)
    lines = [OUT, long, ("stdout", "line", False)]
    content = content_of(lines, container=container)
    for bounds in (
        replace(BOUNDS, gap_bytes_max=400),
        replace(BOUNDS, knot_bytes_max=500),
    ):
        reader = Reader(
            form_of(rule("pieces", container=container), bounds=bounds), 900
        )
        assert reader.read(content[: len(content) - 10]) is not Reading.EMPTY
        assert [event.flags for event in stored(reader.chunks)] == [FLAG_SPLIT, 0]
        assert reader.read(content) is Reading.EMPTY
        assert len(stored(reader.chunks)) == 3
    reader = Reader(form_of(rule("pieces", container=container)), 900)
    reader.read(content)
    assert len(stored(reader.chunks)) == 2


@pytest.mark.parametrize("container", ["cri", "docker"])
def test_p1_f27_a_long_line_of_the_other_stream_ends_no_event_however_it_is_read(
    container: str,
) -> None:
    """Half of it is longer than any line that the event could go on with."""
    lines: list[Written] = [OUT, ("stderr", "e" * 2_000, False), OUT]
    lines += [("stdout", "line", False)]
    content = content_of(lines, container=container)
    form = form_of(rule("pieces", container=container, max_bytes=1_024))
    whole = Reader(form, 8_192)
    whole.read(content)
    assert len(stored(whole.chunks)) == 2
    for first_bytes in range(0, len(content), 25):
        for chunk_bytes in (300, 8_192):
            reader = Reader(form, chunk_bytes)
            reader.read(content[:first_bytes])
            reader.read(content)
            assert stored(reader.chunks) == stored(whole.chunks)


def test_f28_time_ends_what_its_stream_left_open_and_not_what_the_other_writes() -> (
    None
):
    """The younger event is left whole, as its own stream goes on with it."""
    lines: list[Written] = [
        ("stderr", "alone", False),
        ("stdout", "went wrong", False),
        ("stdout", "\tat a", False),
    ]
    form = form_of(rule("java", container="cri"))
    content = content_of(lines, container="cri")
    reader = Reader(form, 8_192)
    assert isinstance(reader.read(content), OpenEvent)
    assert isinstance(reader.read(content, is_stale=True), OpenEvent)
    (chunk,) = reader.chunks
    assert chunk.event_count == 1
    assert chunk.cut is not None, "noted before it is sent"
    more = content + cri("\tat b") + cri("next")
    reader.read(more, is_stale=True)
    assert b"\tat b" in stored(reader.chunks)[1].stored
    # One event that waits alone is no stream that another one waits for.
    assert isinstance(reader.read(more, is_stale=True), OpenEvent)


def test_f30_a_chunk_without_room_for_all_its_events_ends_between_two_knots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tailrace_agent import building

    monkeypatch.setattr(building, "MAPPED_EVENTS_MAX", 4)
    lines: list[Written] = [
        ERR,
        ERR,
        OUT,
        ERR,
        ERR,
        ERR,
        ("stdout", "line", False),
        ERR,
    ]
    content = content_of(lines, container="docker")
    reader = Reader(form_of(rule("pieces", container="docker")), 8_192)
    reader.read(content)
    assert [chunk.event_count for chunk in reader.chunks] == [2, 4, 1]
    assert tiled(reader.chunks) == len(content)


@pytest.mark.parametrize("container", ["cri", "docker"])
def test_f27_a_line_that_no_runtime_wrote_ends_the_events_of_both_streams(
    container: str,
) -> None:
    open_lines: list[Written] = [OUT, ("stderr", "half of E ", True)]
    rest: list[Written] = [("stderr", "E", False), ("stdout", "line", False)]
    content = b"junk\n".join(
        [content_of(lines, container=container) for lines in (open_lines, rest)]
    )
    reader = Reader(form_of(rule("pieces", container=container)), 8_192)
    assert reader.read(content) is Reading.EMPTY
    events = stored(reader.chunks)
    assert b"\n".join(e.stored for e in events) + b"\n" == content
    assert [event.flags for event in events] == [FLAG_SPLIT, FLAG_SPLIT, 0, 0, 0]


def test_f27_pieces_far_apart_in_a_block_are_found_without_the_lines_between() -> None:
    whole: Written = ("stdout", "GET / stdout P", False)
    for container in ("cri", "docker"):
        lines = [*[whole] * 3, OUT, ERR, whole, *[whole] * 4, ("stderr", "a", True)]
        lines += [whole, ("stderr", "b", False), whole]
        reader = Reader(form_of(rule("pieces", container=container)), 8_192)
        assert reader.read(content_of(lines, container=container)) is Reading.EMPTY
        sizes = [e.stored.count(b"\n") + 1 for e in stored(reader.chunks)]
        assert sizes == [1, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1]


@pytest.mark.parametrize("container", ["cri", "docker"])
@pytest.mark.parametrize("language", sorted(traces.BY_LANGUAGE))
def test_f30_traces_in_a_container_are_those_of_a_plain_file(
    language: str, container: str
) -> None:
    """Line by line between those of the other stream, and escaped where that is JSON."""
    wanted = traces.BY_LANGUAGE[language]
    own = [("stderr", text, False) for event in wanted for text in event.split("\n")]
    lines = [line for one in own for line in (one, ("stdout", "GET /", False))]
    content = content_of(lines, container=container)
    reader = Reader(form_of(rule(language, container=container)), 65_536)
    reader.read(content, is_settled=True)
    reader.read(content, is_settled=True)
    assert of_stream(stored(reader.chunks), "stderr") == [
        content_of(
            [("stderr", text, False) for text in event.split("\n")],
            container=container,
        ).removesuffix(b"\n")
        for event in wanted
    ]

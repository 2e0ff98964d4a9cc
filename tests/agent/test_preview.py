"""What the agent would make of a file: whatever way it is read, and around any byte of it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from crc32c import crc32c

from tailrace.framing import FLAG_CUT, MappedEvent
from tailrace.topics import EVENT_BYTES_MAX
from tailrace.wire import Cut, Placement
from tailrace_agent.config import SourceSettings
from tailrace_agent.door import NotARegularFile
from tailrace_agent.open_file import open_file
from tailrace_agent.preview import (
    KEPT_BEFORE_BYTES,
    Preview,
    StreamFile,
    event_around,
    events_of,
    preview,
)
from tailrace_agent.rules import rules_of_user
from tests.agent.test_chunking import BytesFile
from tests.agent.test_redaction_rules import ALL
from tests.infra.multiline import traces

TRACES = "\n".join(traces.JAVA * 3).encode() + b"\n"


def source(**settings: object) -> SourceSettings:
    return SourceSettings.model_validate(
        {"name": "app", "paths": ["/srv/*.log"], **settings}
    )


def of_pipe(
    content: bytes | BytesIO, *, read_bytes: int = 1 << 16, **settings: object
) -> tuple[Preview, StreamFile]:
    file = BytesIO(content) if isinstance(content, bytes) else content
    pipe = StreamFile(file, read_bytes=read_bytes)
    seen = preview(
        pipe,
        path="/srv/app.log",
        source=source(**settings),
        host_time_zone="UTC",
        now_ms=1,
    )
    return seen, pipe


def events(seen: Preview) -> list[MappedEvent]:
    return [event for chunk in seen.chunks for event in events_of(chunk)]


def java() -> Placement:
    return of_pipe(TRACES, multiline="java")[0].placement


@pytest.mark.parametrize("multiline", [None, "java"])
def test_blocks_that_end_anywhere_change_nothing(
    tmp_path: Path, multiline: str | None
) -> None:
    content = TRACES + b"no newline"
    path = tmp_path / "a.log"
    path.write_bytes(content)
    file = open_file(path, rules=rules_of_user())
    whole = events(
        preview(
            file,
            path=str(path),
            source=source(multiline=multiline),
            host_time_zone="UTC",
            now_ms=1,
        )
    )
    file.close()
    pieces = events(of_pipe(content, read_bytes=37, multiline=multiline)[0])
    assert [(e.offset, e.stored) for e in pieces] == [
        (e.offset, e.stored) for e in whole
    ]
    lines = [*traces.JAVA * 3, "no newline"]
    expected = lines if multiline else "\n".join(lines).split("\n")
    assert [event.stored.decode() for event in whole] == expected
    for event in whole:
        end = event.offset + event.original_size_bytes
        assert event.checksum == crc32c(content[event.offset : end])


def test_x11_a_pipe_is_not_redacted_as_nothing_before_it_can_be_asked() -> None:
    with pytest.raises(NotARegularFile):
        preview(
            StreamFile(BytesIO(TRACES)),
            path="/srv/app.log",
            source=source(),
            redactor=ALL,
            host_time_zone="UTC",
            now_ms=1,
        )


class WatchingPipe(BytesIO):
    """Notes at each reading how much the reader still holds of what came before."""

    reader: StreamFile | None = None
    kept_bytes_max = 0

    def read1(self, size: int | None = -1, /) -> bytes:
        if self.reader is not None:
            self.kept_bytes_max = max(self.kept_bytes_max, self.reader.kept_bytes)
        return super().read1(size)


def test_x4_a_line_of_any_length_takes_bounded_memory_in_a_pipe() -> None:
    size = 8 * EVENT_BYTES_MAX
    content = WatchingPipe(b"a\n" + b"x" * size + b"\nb\n")
    seen, content.reader = of_pipe(content)
    first, cut, last = events(seen)
    assert (first.stored, last.stored, last.offset) == (b"a", b"b", size + 3)
    assert (cut.original_size_bytes, cut.flags) == (size, FLAG_CUT)
    assert cut.stored == b"x" * EVENT_BYTES_MAX
    bound = EVENT_BYTES_MAX + (1 << 16) + KEPT_BEFORE_BYTES
    assert 0 < content.kept_bytes_max <= bound


def test_the_event_around_any_byte_is_the_one_that_is_shipped() -> None:
    shipped = events(of_pipe(TRACES, multiline="java")[0])

    def around(offset: int) -> MappedEvent | None:
        found = event_around(
            BytesFile(TRACES),
            offset,
            end_offset=offset,
            placement=java(),
            encoding="auto",
        )
        return None if found is None else found.event

    assert len(shipped) == len(traces.JAVA) * 3
    for event in shipped:
        end = event.offset + event.original_size_bytes
        for offset in (event.offset, (event.offset + end) // 2, end):
            assert around(offset) == event
    assert around(len(TRACES)) is None


def test_where_time_ended_an_event_it_ends_for_a_reader_too() -> None:
    long = max(traces.JAVA, key=len).encode()
    second_line = long.index(b"\n") + 1
    content = long + b"\n"
    cut = Cut(offset=0, next_offset=second_line, reason="flushed")

    def around(offset: int, *, start: int = 0, end: Cut | None = None) -> bytes:
        found = event_around(
            BytesFile(content),
            offset,
            end_offset=offset,
            placement=java(),
            encoding="auto",
            start=start,
            cut=end,
        )
        assert found is not None
        return found.event.stored

    assert around(3) == long
    assert around(3, end=cut) == long[: second_line - 1]
    assert around(second_line + 1, start=second_line) == long[second_line:]

"""What a file's own bytes propose, and what that makes of its first events, with no server."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import msgspec

from tailrace.clock import Clock, SystemClock
from tailrace.commands.parsed_file import (
    STANDARD_INPUT,
    opened_file,
    origins_of,
    require_text,
)
from tailrace.errors import CommandFailed
from tailrace.extras import require
from tailrace.guess.encoding import Writing, writing_of
from tailrace.guess.proposal import Guess, propose, with_times
from tailrace.guess.settings_text import settings_text
from tailrace.guess.times import ReadTime
from tailrace.text import path_text
from tailrace.wire import Origin

if TYPE_CHECKING:
    from tailrace_agent.config import SourceSettings
    from tailrace_agent.open_file import OpenFile
    from tailrace_agent.preview import StreamFile
    from tailrace_stream.parse_file import Explained

MEASURED_EVENTS_MAX = 1_000
TIMED_EVENTS_MAX = 200
"""So many events tell how times are written, and in which zone."""
TAIL_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What the proposal makes of the first events."""

    event_count: int
    unread_count: int
    """How many no parser of theirs could read."""
    timed_count: int
    guessed_count: int
    """How many of those have a time of which a part was guessed."""
    first: tuple[Explained, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guessed:
    """A proposal for a file."""

    file: str
    guesses: tuple[Guess, ...]
    configuration: str
    source: dict[str, Any]
    applied: Applied


def guessed_file(
    file: str, *, time_zone: str, event_count: int, clock: Clock | None = None
) -> Guessed:
    """Return what is proposed for a file or for standard input, and it applied.

    `time_zone` is that of the host which writes it, `event_count` how many of its first
    events are kept. Of a long file only its head and its end are read.

    Raises:
        ArchiveGiven: the file is compressed.
        CommandFailed: it cannot be read, is empty, or is no text.
        RoleNotInstalled: the stream's extra is missing.
    """
    require("stream")
    try:
        with opened_file(file) as opened:
            return _guessed(
                opened,
                file=file,
                time_zone=time_zone,
                event_count=event_count,
                now_ms=(clock or SystemClock()).now_ms(),
            )
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandFailed(
            f"{path_text(file)} cannot be read: {error.strerror or error}.",
            remedy="check its name and who may read it",
        ) from None


def _guessed(
    opened: OpenFile | StreamFile,
    *,
    file: str,
    time_zone: str,
    event_count: int,
    now_ms: int,
) -> Guessed:
    from tailrace_stream.parse_file import with_zone

    require_text(opened, file=file)
    name = "Standard input" if file == STANDARD_INPUT else path_text(file)
    writing, head = _text_of(_head(opened), name=name)
    tail, written_at_ms = _end(opened)
    path = None if file == STANDARD_INPUT else str(Path(file).absolute())
    timeless = propose(_decoded(head, writing), path=path or "", writing=writing)
    source = _source_of(settings_text(timeless, path=path))
    chunks = origins_of(opened, file, source, time_zone, redactor=None, now_ms=now_ms)
    first, events = _first_of(chunks)
    guesses = with_times(
        timeless,
        events,
        tail=_decoded(tail, writing),
        host_time_zone=time_zone,
        written_at_ms=written_at_ms,
    )
    text = settings_text(guesses, path=path)
    zone = _source_of(text).time_zone or time_zone
    in_zone = (
        (value, with_zone(origin, time_zone=zone, now_ms=now_ms))
        for value, origin in chain(first, chunks)
    )
    return Guessed(
        file=file,
        guesses=guesses,
        configuration=text,
        source=_settings_of(text),
        applied=_applied(_explained(in_zone), event_count=event_count),
    )


def _settings_of(text: str) -> dict[str, Any]:
    return cast("dict[str, Any]", tomllib.loads(text)["agent"]["sources"][0])


def _source_of(text: str) -> SourceSettings:
    from tailrace_agent.config import SourceSettings

    return SourceSettings.model_validate(_settings_of(text))


def _first_of(
    chunks: Iterator[tuple[bytes, Origin]],
) -> tuple[list[tuple[bytes, Origin]], list[ReadTime]]:
    """Return as many chunks as tell how times are written, and the times of their events.

    They are kept, as of a pipe they come once.
    """
    first: list[tuple[bytes, Origin]] = []
    events: list[ReadTime] = []
    for value, origin in chunks:
        first.append((value, origin))
        zone = origin.placement.time_zone
        events += [
            read_time(event, time_zone=zone) for event in _explained(((value, origin),))
        ]
        if len(events) >= TIMED_EVENTS_MAX:
            break
    return first, events[:TIMED_EVENTS_MAX]


def read_time(event: Explained, *, time_zone: str) -> ReadTime:
    """Return the time that is read of an event, where times were taken to be in a zone."""
    fields = cast("dict[str, Any]", msgspec.json.decode(event.document))
    source = fields.get("tailrace.time_source")
    text = event.line.encode()
    # What the stream would send to the dead letters has no time at all.
    if source == "observed" or "@timestamp" not in fields:
        return ReadTime(text=text, at=None)
    at = datetime.fromisoformat(fields["@timestamp"])
    is_guessed = source == "guessed"
    return ReadTime(
        text=text,
        at=at.astimezone(ZoneInfo(time_zone)) if is_guessed else at,
        is_guessed=is_guessed,
    )


def _head(opened: OpenFile | StreamFile) -> bytes:
    from tailrace_agent.first_bytes import SAMPLE_BYTES
    from tailrace_agent.preview import StreamFile

    if isinstance(opened, StreamFile):
        while opened.kept_bytes < SAMPLE_BYTES and opened.grow():
            pass
    head = _read(opened, offset=opened.data_offset(), count=SAMPLE_BYTES)
    if len(head) < SAMPLE_BYTES:
        return head
    return head[: head.rfind(b"\n") + 1] or head


def _end(opened: OpenFile | StreamFile) -> tuple[bytes, int | None]:
    """Return the last bytes, and when they were written, where that can be known."""
    from tailrace_agent.open_file import OpenFile

    if not isinstance(opened, OpenFile):
        return b"", None
    status = opened.status()
    # At an even place, so that UTF-16 is not read by halves.
    offset = max(0, status.st_size - TAIL_BYTES) // 2 * 2
    tail = _read(opened, offset=offset, count=TAIL_BYTES)
    return tail, status.st_mtime_ns // 1_000_000


def _read(opened: OpenFile | StreamFile, *, offset: int, count: int) -> bytes:
    buffer = memoryview(bytearray(count))
    return bytes(buffer[: opened.read_into((buffer,), offset=offset)])


def _text_of(head: bytes, *, name: str) -> tuple[Writing, bytes]:
    if not head:
        raise CommandFailed(
            f"{name} is empty, so nothing tells how it will have to be read.",
            remedy='leave `dataset = "auto"`, as it is: its first lines decide when they'
            " come",
        )
    # A loss of power leaves zeros before what was written.
    text = head.lstrip(b"\0") if head.startswith(b"\0\0\0\0") else head
    writing = writing_of(text) if text else f"its first {len(head):,} bytes are zero"
    if isinstance(writing, str):
        raise CommandFailed(
            f"{name} is no text: {writing}.",
            remedy="name a log, or what turns this file into lines",
        )
    return writing, text


def _decoded(raw: bytes, writing: Writing) -> bytes:
    if writing.codec == "utf-8":
        return raw
    whole = raw[: len(raw) // 2 * 2]
    return whole.decode(writing.codec, "replace").removeprefix("\ufeff").encode()


def _explained(chunks: Iterable[tuple[bytes, Origin]]) -> Iterator[Explained]:
    from tailrace_stream.parse_file import chunk_explanations

    for value, origin in chunks:
        yield from chunk_explanations(value, origin=origin)


def _applied(events: Iterator[Explained], *, event_count: int) -> Applied:
    first: list[Explained] = []
    count = unread = timed = guessed = 0
    for event in events:
        fields = cast("dict[str, Any]", msgspec.json.decode(event.document))
        count += 1
        unread += fields.get("event.kind") == "pipeline_error"
        time_source = fields.get("tailrace.time_source")
        timed += time_source != "observed"
        guessed += time_source == "guessed"
        if len(first) < event_count:
            first.append(event)
        if count >= MEASURED_EVENTS_MAX:
            break
    return Applied(
        event_count=count,
        unread_count=unread,
        timed_count=timed,
        guessed_count=guessed,
        first=tuple(first),
    )

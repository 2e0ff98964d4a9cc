"""What the stream would make of a file: its documents, in order, with no server."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import crc32c
import msgspec

from tailrace.clock import Clock, SystemClock
from tailrace.detect import detect, has_time, parser_for
from tailrace.errors import ConfigError
from tailrace.framing import FLAG_CUT, MappedEvent, encode_mapped
from tailrace.text import path_text
from tailrace.topics import EVENT_BYTES_MAX
from tailrace.wire import Origin, Placement
from tailrace_stream.chunk import Part, documents_in_parts
from tailrace_stream.events import read_events
from tailrace_stream.times import anchor_of_past, known_zone

READ_BYTES = 512 * 1_024
SAMPLE_BYTES = 256 * 1_024
AUTO_DATASET = "auto"
DATASET = re.compile(r"[a-z0-9][a-z0-9_.]{0,99}")
_FAR_MS = 2**62
Framing = Literal["newline", "mapped"]


def parse_lines(
    source: Path | Literal["-"],
    *,
    dataset: str,
    time_zone: str,
    clock: Clock | None = None,
) -> Iterator[bytes]:
    """Yield the document of each event of a file or of standard input, as JSON.

    One a line, without a newline, in file order, with `log.offset` in bytes and
    `event.sequence`, how many events of the file stand before it. Memory is
    bounded however long the file or a line is: a line over 1 MiB is cut and marked, as
    the agent does it. Dataset `auto` is told from the first lines. A time without a year
    is the latest there was until now, give or take a day.

    Raises:
        ConfigError: dataset or time zone cannot be one.
        OSError: the file cannot be read.
    """
    _check(dataset=dataset, time_zone=time_zone)
    now_ms = (clock or SystemClock()).now_ms()
    path = "-" if source == "-" else path_text(str(Path(source).absolute()))
    if source == "-":
        yield from _parse(
            _chunks(sys.stdin.buffer),
            path,
            dataset=dataset,
            time_zone=time_zone,
            now_ms=now_ms,
        )
        return
    with Path(source).open("rb") as file:
        yield from _parse(
            _chunks(file), path, dataset=dataset, time_zone=time_zone, now_ms=now_ms
        )


def parse_chunk(
    value: bytes, *, framing: Framing, path: str, dataset: str, time_zone: str
) -> Iterator[bytes]:
    """Yield the document of each event of a file's first chunk, as `parse_lines` does."""
    chunks: list[tuple[bytes, int, Framing]] = [(value, 0, framing)]
    yield from _parse(
        iter(chunks),
        path,
        dataset=dataset,
        time_zone=time_zone,
        now_ms=SystemClock().now_ms(),
    )


def _check(*, dataset: str, time_zone: str) -> None:
    problems: list[str] = []
    if dataset != AUTO_DATASET and not DATASET.fullmatch(dataset):
        problems.append(
            f"--dataset must be `auto` or a name of a-z, 0-9, _ and ., got {dataset!r}"
        )
    if known_zone(time_zone) != time_zone:
        problems.append(
            f"--timezone must be an IANA zone such as Europe/Berlin, got {time_zone!r}"
        )
    if problems:
        raise ConfigError(problems, source="the command line")


def _parse(
    chunks: Iterator[tuple[bytes, int, Framing]],
    path: str,
    *,
    dataset: str,
    time_zone: str,
    now_ms: int,
) -> Iterator[bytes]:
    origin: Origin | None = None
    event_count = 0
    for value, first_offset, framing in chunks:
        if origin is None:
            sample = value[:SAMPLE_BYTES] if framing == "newline" else b""
            origin = _origin(
                sample, path, dataset=dataset, time_zone=time_zone, now_ms=now_ms
            )
        here = msgspec.structs.replace(
            origin,
            first_offset=first_offset,
            first_event_number=event_count,
            framing=framing,
        )
        events = read_events(value, origin=here)
        event_count += len(events)
        for part in documents_in_parts(events, origin=here):
            if part.made is None:
                yield _failed(part, origin=here)
                continue
            for open_body in part.made.open_bodies:
                yield open_body.encode() + b"}"


def _failed(part: Part, *, origin: Origin) -> bytes:
    """Return what stands for an event that the stream would send to the dead letters."""
    return msgspec.json.encode(
        {
            "event.kind": "pipeline_error",
            "error.message": part.error,
            "event.dataset": origin.placement.dataset,
            "log.file.path": origin.path,
            "log.offset": int(part.events.offsets[0]),
            "event.sequence": int(part.events.numbers(origin=origin)[0]),
        }
    )


def _origin(
    sample: bytes, path: str, *, dataset: str, time_zone: str, now_ms: int
) -> Origin:
    if dataset == AUTO_DATASET:
        found = detect(sample, path=path)
        name, parser = found.dataset, found.parser
    else:
        name, parser = dataset, parser_for(dataset)
    host = socket.gethostname()
    return Origin(
        agent_id="",
        host_id="",
        host_name=host,
        path=path,
        generation="",
        born_at_ms=now_ms,
        first_offset=0,
        size_bytes=0,
        first_event_number=0,
        event_count=0,
        source="parse",
        placement=Placement(
            dataset=name,
            parser=parser,
            time_rule="event" if has_time(parser) else "generation",
            time_zone=time_zone,
            anchor_ms=anchor_of_past(now_ms, time_zone=time_zone),
            earliest_ms=-_FAR_MS,
            latest_ms=_FAR_MS,
        ),
        time_zone=time_zone,
        observed_at_ms=now_ms,
    )


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, Framing]]:
    """Yield pieces of whole lines, each with its offset; a cut line stands alone."""
    pending = b""
    offset = 0
    while block := _read(file):
        pending += block
        end = pending.rfind(b"\n") + 1
        if end:
            yield pending[:end], offset, "newline"
            offset += end
            pending = pending[end:]
        if len(pending) > EVENT_BYTES_MAX:
            event, pending = _cut(file, pending, offset=offset)
            yield encode_mapped([event]), offset, "mapped"
            offset += event.original_size_bytes + 1
    if pending:
        yield pending, offset, "newline"


def _read(file: BinaryIO) -> bytes:
    # What a pipe has, at once: a reader at a terminal is not kept waiting for more.
    read1 = getattr(file, "read1", file.read)
    return read1(READ_BYTES)


def _cut(file: BinaryIO, begun: bytes, *, offset: int) -> tuple[MappedEvent, bytes]:
    """Read past the rest of a line that is too long; return it cut, and what follows."""
    size, checksum = len(begun), crc32c.crc32c(begun)
    rest = b""
    while block := _read(file):
        line, newline, rest = block.partition(b"\n")
        size += len(line)
        checksum = crc32c.crc32c(line, checksum)
        if newline:
            break
    stored = begun[:EVENT_BYTES_MAX]
    return MappedEvent(offset, size, checksum, stored, FLAG_CUT), rest

"""What the stream would make of a file's chunks: their documents, in order, with no server."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import msgspec

from tailrace.wire import Origin, Placement
from tailrace_stream.chunk import Part, documents_in_parts
from tailrace_stream.enrich.enrichment import NO_ENRICHMENT, Enrichment
from tailrace_stream.events import read_events
from tailrace_stream.explaining import Asked, explain
from tailrace_stream.own.parser import NO_OWN, OwnParsers
from tailrace_stream.times import anchor_of_past, known_zone


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """One event, and how it came to its fields."""

    offset: int
    number: int
    """How many events of the file stand before it."""
    line: str
    dataset: str
    asked: tuple[Asked, ...]
    document: msgspec.Raw


AUTO_DATASET = "auto"
DATASET = re.compile(r"[a-z0-9][a-z0-9_.]{0,99}")
_FAR_MS = 2**62


def check_arguments(*, dataset: str, time_zone: str) -> list[str]:
    """Return what is wrong with a dataset and a zone that a user named."""
    problems: list[str] = []
    if dataset != AUTO_DATASET and not DATASET.fullmatch(dataset):
        problems.append(
            f"--dataset must be `auto` or a name of a-z, 0-9, _ and ., got {dataset!r}"
        )
    if known_zone(time_zone) != time_zone:
        problems.append(
            f"--timezone must be an IANA zone such as Europe/Berlin, got {time_zone!r}"
        )
    return problems


def origin_of(path: str, *, placement: Placement, now_ms: int) -> Origin:
    """Return what all chunks have in common of a file that is only looked at.

    It has no agent and no life of its own, and any time in it is believed. A time
    without a year is the latest there was until now, give or take a day.
    """
    origin = Origin(
        agent_id="",
        host_id="",
        host_name=socket.gethostname(),
        path=path,
        generation="",
        born_at_ms=now_ms,
        first_offset=0,
        size_bytes=0,
        first_event_number=0,
        event_count=0,
        source="parse",
        placement=msgspec.structs.replace(
            placement, earliest_ms=-_FAR_MS, latest_ms=_FAR_MS
        ),
        time_zone=placement.time_zone,
        observed_at_ms=now_ms,
    )
    return with_zone(origin, time_zone=placement.time_zone, now_ms=now_ms)


def with_zone(origin: Origin, *, time_zone: str, now_ms: int) -> Origin:
    """Return what the same file has whose times are of a zone where they name none."""
    anchor_ms = anchor_of_past(now_ms, time_zone=time_zone)
    placement = msgspec.structs.replace(
        origin.placement, time_zone=time_zone, anchor_ms=anchor_ms
    )
    return msgspec.structs.replace(origin, placement=placement, time_zone=time_zone)


def chunk_documents(
    value: bytes,
    *,
    origin: Origin,
    own: OwnParsers = NO_OWN,
    enrichment: Enrichment = NO_ENRICHMENT,
) -> Iterator[bytes]:
    """Yield the document of each event of a chunk, as JSON, without a newline.

    In file order, with `log.offset` in bytes and `event.sequence`, how many events of
    the file stand before it.

    Raises:
        WireError: the table of a mapped chunk does not fit its bytes.
    """
    events = read_events(value, origin=origin)
    parts = documents_in_parts(events, origin=origin, own=own, enrichment=enrichment)
    for part in parts:
        if part.made is None:
            yield _failed(part, origin=origin)
            continue
        for open_body in part.made.open_bodies:
            yield open_body.encode() + b"}"


def chunk_explanations(
    value: bytes,
    *,
    origin: Origin,
    own: OwnParsers = NO_OWN,
    enrichment: Enrichment = NO_ENRICHMENT,
) -> Iterator[Explained]:
    """Yield each event of a chunk with who was asked for it, and its document.

    Raises:
        WireError: the table of a mapped chunk does not fit its bytes.
    """
    events = read_events(value, origin=origin)
    asked = explain(
        events.text, stored=events.stored, placement=origin.placement, own=own
    )
    documents = chunk_documents(value, origin=origin, own=own, enrichment=enrichment)
    lines: list[str] = events.text.to_list()
    offsets: list[int] = events.offsets.tolist()
    numbers: list[int] = events.numbers(origin=origin).tolist()
    for row, document in enumerate(documents):
        yield Explained(
            offset=offsets[row],
            number=numbers[row],
            line=lines[row],
            dataset=origin.placement.dataset,
            asked=asked[row],
            document=msgspec.Raw(document),
        )


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

"""Origins, records and documents for the tests of the stream."""

from __future__ import annotations

from typing import Any, Literal, cast

import msgspec

from tailrace.digest import DIGEST_FIELD, is_unaltered
from tailrace.wire import ORIGIN_HEADER, Origin, Placement, encode
from tailrace_stream.chunk import ProcessedChunk, process_chunk
from tailrace_stream.enrich.enrichment import NO_ENRICHMENT, Enrichment
from tailrace_stream.records import RawRecord

GENERATION = "0123456789abcdef0123456789abcdef"
BORN_AT_MS = 1_795_400_000_000  # 2026-11-23T02:13:20Z
SEEN_AT_MS = 1_795_500_000_123  # 2026-11-24T06:00:00.123Z
NAMESPACE = "tailrace"

ACCESS_LINE = (
    b'203.0.113.7 - frank [24/Nov/2026:01:02:03 +0100] "GET /a/b?c=d HTTP/1.1" 200 2326'
    b' "http://example.com/" "Mozilla/5.0 (X11; Linux)"'
)


def placement(
    parser: str = "auto",
    *,
    dataset: str = "generic",
    index: str = "",
    time_rule: Literal["event", "generation"] = "event",
    time_zone: str = "UTC",
    anchor_ms: int = SEEN_AT_MS,
) -> Placement:
    return Placement(
        dataset=dataset,
        index=index,
        parser=parser,
        time_rule=time_rule,
        time_zone=time_zone,
        anchor_ms=anchor_ms,
        earliest_ms=0,
        latest_ms=SEEN_AT_MS + 86_400_000,
    )


def origin(
    value: bytes,
    *,
    first_offset: int = 0,
    placed: Placement | None = None,
    generation: str = GENERATION,
    framing: Literal["newline", "mapped"] = "newline",
    first_event_number: int = 0,
) -> Origin:
    return Origin(
        agent_id="agent-1",
        host_id="h1",
        host_name="web1",
        path="/var/log/app.log",
        generation=generation,
        born_at_ms=BORN_AT_MS,
        first_offset=first_offset,
        size_bytes=len(value),
        first_event_number=first_event_number,
        event_count=value.count(b"\n"),
        source="app",
        placement=placed or placement(),
        time_zone="UTC",
        framing=framing,
        observed_at_ms=SEEN_AT_MS,
    )


def raw_record(
    value: bytes | None, *, offset: int = 0, header: bytes | None = None
) -> RawRecord:
    return RawRecord(
        topic=f"{NAMESPACE}.raw",
        partition=3,
        offset=offset,
        key=GENERATION.encode(),
        value=value,
        headers=((ORIGIN_HEADER, header),) if header is not None else (),
        appended_at_ms=SEEN_AT_MS,
    )


def chunk_record(value: bytes, *, made: Origin, offset: int = 0) -> RawRecord:
    return raw_record(value, offset=offset, header=encode(made))


def processed(
    value: bytes,
    *,
    placed: Placement | None = None,
    first_offset: int = 0,
    first_event_number: int = 0,
    enrichment: Enrichment = NO_ENRICHMENT,
) -> ProcessedChunk:
    made = origin(
        value,
        first_offset=first_offset,
        placed=placed,
        first_event_number=first_event_number,
    )
    return process_chunk(value, origin=made, namespace=NAMESPACE, enrichment=enrichment)


class Stored(msgspec.Struct, frozen=True):
    """One document as the index would get it."""

    document_id: str
    index: str
    document: dict[str, Any]


def stored(chunk: ProcessedChunk) -> list[Stored]:
    found: list[Stored] = []
    for piece in chunk.pieces:
        found += stored_of(piece.body)
    return found


def stored_of(body: bytes) -> list[Stored]:
    """Return the documents in a body, each checked against its digest and without it."""
    lines = body.split(b"\n")
    assert lines.pop() == b""
    return [
        Stored(action["_id"], action["_index"], _digested(document))
        for action, document in (
            (msgspec.json.decode(lines[at])["create"], lines[at + 1])
            for at in range(0, len(lines), 2)
        )
    ]


def _digested(source: bytes) -> dict[str, Any]:
    assert is_unaltered(source)
    document = msgspec.json.decode(source)
    assert list(document)[-1] == DIGEST_FIELD
    del document[DIGEST_FIELD]
    return document


def documents(
    *lines: bytes | str, parser: str, dataset: str = "x", **placed: str | int
) -> list[dict[str, Any]]:
    """Return the documents of some lines, with what all documents have left out."""
    raw = [line if isinstance(line, bytes) else line.encode() for line in lines]
    made = processed(
        b"\n".join(raw) + b"\n",
        placed=placement(parser, dataset=dataset, **cast("Any", placed)),
    )
    assert not made.dead
    common = {"event.created", "host.name", "agent.id", "log.file.path", "ecs.version",
              "tailrace.generation", "event.dataset", "log.offset",
              "event.sequence", "tailrace.template.id"}  # fmt: skip
    return [
        {key: value for key, value in one.document.items() if key not in common}
        for one in stored(made)
    ]

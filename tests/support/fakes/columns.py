"""A chunk's work line by line: what `process_chunk` and the windows do, without columns.

For chunks of `java.log` as the simulation writes them, where the columns' fixed price for
a few lines would be nearly all of a run. `tests/laws/test_plain_columns.py` holds that it
gives the very documents, ids, indices and counts that the real ones give.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import crc32c
import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from tailrace.digest import with_digest
from tailrace.floors import NO_FLOORS, Floors
from tailrace.framing import FLAG_CUT, FLAG_REDACTED, MappedEvent, decode_mapped
from tailrace.identity import index_name
from tailrace.template_text import MASK, shown
from tailrace.topics import DOCUMENTS_BYTES_MAX
from tailrace.wire import Origin
from tailrace_stream.chunk import ProcessedChunk, process_chunk
from tailrace_stream.counted_fields import NOTHING, Counted
from tailrace_stream.documents import ECS_VERSION
from tailrace_stream.enrich.enrichment import NO_ENRICHMENT, Enrichment
from tailrace_stream.guard.guard import UNCOUNTED, Guard
from tailrace_stream.own.parser import NO_OWN, OwnParsers
from tailrace_stream.pieces import BulkPiece
from tailrace_stream.placing import document_ids
from tailrace_stream.redact.redaction import NO_REDACTION, Redaction
from tailrace_stream.shaping.fates import NO_RULING, Ruling
from tailrace_stream.templates.naming import template_id
from tailrace_stream.templates.sightings import ChunkTemplates, Sighting
from tailrace_stream.window_groups import KNOWN_LEVELS, OTHER, Group, GroupColumns

_DATED = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")
_VALUE = re.compile(r"[0-9a-z]*[0-9][0-9a-z]*")
_LEVELLED = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (INFO|WARN|ERROR)(?: (.*)|$)", re.DOTALL
)


def process_chunk_plainly(
    value: bytes,
    *,
    origin: Origin,
    namespace: str,
    piece_bytes_max: int = DOCUMENTS_BYTES_MAX,
    floors: Floors = NO_FLOORS,
    own: OwnParsers = NO_OWN,
    enrichment: Enrichment = NO_ENRICHMENT,
    redaction: Redaction = NO_REDACTION,
    guard: Guard = UNCOUNTED,
    counted: Counted = NOTHING,
    ruling: Ruling = NO_RULING,
) -> ProcessedChunk:
    """Return what to send for a chunk, as one piece; by rules, as the real one does it."""
    if ruling.spans:
        return process_chunk(
            value,
            origin=origin,
            namespace=namespace,
            floors=floors,
            enrichment=enrichment,
            ruling=ruling,
            counted=counted,
        )
    del piece_bytes_max, counted  # Its lines have none of those fields.
    assert guard is UNCOUNTED, "lines of the simulation bring no keys of their own"
    assert not own, "nobody has a parser of their own in the simulation"
    only = replace(NO_ENRICHMENT, has_templates=enrichment.has_templates)
    assert enrichment == only, "nothing but templates is added in the simulation"
    assert redaction is NO_REDACTION, "the agents redact in the simulation"
    events = _events(value, origin=origin)
    offsets = np.array([event.offset for event in events], np.int64)
    ids = document_ids(
        offsets,
        checksums=np.array([event.checksum for event in events], np.uint32),
        generation=origin.generation,
        born_at_ms=origin.born_at_ms,
    ).to_list()
    times: list[int | None] = []
    levels: list[str | None] = []
    lines: list[bytes] = []
    expired: list[bool] = []
    templates = [_template(event) for event in events]
    for number, (event, document_id) in enumerate(zip(events, ids, strict=True)):
        document, at_ns = _document(event, origin=origin)
        document["event.sequence"] = origin.first_event_number + number
        if enrichment.has_templates:
            document["tailrace.template.id"] = templates[number][0]
        times.append(at_ns)
        levels.append(document.get("log.level"))
        index = index_name(
            None if at_ns is None else at_ns // 1_000_000,
            namespace=namespace,
            placement=origin.placement,
            born_at_ms=origin.born_at_ms,
        )
        expired.append(bool(floors) and floors.is_expired(index, namespace=namespace))
        if expired[-1]:
            continue
        action = f'{{"create":{{"_index":"{index}","_id":"{document_id}"}}}}'
        lines += (action.encode(), with_digest(orjson.dumps(document)))
    piece = BulkPiece.without_events(origin)
    if events:
        piece = BulkPiece(
            body=b"\n".join([*lines, b""]),
            document_count=len(lines) // 2,
            event_count=len(events),
            first_event=0,
            first_offset=events[0].offset,
        )
    return ProcessedChunk(
        pieces=[piece],
        dead=[],
        event_count=len(events),
        offsets=offsets,
        expired_positions=np.flatnonzero(np.array(expired, np.bool_)),
        times_ns=pl.Series(times, dtype=pl.Int64),
        levels=pl.Series(levels, dtype=pl.String),
        fields=pl.DataFrame(),
        templates=ChunkTemplates(
            pl.Series([one for one, _ in templates], dtype=pl.String), dict(templates)
        )
        if enrichment.has_templates and events
        else None,
    )


def grouped_plainly(
    events: GroupColumns,
    is_new: pl.Series | None,
    *,
    observed_at_ms: int,
    window_ms: int,
    has_all: bool,
) -> Counter[Group]:
    """Return how many new events each group has; no line of a simulation has a status."""
    counts: Counter[Group] = Counter()
    nothing = [None] * len(events.times_ns)
    templates = nothing
    if has_all and events.template_ids is not None:
        templates = events.template_ids.to_list()
    columns = (
        [True] * len(nothing) if is_new is None else is_new.to_list(),
        events.times_ns.to_list(),
        events.levels.to_list(),
        templates,
    )
    for is_counted, at_ns, level, template in zip(*columns, strict=True):
        if is_counted:
            at_ms = observed_at_ms if at_ns is None else at_ns // 1_000_000
            name = level or ""
            known = name if not name or name in KNOWN_LEVELS else OTHER
            start_ms = at_ms // window_ms * window_ms
            counts[Group(start_ms, known, "", template or "")] += 1
    return counts


def sightings_plainly(
    templates: ChunkTemplates,
    *,
    times_ns: pl.Series,
    is_new: npt.NDArray[np.bool_],
    origin: Origin,
) -> list[Sighting]:
    """Return what a chunk has of each template, of lines whose times are all believed."""
    found: dict[str, Sighting] = {}
    columns = (templates.ids.to_list(), times_ns.to_list(), is_new.tolist())
    for name, at_ns, is_counted in zip(*columns, strict=True):
        at_ms = origin.observed_at_ms if at_ns is None else at_ns // 1_000_000
        one = found.get(name) or Sighting(
            name, shown(templates.texts[name]), 0, at_ms, at_ms
        )
        found[name] = replace(
            one,
            new_count=one.new_count + is_counted,
            first_ms=min(one.first_ms, at_ms),
            last_ms=max(one.last_ms, at_ms),
        )
    return list(found.values())


def _template(event: MappedEvent) -> tuple[str, str]:
    """Return id and masked text of a line's template, by masks of the simplest kind."""
    text = _VALUE.sub(MASK, _DATED.sub("", _line(event)))
    return template_id(text), text


def _events(value: bytes, *, origin: Origin) -> list[MappedEvent]:
    if origin.framing == "mapped":
        return list(decode_mapped(value))
    lines = value.split(b"\n")
    if not lines[-1]:
        lines.pop()
    events: list[MappedEvent] = []
    offset = origin.first_offset
    for line in lines:
        events.append(MappedEvent(offset, len(line), crc32c.crc32c(line), line))
        offset += len(line) + 1
    return events


def _document(
    event: MappedEvent, *, origin: Origin
) -> tuple[dict[str, Any], int | None]:
    line = _line(event)
    dated, levelled = _DATED.match(line), _LEVELLED.match(line)
    at_ns = _ns(dated.group(1)) if dated else None
    shown_ms = origin.observed_at_ms if at_ns is None else at_ns // 1_000_000
    document: dict[str, Any] = {
        "@timestamp": _iso(shown_ms),
        "tailrace.time_source": "observed" if at_ns is None else "guessed",
        "message": line,
        "log.offset": event.offset,
        "event.dataset": origin.placement.dataset,
        "event.created": _iso(origin.observed_at_ms),
        "host.name": origin.host_name,
        "agent.id": origin.agent_id,
        "log.file.path": origin.path,
        "tailrace.generation": origin.generation,
        "ecs.version": ECS_VERSION,
    }
    if levelled:
        document["log.level"] = levelled.group(1).lower()
        document["message"] = levelled.group(2) or ""
        document["event.original"] = line
    elif line.strip():
        document["event.kind"] = "pipeline_error"
        document["error.message"] = f"not a line of {origin.placement.dataset}"
    if not _is_utf8(event.stored):
        document["tailrace.original_base64"] = b64encode(event.stored).decode()
    if event.flags & (FLAG_CUT | FLAG_REDACTED):
        document["tailrace.original_size_bytes"] = event.original_size_bytes
    if event.flags & FLAG_CUT:
        document["tags"] = ["cut"]
    return document, at_ns


def _line(event: MappedEvent) -> str:
    return event.stored.decode("utf-8", "backslashreplace").removesuffix("\r")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _ns(moment: str) -> int | None:
    try:
        parsed = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(parsed.timestamp()) * 1_000_000_000


def _iso(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1_000, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1_000:03d}Z"

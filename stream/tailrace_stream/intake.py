"""Whose bytes a raw record holds: an agent's, another collector's, or nobody's.

A record with our header is an agent's chunk. One without is one event as Filebeat, Fluent
Bit, Vector, rsyslog or an OTel collector write it; its place is its place in Kafka.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

import crc32c
import msgspec

from tailrace.capped_records import UNPACKED_TOO_LARGE, refusal_of
from tailrace.detect import AUTO, GENERIC
from tailrace.errors import WireError
from tailrace.framing import MappedEvent, encode_mapped
from tailrace.identity import DAY_MS, GENERATION_BYTES, index_part_problem
from tailrace.wire import DeadLetter, Origin, Placement, decode, header_of
from tailrace_stream.foreign.reading import PREFIX
from tailrace_stream.records import RawRecord

FOREIGN_AGENT = "foreign"
ORIGINAL_BYTES_MAX = 8 * 1_024 * 1_024
"""In base64 it is a third more, and a record of dead letters takes 16 MiB."""


class Chunk(msgspec.Struct, frozen=True):
    """Bytes with a known origin."""

    origin: Origin
    value: bytes


def read_record(
    record: RawRecord, *, topic_id: str, died_at_ms: int
) -> Chunk | DeadLetter | None:
    """Return the chunk in a record, a dead letter, or None where there is nothing."""
    if record.value is None:
        return None
    refusal = refusal_of(record.headers)
    if refusal is not None:
        return dead_record(
            record, reason=UNPACKED_TOO_LARGE, detail=refusal, died_at_ms=died_at_ms
        )
    header = header_of(record.headers)
    if header is None:
        return _foreign(record, record.value, topic_id=topic_id)
    try:
        origin = decode(header, as_type=Origin)
        check_origin(origin)
    except WireError as error:
        return dead_record(
            record, reason="origin_unreadable", detail=str(error), died_at_ms=died_at_ms
        )
    return Chunk(origin, record.value)


def check_origin(origin: Origin) -> None:
    """Refuse an origin from which no id or index could be made.

    Raises:
        WireError: a value in it lies outside what it may be.
    """
    placement = origin.placement
    if not _is_generation(origin.generation):
        raise WireError(f"an Origin has the generation {origin.generation[:40]!r}")
    if not 0 <= origin.first_offset < 2**47 or not 0 <= origin.size_bytes < 2**47:
        raise WireError(f"an Origin begins at {origin.first_offset}")
    for number in (origin.first_event_number, origin.event_count):
        if not 0 <= number < 2**47:
            raise WireError(f"an Origin has the event number or count {number}")
    name = placement.dataset
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789_.")
    if not 0 < len(name) <= 100 or set(name) - allowed or name[0] in "_.":
        raise WireError(f"an Origin has the dataset {name[:100]!r}")
    if placement.index and index_part_problem(placement.index):
        raise WireError(f"an Origin has the index {placement.index[:100]!r}")
    # The years that an index name and a date of Elasticsearch can hold.
    for at_ms in (origin.born_at_ms, origin.observed_at_ms):
        if not 0 <= at_ms < 2**43:
            raise WireError(f"an Origin has the time {at_ms}")


def _is_generation(text: str) -> bool:
    return len(text) == 2 * GENERATION_BYTES and not set(text) - set("0123456789abcdef")


def dead_chunk(
    record: RawRecord, *, origin: Origin, reason: str, detail: str, died_at_ms: int
) -> DeadLetter:
    """Return the dead letter of all events of a chunk, whose place is known.

    It is named after that place, so a chunk that the agent sends again is stored once.
    """
    place = f"{origin.generation}/{origin.first_offset}"
    return msgspec.structs.replace(
        dead_record(record, reason=reason, detail=detail, died_at_ms=died_at_ms),
        dead_id=dead_id(place, original=record.value or b""),
        generation=origin.generation,
        first_offset=origin.first_offset,
        first_event_number=origin.first_event_number,
        event_count=origin.event_count,
        host_name=origin.host_name,
        path=origin.path,
        dataset=origin.placement.dataset,
    )


def dead_record(
    record: RawRecord, *, reason: str, detail: str, died_at_ms: int
) -> DeadLetter:
    """Return the dead letter of a record of which only the key may tell whose it is.

    Which events it held, and how many, nobody knows.
    """
    key = (record.key or b"").decode("utf-8", "replace")
    value = record.value or b""
    return DeadLetter(
        dead_id=dead_id(
            f"{record.topic}/{record.partition}/{record.offset}", original=value
        ),
        stage="stream",
        reason=reason,
        detail=detail[:2_000],
        original=value[:ORIGINAL_BYTES_MAX],
        truncated_size_bytes=len(value) if len(value) > ORIGINAL_BYTES_MAX else 0,
        died_at_ms=died_at_ms,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        generation=key if _is_generation(key) else "",
    )


def dead_id(place: str, *, original: bytes) -> str:
    """Return the name of a dead letter: the same for the same bytes in the same place."""
    digest = blake2b(f"stream\0{place}\0".encode(), digest_size=16)
    digest.update(original)
    return digest.hexdigest()


def _foreign(record: RawRecord, value: bytes, *, topic_id: str) -> Chunk:
    """Give one foreign record a generation: one for each partition and day of arrival.

    The broker's time never changes, so a second reading of the record gives the same
    generation, and so the same id in the same index. Offset and event number are both
    the record's offset in Kafka, so numbers are in order, with those of others between.
    """
    born_at_ms = max(record.appended_at_ms, 0) // DAY_MS * DAY_MS
    name = f"kafka\0{topic_id}\0{record.partition}\0{born_at_ms}"
    line = value.removesuffix(b"\n")
    event = MappedEvent(record.offset, len(line), crc32c.crc32c(line), line)
    time_rule: Literal["generation"] = "generation"
    origin = Origin(
        agent_id=FOREIGN_AGENT,
        host_id=FOREIGN_AGENT,
        host_name=FOREIGN_AGENT,
        path=f"kafka/{record.topic}/{record.partition}",
        generation=blake2b(name.encode(), digest_size=GENERATION_BYTES).hexdigest(),
        born_at_ms=born_at_ms,
        first_offset=record.offset,
        size_bytes=1,
        first_event_number=record.offset,
        event_count=1,
        source=FOREIGN_AGENT,
        placement=Placement(
            dataset=GENERIC,
            parser=f"{PREFIX}{AUTO}",
            time_rule=time_rule,
            time_zone="UTC",
            anchor_ms=born_at_ms,
            earliest_ms=born_at_ms,
            latest_ms=born_at_ms,
        ),
        time_zone="UTC",
        framing="mapped",
        observed_at_ms=max(record.appended_at_ms, 0),
    )
    return Chunk(origin, encode_mapped([event]))

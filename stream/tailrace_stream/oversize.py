"""What to do with a record that Kafka will not take: cut it, and lose nothing by that.

Bulk lines are halved between documents. A document that is too large alone goes to the
dead letters, and a dead letter that is too large keeps the beginning of its original. A
state or a window is bounded far below every limit; if it is refused all the same, the
topic is wrongly configured, and waiting for its repair is all that can be done.
"""

from __future__ import annotations

import msgspec

from tailrace.topics import DEAD, DOCS, RATES
from tailrace.wire import DeadLetter, DocumentsOrigin, decode, encode
from tailrace_stream.intake import dead_id
from tailrace_stream.records import Outgoing

ORIGINAL_BYTES_MIN = 1_024
"""A dead letter that is refused at this size is refused for another reason."""


def smaller(record: Outgoing, *, detail: str) -> list[Outgoing]:
    """Return records that say together what `record` says; none where nothing helps."""
    namespace, _, suffix = record.topic.rpartition(".")
    if suffix in {DOCS.suffix, RATES.suffix}:
        lines = record.value.split(b"\n")[:-1]
        pair_count = len(lines) // 2
        if pair_count > 1:
            return _halves(record, lines, middle=pair_count // 2)
        if suffix == DOCS.suffix:
            return [_dead_document(record, namespace=namespace, detail=detail)]
        return []
    if suffix == DEAD.suffix:
        return _shorter(record)
    return []


def _halves(record: Outgoing, lines: list[bytes], *, middle: int) -> list[Outgoing]:
    origin = decode(record.header, as_type=DocumentsOrigin)
    # The first half takes as many events as it has documents, the second all others.
    first = msgspec.structs.replace(
        origin,
        document_count=middle,
        event_count=min(middle, origin.event_count),
    )
    second = msgspec.structs.replace(
        origin,
        document_count=origin.document_count - middle,
        event_count=origin.event_count - first.event_count,
        first_event_number=origin.first_event_number + first.event_count,
    )
    cut = 2 * middle
    return [
        _with(record, value=b"\n".join(half) + b"\n", header=encode(half_origin))
        for half, half_origin in ((lines[:cut], first), (lines[cut:], second))
    ]


def _dead_document(record: Outgoing, *, namespace: str, detail: str) -> Outgoing:
    origin = decode(record.header, as_type=DocumentsOrigin)
    place = f"{origin.generation}/{origin.first_event_number}"
    # Named by the action line, which holds the document's own id: read again from its
    # file, the same line makes a document that tells of another moment of reading.
    action, _, _ = record.value.partition(b"\n")
    letter = DeadLetter(
        dead_id=dead_id(place, original=action),
        stage="stream",
        reason="document_refused",
        detail=detail[:2_000],
        original=record.value,
        died_at_ms=origin.observed_at_ms,
        topic=record.topic,
        partition=origin.raw_partition,
        offset=origin.raw_offset,
        generation=origin.generation,
        first_offset=origin.first_offset,
        host_name=origin.host_name,
        path=origin.path,
    )
    return Outgoing(
        topic=DEAD.name(namespace),
        partition=record.partition,
        key=record.key,
        value=encode(letter),
    )


def _shorter(record: Outgoing) -> list[Outgoing]:
    letter = decode(record.value, as_type=DeadLetter)
    if len(letter.original) <= ORIGINAL_BYTES_MIN:
        return []
    shorter = msgspec.structs.replace(
        letter,
        original=letter.original[: len(letter.original) // 2],
        truncated_size_bytes=letter.truncated_size_bytes or len(letter.original),
    )
    return [_with(record, value=encode(shorter), header=record.header)]


def _with(record: Outgoing, *, value: bytes, header: bytes) -> Outgoing:
    return Outgoing(
        topic=record.topic,
        partition=record.partition,
        key=record.key,
        value=value,
        header=header,
    )

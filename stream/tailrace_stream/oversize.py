"""What to do with a record that Kafka will not take: cut it, and lose nothing by that.

Bulk lines are halved between documents. A document that is too large alone goes to the
dead letters, and a record without documents says that its event is passed over. A dead
letter that is too large keeps the beginning of its original. A
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


class _Place(msgspec.Struct, frozen=True):
    """Which event a document is of, as its bulk line says."""

    number: int = msgspec.field(name="event.sequence")
    offset: int = msgspec.field(name="log.offset")
    dataset: str = msgspec.field(name="event.dataset")


_place = msgspec.json.Decoder(_Place)


def smaller(record: Outgoing, *, detail: str) -> list[Outgoing]:
    """Return records that say together what `record` says; none where nothing helps."""
    namespace, _, suffix = record.topic.rpartition(".")
    if suffix == DEAD.suffix:
        return _shorter(record)
    if suffix not in {DOCS.suffix, RATES.suffix} or not record.value:
        return []
    lines = record.value.split(b"\n")[:-1]
    pair_count = len(lines) // 2
    if suffix == RATES.suffix:
        return _half_rates(record, lines) if pair_count > 1 else []
    if pair_count > 1:
        return _half_documents(record, lines)
    return _dead_document(record, lines[1], namespace=namespace, detail=detail)


def _half_documents(record: Outgoing, lines: list[bytes]) -> list[Outgoing]:
    """Halve the documents; the second span begins with the second half's first event.

    Dead events before that one lie in the first span, so that every event lies in one.
    """
    origin = decode(record.header, as_type=DocumentsOrigin)
    middle = len(lines) // 4
    begin = _place.decode(lines[2 * middle + 1])
    first = msgspec.structs.replace(
        origin,
        next_offset=begin.offset,
        event_count=begin.number - origin.first_event_number,
        document_count=middle,
    )
    second = msgspec.structs.replace(
        origin,
        first_offset=begin.offset,
        first_event_number=begin.number,
        event_count=origin.event_count - first.event_count,
        document_count=origin.document_count - middle,
    )
    return _halves(record, lines, middle=middle, origins=(first, second))


def _half_rates(record: Outgoing, lines: list[bytes]) -> list[Outgoing]:
    """Halve the windows; each is of the whole span."""
    origin = decode(record.header, as_type=DocumentsOrigin)
    middle = len(lines) // 4
    first, second = (
        msgspec.structs.replace(origin, document_count=count)
        for count in (middle, origin.document_count - middle)
    )
    return _halves(record, lines, middle=middle, origins=(first, second))


def _halves(
    record: Outgoing,
    lines: list[bytes],
    *,
    middle: int,
    origins: tuple[DocumentsOrigin, DocumentsOrigin],
) -> list[Outgoing]:
    parts = lines[: 2 * middle], lines[2 * middle :]
    return [
        _with(record, value=b"\n".join(part) + b"\n", header=encode(origin))
        for part, origin in zip(parts, origins, strict=True)
    ]


def _dead_document(
    record: Outgoing, document: bytes, *, namespace: str, detail: str
) -> list[Outgoing]:
    """Return a dead letter for the document, and a record that holds its span alone."""
    origin = decode(record.header, as_type=DocumentsOrigin)
    place = _place.decode(document)
    # Named by the action line, which holds the document's own id: read again from its
    # file, the same line makes a document that tells of another moment of reading.
    action, _, _ = record.value.partition(b"\n")
    letter = DeadLetter(
        dead_id=dead_id(f"{origin.generation}/{place.number}", original=action),
        stage="stream",
        reason="document_refused",
        detail=detail[:2_000],
        original=record.value,
        died_at_ms=origin.observed_at_ms,
        topic=record.topic,
        partition=origin.raw_partition,
        offset=origin.raw_offset,
        generation=origin.generation,
        first_offset=place.offset,
        first_event_number=place.number,
        host_name=origin.host_name,
        path=origin.path,
        dataset=place.dataset,
    )
    dead = Outgoing(
        topic=DEAD.name(namespace),
        partition=record.partition,
        key=record.key,
        value=encode(letter),
    )
    span = msgspec.structs.replace(origin, document_count=0)
    return [dead, _with(record, value=b"", header=encode(span))]


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

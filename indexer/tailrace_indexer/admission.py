"""What a record of each topic asks to be done: bulk lines, a dead letter, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from tailrace import wire
from tailrace.kafka_consumer import Record
from tailrace.topics import DEAD
from tailrace_indexer.dead_letters import dead_lines, letter_of_record, read_letter
from tailrace_indexer.pieces import Kind, count_documents, is_bulk_body


@dataclass(frozen=True, slots=True)
class Admission:
    """What is to be done for one record."""

    body: bytes
    document_count: int
    kind: Kind = Kind.DOCUMENTS
    letter: wire.DeadLetter | None = None
    """Set where the record itself is at fault."""


class _CountOnly(msgspec.Struct):
    document_count: int = -1


_count_decoder = msgspec.json.Decoder(_CountOnly)

NOTHING = Admission(b"", 0)


def admit(record: Record, *, namespace: str, now_ms: int) -> Admission:
    """Return what a record asks for; a record without a value asks for nothing."""
    value = record.value
    if not value:
        return NOTHING
    if record.partition.topic == DEAD.name(namespace):
        letter = read_letter(record, now_ms=now_ms)
        lines = dead_lines(letter, namespace=namespace)
        return Admission(lines, 1, Kind.DEAD_LETTERS)
    if not is_bulk_body(value):
        letter = letter_of_record(record, reason="not_bulk_lines", now_ms=now_ms)
        return Admission(value, 1, letter=letter)
    return Admission(value, _document_count(record, value))


def _document_count(record: Record, value: bytes) -> int:
    """Return the header's count; counting the lines would cost more than all the rest."""
    header = wire.header_of(record.headers)
    if header is not None:
        try:
            counted = _count_decoder.decode(header).document_count
        except (msgspec.DecodeError, UnicodeDecodeError):
            counted = -1
        if counted > 0:
            return counted
    return count_documents(value)

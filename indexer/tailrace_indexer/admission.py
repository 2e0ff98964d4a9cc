"""What a record of each topic asks to be done: bulk lines, a dead letter, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tailrace import wire
from tailrace.capped_records import UNPACKED_TOO_LARGE, refusal_of
from tailrace.errors import WireError
from tailrace.kafka_consumer import Record
from tailrace.ledger import decode_ledger
from tailrace.template_aliases import TemplateAlias
from tailrace.template_records import TemplateRecord
from tailrace.topics import (
    DEAD,
    DOCS,
    LEDGER,
    TEMPLATE_ALIASES,
    TEMPLATES,
    Topic,
)
from tailrace_indexer.dead_letters import dead_lines, letter_of_record, read_letter
from tailrace_indexer.ledger_documents import ledger_lines
from tailrace_indexer.pieces import Kind, count_documents, is_bulk_body
from tailrace_indexer.spans import NOTHING_TOLD, Span, span_of
from tailrace_indexer.template_documents import alias_lines, template_lines


@dataclass(frozen=True, slots=True)
class Admission:
    """What is to be done for one record."""

    body: bytes
    document_count: int
    kind: Kind = Kind.DOCUMENTS
    letter: wire.DeadLetter | None = None
    """Set where the record itself is at fault."""
    span: Span = NOTHING_TOLD
    """Which events are done when the record is; only records of documents tell."""


NOTHING = Admission(b"", 0)


@dataclass(frozen=True, slots=True)
class _Told:
    """A topic of which each record is one document."""

    topic: Topic
    lines_of: Callable[[bytes, str], bytes]
    """Returns the bulk lines of a value in a namespace; raises `WireError`."""
    unreadable: str
    """Why a record is dead that cannot be read."""


def admit(record: Record, *, namespace: str, now_ms: int) -> Admission:
    """Return what a record asks for.

    A record without a value asks for nothing; in the topic of documents its header may
    say that these events have no document, and then they are done at once.
    """
    topic, value = record.partition.topic, record.value
    refusal = refusal_of(record.headers)
    if refusal is not None:
        return _refused(record, refusal, namespace=namespace, now_ms=now_ms)
    if topic == DOCS.name(namespace):
        return _admit_documents(record, now_ms=now_ms)
    if not value:
        return NOTHING
    if topic == DEAD.name(namespace):
        letter = read_letter(record, now_ms=now_ms)
        lines = dead_lines(letter, namespace=namespace)
        return Admission(lines, 1, Kind.DEAD_LETTERS)
    for told in _TOLD:
        if topic == told.topic.name(namespace):
            return _admit_told(record, value, told, namespace=namespace, now_ms=now_ms)
    span = span_of(wire.header_of(record.headers))
    return _admit_lines(record, value, span=span, now_ms=now_ms)


def _refused(record: Record, refusal: str, *, namespace: str, now_ms: int) -> Admission:
    """Return the dead letter of what was not unpacked; one of its topic is shown."""
    letter = letter_of_record(
        record, reason=UNPACKED_TOO_LARGE, detail=refusal, now_ms=now_ms
    )
    if record.partition.topic == DEAD.name(namespace):
        lines = dead_lines(letter, namespace=namespace)
        return Admission(lines, 1, Kind.DEAD_LETTERS)
    return Admission(record.value or b"", 1, letter=letter)


def _admit_documents(record: Record, *, now_ms: int) -> Admission:
    span = span_of(wire.header_of(record.headers))
    if record.value:
        asked = _admit_lines(record, record.value, span=span, now_ms=now_ms)
        return replace(asked, span=span)
    # Were documents counted and none is there, the events would be told of as stored.
    return replace(NOTHING, span=span) if span.document_count == 0 else NOTHING


def _admit_lines(record: Record, value: bytes, *, span: Span, now_ms: int) -> Admission:
    if not is_bulk_body(value):
        letter = letter_of_record(
            record, reason="not_bulk_lines", now_ms=now_ms, span=span
        )
        return Admission(value, 1, letter=letter)
    # Counting the lines would cost more than all the rest.
    counted = span.document_count
    return Admission(value, counted if counted > 0 else count_documents(value))


def _admit_told(
    record: Record, value: bytes, told: _Told, *, namespace: str, now_ms: int
) -> Admission:
    try:
        lines = told.lines_of(value, namespace)
    except WireError as error:
        letter = letter_of_record(
            record, reason=told.unreadable, detail=str(error), now_ms=now_ms
        )
        return Admission(value, 1, letter=letter)
    return Admission(lines, 1)


def _lines_of_ledger(value: bytes, namespace: str) -> bytes:
    return ledger_lines(decode_ledger(value), namespace=namespace)


def _lines_of_template(value: bytes, namespace: str) -> bytes:
    return template_lines(
        wire.decode(value, as_type=TemplateRecord), namespace=namespace
    )


def _lines_of_alias(value: bytes, namespace: str) -> bytes:
    return alias_lines(wire.decode(value, as_type=TemplateAlias), namespace=namespace)


_TOLD = (
    _Told(LEDGER, _lines_of_ledger, "ledger_unreadable"),
    _Told(TEMPLATES, _lines_of_template, "template_unreadable"),
    _Told(TEMPLATE_ALIASES, _lines_of_alias, "alias_unreadable"),
)

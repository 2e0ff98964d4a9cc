"""What becomes of a document at fault: a dead letter, and the document that shows it.

Pure. The indexer reads the topic of dead letters, too, and makes of each a document that
Elasticsearch can hardly refuse; if it does, a last form holds the escaped beginning only.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any, cast

import orjson

from tailrace import wire
from tailrace.answers import field
from tailrace.digest import DIGEST_FIELD, letter_digest
from tailrace.errors import WireError
from tailrace.kafka_consumer import Record
from tailrace.letter_ids import REFUSED_PREFIX
from tailrace.text import printable
from tailrace.topics import DOCS, MEBIBYTE
from tailrace_indexer.outcomes import Verdict
from tailrace_indexer.pieces import Piece, id_of, index_of
from tailrace_indexer.spans import NOTHING_TOLD, Span

ORIGINAL_BYTES_MAX = 8 * MEBIBYTE
"""As base64 in JSON it still fits into one record of the topic of dead letters."""
DETAIL_CHARACTERS_MAX = 2_000
SHOWN_CHARACTERS_MAX = 1_000
DEAD_ID_BYTES = 16


def letter_of(piece: Piece, verdict: Verdict, *, now_ms: int) -> wire.DeadLetter:
    """Return the dead letter of a document that is at fault.

    Its id is a hash of the action line, which holds the document's own id: the same line
    read again from its file gives the same letter, although its document then tells of
    another moment of reading.
    """
    document = _readable(piece.body)
    return wire.DeadLetter(
        dead_id=_dead_id("indexer", _named(piece)),
        stage="indexer",
        reason=verdict.reason.value,
        detail=verdict.detail[:DETAIL_CHARACTERS_MAX],
        original=piece.body[:ORIGINAL_BYTES_MAX],
        truncated_size_bytes=_truncated_size(piece.body),
        died_at_ms=now_ms,
        topic=piece.place.partition.topic,
        partition=piece.place.partition.number,
        offset=piece.place.offset,
        generation=_text(field(document, "tailrace.generation")),
        first_offset=_number(field(document, "log.offset")),
        first_event_number=_number(field(document, "event.sequence")),
        event_count=1 if is_of_documents(piece.place.partition.topic) else 0,
        host_name=_text(field(document, "host.name")),
        path=_text(field(document, "log.file.path")),
        dataset=_text(field(document, "event.dataset")),
    )


def letter_of_record(
    record: Record,
    *,
    reason: str,
    now_ms: int,
    detail: str = "",
    span: Span = NOTHING_TOLD,
) -> wire.DeadLetter:
    """Return the dead letter of a record that holds not what its topic is for.

    Where its header tells which events it was to hold, the letter speaks of all of them.
    """
    value = record.value or b""
    topic = record.partition.topic
    is_of_events = is_of_documents(topic)
    is_told = is_of_events and span.is_telling
    place = f"{record.partition.topic}\0{record.partition.number}\0{record.offset}"
    return wire.DeadLetter(
        dead_id=_dead_id(place, value),
        stage="indexer",
        reason=reason,
        detail=(detail or f"a record of {topic} cannot be read")[
            :DETAIL_CHARACTERS_MAX
        ],
        original=value[:ORIGINAL_BYTES_MAX],
        truncated_size_bytes=_truncated_size(value),
        died_at_ms=now_ms,
        topic=topic,
        partition=record.partition.number,
        offset=record.offset,
        generation=span.generation if is_told else "",
        first_offset=span.first_offset if is_told else -1,
        first_event_number=span.first_event_number if is_told else -1,
        event_count=span.event_count if is_told else int(is_of_events),
        host_name=span.host_name if is_told else "",
        path=span.path if is_told else "",
    )


def is_of_documents(topic: str) -> bool:
    """Return whether a topic is the one whose records hold events.

    A dead letter from any other stands for no event, and counts none.
    """
    return topic.rpartition(".")[2] == DOCS.suffix


def read_letter(record: Record, *, now_ms: int) -> wire.DeadLetter:
    """Return the dead letter of a record of that topic; one that cannot be read is one."""
    try:
        return wire.decode(record.value or b"", as_type=wire.DeadLetter)
    except WireError:
        return letter_of_record(record, reason="dead_letter_unreadable", now_ms=now_ms)


def dead_lines(letter: wire.DeadLetter, *, namespace: str) -> bytes:
    """Return the bulk lines of the document that shows a dead letter."""
    shown = letter.original[: 2 * SHOWN_CHARACTERS_MAX].decode(
        "utf-8", "backslashreplace"
    )
    document: dict[str, Any] = {
        "@timestamp": letter.died_at_ms,
        "message": printable(shown)[:SHOWN_CHARACTERS_MAX],
        "dead.id": letter.dead_id,
        "dead.stage": letter.stage,
        "dead.reason": letter.reason,
        "dead.detail": letter.detail[:DETAIL_CHARACTERS_MAX],
        "dead.original_base64": b64encode(letter.original).decode(),
        "dead.truncated_size_bytes": letter.truncated_size_bytes,
        "dead.event_count": letter.event_count,
        "kafka.topic": letter.topic,
        "kafka.partition": letter.partition,
        "kafka.offset": letter.offset,
        "event.dataset": letter.dataset,
        "host.name": letter.host_name,
        "log.file.path": letter.path,
        "log.offset": letter.first_offset,
        "tailrace.generation": letter.generation,
    }
    if letter.first_event_number >= 0:
        document["event.sequence"] = letter.first_event_number
    index = dead_index(letter.died_at_ms, namespace=namespace)
    return _lines(index, document_id=letter.dead_id, document=document)


def moved_lines(piece: Piece, *, namespace: str, now_ms: int) -> bytes:
    """Return the bulk lines of a letter whose day's index is gone, for the present day's."""
    _, _, body = piece.body.partition(b"\n")
    index = dead_index(now_ms, namespace=namespace)
    action = b'{"create":{"_index":"%b","_id":"%b"}}' % (
        index.encode(),
        id_of(piece).encode(),
    )
    return b"%b\n%b" % (action, body)


def last_resort_lines(piece: Piece, verdict: Verdict, *, now_ms: int) -> bytes:
    """Return what is stored for a dead letter that Elasticsearch refuses.

    Two short texts and nothing else, so that neither size nor mapping can be at fault.
    """
    shown = piece.body[: 2 * SHOWN_CHARACTERS_MAX].decode("utf-8", "backslashreplace")
    document = {
        "@timestamp": now_ms,
        "dead.id": id_of(piece),
        "dead.stage": "indexer",
        "dead.reason": "refused",
        "dead.detail": printable(verdict.detail)[:SHOWN_CHARACTERS_MAX],
        "message": printable(shown)[:SHOWN_CHARACTERS_MAX],
    }
    return _lines(
        index_of(piece),
        document_id=f"{REFUSED_PREFIX}{_dead_id('refused', piece.body)}",
        document=document,
    )


def dead_index(at_ms: int, *, namespace: str) -> str:
    """Return the index of dead letters of that day."""
    day = datetime.fromtimestamp(max(at_ms, 0) / 1_000, tz=UTC)
    return f"{namespace}-dead-{day:%Y.%m.%d}"


def _lines(index: str, *, document_id: str, document: dict[str, Any]) -> bytes:
    action = b'{"create":{"_index":"%b","_id":"%b"}}' % (
        index.encode(),
        document_id.encode(),
    )
    # Control characters and unpaired surrogates are written so that any JSON reads them.
    told = {**document, DIGEST_FIELD: letter_digest(document)}
    return b"%b\n%b\n" % (action, orjson.dumps(told))


def _dead_id(place: str, original: bytes) -> str:
    digest = hashlib.blake2b(place.encode() + b"\0", digest_size=DEAD_ID_BYTES)
    digest.update(original)
    return digest.hexdigest()


def _named(piece: Piece) -> bytes:
    """Return what names a document: its action line, or all of it where that has no id."""
    return piece.body.partition(b"\n")[0] if id_of(piece) else piece.body


def _truncated_size(original: bytes) -> int:
    return len(original) if len(original) > ORIGINAL_BYTES_MAX else 0


def _readable(body: bytes) -> dict[str, Any]:
    _, _, rest = body.partition(b"\n")
    try:
        decoded = orjson.loads(rest)
    except orjson.JSONDecodeError:
        return {}
    return cast("dict[str, Any]", decoded) if isinstance(decoded, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1

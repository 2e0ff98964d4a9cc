"""Dead letters as the indexer makes and indexes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import orjson

from tailrace.dead.letters import FailedDocument, Letter, read_document, read_letter
from tailrace.digest import with_digest
from tailrace.kafka_consumer import Partition
from tailrace.wire import DeadLetter
from tailrace_indexer.dead_letters import dead_lines, letter_of
from tailrace_indexer.outcomes import ItemError, judge_item
from tailrace_indexer.pieces import Piece, Place
from tests.indexer.builders import DOCS, INDEX, NAMESPACE, line_id

NO_FIELDS: Mapping[str, object] = MappingProxyType({})
DIED_AT_MS = 1_795_480_000_000
WANTS_LONG = (
    "[1:77] failed to parse field [{field}] of type [long] in document with id 'x'."
    " Preview of field's value: 'u-77'"
)


def bulk_lines(
    text: str, *, offset: int = 0, fields: Mapping[str, object] = NO_FIELDS
) -> bytes:
    """Return a document as the stream writes it, with its number and its digest."""
    action = {"create": {"_index": INDEX, "_id": line_id(text, offset)}}
    source = {
        "@timestamp": "2026-11-24T01:02:03.456789Z",
        "message": text,
        **fields,
        "event.sequence": offset // 10,
        "event.dataset": "app.log",
        "host.name": "web-1",
        "agent.id": "agent-1",
        "log.file.path": "/var/log/app.log",
        "log.offset": offset,
        "tailrace.generation": "00112233445566778899aabbccddeeff",
    }
    body = with_digest(json.dumps(source, separators=(",", ":")).encode())
    return json.dumps(action, separators=(",", ":")).encode() + b"\n" + body + b"\n"


def document(
    text: str = "user 7 came", *, fields: Mapping[str, object] = NO_FIELDS
) -> FailedDocument:
    found = read_document(bulk_lines(text, fields=fields))
    assert found is not None
    return found


def dead(
    original: bytes,
    *,
    detail: str = WANTS_LONG.format(field="user.id"),
    partition: Partition = DOCS,
    died_at_ms: int = DIED_AT_MS,
) -> DeadLetter:
    """Return the letter that the indexer makes of a document with a mapping conflict."""
    error = ItemError(type="document_parsing_exception", reason=detail)
    piece = Piece(Place(partition, 1, 3), original, 1)
    return letter_of(piece, judge_item(400, error), now_ms=died_at_ms)


def indexed(letter: DeadLetter) -> Letter:
    """Return a letter as it is read from its index."""
    _, source, _ = dead_lines(letter, namespace=NAMESPACE).split(b"\n")
    found = read_letter(source)
    assert found is not None
    return found


def letters(
    texts: Sequence[str], *, fields: Mapping[str, object] = NO_FIELDS
) -> list[Letter]:
    return [
        indexed(dead(bulk_lines(text, offset=10 * number, fields=fields)))
        for number, text in enumerate(texts)
    ]


def values(body: bytes) -> dict[str, object]:
    """Return what JSON says."""
    found: dict[str, object] = orjson.loads(body)
    return found

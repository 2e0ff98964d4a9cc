"""What is indexed: pieces of `_bulk` bodies, sliced as bytes, each with its place in Kafka.

A piece is whole lines, two a document: the action, then the document. A record of
`tailrace.docs` is one piece and is never parsed; only when some of its documents fail is it
cut into those documents, each a piece again, at the same place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import msgspec

from tailrace.kafka_consumer import Partition

ACTION_STARTS = (b'{"create":{', b'{"index":{')


class Kind(Enum):
    """What a piece holds, which decides what happens when Elasticsearch refuses it."""

    DOCUMENTS = "documents: a refused one becomes a dead letter"
    DEAD_LETTERS = "dead letters: a refused one is stored in a form that always fits"
    LAST_RESORT = "that form: refused, it is logged and counted"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece was read; `epoch` tells one ownership of a partition from the next."""

    partition: Partition
    epoch: int
    offset: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Bulk lines of one record, or of one of its documents."""

    place: Place
    body: bytes
    document_count: int
    kind: Kind = Kind.DOCUMENTS

    @property
    def size_bytes(self) -> int:
        """Return the length of the lines."""
        return len(self.body)


class _Action(msgspec.Struct, rename={"index": "_index", "id": "_id"}):
    index: str
    id: str = ""


class _ActionLine(msgspec.Struct):
    create: _Action | None = None
    index: _Action | None = None


_action_decoder = msgspec.json.Decoder(_ActionLine)
_object_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def is_bulk_body(body: bytes) -> bool:
    """Return whether the bytes look like our bulk lines, at the cost of a glance."""
    return body.startswith(ACTION_STARTS) and body.endswith(b"\n")


def count_documents(body: bytes) -> int:
    """Return how many documents the lines are cut into, where no header tells."""
    return (body.count(b"\n") + 1) // 2


def documents(piece: Piece) -> list[Piece]:
    """Cut a piece into one piece a document."""
    if piece.document_count == 1:
        return [piece]
    return [
        Piece(piece.place, body, 1, piece.kind) for body in document_lines(piece.body)
    ]


def document_lines(body: bytes) -> Iterator[bytes]:
    """Yield each document's two lines."""
    lines = body.split(b"\n")
    for number in range(0, len(lines) - 1, 2):
        yield b"%b\n%b\n" % (lines[number], lines[number + 1])


def halves(piece: Piece) -> list[Piece]:
    """Divide a piece of several documents in two."""
    bodies = list(document_lines(piece.body))
    middle = len(bodies) // 2
    return [
        Piece(piece.place, b"".join(half), len(half), piece.kind)
        for half in (bodies[:middle], bodies[middle:])
    ]


def parts(piece: Piece, *, bytes_max: int) -> list[Piece]:
    """Cut a piece into whole documents together, `bytes_max` a part; in order, none empty.

    A document that is larger is a part alone. A piece whose header counted wrong stays
    whole, because it is recounted whole.
    """
    body = piece.body
    if len(body) <= bytes_max or body.count(b"\n") != 2 * piece.document_count:
        return [piece]
    cut: list[Piece] = []
    start = 0
    while start < len(body):
        end = _end_of_documents(body, start=start, bytes_max=bytes_max)
        count = body.count(b"\n", start, end) // 2
        cut.append(Piece(piece.place, body[start:end], count, piece.kind))
        start = end
    return cut


def index_of(piece: Piece) -> str:
    """Return the index of the first document, "" where its action cannot be read."""
    action = _action(piece.body)
    return action.index if action else ""


def is_of_one_index(piece: Piece) -> bool:
    """Return whether every document goes where the first one goes.

    A document whose own fields hold such words may make it False for nothing.
    """
    marker = marker_of(index_of(piece))
    return piece.body.count(marker) == piece.document_count


def id_of(piece: Piece) -> str:
    """Return the `_id` of a single document, "" where its action cannot be read."""
    action = _action(piece.body)
    return action.id if action else ""


def is_bulk_document(piece: Piece) -> bool:
    """Return whether a single document is two lines that Elasticsearch can read.

    Where it is, an answer of 400 to the whole request is not the document's fault.
    """
    if _action(piece.body) is None:
        return False
    lines = piece.body.split(b"\n")
    if len(lines) != 3 or lines[2]:
        return False
    try:
        _object_decoder.decode(lines[1])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def mentions(piece: Piece, *, markers: Sequence[bytes]) -> bool:
    """Return whether any of the indices behind `markers` may be in the piece."""
    return any(marker in piece.body for marker in markers)


def marker_of(index: str) -> bytes:
    """Return the bytes by which an index stands in an action line of ours."""
    return b'"_index":"%b"' % index.encode()


def _end_of_documents(body: bytes, *, start: int, bytes_max: int) -> int:
    """Return where the last document ends that fits, or the first where none does."""
    limit = start + bytes_max
    if limit >= len(body):
        return len(body)
    end = body.rfind(b"\n", start, limit) + 1
    if body.count(b"\n", start, end) % 2:
        end = body.rfind(b"\n", start, end - 1) + 1  # Not between action and document.
    if end > start:
        return end
    return body.find(b"\n", body.find(b"\n", start) + 1) + 1


def _action(body: bytes) -> _Action | None:
    # Not `partition`, which would copy the megabytes behind it, too.
    end = body.find(b"\n")
    try:
        decoded = _action_decoder.decode(body[:end] if end >= 0 else body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return decoded.create or decoded.index

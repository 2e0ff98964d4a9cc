"""One request: several pieces as one `_bulk` body, and its answer document by document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from tailrace_indexer.outcomes import (
    STORED,
    ItemError,
    Outcome,
    Verdict,
    judge_item,
)
from tailrace_indexer.pieces import Piece, documents, is_of_one_index

ALL_STORED = b'{"errors":false'
"""How an answer begins in which nothing needs to be read."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """What is sent in one request."""

    number: int
    pieces: Sequence[Piece]

    @property
    def document_count(self) -> int:
        """Return how many documents it holds."""
        return sum(piece.document_count for piece in self.pieces)

    @property
    def size_bytes(self) -> int:
        """Return the length of its body."""
        return sum(piece.size_bytes for piece in self.pieces)

    def body(self) -> bytes:
        """Return the lines of all pieces."""
        if len(self.pieces) == 1:
            return self.pieces[0].body
        return b"".join([piece.body for piece in self.pieces])


@dataclass(frozen=True, slots=True)
class JudgedPiece:
    """Documents that share a verdict: a whole piece, or one document of it."""

    piece: Piece
    verdict: Verdict


class AnswerUnreadable(Exception):
    """The answer does not say of each document what became of it."""


class _Item(msgspec.Struct):
    status: int
    error: ItemError | None = None


class _BulkAnswer(msgspec.Struct):
    items: list[dict[str, _Item]]


_answer_decoder = msgspec.json.Decoder(_BulkAnswer)


def judge_answer(bulk: Bulk, answer: bytes) -> list[JudgedPiece]:
    """Return what an answer of status 200 means, for each piece or document.

    Raises:
        AnswerUnreadable: it is not an answer to a bulk, or has another number of items
            than the bulk has documents.
    """
    if answer.startswith(ALL_STORED):
        return [JudgedPiece(piece, STORED) for piece in bulk.pieces]
    try:
        items = _answer_decoder.decode(answer).items
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AnswerUnreadable(str(error)) from error
    if len(items) != bulk.document_count:
        raise AnswerUnreadable(
            f"{len(items)} items for {bulk.document_count} documents"
        )
    verdicts = [_verdict(item) for item in items]
    judged: list[JudgedPiece] = []
    position = 0
    for piece in bulk.pieces:
        end = position + piece.document_count
        judged.extend(_judge_piece(piece, verdicts[position:end]))
        position = end
    return judged


def _judge_piece(piece: Piece, verdicts: list[Verdict]) -> Iterator[JudgedPiece]:
    """Keep a piece whole where each of its documents met the same fate."""
    first = verdicts[0]
    is_one_fate = all(verdict.reason is first.reason for verdict in verdicts)
    is_whole = first.outcome is Outcome.STORED or (
        first.outcome is not Outcome.DEAD_LETTER and is_of_one_index(piece)
    )
    if is_one_fate and is_whole:
        yield JudgedPiece(piece, first)
        return
    for document, verdict in zip(documents(piece), verdicts, strict=True):
        yield JudgedPiece(document, verdict)


def _verdict(item: dict[str, _Item]) -> Verdict:
    result = next(iter(item.values()), None)
    if result is None:
        raise AnswerUnreadable("an item without a result")
    return judge_item(result.status, result.error)

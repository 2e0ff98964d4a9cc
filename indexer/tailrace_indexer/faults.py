"""What becomes of documents at fault: found by halving a bulk, and buried one by one."""

from __future__ import annotations

from tailrace.clock import Clock
from tailrace.topics import KIBIBYTE
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.bulk import Bulk
from tailrace_indexer.burial import Burial
from tailrace_indexer.dead_letters import last_resort_lines, letter_of, moved_lines
from tailrace_indexer.flow import Figures
from tailrace_indexer.offsets import Offsets
from tailrace_indexer.outcomes import Outcome, Reason, Verdict
from tailrace_indexer.pieces import (
    Kind,
    Piece,
    count_documents,
    documents,
    halves,
    index_of,
    is_bulk_document,
)
from tailrace_indexer.sending import Sending

SMALL_BYTES = 64 * KIBIBYTE
"""A server that finds so little too large is set up wrong: the document is not at fault."""


class Faults:
    """Separates what is at fault from what only stood beside it."""

    def __init__(
        self,
        *,
        sending: Sending,
        burial: Burial,
        offsets: Offsets,
        figures: Figures,
        clock: Clock,
        alarms: Alarms,
    ) -> None:
        self._sending = sending
        self._burial = burial
        self._offsets = offsets
        self._figures = figures
        self._clock = clock
        self._alarms = alarms

    def divide(self, bulk: Bulk, verdict: Verdict, *, probed: str | None) -> None:
        """Send the halves of a bulk apart, until what is at fault stands alone."""
        if probed is not None:
            self._sending.release(probed)
        pieces, ready = list(bulk.pieces), self._sending.ready
        if len(pieces) > 1:
            middle = len(pieces) // 2
            ready.add_apart(pieces[:middle])
            ready.add_apart(pieces[middle:])
            return
        piece = self._recounted(pieces[0])
        if piece.document_count > 1:
            for half in halves(piece):
                ready.add_apart([half])
        elif not is_bulk_document(piece) or (
            verdict.reason is Reason.TOO_LARGE and piece.size_bytes > SMALL_BYTES
        ):
            invalid = Verdict(Outcome.DEAD_LETTER, Reason.DOCUMENT_INVALID)
            is_suspect = verdict.outcome is Outcome.DEAD_LETTER
            self.condemn(piece, verdict if is_suspect else invalid)
        else:
            # A sound document, refused although it stood alone: not its fault.
            held = Verdict(Outcome.HOLD, Reason.UNEXPECTED, verdict.detail)
            self._sending.push_back(Bulk(bulk.number, [piece]), held, probed=None)

    def condemn_each(self, piece: Piece, verdict: Verdict) -> None:
        """Condemn every document of a piece that waited whole, one by one."""
        for document in documents(self._recounted(piece)):
            self.condemn(document, verdict)

    def _recounted(self, piece: Piece) -> Piece:
        counted = count_documents(piece.body)
        if counted == piece.document_count:
            return piece
        # The header counted wrong; it is of a whole record, of which none is done.
        self._offsets.recount(piece.place, document_count=counted)
        return Piece(piece.place, piece.body, counted, piece.kind)

    def condemn(self, piece: Piece, verdict: Verdict) -> None:
        """Give a document at fault its dead letter, and a refused letter its last form."""
        now_ms = self._clock.now_ms()
        if piece.kind is Kind.DOCUMENTS:
            self._burial.add(piece, letter_of(piece, verdict, now_ms=now_ms))
        elif piece.kind is Kind.DEAD_LETTERS:
            if verdict.reason is Reason.INDEX_EXPIRED:
                namespace = index_of(piece).partition("-")[0]
                lines = moved_lines(piece, namespace=namespace, now_ms=now_ms)
            else:
                lines = last_resort_lines(piece, verdict, now_ms=now_ms)
            self._sending.ready.add(Piece(piece.place, lines, 1, Kind.LAST_RESORT))
        else:
            self._figures.refused += 1
            shown = piece.body[:500].decode("utf-8", "backslashreplace")
            self._alarms.happened(
                "a dead letter", reason=verdict.reason.value, detail=shown
            )
            self._offsets.close(piece.place, document_count=piece.document_count)

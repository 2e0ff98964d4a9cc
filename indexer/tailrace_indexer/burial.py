"""Documents at fault on their way to the dead letters, and none closed before Kafka has it."""

from __future__ import annotations

from tailrace import wire
from tailrace.clock import Clock
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.contracts import DeadLetterSink
from tailrace_indexer.outcomes import Reason
from tailrace_indexer.pieces import Piece

SUBJECT = "dead letters"
RETRY_MS = 1_000
LETTERS_MAX = 200
"""In one writing, so that the loop is never away from Kafka's group for long."""


class Burial:
    """The dead letters that Kafka has not acknowledged yet."""

    def __init__(self, sink: DeadLetterSink, *, clock: Clock, alarms: Alarms) -> None:
        self._sink = sink
        self._clock = clock
        self._alarms = alarms
        self._dying: list[tuple[Piece, wire.DeadLetter]] = []
        self._not_before_ms = 0
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._dying)

    def add(self, piece: Piece, letter: wire.DeadLetter) -> None:
        """Let a document's dead letter be sent."""
        self._dying.append((piece, letter))
        self.size_bytes += piece.size_bytes

    def write(self) -> list[Piece]:
        """Send some letters, and return the documents whose letters Kafka has."""
        now_ms = self._clock.monotonic_ms()
        if not self._dying or now_ms < self._not_before_ms:
            return []
        some = self._dying[:LETTERS_MAX]
        if not self._sink.write([letter for _, letter in some]):
            self._not_before_ms = now_ms + RETRY_MS
            self._alarms.sound(
                SUBJECT,
                reason=Reason.UNREACHABLE.value,
                detail="Kafka does not take dead letters; they wait, and so do commits",
                now_ms=self._clock.now_ms(),
            )
            return []
        self._alarms.clear(SUBJECT, now_ms=self._clock.now_ms())
        del self._dying[: len(some)]
        buried = [piece for piece, _ in some]
        self.size_bytes -= sum(piece.size_bytes for piece in buried)
        return buried

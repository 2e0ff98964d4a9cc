"""How documents get from Kafka into Elasticsearch: the one class of the commit protocol.

The real indexer and the simulation run this same class: Kafka, Elasticsearch, the dead
letters, the time and chance come in as arguments, and nothing here knows how they work.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tailrace.clock import Clock
from tailrace.kafka_consumer import Partition, Polled
from tailrace.kill_points import reach
from tailrace_indexer.admission import Admission, admit
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.bulk import AnswerUnreadable, Bulk, JudgedPiece, judge_answer
from tailrace_indexer.burial import Burial
from tailrace_indexer.contracts import (
    BulkLost,
    DeadLetterSink,
    Finished,
    IndexAnswered,
    Sink,
    Source,
)
from tailrace_indexer.dead_letters import last_resort_lines, letter_of
from tailrace_indexer.flow import DeliveryPolicy, Figures, tell_gap, wanted_pauses
from tailrace_indexer.holds import Holds
from tailrace_indexer.offsets import Offsets
from tailrace_indexer.outcomes import Outcome, Reason, Verdict
from tailrace_indexer.pace import Pace
from tailrace_indexer.pieces import (
    Kind,
    Piece,
    count_documents,
    documents,
    halves,
    index_of,
    is_bulk_document,
    is_of_one_index,
    mentions,
)
from tailrace_indexer.ready import Ready

ELASTICSEARCH = "Elasticsearch"
ANSWER_WAIT_MS_MAX = 100
"""With all under way that may be, an answer is waited for; Kafka is asked in between."""
RECORD_WAIT_MS_MAX = 50
"""With a bulk under way, records are waited for no longer: its answer may be there."""


class Delivery:
    """Moves documents from a source to a sink, and commits what is done.

    Exactly once in effect, whatever crashes between the steps:

    1. Every document of a record is stored (a 409 says that it already was), or its dead
       letter is acknowledged by Kafka.
    2. The record's offset is committed: the highest below which step 1 is done.

    A crash before 2 reads the records again, and the documents' ids make that a no-op. A
    partition that was lost in between is the next owner's: what finishes here for it is
    ignored, and a commit for it is refused by Kafka and harmless.
    """

    def __init__(
        self,
        *,
        source: Source,
        sink: Sink,
        dead_letters: DeadLetterSink,
        clock: Clock,
        chance: random.Random,
        namespace: str,
        policy: DeliveryPolicy,
        alarms: Alarms,
        at_point: Callable[[str], None] = reach,
    ) -> None:
        self._source = source
        self._sink = sink
        self._clock = clock
        self._namespace = namespace
        self._policy = policy
        self._alarms = alarms
        self._reach = at_point
        self._pace = Pace(policy.pace, chance=chance)
        self._ready = Ready()
        self._burial = Burial(dead_letters, clock=clock, alarms=alarms)
        self._in_flight: dict[int, str | None] = {}
        """Each bulk on its way by number; for a probe, the index that it feels out."""
        self._last_number = 0
        self._committed_at_ms = clock.monotonic_ms()
        self._paused: frozenset[Partition] = frozenset()
        self.holds = Holds(chance=chance)
        self.offsets = Offsets()
        self.figures = Figures()

    @property
    def is_idle(self) -> bool:
        """Whether nothing that was read is still to be done, held documents apart."""
        return not (self._ready or self._in_flight or self._burial)

    def step(self, *, wait_ms_max: int) -> None:
        """Do what can be done now, and wait for records at most `wait_ms_max`.

        Raises:
            ServiceUnavailable: the source does not answer; stepping again is safe.
        """
        # What costs most is to ask Kafka for nothing, so only one of both is waited for.
        is_full = self._ready.size_bytes >= self._pace.bulk_bytes
        is_waiting = bool(self._in_flight) and is_full
        self._finish(wait_ms_max=min(wait_ms_max, ANSWER_WAIT_MS_MAX) * is_waiting)
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._committed_at_ms >= self._policy.commit_ms:
            self._committed_at_ms = now_ms
            self.commit()
        self._send()
        self._regulate()
        if is_waiting:
            wait_ms_max = 0
        elif self._in_flight:
            wait_ms_max = min(wait_ms_max, RECORD_WAIT_MS_MAX)
        self._admit(self._source.poll(wait_ms_max=wait_ms_max))

    def drain(self) -> None:
        """Do as `step`, but read nothing more: for a role that is stopping."""
        self._finish(wait_ms_max=ANSWER_WAIT_MS_MAX if self._in_flight else 0)
        self._send()

    # Step 1: every document is stored, or its dead letter acknowledged.

    def _finish(self, *, wait_ms_max: int) -> None:
        for finished in self._sink.finished(wait_ms_max=wait_ms_max):
            self._take(finished)
        buried = self._burial.write()
        if buried:
            self._reach("I5")
        for piece in buried:
            self._close(piece)
        self.figures.dead += len(buried)

    def _take(self, finished: Finished) -> None:
        if isinstance(finished, IndexAnswered):
            if finished.verdict.outcome is Outcome.STORED:
                self._release(finished.index)
            else:
                self._hold_longer(finished.index, finished.verdict)
            return
        self._reach("I2")
        bulk = finished.bulk
        probed = self._in_flight.pop(bulk.number)
        if isinstance(finished, BulkLost):
            self._push_back(bulk, finished.verdict, probed=probed)
            return
        if finished.refusal is not None:
            if finished.refusal.outcome is Outcome.DEAD_LETTER:
                self._divide(bulk, finished.refusal, probed=probed)
            else:
                self._push_back(bulk, finished.refusal, probed=probed)
            return
        try:
            judged = judge_answer(bulk, finished.body)
        except AnswerUnreadable as error:
            unreadable = Verdict(Outcome.HOLD, Reason.UNEXPECTED, str(error))
            self._divide(bulk, unreadable, probed=probed)
            return
        self._alarms.clear(ELASTICSEARCH, now_ms=self._clock.now_ms())
        self.figures.bulks += 1
        self._settle(judged, took_ms=finished.took_ms, probed=probed)

    def _settle(
        self, judged: Sequence[JudgedPiece], *, took_ms: int, probed: str | None
    ) -> None:
        """Act on what became of each document of a bulk."""
        outcomes = {each.verdict.outcome for each in judged}
        if any(each.verdict.reason is Reason.BUSY for each in judged):
            self._pace.refused(now_ms=self._clock.monotonic_ms())
        else:
            self._pace.taken(took_ms=took_ms)
        if outcomes != {Outcome.STORED}:
            self._reach("I3")
        for each in judged:
            self._settle_piece(each.piece, each.verdict)
        if probed is None:
            return
        if outcomes & {Outcome.STORED, Outcome.DEAD_LETTER}:
            self._release(probed)
        else:
            self._hold_longer(probed, judged[-1].verdict)

    def _settle_piece(self, piece: Piece, verdict: Verdict) -> None:
        if verdict.outcome is Outcome.STORED:
            self._close(piece)
            if verdict.reason is Reason.ALREADY_THERE:
                self.figures.already_there += piece.document_count
            else:
                self.figures.stored += piece.document_count
            return
        if verdict.outcome is Outcome.DEAD_LETTER:
            self._condemn(piece, verdict)
            return
        self.figures.retried += piece.document_count
        if verdict.reason is Reason.BUSY:
            self._ready.add(piece)
        else:
            self._hold(index_of(piece), piece, verdict)

    def _condemn(self, piece: Piece, verdict: Verdict) -> None:
        """Give a document at fault its dead letter, and a refused letter its last form."""
        now_ms = self._clock.now_ms()
        if piece.kind is Kind.DOCUMENTS:
            self._burial.add(piece, letter_of(piece, verdict, now_ms=now_ms))
        elif piece.kind is Kind.DEAD_LETTERS:
            lines = last_resort_lines(piece, verdict, now_ms=now_ms)
            self._ready.add(Piece(piece.place, lines, 1, Kind.LAST_RESORT))
        else:
            self.figures.refused += 1
            shown = piece.body[:500].decode("utf-8", "backslashreplace")
            self._alarms.happened(
                "a dead letter", reason=verdict.reason.value, detail=shown
            )
            self._close(piece)

    def _close(self, piece: Piece) -> None:
        self.offsets.close(piece.place, document_count=piece.document_count)

    # Step 2: the commit.

    def commit(self) -> None:
        """Commit whatever step 1 is done for.

        Raises:
            ServiceUnavailable: the source does not answer; trying again is safe.
        """
        next_offsets = self.offsets.committable()
        if not next_offsets:
            return
        self._reach("I4")
        if self._source.commit(next_offsets):
            self.offsets.committed(next_offsets)

    # What was not taken: a whole request, or all that goes to one index.

    def _push_back(self, bulk: Bulk, verdict: Verdict, *, probed: str | None) -> None:
        """Keep a bulk that was not taken for another try, after a wait."""
        self._pace.refused(now_ms=self._clock.monotonic_ms())
        self.figures.retried += bulk.document_count
        self._alarms.sound(
            ELASTICSEARCH,
            reason=verdict.reason.value,
            detail=verdict.detail,
            now_ms=self._clock.now_ms(),
        )
        if probed is not None and probed in self.holds:
            for piece in bulk.pieces:
                self.holds.add(probed, piece)
            self._hold_longer(probed, verdict)
        else:
            self._ready.put_back(bulk.pieces)

    def _divide(self, bulk: Bulk, verdict: Verdict, *, probed: str | None) -> None:
        """Send the halves of a bulk apart, until what is at fault stands alone."""
        if probed is not None:
            self._release(probed)
        pieces = list(bulk.pieces)
        if len(pieces) > 1:
            middle = len(pieces) // 2
            self._ready.add_apart(pieces[:middle])
            self._ready.add_apart(pieces[middle:])
            return
        piece = pieces[0]
        counted = count_documents(piece.body)
        if counted != piece.document_count:
            # The header counted wrong; it is of a whole record, of which none is done.
            self.offsets.recount(piece.place, document_count=counted)
            piece = Piece(piece.place, piece.body, counted, piece.kind)
        if piece.document_count > 1:
            for half in halves(piece):
                self._ready.add_apart([half])
        elif verdict.reason is Reason.TOO_LARGE or not is_bulk_document(piece):
            invalid = Verdict(Outcome.DEAD_LETTER, Reason.DOCUMENT_INVALID)
            is_suspect = verdict.outcome is Outcome.DEAD_LETTER
            self._condemn(piece, verdict if is_suspect else invalid)
        else:
            # A sound document, refused although it stood alone: not its fault.
            held = Verdict(Outcome.HOLD, Reason.UNEXPECTED, verdict.detail)
            self._push_back(Bulk(bulk.number, [piece]), held, probed=None)

    def _hold(self, index: str, piece: Piece, verdict: Verdict) -> None:
        self.holds.hold(index, verdict, now_ms=self._clock.monotonic_ms())
        self.holds.add(index, piece)
        self._sound_hold(index, verdict)

    def _hold_longer(self, index: str, verdict: Verdict) -> None:
        self.holds.refused_again(index, verdict, now_ms=self._clock.monotonic_ms())
        self._sound_hold(index, verdict)

    def _sound_hold(self, index: str, verdict: Verdict) -> None:
        # A first line of a new day is no alarm: its index is being made.
        if verdict.reason is not Reason.MISSING_INDEX and index in self.holds:
            self._alarms.sound(
                f"index {index}",
                reason=verdict.reason.value,
                detail=verdict.detail,
                now_ms=self._clock.now_ms(),
            )

    def _release(self, index: str) -> None:
        self._ready.put_back(self.holds.release(index))
        self._alarms.clear(f"index {index}", now_ms=self._clock.now_ms())

    # What is sent, and what is read.

    def _send(self) -> None:
        now_ms = self._clock.monotonic_ms()
        for hold in self.holds.due(now_ms=now_ms):
            hold.is_asked = True
            if hold.needs_index:
                self._sink.submit_index(hold.index)
            elif hold.pieces:
                self._submit(self.holds.take_probe(hold), probed=hold.index)
            else:
                self._release(hold.index)
        while self._ready and self._pace.may_send(
            now_ms=now_ms, in_flight=len(self._in_flight)
        ):
            is_full = self._ready.size_bytes >= self._pace.bulk_bytes
            if self._in_flight and not is_full and not self._ready.has_apart:
                return  # More comes while that one is on its way.
            pieces = self._ready.take(
                bytes_max=self._pace.bulk_bytes, is_current=self._is_current
            )
            if pieces:
                self._submit(pieces, probed=None)

    def _submit(self, pieces: Sequence[Piece], *, probed: str | None) -> None:
        self._last_number += 1
        self._in_flight[self._last_number] = probed
        self._reach("I1")
        self._sink.submit(Bulk(self._last_number, pieces))

    def _is_current(self, piece: Piece) -> bool:
        return self.offsets.is_current(piece.place)

    def _regulate(self) -> None:
        """Pause what would only fill memory; polling goes on and keeps the membership."""
        wanted = wanted_pauses(
            self._policy,
            ours=self.offsets.partitions,
            paused=self._paused,
            waiting_bytes=self._ready.size_bytes + self._burial.size_bytes,
            holds=self.holds,
        )
        if wanted != self._paused:
            self._source.resume(tuple(self._paused - wanted))
            self._source.pause(tuple(wanted - self._paused))
            self._paused = wanted

    def _admit(self, polled: Polled) -> None:
        if polled.lost or polled.gained:
            self.offsets.lose(polled.lost)
            self.offsets.gain(polled.gained)
            self.holds.forget(polled.lost)
            # A partition that comes back is not paused any more.
            self._paused = self._paused - polled.lost - polled.gained
        for gap in polled.gaps:
            self.figures.missed_records += tell_gap(gap, alarms=self._alarms)
        now_ms = self._clock.now_ms()
        for record in polled.records:
            asked = admit(record, namespace=self._namespace, now_ms=now_ms)
            place = self.offsets.open(
                record.partition,
                offset=record.offset,
                document_count=asked.document_count,
            )
            if place is not None and asked.document_count:
                piece = Piece(place, asked.body, asked.document_count, asked.kind)
                self._begin(piece, asked)

    def _begin(self, piece: Piece, asked: Admission) -> None:
        if asked.letter is not None:
            self._burial.add(piece, asked.letter)
            return
        markers = self.holds.markers
        if not markers or not mentions(piece, markers=markers):
            self._ready.add(piece)
            return
        whole = [piece] if is_of_one_index(piece) else documents(piece)
        for document in whole:
            index = index_of(document)
            if index in self.holds:
                self.holds.add(index, document)
            else:
                self._ready.add(document)

"""How documents get from Kafka into Elasticsearch: the one class of the commit protocol.

The real indexer and the simulation run this same class: Kafka, Elasticsearch, the dead
letters, the ledger, the time and chance come in as arguments, and nothing here knows how
they work.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tailrace.clock import Clock
from tailrace.kafka_consumer import Partition, Polled
from tailrace.kill_points import reach
from tailrace_indexer.admission import admit
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.bulk import AnswerUnreadable, Bulk, JudgedPiece, judge_answer
from tailrace_indexer.burial import Burial
from tailrace_indexer.contracts import (
    BulkLost,
    DeadLetterSink,
    Finished,
    IndexAnswered,
    LedgerSink,
    Sink,
    Source,
)
from tailrace_indexer.faults import Faults
from tailrace_indexer.flow import DeliveryPolicy, Figures, tell_gap, wanted_pauses
from tailrace_indexer.holds import Holds
from tailrace_indexer.offsets import Offsets
from tailrace_indexer.outcomes import Outcome, Reason, Verdict
from tailrace_indexer.pieces import Piece
from tailrace_indexer.sending import ELASTICSEARCH, Sending
from tailrace_indexer.telling import Telling

ANSWER_WAIT_MS_MAX = 200
"""With all under way that may be, an answer is waited for."""
FULL_POLL_MS = 1_000
"""While there is no room for more, Kafka is asked this rarely, for the membership alone."""
RECORD_WAIT_MS_MAX = 50
"""With a bulk under way, records are waited for no longer: its answer may be there."""


class Delivery:
    """Moves documents from a source to a sink, and commits what is done.

    Exactly once in effect, whatever crashes between the steps:

    1. Every document of a record is stored (a 409 says that it already was), or its dead
       letter is acknowledged by Kafka.
    2. The ledger says so: for each generation whose records the commit would pass, one
       record with the highest event number reached is acknowledged by Kafka. Until then
       the commit of its partition waits; other partitions, and documents, go on.
    3. The record's offset is committed: the highest below which steps 1 and 2 are done.

    A crash before 3 reads the records again: the documents' ids make that a no-op, and so
    does the ledger's revision, which is the event number. A partition that was lost in
    between is the next owner's: what finishes here for it is ignored, and a commit for it
    is refused by Kafka and harmless.
    """

    def __init__(
        self,
        *,
        source: Source,
        sink: Sink,
        dead_letters: DeadLetterSink,
        ledger: LedgerSink,
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
        self.offsets = Offsets()
        self.figures = Figures()
        self._sending = Sending(
            sink,
            clock=clock,
            chance=chance,
            policy=policy.pace,
            alarms=alarms,
            is_current=lambda piece: self.offsets.is_current(piece.place),
            figures=self.figures,
            at_point=at_point,
        )
        self._burial = Burial(dead_letters, clock=clock, alarms=alarms)
        self._faults = Faults(
            sending=self._sending,
            burial=self._burial,
            offsets=self.offsets,
            figures=self.figures,
            clock=clock,
            alarms=alarms,
        )
        self._telling = Telling(ledger, clock=clock, alarms=alarms)
        self._committed_at_ms = clock.monotonic_ms()
        self._polled_at_ms = self._committed_at_ms
        self._paused: frozenset[Partition] = frozenset()

    @property
    def is_idle(self) -> bool:
        """Whether nothing that was read is still to be done, held documents apart."""
        return self._sending.is_idle and not self._burial

    @property
    def holds(self) -> Holds:
        """Which indices take nothing now, and what waits for them."""
        return self._sending.holds

    def step(self, *, wait_ms_max: int) -> None:
        """Do what can be done now, and wait for records at most `wait_ms_max`.

        Raises:
            ServiceUnavailable: the source does not answer; stepping again is safe.
        """
        # What costs most is to ask Kafka for nothing, so only one of both is waited for.
        is_waiting = self._sending.is_under_way and self._sending.is_full
        self._finish(wait_ms_max=min(wait_ms_max, ANSWER_WAIT_MS_MAX) * is_waiting)
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._committed_at_ms >= self._policy.commit_ms:
            self._committed_at_ms = now_ms
            self.commit()
        self._sending.send()
        self._regulate()
        if self._sending.is_under_way and self._sending.is_full:
            if now_ms - self._polled_at_ms < FULL_POLL_MS:
                return
            wait_ms_max = 0
        elif self._sending.is_under_way:
            wait_ms_max = min(wait_ms_max, RECORD_WAIT_MS_MAX)
        self._polled_at_ms = now_ms
        self._admit(self._source.poll(wait_ms_max=wait_ms_max))

    def drain(self) -> None:
        """Do as `step`, but read nothing more: for a role that is stopping."""
        is_under_way = self._sending.is_under_way
        self._finish(wait_ms_max=ANSWER_WAIT_MS_MAX if is_under_way else 0)
        self._sending.send()

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
            self._take_index(finished)
            return
        self._reach("I2")
        bulk = finished.bulk
        probed = self._sending.arrived(bulk)
        if isinstance(finished, BulkLost):
            self._sending.push_back(bulk, finished.verdict, probed=probed)
            return
        if finished.refusal is not None:
            if finished.refusal.reason is Reason.TOO_LARGE:
                self._sending.learn_bound(bulk, finished.refusal)
            if finished.refusal.outcome is Outcome.DEAD_LETTER:
                self._faults.divide(bulk, finished.refusal, probed=probed)
            else:
                self._sending.push_back(bulk, finished.refusal, probed=probed)
            return
        try:
            judged = judge_answer(bulk, finished.body)
        except AnswerUnreadable as error:
            unreadable = Verdict(Outcome.HOLD, Reason.UNEXPECTED, str(error))
            self._faults.divide(bulk, unreadable, probed=probed)
            return
        self._alarms.clear(ELASTICSEARCH, now_ms=self._clock.now_ms())
        self.figures.bulks += 1
        self._settle(bulk, judged, took_ms=finished.took_ms, probed=probed)

    def _take_index(self, finished: IndexAnswered) -> None:
        if finished.verdict.outcome is Outcome.STORED:
            self._sending.release(finished.index)
        elif finished.verdict.outcome is Outcome.DEAD_LETTER:
            # It is expired: what waits for it has come too late.
            for piece in self._sending.give_up(finished.index):
                self._faults.condemn_each(piece, finished.verdict)
        else:
            self._sending.not_made(finished.index, finished.verdict)

    def _settle(
        self,
        bulk: Bulk,
        judged: Sequence[JudgedPiece],
        *,
        took_ms: int,
        probed: str | None,
    ) -> None:
        """Act on what became of each document of a bulk."""
        outcomes = {each.verdict.outcome for each in judged}
        if any(each.verdict.reason is Reason.BUSY for each in judged):
            self._sending.pace.refused(now_ms=self._clock.monotonic_ms())
        else:
            self._sending.pace.taken(took_ms=took_ms)
        if outcomes != {Outcome.STORED}:
            self._reach("I3")
        large = [each for each in judged if each.verdict.reason is Reason.TOO_LARGE]
        if large:
            suspects = Bulk(bulk.number, [each.piece for each in large])
            self._faults.divide(suspects, large[0].verdict, probed=None)
        for each in judged:
            if each.verdict.reason is not Reason.TOO_LARGE:
                self._settle_piece(each.piece, each.verdict)
        if probed is None:
            return
        if outcomes & {Outcome.STORED, Outcome.DEAD_LETTER}:
            self._sending.release(probed)
        else:
            self._sending.hold_longer(probed, judged[-1].verdict)

    def _settle_piece(self, piece: Piece, verdict: Verdict) -> None:
        if verdict.outcome is Outcome.STORED:
            self._close(piece)
            if verdict.reason is Reason.ALREADY_THERE:
                self.figures.already_there += piece.document_count
            else:
                self.figures.stored += piece.document_count
            return
        if verdict.outcome is Outcome.DEAD_LETTER:
            self._faults.condemn(piece, verdict)
            return
        self.figures.retried += piece.document_count
        if verdict.reason is Reason.BUSY:
            self._sending.ready.add(piece)
        else:
            self._sending.hold(piece, verdict)

    def _close(self, piece: Piece) -> None:
        self.offsets.close(piece.place, document_count=piece.document_count)

    # Steps 2 and 3: the ledger's word, and the commit.

    def commit(self) -> None:
        """Commit whatever step 1 is done for, once the ledger says so (step 2).

        Raises:
            ServiceUnavailable: the source does not answer; trying again is safe.
        """
        next_offsets = self.offsets.committable()
        untold = self.offsets.untold(next_offsets, now_ms=self._clock.now_ms())
        if not next_offsets:
            return
        self._reach("I4")
        if self._telling.tell([r for records in untold.values() for r in records]):
            self.offsets.told(next_offsets)
            self._reach("I6")
        else:
            next_offsets = {p: o for p, o in next_offsets.items() if p not in untold}
        if next_offsets and self._source.commit(next_offsets):
            self.offsets.committed(next_offsets)

    # What is read, and when it is not.

    def _regulate(self) -> None:
        """Pause what would only fill memory; polling goes on and keeps the membership."""
        wanted = wanted_pauses(
            self._policy,
            ours=self.offsets.partitions,
            paused=self._paused,
            waiting_bytes=self._sending.ready.size_bytes + self._burial.size_bytes,
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
                span=asked.span,
            )
            if place is None or not asked.document_count:
                continue
            piece = Piece(place, asked.body, asked.document_count, asked.kind)
            if asked.letter is not None:
                self._burial.add(piece, asked.letter)
            else:
                self._sending.begin(piece)

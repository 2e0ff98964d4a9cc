"""The order in which a chunk becomes durable: the agent's side of the promise."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Unpack

import msgspec

from tailrace.clock import Clock
from tailrace.kafka_producer import FailureKind
from tailrace.kill_points import reach
from tailrace.ledger import AgentHeartbeat
from tailrace.log import FilteringBoundLogger
from tailrace.wire import AgentLedger, Cut, DroppedReason
from tailrace_agent.amendments import (
    MARK_MS,
    Amendment,
    amended_record,
    at_position,
    is_first_place,
    with_cut,
)
from tailrace_agent.outbox import Outbox, Sent
from tailrace_agent.positions import Chunk, Position
from tailrace_agent.protocols import CheckpointStore, CheckpointUnwritable, Sink
from tailrace_agent.records import RECORD_TOO_LARGE, WORD_BYTES, Records


@dataclass(slots=True)
class _Ledger:
    """One generation's record, and its chunks on the way."""

    record: AgentLedger
    is_declared: bool
    is_retired: bool = False
    chunks: list[Sent] = field(default_factory=list[Sent])
    """The oldest first. A deque would take 700 bytes of each file that has none."""
    reported: AgentLedger | None = None
    marked_at_ms: int = 0
    is_saved: bool = False
    cut_report: tuple[Cut, Sent] | None = None
    """The cut whose chunk is next, and the report that tells the ledger of it."""


class Delivery:
    """Sends chunks and knows, generation by generation, what is safe.

    The protocol, per generation:

    0. Its ledger record is in the checkpoint (`save_new`), and then acknowledged by Kafka
       (`declare`), before its first chunk: a copy of the file, or its next name, may be
       all that the next life of this agent meets. A checkpoint that takes nothing says
       so instead, and the next life asks the ledger.
    1. A cut made by time is in the checkpoint, and the ledger has acknowledged it
       (`ship`), before the chunk it ends is sent: with either, a re-read repeats it.
    2. The chunk is sent, and Kafka acknowledges it with all in-sync replicas (`settle`).
       Only the unbroken run of acknowledged chunks counts: an acknowledgement behind a
       gap waits for the gap. Of a chunk that its topic never takes it is the dead
       letter, and then the word to the stream of which events died.
    3. The position behind that run goes into the checkpoint (`commit`), and from time
       to time into the ledger (`report`).

    A crash after any step re-reads from the last checkpoint: chunks after it are sent
    again, with the same events at the same offsets, and the index takes each once.

    When the sink fails, every chunk without an acknowledgement is sent again from memory
    (`recover`), in the order of the first time, so a file that was truncated meanwhile
    loses nothing that had been read. What is held is bounded by the caller, who asks
    `in_flight_bytes` before it reads. One thread calls all of it.
    """

    def __init__(
        self,
        *,
        sink: Sink,
        store: CheckpointStore,
        records: Records,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._store = store
        self._records = records
        self._clock = clock
        self._log = log
        self._ledgers: dict[str, _Ledger] = {}
        self._dirty: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self.outbox = Outbox(sink)
        self.shipped_events = 0
        self.shipped_bytes = 0
        self.split_events = 0
        """Events of several lines that a limit ended, since this agent started."""
        self.redacted: Counter[str] = Counter()
        """How often each rule took something out of events, since this agent started."""
        self.cut_events = 0
        """Events beyond the limit, of which only the beginning was sent; likewise."""
        self.dead_events: Counter[str] = Counter()
        """Events that went to the dead letters here, by reason; likewise."""
        self.lost_bytes = 0
        """Declared as lost since this agent started."""
        self.told_at_ms: dict[int, int] = {}
        """When the newest report to each partition of the ledger was written."""
        self.unwritable: str | None = None
        """Why the checkpoint cannot be written now; shipping goes on."""
        self._is_gap_admitted = False

    @property
    def broken(self) -> str | None:
        """Why nothing can be sent now; `recover` ends it."""
        return self.outbox.broken

    @property
    def is_dirty(self) -> bool:
        """Whether something acknowledged is not yet in the checkpoint."""
        return bool(self._dirty or self._gone)

    def record_of(self, generation: str) -> AgentLedger:
        """Return what is safe of a generation: its acknowledged position."""
        return self._ledgers[generation].record

    def knows(self, generation: str) -> bool:
        """Return whether the generation was adopted and not yet retired."""
        return generation in self._ledgers

    def is_declared(self, generation: str) -> bool:
        """Return whether Kafka holds the generation's ledger record (step 0)."""
        return self._ledgers[generation].is_declared

    def save_new(self, generation: str) -> bool:
        """Step 0, its first half; return whether the next life will know of it.

        All that are new are written at once. Where the disk does not take them, the
        ledger alone must do, once the checkpoint says that it does not hold all.
        """
        ledger = self._ledgers[generation]
        if not ledger.is_saved and self.unwritable is None:
            self.commit()
        return ledger.is_saved or self._is_gap_admitted

    def is_settled(self, generation: str) -> bool:
        """Return whether no chunk of the generation is on its way."""
        return not self._ledgers[generation].chunks

    def adopt(self, record: AgentLedger, *, is_restored: bool) -> None:
        """Take up a generation, from the checkpoint or the ledger, or a new one."""
        # The last life may have ended before Kafka heard of one that had sent nothing.
        is_declared = is_restored and record.next_event_number > 0
        ledger = _Ledger(record, is_declared, is_saved=is_restored)
        self._ledgers[record.generation] = ledger
        self._gone.pop(record.generation, None)  # It is back before that was written.
        self._dirty[record.generation] = None

    def declare(self, generation: str) -> None:
        """Step 0: send the ledger record whose acknowledgement allows the chunks."""
        ledger = self._ledgers[generation]
        if not ledger.is_declared and ledger.reported is None:
            self._report(ledger)

    def amend(self, generation: str, **amendment: Unpack[Amendment]) -> None:
        """Note what was learned of a generation beside its position."""
        ledger = self._ledgers[generation]
        amended = amended_record(ledger.record, amendment)
        if "lost" in amendment:
            # What an earlier life declared may be taken back by this one.
            self.lost_bytes = max(self.lost_bytes + amendment["lost"][1], 0)
        if amended != ledger.record:
            ledger.record = amended
            self._dirty[generation] = None

    def revise(self, record: AgentLedger) -> None:
        """Put a record in the place of the one that is known of its generation.

        No chunk of it is on its way: the position would be another one.
        """
        ledger = self._ledgers[record.generation]
        assert not ledger.chunks, "revised with chunks on the way"
        lost_before = sum(ledger.record.lost_bytes.values())
        # What a copy was found to hold was declared as lost before, in this life or not.
        lost_more = sum(record.lost_bytes.values()) - lost_before
        self.lost_bytes = max(0, self.lost_bytes + lost_more)
        ledger.record = record
        self._dirty[record.generation] = None

    def ship(
        self, generation: str, chunk: Chunk, *, dropped_reason: DroppedReason = ""
    ) -> bool:
        """Steps 1 and 2: send a chunk; return False while the ledger waits for its cut.

        Then nothing was sent: the caller reads to the same cut again and comes back.
        With a reason the stream gets the word of it alone, in the same steps.

        Raises:
            CheckpointUnwritable: the cut cannot be written, and nothing was sent.
        """
        ledger = self._ledgers[generation]
        assert ledger.is_declared, "a chunk before its ledger record"
        if chunk.cut is not None and not self._is_cut_safe(ledger, chunk.cut):
            return False
        reach("A1")
        outgoing = self._records.chunk(ledger.record, chunk, dropped_reason)
        is_word = dropped_reason != "" and not outgoing.value
        sent = self.outbox.send(
            outgoing,
            generation=generation,
            after=chunk.after,
            size_bytes=WORD_BYTES if is_word else len(chunk.value),
            event_count=0 if is_word else chunk.event_count,
        )
        ledger.chunks.append(sent)
        self.split_events += chunk.split_count
        if chunk.redacted:
            self.redacted.update(dict(chunk.redacted))
        self.cut_events += chunk.is_cut
        reach("A2")
        return True

    def report(self, generation: str) -> None:
        """Send the generation's ledger record, if it has changed since the last one.

        Not before the checkpoint knows of it: the next life would begin a file that is
        new to it under the same name, and tell less than the ledger was told by then.
        """
        ledger = self._ledgers[generation]
        if ledger.reported != ledger.record and self.save_new(generation):
            self._report(ledger)

    def last_word(self, generation: str) -> AgentLedger:
        """Report what is to be remembered of a generation, and return it as it was told.

        Whoever goes on with it counts on from that revision: of two words of one
        revision a ledger may keep either.
        """
        self.report(generation)
        return self._ledgers[generation].record

    def tell_again(self, record: AgentLedger) -> None:
        """Send the word of an earlier life, as it is: the ledger may not have heard it."""
        self.outbox.send(self._records.ledger(record), generation=record.generation)

    def needs_report(self, generation: str) -> bool:
        """Return whether the ledger does not yet say what is safe now."""
        ledger = self._ledgers[generation]
        return ledger.reported != ledger.record

    def beat(self, heartbeat: AgentHeartbeat) -> None:
        """Say that the agent lives; what it claims is acknowledged already."""
        self.outbox.beat(self._records.ledger(heartbeat))

    def settle(self) -> int:
        """Step 2: take the outcomes in; return how many records were acknowledged.

        Heartbeats are not counted: that one came through changes nothing.
        """
        count = 0
        for sent, failure in self.outbox.outcomes():
            if failure is None:
                count += not self.outbox.is_heartbeat(sent)
                if not self.outbox.follow_up(sent):
                    self._acknowledge(sent)
            elif failure.kind is FailureKind.TOO_LARGE:
                self._bury(sent, failure.detail)
            elif self.outbox.broken is None:
                self.outbox.broken = failure.detail
        return count

    def recover(self) -> bool:
        """Renew the sink and send again what has no acknowledgement; say if it worked."""
        return self.outbox.recover()

    def commit(self) -> bool:
        """Step 3: put what is safe into the checkpoint; return whether the disk took it."""
        if not self.is_dirty:
            return True
        reach("A3")
        dirty, gone = list(self._dirty), list(self._gone)
        ledgers = [self._ledgers[name] for name in dirty if name in self._ledgers]
        records = [ledger.record for ledger in ledgers]
        try:
            if records:
                self._store.save(records)
            if gone:
                self._store.remove(gone)
            if self._is_gap_admitted:
                self._store.close_gap()
        except CheckpointUnwritable as error:
            self.unwritable = str(error)
            self._admit_gap()
            return False
        self.unwritable = None
        self._is_gap_admitted = False
        for ledger in ledgers:
            ledger.is_saved = True
        for name in dirty:
            del self._dirty[name]
        for name in gone:
            del self._gone[name]
        reach("A6")
        return True

    def retire(self, generation: str, *, is_forgotten: bool) -> None:
        """Follow a generation no more, once its last chunk is acknowledged.

        `is_forgotten` takes it out of the checkpoint: its file can never be met again.
        """
        ledger = self._ledgers[generation]
        assert not ledger.chunks, "retired with chunks on the way"
        self.report(generation)
        if is_forgotten:
            self._dirty.pop(generation, None)
            self._gone[generation] = None
        elif generation in self._dirty and not self.commit():
            return  # Its last state is not on disk yet: it stays known for a next time.
        del self._ledgers[generation]

    def forget(self, generation: str) -> None:
        """Take a generation that was retired before out of the checkpoint."""
        self._gone[generation] = None

    def _admit_gap(self) -> None:
        """Have the next life ask the ledger for what the checkpoint could not take."""
        if not self._is_gap_admitted:
            with suppress(CheckpointUnwritable):
                self._store.admit_gap()
                self._is_gap_admitted = True

    def _is_cut_safe(self, ledger: _Ledger, cut: Cut) -> bool:
        """Step 1: make a cut durable in both homes; return whether it is.

        A re-read must make this boundary again, whichever of them it goes by. What the
        ledger had heard of it in an earlier life is not known, so it is told anew.
        """
        if cut not in ledger.record.cuts:
            changed = with_cut(ledger.record, cut)
            self._store.save([changed])
            ledger.record = changed
        if ledger.cut_report is None or ledger.cut_report[0] != cut:
            ledger.cut_report = (cut, self._report(ledger))
        return ledger.cut_report[1].is_done

    def _report(self, ledger: _Ledger) -> Sent:
        record = msgspec.structs.replace(
            ledger.record,
            revision=ledger.record.revision + 1,
            updated_at_ms=self._clock.now_ms(),
        )
        ledger.record = ledger.reported = record
        self._dirty[record.generation] = None
        outgoing = self._records.ledger(record)
        self.told_at_ms[outgoing.partition] = record.updated_at_ms
        return self.outbox.send(outgoing, generation=record.generation)

    def _acknowledge(self, sent: Sent) -> None:
        self.outbox.acknowledged(sent)
        self.shipped_events += sent.event_count
        self.shipped_bytes += sent.size_bytes
        ledger = self._ledgers.get(sent.generation)
        if ledger is None:
            return  # A heartbeat, or the last report of a generation that was retired.
        if sent.after is None:
            ledger.is_declared = True
            return
        after: Position | None = None
        while ledger.chunks and ledger.chunks[0].is_done:
            after = ledger.chunks.pop(0).after
        if after is None:
            return
        now_ms = self._clock.monotonic_ms()
        is_late = now_ms - ledger.marked_at_ms >= MARK_MS
        is_marked = is_late or is_first_place(ledger.record, after)
        if is_marked:
            ledger.marked_at_ms = now_ms
        ledger.record = at_position(ledger.record, after, is_marked=is_marked)
        self._dirty[sent.generation] = None

    def _bury(self, sent: Sent, detail: str) -> None:
        """Send a record that the topic never takes to the dead letters, in its place."""
        self._log.error(
            "record_refused",
            reason=RECORD_TOO_LARGE,
            detail=detail,
            topic=sent.record.topic,
            size_bytes=len(sent.record.value),
            remedy="`tailrace provision` sets the topic's max.message.bytes",
        )
        if sent.after is None:
            sent.refusal = detail
            self._acknowledge(sent)
        elif sent.record.headers and sent.record.value:
            record = self._ledgers[sent.generation].record
            self.dead_events[RECORD_TOO_LARGE] += sent.event_count
            sent.record = self._records.dead_letter(record, sent.record, detail=detail)
            self.outbox.send_again(sent)
        elif not self.outbox.follow_up(sent):
            # Not even the word of it: its numbers stay a gap, which the audit names.
            self._acknowledge(sent)

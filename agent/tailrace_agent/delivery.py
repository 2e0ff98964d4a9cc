"""The order in which a chunk becomes durable: the agent's side of the promise."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from tailrace.clock import Clock
from tailrace.kafka_producer import FailureKind
from tailrace.kill_points import reach
from tailrace.ledger import AgentHeartbeat
from tailrace.log import FilteringBoundLogger
from tailrace.wire import AgentLedger, Cut, Mark
from tailrace_agent.outbox import Outbox, Sent
from tailrace_agent.positions import Chunk, Position
from tailrace_agent.protocols import CheckpointStore, CheckpointUnwritable, Sink
from tailrace_agent.records import Records

TRUNCATED = "truncated"
"""The reason that ends a generation, and is told even where no byte was lost by it."""
DELETED = "deleted"
"""The reason where a file is gone with bytes that were seen; taken back if it returns."""
MARKS_MAX = 4
MARK_MS = 2_000
"""Places of the last eight seconds are remembered: what lies between the end of a copy
and the truncation of its original may take that long."""


@dataclass(slots=True)
class _Ledger:
    """One generation's record, and its chunks on the way."""

    record: AgentLedger
    is_declared: bool
    is_retired: bool = False
    chunks: deque[Sent] = field(default_factory=deque[Sent])
    reported: AgentLedger | None = None
    marked_at_ms: int = 0
    is_saved: bool = False


class Delivery:
    """Sends chunks and knows, generation by generation, what is safe.

    The protocol, per generation:

    0. Its ledger record is acknowledged by Kafka (`declare`), and is in the checkpoint
       (`save_declared`), before its first chunk: a copy of the file may be all that the
       next life of this agent meets. A checkpoint that takes nothing says so instead,
       and the next life asks the ledger.
    1. A cut made by time is in the checkpoint (`ship`), before the chunk it ends is
       sent.
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

    def save_declared(self, generation: str) -> bool:
        """Step 0, its second half; return whether the next life will know of it.

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

    def adopt(self, record: AgentLedger, *, is_declared: bool) -> None:
        """Take up a generation, from the checkpoint, the ledger, or new."""
        # What was declared before comes from the checkpoint, or was put there first.
        self._ledgers[record.generation] = _Ledger(
            record, is_declared, is_saved=is_declared
        )
        self._dirty[record.generation] = None

    def declare(self, generation: str) -> None:
        """Step 0: send the ledger record whose acknowledgement allows the chunks."""
        self.report(generation)

    def amend(
        self,
        generation: str,
        *,
        path: str | None = None,
        seen_size_bytes: int | None = None,
        lost: tuple[str, int] | None = None,
        head: tuple[int, str] | None = None,
        is_closed: bool | None = None,
        archive_size_bytes: int | None = None,
    ) -> None:
        """Note what was learned of a generation beside its position."""
        ledger = self._ledgers[generation]
        record = ledger.record
        changes: dict[str, object] = {}
        if path is not None and path != record.path:
            changes["path"] = path
        if seen_size_bytes is not None and seen_size_bytes > record.seen_size_bytes:
            changes["seen_size_bytes"] = seen_size_bytes
        if lost is not None and (lost[1] or lost[0] == TRUNCATED):
            reason, size_bytes = lost
            # What an earlier life declared may be taken back by this one.
            self.lost_bytes = max(self.lost_bytes + size_bytes, 0)
            size_bytes += record.lost_bytes.get(reason, 0)
            changes["lost_bytes"] = {**record.lost_bytes, reason: size_bytes}
        if head is not None:
            changes["head_size_bytes"], changes["head_hash"] = head
        if is_closed is not None and is_closed != record.is_closed:
            changes["is_closed"] = is_closed
        if archive_size_bytes not in (None, record.archive_size_bytes):
            changes["archive_size_bytes"] = archive_size_bytes
        if changes:
            ledger.record = msgspec.structs.replace(record, **changes)
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

    def ship(self, generation: str, chunk: Chunk) -> None:
        """Steps 1 and 2: send a chunk, its cut first made durable.

        Raises:
            CheckpointUnwritable: the cut cannot be written, and nothing was sent.
        """
        ledger = self._ledgers[generation]
        assert ledger.is_declared, "a chunk before its ledger record"
        if chunk.cut is not None and chunk.cut not in ledger.record.cuts:
            self._cut(ledger, chunk.cut)
        reach("A1")
        sent = self.outbox.send(
            self._records.chunk(ledger.record, chunk),
            generation=generation,
            after=chunk.after,
            size_bytes=len(chunk.value),
            event_count=chunk.event_count,
        )
        ledger.chunks.append(sent)
        self.split_events += chunk.split_count
        reach("A2")

    def report(self, generation: str) -> None:
        """Send the generation's ledger record, if it has changed since the last one."""
        ledger = self._ledgers[generation]
        if ledger.reported == ledger.record:
            return
        record = msgspec.structs.replace(
            ledger.record,
            revision=ledger.record.revision + 1,
            updated_at_ms=self._clock.now_ms(),
        )
        ledger.record = ledger.reported = record
        self._dirty[generation] = None
        outgoing = self._records.ledger(record)
        self.told_at_ms[outgoing.partition] = record.updated_at_ms
        self.outbox.send(outgoing, generation=generation)

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
        """Step 3: put what is safe into the checkpoint; return whether the disk took it.

        A generation that was never declared is not written: nothing of it was sent.
        """
        if not self.is_dirty:
            return True
        reach("A3")
        dirty, gone = list(self._dirty), list(self._gone)
        records = [
            self._ledgers[name].record
            for name in dirty
            if name in self._ledgers and self._ledgers[name].is_declared
        ]
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
        for record in records:
            self._ledgers[record.generation].is_saved = True
        for name in dirty:
            if name not in self._ledgers or self._ledgers[name].is_declared:
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

    def _cut(self, ledger: _Ledger, cut: Cut) -> None:
        """Step 1: a re-read must make this boundary again, so it is durable first."""
        record = ledger.record
        # A cut before the acknowledged position can be met by no re-read.
        still_met = tuple(c for c in record.cuts if c.next_offset >= record.next_offset)
        changed = msgspec.structs.replace(record, cuts=(*still_met, cut))
        self._store.save([changed])
        ledger.record = changed
        # The second home learns of it, too, before the chunk.
        self.report(changed.generation)

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
            after = ledger.chunks.popleft().after
        if after is None:
            return
        record = ledger.record
        cuts = tuple(c for c in record.cuts if c.next_offset >= after.offset)
        ledger.record = msgspec.structs.replace(
            record,
            next_offset=after.offset,
            next_event_number=after.event_number,
            tail_size_bytes=after.tail.size_bytes,
            tail_hash=after.tail.hash,
            seen_size_bytes=max(record.seen_size_bytes, after.offset),
            cuts=cuts,
            marks=self._marks(ledger, after),
        )
        self._dirty[sent.generation] = None

    def _marks(self, ledger: _Ledger, after: Position) -> tuple[Mark, ...]:
        now_ms = self._clock.monotonic_ms()
        marks = ledger.record.marks
        if marks and now_ms - ledger.marked_at_ms < MARK_MS:
            return marks
        ledger.marked_at_ms = now_ms
        mark = Mark(
            offset=after.offset,
            tail_size_bytes=after.tail.size_bytes,
            tail_hash=after.tail.hash,
        )
        return (*marks, mark)[-MARKS_MAX:]

    def _bury(self, sent: Sent, detail: str) -> None:
        """Send a record that the topic never takes to the dead letters, in its place."""
        self._log.error(
            "record_refused",
            reason="record_too_large",
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
            sent.record = self._records.dead_letter(record, sent.record, detail=detail)
            self.outbox.send_again(sent)
        elif not self.outbox.follow_up(sent):
            # Not even the word of it: its numbers stay a gap, which the audit names.
            self._acknowledge(sent)

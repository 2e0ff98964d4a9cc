"""What the agent may say of itself: that it lives, and up to when its files are looked at.

A claim is made in steps, so that it never passes over a line:

1. A sweep looks at every name; its moment is taken before the first of them.
2. Each file that the sweep found new or changed has had a look since: how much there was
   is known, or that no whole line stands in it yet.
3. The ledger says so of each generation, and Kafka has acknowledged it.
4. The next heartbeat claims the moment of 1, and names of each partition of the ledger the
   newest record of 3, so that a reader knows whether it has read as far.

Where 2 or 3 is not reached (a followed file cannot be opened any more, Kafka does not take
it) the claim waits, and heartbeats go on with the one before: the agent lives, and its host
is complete up to then. A file that was never opened has no generation to wait for; its
bytes are in `unread_bytes`, as in the promise's words: of files that the agent could open.
Beside all that is unread stands what of it no generation's record tells: an audit names
that, and is not settled while files wait for room.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tailrace.clock import Clock
from tailrace.ledger import AgentHeartbeat
from tailrace_agent.delivery import Delivery
from tailrace_agent.followed import Key
from tailrace_agent.records import Agent
from tailrace_agent.table import FileTable

TOLD_MS = 3_600_000
"""A reader that is further behind is not kept from claiming too early; nor is one that is
right held back by a record that retention has long taken away."""


@dataclass(slots=True)
class _Claim:
    """A moment that may be claimed once nothing is waited for."""

    swept_at_ms: int
    waiting: dict[Key, int]
    """Files that need a look, with the number of the change it has to take in."""
    ticket: int | None = None
    """Every report with a lower one has to be acknowledged; None before step 3."""
    told_at_ms: dict[int, int] = field(default_factory=dict[int, int])
    """When the newest of those reports to each partition was written."""


class Heartbeats:
    """Makes one claim at a time, and a heartbeat of the newest that holds."""

    def __init__(
        self,
        interval_ms: int,
        *,
        agent: Agent,
        table: FileTable,
        delivery: Delivery,
        clock: Clock,
    ) -> None:
        self._interval_ms = interval_ms
        self._agent = agent
        self._table = table
        self._delivery = delivery
        self._clock = clock
        self._claim: _Claim | None = None
        self._told_at_ms: dict[int, int] = {}
        self._swept_before_ms = 0
        self._told_before_ms: dict[int, int] = {}
        self._next_ms = self._next_claim_ms = clock.monotonic_ms()
        self.swept_at_ms = 0
        """The newest claim that holds; 0 before the first, and then nothing is said, since
        the heartbeat of an earlier life claims more."""

    def note_sweep(self, swept_at_ms: int) -> None:
        """Step 1: begin a claim, if one is wanted; `swept_at_ms` is before all looks."""
        is_early = self._clock.monotonic_ms() < self._next_claim_ms
        if self._claim is not None or is_early:
            return
        self._claim = _Claim(
            swept_at_ms,
            {
                key: tracked.changes
                for key, tracked in self._table.files.items()
                if not tracked.is_looked_at
            },
        )

    def keep(self, *, report_all: Callable[[], None]) -> None:
        """Steps 2 to 4, as far as they can be taken now."""
        self._advance(report_all)
        now_ms = self._clock.monotonic_ms()
        if not self.swept_at_ms or now_ms < self._next_ms:
            return
        self._next_ms = now_ms + self._interval_ms
        # Early enough that a claim mostly holds when the next heartbeat is due.
        self._next_claim_ms = now_ms + self._interval_ms // 2
        self._delivery.beat(self._heartbeat())

    def due_ms(self, *, now_ms: int) -> int:
        """Return the monotonic time of the next heartbeat; that of a claim is a sweep's."""
        return self._next_ms if self.swept_at_ms else now_ms + self._interval_ms

    def _advance(self, report_all: Callable[[], None]) -> None:
        claim = self._claim
        if claim is None or self._delivery.broken is not None:
            return
        if claim.ticket is None:
            for key in [key for key in claim.waiting if self._is_looked_at(key, claim)]:
                del claim.waiting[key]
            if claim.waiting:
                return
            report_all()
            claim.ticket = self._delivery.outbox.next_ticket
            claim.told_at_ms = dict(self._delivery.told_at_ms)
        if self._delivery.outbox.are_reports_done(before_ticket=claim.ticket):
            self._swept_before_ms = self.swept_at_ms
            self._told_before_ms = self._told_at_ms
            self.swept_at_ms = claim.swept_at_ms
            self._told_at_ms = claim.told_at_ms
            self._claim = None

    def _is_looked_at(self, key: Key, claim: _Claim) -> bool:
        """A file that is let go of was read to its end, or its loss is declared."""
        tracked = self._table.files.get(key)
        return tracked is None or tracked.looked_changes >= claim.waiting[key]

    def _heartbeat(self) -> AgentHeartbeat:
        now_ms = self._clock.now_ms()
        told_at_ms = {
            partition: at_ms
            for partition, at_ms in sorted(self._told_at_ms.items())
            if now_ms - at_ms <= TOLD_MS
        }
        before_ms = self._told_before_ms
        return AgentHeartbeat(
            agent_id=self._agent.agent_id,
            host_id=self._agent.host_id,
            host_name=self._agent.host_name,
            swept_at_ms=self.swept_at_ms,
            files=len(self._table.files),
            unread_bytes=self._unread_bytes(),
            lost_bytes=self._delivery.lost_bytes + self._gone_bytes(),
            waiting_bytes=self._table.waiting.unread,
            unreadable_bytes=self._table.unreadable.size_bytes,
            gone_bytes=self._gone_bytes(),
            interval_ms=self._interval_ms,
            told_at_ms={str(each): at_ms for each, at_ms in told_at_ms.items()},
            swept_before_ms=self._swept_before_ms,
            told_before_ms={
                str(each): before_ms.get(each, 0)
                for each, at_ms in told_at_ms.items()
                if before_ms.get(each, 0) != at_ms
            },
            updated_at_ms=now_ms,
        )

    def _gone_bytes(self) -> int:
        """Return what was lost of files that were never opened."""
        return self._table.unreadable.gone_bytes + self._table.waiting.gone

    def _unread_bytes(self) -> int:
        unread_bytes = self._table.unreadable.size_bytes
        unread_bytes += self._table.waiting.unread
        unread_bytes += sum(self._table.away.values())
        for tracked in self._table.files.values():
            offset = tracked.position.offset
            if self._delivery.knows(tracked.generation):
                offset = self._delivery.record_of(tracked.generation).next_offset
            unread_bytes += max(0, tracked.size_bytes - offset - tracked.blank_bytes)
        return unread_bytes

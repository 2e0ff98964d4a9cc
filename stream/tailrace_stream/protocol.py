"""In which order a raw record's work is done, so that no crash can lose or double it.

The real worker and the simulation run this one class; what it sends through and what it
acknowledges to are protocols.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from tailrace.kill_points import reach
from tailrace_stream.oversize import smaller
from tailrace_stream.records import Outgoing, Work


class RecordTooLarge(Exception):
    """The brokers or the client will never take a record of this size."""


class PublishFailed(Exception):
    """A record is not known to be durable; it may be, and is sent again."""


class Publisher(Protocol):
    """What makes records durable."""

    async def publish(self, record: Outgoing) -> None:
        """Return when the record is durable on all in-sync replicas.

        Raises:
            RecordTooLarge: no retry can help, only smaller records.
            PublishFailed: anything else; trying again is right.
        """
        ...


Acknowledge = Callable[[Work], None]
Wait = Callable[[int], Awaitable[None]]
OnFailure = Callable[[Outgoing, Exception], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How long to wait between two tries; for ever, because Kafka's fault may last."""

    wait_ms_min: int = 50
    wait_ms_max: int = 5_000

    def wait_ms(self, attempt: int, *, random: Random) -> int:
        """Return the wait after the given failed attempt, the first being 0."""
        longest = min(self.wait_ms_min * 2 ** min(attempt, 16), self.wait_ms_max)
        return random.randint(longest // 2, longest)


class CommitProtocol:
    """At least once, in this order, whatever ends in between:

    1. All documents, dead letters and rates of a record are *delivered*: each delivery is
       awaited, and one that fails is tried again, for ever, with growing waits. A record
       that is too large is cut in two, down to a single document, which becomes a dead
       letter. So no output is missing when the next step begins.
    2. The generation's state and its ledger record are written by awaited sends, after
       those of the record before it in the partition. So the ledger speaks only of what
       is delivered. It is left out where a later record of the generation is in flight
       in the partition and soon says more (`ledger_turns.py`). Of a generation that had
       no state before, the ledger record waits for the state: one that is found without
       a state tells that the state was lost (`seeding.py`).
    3. The record is acknowledged, after the record before it in the partition.

    A crash before 3 makes the record come again: its documents get the same ids, so the
    index takes them once. A crash between 2 and 3 makes it come again to a state that has
    counted it: nothing is counted twice, its rates were delivered in 1, and its ledger
    record is sent again, the same. A ledger record that was left out is lost by no crash:
    the later record that was to say more is not acknowledged, and comes again.

    Deliveries of the next record begin while those of this one are awaited. Only steps 2
    and 3 keep the partition's order, because Faust's own bookkeeping commits past an
    unacknowledged record when a later one is acknowledged first.
    """

    def __init__(
        self,
        publisher: Publisher,
        *,
        retry: Retry,
        wait: Wait,
        random: Random,
        on_failure: OnFailure,
    ) -> None:
        self._publisher = publisher
        self._retry = retry
        self._wait = wait
        self._random = random
        self._on_failure = on_failure

    async def complete(
        self,
        work: Work,
        *,
        before: Awaitable[None] | None,
        is_ledger_due: Callable[[], bool],
        acknowledge: Acknowledge,
    ) -> None:
        """Do the three steps for one record; `before` ends with the record before it.

        `is_ledger_due` is asked once, in step 2.

        If `before` is cancelled or fails, so is this: nothing is acknowledged past it.
        """
        reach("S2")
        # 1. Delivered, in parallel: the order of documents means nothing.
        await asyncio.gather(*map(self._deliver, work.outputs))
        if before is not None:
            await before
        # 2. State and ledger, and only now: they must never know of what was not
        # delivered. Neither waits for the other: both are told again if one is missing.
        told = [] if work.state is None else [work.state]
        if work.is_state_first:
            # A word without a state would be taken for all that is left of one.
            await asyncio.gather(*map(self._deliver, told))
            told.clear()
        if work.ledger is not None and is_ledger_due():
            told.append(work.ledger)
        await asyncio.gather(*map(self._deliver, told))
        # 3. The acknowledgement.
        reach("S3")
        acknowledge(work)

    async def tell(
        self, outputs: Iterable[Outgoing], *, before: Awaitable[None] | None = None
    ) -> None:
        """Deliver what belongs to no raw record, after what it has to follow."""
        if before is not None:
            await before
        await asyncio.gather(*map(self._deliver, outputs))

    async def _deliver(self, record: Outgoing) -> None:
        attempt = 0
        while True:
            try:
                await self._publisher.publish(record)
                return
            except RecordTooLarge as error:
                self._on_failure(record, error)
                parts = smaller(record, detail=str(error))
                if parts:
                    for part in parts:
                        await self._deliver(part)
                    return
            except PublishFailed as error:
                self._on_failure(record, error)
            await self._wait(self._retry.wait_ms(attempt, random=self._random))
            attempt += 1

"""Who is let into a flash sale: the first N, and no more at a time than can be written down.

The gate shapes the traffic: whatever storms at it, the seller behind the queue meets at most
N tickets, at a pace that the queue can take. The rest are told at once.
"""

from __future__ import annotations

from enum import IntEnum


class Verdict(IntEnum):
    """What someone who asks is told: the status of the answer."""

    ADMITTED = 202
    WAITING = 303
    """Too many are being written down just now: come again."""
    SOLD_OUT = 410


class Gate:
    """One sale's gate; it belongs to one thread."""

    def __init__(self, *, stock: int, waiting_max: int) -> None:
        self.stock = stock
        self._waiting_max = waiting_max
        self.admitted_count = 0
        """Those whose tickets are durable."""
        self.waiting_count = 0
        """Those let in, whose tickets are on their way into the queue."""

    def ask(self) -> Verdict:
        """Answer the next one; who is admitted is to be settled.

        A place is never free again: a ticket that is not known to be in the queue may be
        there, and who was let in for it would find that all is sold.
        """
        if self.admitted_count + self.waiting_count >= self.stock:
            return Verdict.SOLD_OUT
        if self.waiting_count >= self._waiting_max:
            return Verdict.WAITING
        self.waiting_count += 1
        return Verdict.ADMITTED

    def settle(self) -> None:
        """Note that the ticket of one that was let in is durable."""
        self.waiting_count -= 1
        self.admitted_count += 1

"""A flash sale: the first N are let in, and no more at a time than can be written down.

The gate shapes the traffic: whatever storms at it, the seller behind the queue meets at most
N tickets, at a pace that the queue can take. The rest are told at once. The seller trusts no
gate, and sells no more than there is.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum

from tailrace.errors import ServiceUnavailable
from tailrace.shop_link import SaleState
from tailrace_shop.http import Response
from tailrace_shop.premises import Premises
from tailrace_shop.queue import PUBLISH_S_MAX, Topic
from tailrace_shop.stock import Order, Stock

SELLER = "seller"
WRITERS = 32
"""Tickets that are written at once; more wait their turn."""
SALES_SHOWN_MAX = 5
WAITING_PAGE = "/sales/waiting"
WAITING_TEXT = b"Many are being served. Come again in a second.\n"


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


class Sales:
    """Lets people in at the shop's front, and sells to them behind the queue.

    Its gates belong to the web server's thread.
    """

    def __init__(self, premises: Premises, *, waiting_max: int) -> None:
        self._queue = premises.queue
        self._log = premises.json_log(SELLER)
        self._waiting_max = waiting_max
        self._gates: dict[str, Gate] = {}
        self._writers = ThreadPoolExecutor(WRITERS, "ticket")
        self._closes = threading.Event()
        self.shelf = Stock(premises.folder / "sales.db")
        self.workers = {
            SELLER: premises.worker(
                Topic.TICKETS, group=SELLER, message_type=Order, handle=self.sell
            )
        }

    def open(self, sale: str, *, stock: int) -> None:
        """Put so many on the shelf of a sale, and open its gate.

        Raises:
            ValueError: there was such a sale before, and nobody knows any more how many
                it let in.
        """
        if not self.shelf.put(sale, stock):
            raise ValueError(f"there was a sale {sale!r} before: name another one")
        self._gates[sale] = Gate(stock=stock, waiting_max=self._waiting_max)
        self._log.write(
            f"sale {sale} opened: {stock} pieces",
            action="opened",
            sale=sale,
            stock=stock,
        )

    async def answer(self, sale: str, trace_id: str) -> Response:
        """Answer who asks for a ticket, who is admitted once the ticket is durable.

        Raises:
            ServiceUnavailable: the shop closes before it is.
        """
        gate = self._gates.get(sale)
        if gate is None:
            return Response.refusing("there is no such sale")
        match verdict := gate.ask():
            case Verdict.ADMITTED:
                return await self._admit(sale, gate, trace_id)
            case Verdict.WAITING:
                return Response(status=verdict, headers={"location": WAITING_PAGE})
            case Verdict.SOLD_OUT:
                return Response.refusing("sold out", status=verdict)

    def sell(self, ticket: Order) -> None:
        """Sell what a ticket is for, once, and never more than there is."""
        outcome = self.shelf.take(ticket)
        self._log.write(
            f"ticket {ticket.order_id} {outcome.replace('_', ' ')}",
            action=outcome,
            trace_id=ticket.trace_id,
            sale=ticket.item,
        )

    def states(self) -> list[SaleState]:
        """Return how the last sales stand."""
        return [
            SaleState(
                name=name,
                stock=gate.stock,
                admitted=gate.admitted_count,
                sold=self.shelf.taken(name),
            )
            for name, gate in list(self._gates.items())[-SALES_SHOWN_MAX:]
        ]

    def ask_to_close(self) -> None:
        """Give up tickets that the queue does not take."""
        self._closes.set()

    def close(self) -> None:
        """Close the shelf and the log; nobody asks any more."""
        self.ask_to_close()
        self._writers.shutdown()
        self.shelf.close()
        self._log.close()

    async def _admit(self, sale: str, gate: Gate, trace_id: str) -> Response:
        ticket = Order(
            order_id=f"{sale}-{secrets.token_hex(8)}",
            item=sale,
            quantity=1,
            trace_id=trace_id,
        )
        loop = asyncio.get_running_loop()
        written = loop.run_in_executor(self._writers, self._write, ticket)
        written.add_done_callback(
            lambda one: None if one.exception() else gate.settle()
        )
        done, _ = await asyncio.wait((written,), timeout=PUBLISH_S_MAX)
        if not done:
            return Response.refusing("the queue does not take it yet", status=503)
        written.result()
        return Response.saying({"ticket": ticket.order_id}, status=Verdict.ADMITTED)

    def _write(self, ticket: Order) -> None:
        """Publish a ticket until it is durable, though the seller counts it once.

        Raises:
            ServiceUnavailable: the shop closes before it is.
        """
        while True:
            try:
                self._queue.publish(Topic.TICKETS, ticket, key=ticket.order_id)
            except ServiceUnavailable:
                if self._closes.is_set():
                    raise
            else:
                return

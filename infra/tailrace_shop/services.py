"""The services behind the queues: what each does with a message, and what it logs of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from tailrace.clock import Clock
from tailrace.settings import Connections
from tailrace_shop.chat import Helper, Room, Speaker
from tailrace_shop.gate import Gate
from tailrace_shop.gateways import GatewayTimeout, Outside
from tailrace_shop.logs import JsonLog, PythonLog
from tailrace_shop.messages import Order, Registered, Said, Topic
from tailrace_shop.queue import Queue, Worker
from tailrace_shop.stock import Outcome, Stock

ITEMS = ("teapot", "kettle", "toaster", "lantern", "umbrella")
SHELF_COUNT = 1_000_000
"""Of each item: what a gentle shop sells in years."""
HELPERS = ("ada", "grace")
INVENTORY = "inventory"
FULFILMENT = "fulfilment"
NOTIFIER = "notifier"
SELLER = "seller"

MessageT = TypeVar("MessageT", bound=msgspec.Struct)


class Services:
    """Every service that reads a queue, by its name."""

    def __init__(
        self,
        connections: Connections,
        *,
        folder: Path,
        queue: Queue,
        outside: Outside,
        clock: Clock,
        waiting_max: int,
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._outside = outside
        self._waiting_max = waiting_max
        logs = folder / "logs"
        self._notifier_log = PythonLog(
            logs / "notifier.log", logger="shop.notifier", clock=clock
        )
        self._logs = {
            name: JsonLog(logs / f"{name}.log", service=name, clock=clock)
            for name in (INVENTORY, FULFILMENT, SELLER)
        }
        self.inventory = Stock(folder / "inventory.db")
        for item in ITEMS:
            self.inventory.put(item, SHELF_COUNT)
        self.sales = Stock(folder / "sales.db")
        self.gates: dict[str, Gate] = {}
        """Of the flash sales by name; they belong to the web server's thread."""
        self.speaker = Speaker(queue, clock=clock)
        self.room = Room()
        self.workers = self._workers()

    def start(self) -> None:
        """Start them all."""
        for worker in self.workers.values():
            worker.start()

    def stop(self) -> None:
        """Stop them all, and close what they hold."""
        for worker in self.workers.values():
            worker.ask_to_stop()
        for worker in self.workers.values():
            worker.stop()
        self.inventory.close()
        self.sales.close()
        for log in (self._notifier_log, *self._logs.values()):
            log.close()

    def open_sale(self, sale: str, *, stock: int) -> None:
        """Put so many on the shelf of a flash sale, and open its gate.

        Raises:
            ValueError: there was such a sale before, and nobody knows any more how many
                it let in.
        """
        if not self.sales.put(sale, stock):
            raise ValueError(f"there was a sale {sale!r} before: name another one")
        self.gates[sale] = Gate(stock=stock, waiting_max=self._waiting_max)
        self._logs[SELLER].write(
            f"sale {sale} opened: {stock} pieces",
            action="opened",
            sale=sale,
            stock=stock,
        )

    def reserve(self, order: Order) -> None:
        """Take an order's items from the shelf, once however often it comes."""
        outcome = self.inventory.take(order)
        self._logs[INVENTORY].write(
            f"order {order.order_id} {outcome.replace('_', ' ')}",
            level="warning" if outcome is Outcome.SOLD_OUT else "info",
            action=outcome,
            trace_id=order.trace_id,
            item=order.item,
            quantity=order.quantity,
        )

    def sell(self, ticket: Order) -> None:
        """Sell what a ticket is for, once, and never more than there is."""
        outcome = self.sales.take(ticket)
        self._logs[SELLER].write(
            f"ticket {ticket.order_id} {outcome.replace('_', ' ')}",
            action=outcome,
            trace_id=ticket.trace_id,
            sale=ticket.item,
        )

    def fulfil(self, order: Order) -> None:
        """Tell the customer by SMS; after a crash some are told twice."""
        began_ms = self._clock.monotonic_ms()
        level, said = "info", "shipped"
        try:
            self._outside.sms(order.order_id)
        except GatewayTimeout as error:
            level, said = "warning", f"shipped, and nobody told: {error}"
        self._logs[FULFILMENT].write(
            f"order {order.order_id} {said}",
            level=level,
            action="shipped",
            trace_id=order.trace_id,
            took_ns=(self._clock.monotonic_ms() - began_ms) * 1_000_000,
        )

    def welcome(self, registered: Registered) -> None:
        """Send a new user both messages."""
        for gateway in (self._outside.mail, self._outside.sms):
            traced = f"trace_id={registered.trace_id}"
            try:
                gateway(registered.user)
            except GatewayTimeout as error:
                self._notifier_log.error(
                    f"welcome by {gateway.name} to {registered.user} failed {traced}",
                    error=error,
                )
            else:
                self._notifier_log.write(
                    f"welcome by {gateway.name} to {registered.user} sent {traced}"
                )

    def _workers(self) -> dict[str, Worker]:
        helpers = {
            f"helper-{name}": self._worker(
                Topic.QUESTIONS,
                group="helpdesk",
                message_type=Said,
                handle=Helper(name, speaker=self.speaker).answer,
            )
            for name in HELPERS
        }
        return {
            NOTIFIER: self._worker(
                Topic.USERS,
                group=NOTIFIER,
                message_type=Registered,
                handle=self.welcome,
            ),
            INVENTORY: self._worker(
                Topic.ORDERS, group=INVENTORY, message_type=Order, handle=self.reserve
            ),
            FULFILMENT: self._worker(
                Topic.ORDERS, group=FULFILMENT, message_type=Order, handle=self.fulfil
            ),
            SELLER: self._worker(
                Topic.TICKETS, group=SELLER, message_type=Order, handle=self.sell
            ),
            **helpers,
            "room": self._worker(
                Topic.CHAT, group=None, message_type=Said, handle=self.room.hear
            ),
        }

    def _worker(
        self,
        topic: Topic,
        *,
        group: str | None,
        message_type: type[MessageT],
        handle: Callable[[MessageT], None],
    ) -> Worker:
        return Worker(
            self._connections,
            topic=topic,
            group=group,
            message_type=message_type,
            handle=handle,
            problem=self._notifier_log.error,
        )

"""Orders that go on while the inventory is down, which then counts each of them once.

Whoever orders is answered once the order is in the queue. Two services read it there, each
in a group of its own: the inventory takes what was ordered from the shelf, the fulfilment
tells the customer. Neither knows the other, and the order knows neither.
"""

from __future__ import annotations

import secrets

import msgspec

from tailrace_shop.gateways import GatewayTimeout
from tailrace_shop.http import Request, Response, checked_name
from tailrace_shop.incidents import BAD_VERSION, Deploys
from tailrace_shop.logs import JavaLog
from tailrace_shop.premises import Premises
from tailrace_shop.queue import Topic
from tailrace_shop.stock import Order, Outcome, Stock

ITEMS = ("teapot", "kettle", "toaster", "lantern", "umbrella")
SHELF_COUNT = 1_000_000
"""Of each item: what a gentle shop sells in years."""
INVENTORY = "inventory"
FULFILMENT = "fulfilment"
BROKEN_SHARE = 1 / 3
"""Of the orders, that a bad version fails at."""
BROKEN_FRAMES = (
    "orders.PriceService.discount(PriceService.java:87)",
    "orders.OrderService.accept(OrderService.java:142)",
    "orders.OrderController.post(OrderController.java:58)",
)


class _Ordered(msgspec.Struct):
    item: str
    quantity: int = 1
    order_id: str = ""
    """Given by who may have to order again what is not known to be accepted."""


class Orders:
    """Takes orders in at the shop's front, and carries them out behind the queue."""

    def __init__(self, premises: Premises, *, deploys: Deploys) -> None:
        self._queue = premises.queue
        self._outside = premises.outside
        self._clock = premises.clock
        self._random = premises.random
        self._deploys = deploys
        self._log = JavaLog(
            premises.folder / "logs" / "orders.log",
            logger="orders.OrderService",
            clock=premises.clock,
        )
        self._inventory_log = premises.json_log(INVENTORY)
        self._fulfilment_log = premises.json_log(FULFILMENT)
        self.inventory = Stock(premises.folder / "inventory.db")
        for item in ITEMS:
            self.inventory.put(item, SHELF_COUNT)
        self.workers = {
            name: premises.worker(
                Topic.ORDERS, group=name, message_type=Order, handle=handle
            )
            for name, handle in (
                (INVENTORY, self.reserve),
                (FULFILMENT, self.fulfil),
            )
        }

    def accept(self, request: Request, trace_id: str) -> Response:
        """Answer who orders, once the order is durable.

        Raises:
            DecodeError, ValueError: it is no order of something that there is.
            ServiceUnavailable: the queue does not take it.
        """
        ordered = msgspec.json.decode(request.body, type=_Ordered)
        if ordered.item not in ITEMS or not 1 <= ordered.quantity <= 100:
            raise ValueError("an order is 1 to 100 of an item that there is")
        order = Order(
            order_id=checked_name(ordered.order_id or secrets.token_hex(8)),
            item=ordered.item,
            quantity=ordered.quantity,
            trace_id=trace_id,
        )
        is_broken = self._deploys.version() == BAD_VERSION
        if is_broken and self._random.random() < BROKEN_SHARE:
            self._log.error(
                f"order {order.order_id} failed trace_id={trace_id}",
                fault=(
                    "java.lang.NullPointerException: Cannot invoke"
                    ' "Discount.rate()" because "discount" is null'
                ),
                frames=BROKEN_FRAMES,
            )
            return Response.refusing("something went wrong", status=500)
        self._queue.publish(Topic.ORDERS, order, key=order.order_id)
        self._log.write(
            f"order {order.order_id} accepted: {order.quantity} {order.item}"
            f" trace_id={trace_id}"
        )
        return Response.saying({"order_id": order.order_id}, status=202)

    def reserve(self, order: Order) -> None:
        """Take an order's items from the shelf, once however often it comes."""
        outcome = self.inventory.take(order)
        self._inventory_log.write(
            f"order {order.order_id} {outcome.replace('_', ' ')}",
            level="warning" if outcome is Outcome.SOLD_OUT else "info",
            action=outcome,
            trace_id=order.trace_id,
            item=order.item,
            quantity=order.quantity,
        )

    def fulfil(self, order: Order) -> None:
        """Tell the customer by SMS; after a crash some are told twice."""
        began_ms = self._clock.monotonic_ms()
        level, said = "info", "shipped"
        try:
            self._outside.sms(order.order_id)
        except GatewayTimeout as error:
            level, said = "warning", f"shipped, and nobody told: {error}"
        self._fulfilment_log.write(
            f"order {order.order_id} {said}",
            level=level,
            action="shipped",
            trace_id=order.trace_id,
            took_ns=(self._clock.monotonic_ms() - began_ms) * 1_000_000,
        )

    def close(self) -> None:
        """Close the shelf and the logs; nothing is ordered any more."""
        self.inventory.close()
        for log in (self._log, self._inventory_log, self._fulfilment_log):
            log.close()

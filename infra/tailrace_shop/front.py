"""The shop's web front: which request does what, and a line in the access log for each."""

from __future__ import annotations

import asyncio
import re
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from tailrace.clock import Clock
from tailrace.errors import ServiceUnavailable
from tailrace.log import logger
from tailrace_shop.gate import Verdict
from tailrace_shop.gateways import GatewayTimeout, Outside
from tailrace_shop.http import Handler, Request, Response
from tailrace_shop.incidents import BAD_VERSION, Deploys
from tailrace_shop.logs import AccessLog, JavaLog, JsonLog
from tailrace_shop.messages import Order, Registered, Said, SaidKind, Topic
from tailrace_shop.queue import PUBLISH_S_MAX, Queue
from tailrace_shop.registration import Mode, Registration
from tailrace_shop.services import ITEMS, Services

THREADS = 32
"""Registrations and orders at once; more wait their turn."""
NAME_CHARACTERS_MAX = 64
TEXT_CHARACTERS_MAX = 500
WAITING_PAGE = "/sales/waiting"
WAITING_TEXT = b"Many are being served. Come again in a second.\n"
FINISH_LOOK_MS = 50
BROKEN_SHARE = 1 / 3
"""Of the orders, that a bad version fails at."""
BROKEN_FRAMES = (
    "orders.PriceService.discount(PriceService.java:87)",
    "orders.OrderService.accept(OrderService.java:142)",
    "orders.OrderController.post(OrderController.java:58)",
)
_TRACE_ID = re.compile(r"[0-9a-f]{8,64}")


class _Named(msgspec.Struct):
    name: str


class _Ordered(msgspec.Struct):
    item: str
    quantity: int = 1
    order_id: str = ""
    """Given by who may have to order again what is not known to be accepted."""


class _Spoken(msgspec.Struct):
    member: str
    text: str = ""
    kind: SaidKind = SaidKind.SAID


class Front:
    """Answers every request; it belongs to the server's thread."""

    def __init__(
        self,
        *,
        queue: Queue,
        services: Services,
        outside: Outside,
        deploys: Deploys,
        control: Handler,
        logs: Path,
        clock: Clock,
        random: Random,
    ) -> None:
        self._queue = queue
        self._services = services
        self._deploys = deploys
        self._control = control
        self._clock = clock
        self._random = random
        self._threads = ThreadPoolExecutor(THREADS, "front")
        self._senders = ThreadPoolExecutor(THREADS, "send")
        self._tickets = ThreadPoolExecutor(THREADS, "ticket")
        self._closes = threading.Event()
        self._under_way = 0
        self._access = AccessLog(logs / "access.log", clock=clock)
        self._registrations = JsonLog(
            logs / "registration.log", service="registration", clock=clock
        )
        self._orders = JavaLog(
            logs / "orders.log", logger="orders.OrderService", clock=clock
        )
        self._registration = Registration(
            write=outside.database,
            send_email=outside.mail,
            send_sms=outside.sms,
            enqueue=self._enqueue,
            senders=self._senders,
        )

    async def answer(self, request: Request) -> Response:
        """Answer, and write it down before anybody is told."""
        self._under_way += 1
        try:
            return await self._answered(request)
        finally:
            self._under_way -= 1

    async def _answered(self, request: Request) -> Response:
        began_ns = time.perf_counter_ns()
        trace_id = request.headers.get("x-trace-id", "")
        if not _TRACE_ID.fullmatch(trace_id):
            trace_id = secrets.token_hex(16)
        try:
            response = await self._routed(request, trace_id)
        except (msgspec.DecodeError, ValueError) as error:
            response = _json({"error": str(error)}, status=400)
        except ServiceUnavailable as error:
            response = _json({"error": str(error)}, status=503)
        except Exception:  # noqa: BLE001 - whoever asks is answered, and has a line
            logger("shop").exception("request_failed", target=request.target)
            response = _json({"error": "something went wrong"}, status=500)
        took_ms = (time.perf_counter_ns() - began_ns) / 1e6
        self._access.answered(request, response, took_ms=took_ms, trace_id=trace_id)
        return response

    def close(self) -> None:
        """Finish what is under way, in another thread than it, and close the logs."""
        self._closes.set()
        while self._under_way:
            self._clock.sleep_ms(FINISH_LOOK_MS)
        for threads in (self._threads, self._senders, self._tickets):
            threads.shutdown()
        for log in (self._access, self._registrations, self._orders):
            log.close()

    async def _routed(self, request: Request, trace_id: str) -> Response:
        match (request.method, *request.path.strip("/").split("/")):
            case ("POST", "sales", sale, "tickets"):
                return await self._ticket(sale, trace_id)
            case ("GET", ""):
                return _json({"items": ITEMS})
            case ("GET", "items", item) if item in ITEMS:
                return _json(
                    {"item": item, "left": self._services.inventory.left(item)}
                )
            case ("GET", "sales", "waiting"):
                return Response(
                    body=WAITING_TEXT,
                    content_type="text/plain",
                    headers={"retry-after": "1"},
                )
            case ("POST", "users"):
                return await self._in_thread(self._register, request, trace_id)
            case ("POST", "orders"):
                return await self._in_thread(self._order, request, trace_id)
            case ("GET", "chat"):
                return self._room()
            case ("POST", "chat"):
                return await self._in_thread(self._speak, request, trace_id)
            case (_, "control", *_):
                return await self._control(request)
            case _:
                return _json({"error": "there is no such page"}, status=404)

    async def _in_thread(
        self, work: Callable[[Request, str], Response], request: Request, trace_id: str
    ) -> Response:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, work, request, trace_id)

    async def _ticket(self, sale: str, trace_id: str) -> Response:
        """Let one into a flash sale, who is admitted once the ticket is durable."""
        gate = self._services.gates.get(sale)
        if gate is None:
            return _json({"error": "there is no such sale"}, status=404)
        verdict = gate.ask()
        if verdict is Verdict.ADMITTED:
            ticket = Order(
                order_id=f"{sale}-{secrets.token_hex(8)}",
                item=sale,
                quantity=1,
                trace_id=trace_id,
            )
            loop = asyncio.get_running_loop()
            written = loop.run_in_executor(self._tickets, self._write, ticket)
            written.add_done_callback(
                lambda one: None if one.exception() else gate.settle()
            )
            done, _ = await asyncio.wait((written,), timeout=PUBLISH_S_MAX)
            if not done:
                return _json({"error": "the queue does not take it yet"}, status=503)
            written.result()
            return _json({"ticket": ticket.order_id}, status=verdict)
        if verdict is Verdict.WAITING:
            return Response(status=verdict, headers={"location": WAITING_PAGE})
        return _json({"error": "sold out"}, status=verdict)

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

    def _enqueue(self, registered: Registered) -> None:
        self._queue.publish(Topic.USERS, registered, key=registered.user)

    def _register(self, request: Request, trace_id: str) -> Response:
        user = _name(msgspec.json.decode(request.body, type=_Named).name)
        mode = Mode(request.query.get("mode", Mode.QUEUED))
        began_ns, failure = time.perf_counter_ns(), ""
        try:
            self._registration.register(
                Registered(user=user, trace_id=trace_id), mode=mode
            )
        except GatewayTimeout as error:
            failure = str(error)
        self._registrations.write(
            f"registration of {user} failed" if failure else f"user {user} registered",
            level="error" if failure else "info",
            action="failed" if failure else "registered",
            trace_id=trace_id,
            took_ns=time.perf_counter_ns() - began_ns,
            mode=mode,
            error=failure,
        )
        if failure:
            return _json({"error": failure}, status=503)
        return _json({"user": user}, status=201)

    def _order(self, request: Request, trace_id: str) -> Response:
        ordered = msgspec.json.decode(request.body, type=_Ordered)
        if ordered.item not in ITEMS or not 1 <= ordered.quantity <= 100:
            raise ValueError("an order is 1 to 100 of an item that there is")
        order = Order(
            order_id=_name(ordered.order_id or secrets.token_hex(8)),
            item=ordered.item,
            quantity=ordered.quantity,
            trace_id=trace_id,
        )
        is_broken = self._deploys.version() == BAD_VERSION
        if is_broken and self._random.random() < BROKEN_SHARE:
            self._orders.error(
                f"order {order.order_id} failed trace_id={trace_id}",
                fault=(
                    "java.lang.NullPointerException: Cannot invoke"
                    ' "Discount.rate()" because "discount" is null'
                ),
                frames=BROKEN_FRAMES,
            )
            return _json({"error": "something went wrong"}, status=500)
        self._queue.publish(Topic.ORDERS, order, key=order.order_id)
        self._orders.write(
            f"order {order.order_id} accepted: {order.quantity} {order.item}"
            f" trace_id={trace_id}"
        )
        return _json({"order_id": order.order_id}, status=202)

    def _speak(self, request: Request, trace_id: str) -> Response:
        del trace_id
        spoken = msgspec.json.decode(request.body, type=_Spoken)
        member = _name(spoken.member)
        if spoken.kind is SaidKind.SAID:
            self._services.speaker.say(member, spoken.text[:TEXT_CHARACTERS_MAX])
        else:
            self._services.speaker.tell(member, spoken.kind)
        return self._room()

    def _room(self) -> Response:
        room = self._services.room
        said: list[Said] = room.said()
        present = room.present(now_ms=self._clock.now_ms())
        return _json({"said": said, "present": present})


def _name(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= NAME_CHARACTERS_MAX or not name.isprintable():
        raise ValueError(f"a name has 1 to {NAME_CHARACTERS_MAX} characters that print")
    return name


def _json(value: Any, *, status: int = 200) -> Response:  # noqa: ANN401 - whatever JSON can say
    return Response(status=status, body=msgspec.json.encode(value))

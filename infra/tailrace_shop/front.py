"""The shop's web front: which request goes to whom, and a line in the access log for each."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from tailrace.clock import Clock
from tailrace.errors import ServiceUnavailable
from tailrace.log import logger
from tailrace_shop.chat import Chat
from tailrace_shop.http import Handler, Request, Response
from tailrace_shop.logs import AccessLog
from tailrace_shop.orders import ITEMS, Orders
from tailrace_shop.registration import Accounts
from tailrace_shop.sale import WAITING_TEXT, Sales

THREADS = 32
"""Registrations and orders at once; more wait their turn."""
FINISH_LOOK_MS = 50
_TRACE_ID = re.compile(r"[0-9a-f]{8,64}")


class Front:
    """Answers every request; it belongs to the server's thread."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        orders: Orders,
        sales: Sales,
        chat: Chat,
        control: Handler,
        logs: Path,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._orders = orders
        self._sales = sales
        self._chat = chat
        self._control = control
        self._clock = clock
        self._threads = ThreadPoolExecutor(THREADS, "front")
        self._under_way = 0
        self._access = AccessLog(logs / "access.log", clock=clock)

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
            response = Response.refusing(str(error), status=400)
        except ServiceUnavailable as error:
            response = Response.refusing(str(error), status=503)
        except Exception:  # noqa: BLE001 - whoever asks is answered, and has a line
            logger("shop").exception("request_failed", target=request.target)
            response = Response.refusing("something went wrong", status=500)
        took_ms = (time.perf_counter_ns() - began_ns) / 1e6
        self._access.answered(request, response, took_ms=took_ms, trace_id=trace_id)
        return response

    def close(self) -> None:
        """Finish what is under way, in another thread than it, and close the log."""
        self._sales.ask_to_close()
        while self._under_way:
            self._clock.sleep_ms(FINISH_LOOK_MS)
        self._threads.shutdown()
        self._access.close()

    async def _routed(self, request: Request, trace_id: str) -> Response:
        match (request.method, *request.path.strip("/").split("/")):
            case ("POST", "sales", sale, "tickets"):
                return await self._sales.answer(sale, trace_id)
            case ("GET", "sales", "waiting"):
                return Response(
                    body=WAITING_TEXT,
                    content_type="text/plain",
                    headers={"retry-after": "1"},
                )
            case ("GET", ""):
                return Response.saying({"items": ITEMS})
            case ("GET", "items", item) if item in ITEMS:
                left = self._orders.inventory.left(item)
                return Response.saying({"item": item, "left": left})
            case ("POST", "users"):
                return await self._in_thread(self._accounts.register, request, trace_id)
            case ("POST", "orders"):
                return await self._in_thread(self._orders.accept, request, trace_id)
            case ("GET", "chat"):
                return self._chat.look()
            case ("POST", "chat"):
                return await self._in_thread(self._chat.speak, request, trace_id)
            case (_, "control", *_):
                return await self._control(request)
            case _:
                return Response.refusing("there is no such page")

    async def _in_thread(
        self, work: Callable[[Request, str], Response], request: Request, trace_id: str
    ) -> Response:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, work, request, trace_id)

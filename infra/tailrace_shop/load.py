"""The load generator: a measured registration, many orders, a flash sale's storm.

What it was answered it counts itself, and writes down as any service does: so that the
count of the client and that of the server's log stand side by side in one index.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from pathlib import Path

import msgspec

from tailrace.clock import Clock
from tailrace.shop_loads import LOAD_AGENT, Load
from tailrace_shop.client import Visitor
from tailrace_shop.logs import JsonLog
from tailrace_shop.registration import Mode
from tailrace_shop.services import ITEMS

ADDRESS = "192.0.2.1"
CONNECTIONS = 64


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What the client was answered."""

    load: Load
    name: str
    """Begins the names or the ids of what was made; the flash sale's own."""
    requests: int
    took_ms: int
    answers: dict[str, int]
    """How many by status."""
    unanswered: int = 0
    """Requests whose connection broke, or that waited too long: done or not."""

    @property
    def per_s(self) -> int:
        """Return the rate that was reached."""
        return round(self.requests * 1_000 / max(self.took_ms, 1))


async def register(url: str, *, count: int) -> Counted:
    """Register `count` users in each of the three ways, by one worker, in turn.

    In turn, so that whatever else this machine does strikes each of them alike.

    Raises:
        OSError, EOFError: the shop does not answer.
    """
    name, answers = secrets.token_hex(4), Counter[str]()
    began_ns = time.perf_counter_ns()
    async with Visitor(url, address=ADDRESS, agent=LOAD_AGENT) as visitor:
        for number in range(count):
            for mode in Mode:
                body = msgspec.json.encode({"name": f"{name}-{number}"})
                status, _ = await visitor.ask("POST", f"/users?mode={mode}", body=body)
                answers[str(status)] += 1
    return _counted(Load.REGISTRATION, name, answers, began_ns=began_ns)


async def order(url: str, *, count: int) -> Counted:
    """Place `count` orders of one piece each, by several workers.

    Raises:
        OSError: the shop does not answer.
    """
    name, answers = secrets.token_hex(4), Counter[str]()
    began_ns = time.perf_counter_ns()
    numbers = iter(range(count))

    async def work() -> None:
        async with Visitor(url, address=ADDRESS, agent=LOAD_AGENT) as visitor:
            for number in numbers:
                one = {
                    "order_id": f"{name}-{number}",
                    "item": ITEMS[number % len(ITEMS)],
                }
                answers[
                    await _status(visitor, "/orders", msgspec.json.encode(one))
                ] += 1

    await asyncio.gather(*(work() for _ in range(min(8, count))))
    return _counted(Load.ORDERS, name, answers, began_ns=began_ns)


async def storm(url: str, *, sale: str, requests: int, per_s: int) -> Counted:
    """Ask for `requests` tickets of a sale, `per_s` a second, whatever is answered.

    Where the shop is slower than that, all connections are busy, and it is asked as fast
    as it answers. A connection that breaks takes one request with it, and the others go on.

    Raises:
        OSError: the shop does not answer.
    """
    answers, unanswered = Counter[str](), 0
    numbers = iter(range(requests))
    target = f"/sales/{sale}/tickets"
    began_ns = time.perf_counter_ns()

    async def work() -> None:
        nonlocal unanswered
        async with Visitor(url, address=ADDRESS, agent=LOAD_AGENT) as visitor:
            for number in numbers:
                due_s = number / per_s - (time.perf_counter_ns() - began_ns) / 1e9
                if due_s > 0:
                    await asyncio.sleep(due_s)
                try:
                    answers[await _status(visitor, target, b"")] += 1
                except (OSError, EOFError):
                    unanswered += 1
                    return

    await asyncio.gather(*(work() for _ in range(min(CONNECTIONS, requests))))
    return _counted(Load.SALE, sale, answers, began_ns=began_ns, unanswered=unanswered)


def write_down(counted: Counted, *, folder: Path, clock: Clock) -> None:
    """Log what the client counted, into the shop's folder."""
    log = JsonLog(folder / "logs" / "load.log", service="load", clock=clock)
    log.write(
        f"{counted.load} {counted.name}: {counted.requests} requests,"
        f" {counted.per_s} a second",
        action=counted.load,
        took_ns=counted.took_ms * 1_000_000,
        name=counted.name,
        requests=counted.requests,
        answers={f"status_{status}": n for status, n in counted.answers.items()},
        unanswered=counted.unanswered,
    )
    log.close()


async def _status(visitor: Visitor, target: str, body: bytes) -> str:
    status, _ = await visitor.ask("POST", target, body=body)
    return str(status)


def _counted(
    load: Load,
    name: str,
    answers: Counter[str],
    *,
    began_ns: int,
    unanswered: int = 0,
) -> Counted:
    return Counted(
        load=load,
        name=name,
        requests=answers.total() + unanswered,
        unanswered=unanswered,
        took_ms=(time.perf_counter_ns() - began_ns) // 1_000_000,
        answers=dict(sorted(answers.items())),
    )

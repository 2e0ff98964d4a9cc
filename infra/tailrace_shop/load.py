"""The load generator: a measured registration, many orders, a flash sale's storm.

What it was answered it counts itself, and writes down as any service does: so that the
count of the client and that of the server's log stand side by side in one index.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tailrace.clock import Clock
from tailrace.shop_loads import LOAD_AGENT, Load
from tailrace_shop.client import visiting
from tailrace_shop.logs import JsonLog
from tailrace_shop.orders import ITEMS
from tailrace_shop.registration import Mode

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
        OSError: the shop does not answer.
    """
    name = secrets.token_hex(4)
    requests = [
        (f"/users?mode={mode}", msgspec.json.encode({"name": f"{name}-{number}"}))
        for number in range(count)
        for mode in Mode
    ]
    return await _asked(url, requests, load=Load.REGISTRATION, name=name, workers=1)


async def order(url: str, *, count: int) -> Counted:
    """Place `count` orders of one piece each, by several workers.

    Raises:
        OSError: the shop does not answer.
    """
    name = secrets.token_hex(4)
    requests = [("/orders", order_body(name, number)) for number in range(count)]
    return await _asked(url, requests, load=Load.ORDERS, name=name, workers=8)


def order_body(name: str, number: int) -> bytes:
    """Return what is sent for one order of a load; sent again, it is the same order."""
    item = ITEMS[number % len(ITEMS)]
    return msgspec.json.encode({"order_id": f"{name}-{number}", "item": item})


async def storm(url: str, *, sale: str, requests: int, per_s: int) -> Counted:
    """Ask for `requests` tickets of a sale, `per_s` a second, whatever is answered.

    Where the shop is slower than that, all connections are busy, and it is asked as fast
    as it answers.

    Raises:
        OSError: the shop does not answer.
    """
    same = [(f"/sales/{sale}/tickets", b"")] * requests
    return await _asked(
        url, same, load=Load.SALE, name=sale, workers=CONNECTIONS, per_s=per_s
    )


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


async def _asked(
    url: str,
    requests: Sequence[tuple[str, bytes]],
    *,
    load: Load,
    name: str,
    workers: int,
    per_s: float = math.inf,
) -> Counted:
    """Post each target and body by one of the workers, and count the answers.

    A connection that breaks takes one request and its worker with it; the others go on.
    """
    answers, unanswered = Counter[str](), 0
    numbered = enumerate(requests)
    began_ns = time.perf_counter_ns()

    async def work() -> None:
        nonlocal unanswered
        async with visiting(url, address=ADDRESS, agent=LOAD_AGENT) as visitor:
            for number, (target, body) in numbered:
                due_s = number / per_s - (time.perf_counter_ns() - began_ns) / 1e9
                if due_s > 0:
                    await asyncio.sleep(due_s)
                try:
                    status, _ = await visitor.ask("POST", target, body=body)
                except (OSError, EOFError):
                    unanswered += 1
                    return
                answers[str(status)] += 1

    await asyncio.gather(*(work() for _ in range(min(workers, len(requests)))))
    return Counted(
        load=load,
        name=name,
        requests=answers.total() + unanswered,
        unanswered=unanswered,
        took_ms=(time.perf_counter_ns() - began_ns) // 1_000_000,
        answers=dict(sorted(answers.items())),
    )

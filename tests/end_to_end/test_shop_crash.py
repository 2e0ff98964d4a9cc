"""The shop is killed amid orders and a flash sale, and started again."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from tailrace.errors import CommandFailed
from tailrace.shop_link import SHOP_DIR, ShopLink
from tailrace_embedded.stack import Endpoints
from tailrace_shop import load
from tailrace_shop.client import visiting
from tailrace_shop.orders import ITEMS
from tailrace_shop.stock import Order, Outcome, Stock
from tests.support.roles import STOP_WAIT_S_MAX, TAILRACE
from tests.support.shops import WAIT_S_MAX
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

ORDERS = 300
COUNTED_MIN = 20
STOCK = 2_000
TICKETS_MIN = 200
CUSTOMERS = 16
ADMITTED = 202
AMID_BYTES = 500_000


@contextmanager
def running(
    stack: Endpoints, *, namespace: str, data_dir: Path
) -> Generator[subprocess.Popen[bytes]]:
    """Run the shop as a process of its own, until it has ended."""
    environment = {
        **stack.as_environment(),
        "TAILRACE_NAMESPACE": namespace,
        "TAILRACE_DATA_DIR": str(data_dir),
        "TAILRACE_SHOP_VISIT_PAUSE_MS": "0",
        "TAILRACE_SHOP_INCIDENT_PAUSE_MS": "0",
        "TAILRACE_SHOP_STEP_MS": "0",
    }
    with (data_dir / "shop.out").open("ab") as said:
        process = subprocess.Popen(
            [TAILRACE, SHOP_DIR, "run"],
            env={**os.environ, **environment},
            stdout=said,
            stderr=said,
        )

    def is_open() -> bool:
        assert process.poll() is None
        try:
            return ShopLink.read(data_dir).pid == process.pid
        except CommandFailed:
            return False

    try:
        eventually(is_open, WAIT_S_MAX, what="the shop is open")
        yield process
    finally:
        process.terminate()
        process.wait(STOP_WAIT_S_MAX)


def test_orders_that_were_accepted_outlive_the_shop_and_are_counted_once(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    """Killed amid the inventory's work, before it committed its position."""
    with ExitStack() as ends:
        with running(stack, namespace=namespace, data_dir=tmp_path) as process:
            link = ShopLink.read(tmp_path)
            link.tell("services/inventory/stop")
            placed = asyncio.run(load.order(link.url, count=ORDERS))
            assert placed.answers == {"202": ORDERS}
            shelf = ends.enter_context(
                closing(Stock(tmp_path / SHOP_DIR / "inventory.db"))
            )

            def counted() -> int:
                return sum(map(shelf.taken, ITEMS))

            link.tell("services/inventory/start")
            eventually(lambda: counted() >= COUNTED_MIN, WAIT_S_MAX)
            process.kill()
            process.wait()
        assert COUNTED_MIN <= counted() < ORDERS
        with running(stack, namespace=namespace, data_dir=tmp_path):
            link = ShopLink.read(tmp_path)
            eventually(lambda: not link.state().waiting["inventory"], WAIT_S_MAX)
        assert counted() == ORDERS


def test_who_was_admitted_to_a_sale_is_sold_to_though_the_shop_dies_amid_it(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    """And the sale is over: of its gate nobody knows any more how many it let in."""
    with running(stack, namespace=namespace, data_dir=tmp_path) as process:
        link = ShopLink.read(tmp_path)
        link.tell(f"sales/amid?stock={STOCK}")
        tickets = asyncio.run(admitted_until_it_dies(link.url, process))
    assert TICKETS_MIN <= len(tickets) < STOCK
    with running(stack, namespace=namespace, data_dir=tmp_path):
        link = ShopLink.read(tmp_path)
        eventually(lambda: not link.state().waiting["seller"], WAIT_S_MAX)
        with pytest.raises(CommandFailed, match="there was a sale 'amid' before"):
            link.tell(f"sales/amid?stock={STOCK}")
    with closing(Stock(tmp_path / SHOP_DIR / "sales.db")) as shelf:
        assert len(tickets) <= shelf.taken("amid") <= STOCK
        for ticket in tickets:
            order = Order(order_id=ticket, item="amid", quantity=1, trace_id="t")
            assert shelf.take(order) is Outcome.DUPLICATE


def test_a_shop_that_closes_amid_a_storm_writes_down_what_it_answered(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    with running(stack, namespace=namespace, data_dir=tmp_path) as process:
        link = ShopLink.read(tmp_path)
        link.tell(f"sales/amid?stock={STOCK}")
        log = tmp_path / SHOP_DIR / "logs" / "access.log"
        closing_amid = threading.Thread(target=terminate_at, args=(process, log))
        closing_amid.start()
        counted = asyncio.run(
            load.storm(link.url, sale="amid", requests=100_000, per_s=5_000)
        )
        closing_amid.join()
        assert process.wait(STOP_WAIT_S_MAX) == 0
    logged = Counter(
        line.partition('" ')[2][:3]
        for line in log.read_text().splitlines()
        if "/sales/amid/tickets" in line and "POST /control" not in line
    )
    assert counted.unanswered
    assert logged == counted.answers
    assert "Traceback" not in (tmp_path / "shop.out").read_text()


def terminate_at(process: subprocess.Popen[bytes], log: Path) -> None:
    """Ask the shop to close once its log is so long that a storm must be under way."""
    eventually(lambda: log.stat().st_size > AMID_BYTES, WAIT_S_MAX)
    process.terminate()


async def admitted_until_it_dies(
    url: str, process: subprocess.Popen[bytes]
) -> list[str]:
    """Ask for tickets by many connections, and kill the shop amid it; return the tickets."""
    tickets: list[str] = []

    async def ask() -> None:
        with suppress(OSError, EOFError):
            async with visiting(url, address="192.0.2.1", agent="x") as visitor:
                while True:
                    status, body = await visitor.ask("POST", "/sales/amid/tickets")
                    if status == ADMITTED:
                        tickets.append(json.loads(body)["ticket"])
                    if len(tickets) >= TICKETS_MIN:
                        process.kill()

    await asyncio.gather(*(ask() for _ in range(CUSTOMERS)))
    return tickets

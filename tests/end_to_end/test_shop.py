"""The shop's claims that are seen at the shop itself, each on the real broker."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Generator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tailrace.clock import SystemClock
from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace.shop_link import SHOP_DIR
from tailrace_embedded.stack import Endpoints
from tailrace_shop import load
from tailrace_shop.chat import HELPERS, QUESTION, Room, Said
from tailrace_shop.client import visiting
from tailrace_shop.queue import Queue, Topic
from tailrace_shop.sale import WAITING_PAGE, WAITING_TEXT
from tailrace_shop.stock import Order, Outcome
from tests.support.shops import WAIT_S_MAX, Opened, opened, order_again
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

ORDERS = 60
QUESTIONS = 20


@pytest.fixture
def shop(stack: Endpoints, namespace: str, tmp_path: Path) -> Generator[Opened]:
    with opened(stack, namespace=namespace, data_dir=tmp_path) as one:
        yield one


def test_orders_go_on_without_the_inventory_which_then_counts_each_once(
    shop: Opened,
) -> None:
    """Also those that are ordered twice, and those that a crash brings once more."""
    assert not shop.link.tell("services/inventory/stop").services["inventory"]

    placed = asyncio.run(load.order(shop.link.url, count=ORDERS))

    assert placed.answers == {"202": ORDERS}
    assert shop.waiting("inventory") == ORDERS
    assert shop.taken() == 0
    assert asyncio.run(order_again(shop.link.url, placed)) == [202] * ORDERS
    assert shop.waiting("inventory") == 2 * ORDERS

    assert shop.link.tell("services/inventory/start").services["inventory"]
    eventually(lambda: not shop.waiting("inventory"), WAIT_S_MAX)
    assert shop.taken() == ORDERS

    # Whose position was lost, as when it died before its commit, meets all of them again.
    seen: list[str] = []

    def reserve_again(order: Order) -> None:
        shop.shop.orders.reserve(order)
        seen.append(order.order_id)

    again = shop.other_worker(Topic.ORDERS, message_type=Order, handle=reserve_again)
    again.start()
    eventually(lambda: len(seen) == 2 * ORDERS, WAIT_S_MAX)
    again.stop()
    assert shop.taken() == ORDERS
    assert not shop.problems


def test_a_worker_that_dies_in_a_message_meets_it_again(shop: Opened) -> None:
    """The position is committed after the work: what was not done is not lost."""
    done: list[str] = []
    fails = threading.Event()

    def work(order: Order) -> None:
        if not fails.is_set():
            fails.set()
            raise ServiceUnavailable("The shelf", address="here", reason="it is away")
        done.append(order.order_id)

    worker = shop.other_worker(Topic.ORDERS, message_type=Order, handle=work)
    worker.start()
    placed = asyncio.run(load.order(shop.link.url, count=5))
    eventually(lambda: len(done) >= 5, WAIT_S_MAX)
    worker.stop()
    assert set(done) == {f"{placed.name}-{number}" for number in range(5)}
    assert [problem[:5] for problem in shop.problems] == ["Kafka"]


def test_a_service_that_is_started_while_it_ends_runs(shop: Opened) -> None:
    """The last press holds: it had looked as if it ran, and then it had ended."""
    works, may_end = threading.Event(), threading.Event()

    def work(order: Order) -> None:
        del order
        works.set()
        may_end.wait(WAIT_S_MAX)

    worker = shop.other_worker(Topic.ORDERS, message_type=Order, handle=work)
    worker.start()
    asyncio.run(load.order(shop.link.url, count=1))
    assert works.wait(WAIT_S_MAX)
    worker.ask_to_stop()
    starting = threading.Thread(target=worker.start)
    starting.start()
    may_end.set()
    starting.join(WAIT_S_MAX)
    works.clear()
    asyncio.run(load.order(shop.link.url, count=1))
    assert works.wait(WAIT_S_MAX)
    worker.stop()
    assert not worker.is_running


def test_a_question_goes_to_one_helper_and_a_word_to_every_listener(
    shop: Opened,
) -> None:
    """Point to point, and publish and subscribe, over one broker."""
    listener = Room()
    other = shop.other_worker(Topic.CHAT, message_type=Said, handle=listener.hear)
    other.start()
    room = shop.shop.chat.room

    def answers(about: str) -> list[Said]:
        said = listener.said()
        return [one for one in said if one.member in HELPERS and about in one.text]

    def both_help() -> bool:
        shop.link.speak("eva", text=f"{QUESTION} probe")
        return {one.member for one in answers("probe")} == set(HELPERS)

    eventually(both_help, WAIT_S_MAX, what="each helper has a share of the questions")

    for number in range(QUESTIONS):
        # An answer to who is named as the helpdesk begins as a question does.
        member = (QUESTION, "eva")[number % 2]
        shop.link.speak(member, text=f"{QUESTION} nr {number}.")
    shop.link.speak("bob", text="hello")

    wanted = {f"nr {number}." for number in range(QUESTIONS)}
    eventually(
        lambda: (
            all(answers(about) for about in wanted)
            and any(one.text == "hello" for one in listener.said())
        ),
        WAIT_S_MAX,
    )
    counts = Counter(about for about in wanted for _ in answers(about))
    assert counts == dict.fromkeys(wanted, 1)
    eventually(
        lambda: sorted(map(str, room.said())) == sorted(map(str, listener.said()))
    )
    now_ms = SystemClock().now_ms()
    assert {"bob", "eva"} <= set(room.present(now_ms=now_ms))
    shop.link.speak("bob", kind="left")
    eventually(lambda: "bob" not in room.present(now_ms=SystemClock().now_ms()))
    other.stop()
    assert not shop.problems


def test_what_was_said_is_heard_again_by_the_next_shop(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    """A listener is in no group: it begins at the oldest word that is kept."""
    with opened(stack, namespace=namespace, data_dir=tmp_path) as shop:
        shop.link.speak("eva", text="hello")
    with opened(stack, namespace=namespace, data_dir=tmp_path) as shop:
        room = shop.shop.chat.room
        eventually(lambda: [one.text for one in room.said()] == ["hello"], WAIT_S_MAX)


def test_who_comes_while_too_many_are_let_in_is_sent_to_a_waiting_page(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    """And gets in when he comes again, or is told that all is sold; never more than there is."""

    async def waiting_page(url: str) -> tuple[int, bytes]:
        async with visiting(url, address="192.0.2.1", agent="test") as visitor:
            return await visitor.ask("GET", WAITING_PAGE)

    with opened(stack, namespace=namespace, data_dir=tmp_path, waiting_max=1) as shop:
        shop.link.tell(f"sales/rush?stock={ORDERS}")
        answers = Counter[str]()
        while not answers["410"]:
            came = asyncio.run(
                load.storm(shop.link.url, sale="rush", requests=200, per_s=5_000)
            )
            answers += Counter(came.answers)
        assert answers["303"] > 0
        assert answers["202"] == ORDERS
        assert asyncio.run(waiting_page(shop.link.url)) == (200, WAITING_TEXT)
        eventually(lambda: shop.shop.sales.shelf.taken("rush") == ORDERS, WAIT_S_MAX)


def test_who_is_admitted_is_sold_to_though_acknowledgements_are_lost(
    shop: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ticket that is not known to be in the queue may be: its place is not another's."""
    lost: list[str] = []
    publish = Queue.publish

    def losing(self: Queue, topic: Topic, message: Order, *, key: str) -> None:
        publish(self, topic, message, key=key)
        if topic is Topic.TICKETS and key not in lost:
            lost.append(key)
            raise ServiceUnavailable(
                "Kafka", address="here", reason="no answer in time"
            )

    async def ask() -> list[tuple[int, bytes]]:
        async with visiting(shop.link.url, address="192.0.2.1", agent="x") as visitor:
            return [await visitor.ask("POST", "/sales/torn/tickets") for _ in range(9)]

    monkeypatch.setattr(Queue, "publish", losing)
    shop.link.tell("sales/torn?stock=5")
    answers = asyncio.run(ask())
    assert [status for status, _ in answers] == [202] * 5 + [410] * 4
    admitted = {json.loads(body)["ticket"] for status, body in answers if status == 202}
    assert admitted == set(lost)
    sold: list[str] = []

    def note(ticket: Order) -> None:
        if shop.shop.sales.shelf.take(ticket) is Outcome.DUPLICATE:
            sold.append(ticket.order_id)

    # All were sold to whom they were promised, and each came twice.
    eventually(lambda: not shop.waiting("seller"), WAIT_S_MAX)
    assert shop.shop.sales.shelf.taken("torn") == 5
    again = shop.other_worker(Topic.TICKETS, message_type=Order, handle=note)
    again.start()
    eventually(lambda: len(sold) >= 10, WAIT_S_MAX)
    again.stop()
    assert set(sold) == admitted


def test_a_cron_job_that_stops_leaves_out_a_report_though_none_was_due(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    log = tmp_path / SHOP_DIR / "logs" / "report.log"

    def reported_at_s() -> list[float]:
        lines = log.read_text().splitlines()
        return [
            datetime.fromisoformat(json.loads(line)["@timestamp"]).timestamp()
            for line in lines
        ]

    with opened(
        stack,
        namespace=namespace,
        data_dir=tmp_path,
        report_pause_ms=3_000,
        incident_ms=1_000,
    ) as shop:
        eventually(reported_at_s, WAIT_S_MAX)
        shop.link.tell("incidents/cron-stops")
        eventually(
            lambda: any(
                # The pause begins anew at its end; a line's time is a whole millisecond.
                after - before > 1 + 3 - 0.01
                for before, after in pairwise(reported_at_s())
            ),
            WAIT_S_MAX,
            what="a report is left out",
        )


def test_what_the_shop_cannot_cope_with_is_answered_and_has_its_line(
    shop: Opened,
) -> None:
    deep = b'{"name": "mia", "x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"

    async def ask() -> list[int]:
        async with visiting(shop.link.url, address="192.0.2.1", agent="x") as visitor:
            failed, _ = await visitor.ask("POST", "/users", body=deep)
            served, _ = await visitor.ask("GET", "/")
            return [failed, served]

    assert asyncio.run(ask()) == [500, 200]
    log = shop.connections.data_dir / SHOP_DIR / "logs" / "access.log"
    assert '"POST /users HTTP/1.1" 500 ' in log.read_text()


def test_a_sale_is_not_opened_twice(shop: Opened) -> None:
    """Of one whose gate is gone nobody knows how many it let in."""
    assert shop.link.tell("sales/once?stock=5").sales[-1].stock == 5
    with pytest.raises(CommandFailed, match="there was a sale 'once' before"):
        shop.link.tell("sales/once?stock=7")
    shop.shop.sales.shelf.put("earlier", 5)
    with pytest.raises(CommandFailed, match="there was a sale 'earlier' before"):
        shop.link.tell("sales/earlier?stock=5")
    assert [one.stock for one in shop.link.state().sales] == [5]


def test_a_stranger_on_loopback_steers_nothing(shop: Opened) -> None:
    """Any page in a browser reaches loopback; the key it cannot read."""

    async def tell() -> int:
        async with visiting(shop.link.url, address="192.0.2.1", agent="x") as visitor:
            status, _ = await visitor.ask("POST", "/control/services/inventory/stop")
            return status

    assert asyncio.run(tell()) == 403
    assert shop.link.state().services["inventory"]

"""A shop for tests: opened in this process on real servers, alone or with all that collects its logs."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import msgspec
import uvloop

from tailrace.alerts.store import alerts_index
from tailrace.clock import SystemClock
from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.moments import TimeRange
from tailrace.query import events_alias
from tailrace.settings import Connections
from tailrace.shop_link import LINK_FILE, ShopLink
from tailrace.watched import configuration, toml_text
from tailrace_dashboard.shop import (
    ModeFigures,
    Troubles,
    findings,
    measured_body,
    read_measured,
    read_troubles,
    troubles_body,
)
from tailrace_dashboard.shop_alerts import alerts_body, read_alerts
from tailrace_dashboard.shop_sale import Answers, answers_body, read_answers
from tailrace_embedded.stack import Endpoints
from tailrace_shop.client import visiting
from tailrace_shop.config import ShopSettings
from tailrace_shop.load import Counted, order_body
from tailrace_shop.orders import ITEMS, SHELF_COUNT
from tailrace_shop.queue import Topic, Worker
from tailrace_shop.shop import Shop
from tests.support.roles import started_roles
from tests.support.waiting import eventually

WAIT_S_MAX = 120
BEHIND_THE_CLOCK_MS = 60_000

MessageT = TypeVar("MessageT", bound=msgspec.Struct)


@dataclass
class Opened:
    """A shop that runs in this process, on a broker that is another one."""

    shop: Shop
    connections: Connections
    problems: list[str] = field(default_factory=list[str])

    @property
    def link(self) -> ShopLink:
        return ShopLink.read(self.connections.data_dir)

    def waiting(self, service: str) -> int:
        return self.link.state().waiting[service]

    def taken(self) -> int:
        """Return what is missing on the shelves; the orders' own sum must agree."""
        inventory = self.shop.orders.inventory
        missing = sum(SHELF_COUNT - (inventory.left(item) or 0) for item in ITEMS)
        assert missing == sum(map(inventory.taken, ITEMS))
        return missing

    def other_worker(
        self,
        topic: Topic,
        *,
        message_type: type[MessageT],
        handle: Callable[[MessageT], None],
    ) -> Worker:
        """Return a worker of a group that has read nothing yet."""
        return Worker(
            self.connections,
            topic=topic,
            group=f"other-{secrets.token_hex(4)}",
            message_type=message_type,
            handle=handle,
            problem=self._problem,
        )

    def _problem(self, message: str, /, *, error: Exception) -> None:
        self.problems.append(f"{message}: {error}")


@contextmanager
def opened(
    stack: Endpoints,
    *,
    namespace: str,
    data_dir: Path,
    **settings: int,
) -> Generator[Opened]:
    """Open a shop to which nobody comes by himself, and close it."""
    connections = Connections().model_copy(
        update={
            "kafka_bootstrap": stack.kafka_bootstrap,
            "zookeeper_hosts": stack.zookeeper_hosts,
            "elasticsearch_url": stack.elasticsearch_url,
            "namespace": namespace,
            "data_dir": data_dir,
        }
    )
    shop = Shop(
        connections,
        settings=ShopSettings(visit_pause_ms=0, incident_pause_ms=0, **settings),
        clock=SystemClock(),
        random=Random(1),
    )
    stop = threading.Event()
    running = threading.Thread(target=lambda: uvloop.run(shop.run(stop)))
    running.start()
    try:
        link_path = data_dir / LINK_FILE
        eventually(link_path.exists, WAIT_S_MAX, what="the shop is open")
        yield Opened(shop, connections)
    finally:
        stop.set()
        running.join(WAIT_S_MAX)


async def order_again(url: str, placed: Counted) -> list[int]:
    """Place the orders of a load once more, as a customer does who saw no answer."""
    async with visiting(url, address="192.0.2.1", agent="test") as visitor:
        answers: list[int] = []
        for number in range(placed.requests):
            body = order_body(placed.name, number)
            status, _ = await visitor.ask("POST", "/orders", body=body)
            answers.append(status)
        return answers


@dataclass
class Whole:
    """A shop, and the roles that collect its logs."""

    shop: Opened
    elastic: Elastic

    def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        index = events_alias(self.shop.connections.namespace)
        self.elastic.refresh(index)
        return self.elastic.search(index, body=body)

    def time_range(self) -> TimeRange:
        now_ms = SystemClock().now_ms()
        return TimeRange(now_ms - 900_000, now_ms + BEHIND_THE_CLOCK_MS)

    def answers_of(self, sale: str) -> Answers:
        return read_answers(self.ask(answers_body(sale)))

    def figures(self, *, since_ms: int) -> tuple[ModeFigures, ...]:
        time_range = TimeRange(since_ms, self.time_range().until_ms)
        return read_measured(self.ask(measured_body(time_range)))

    def troubles(self) -> Troubles:
        return read_troubles(self.ask(troubles_body(self.time_range())))

    def alerts(self) -> list[str]:
        """Return the rules of which there is an alert, as the page asks for them."""
        asked = self.elastic.search(
            alerts_index(self.shop.connections.namespace),
            body=alerts_body(self.time_range()),
        )
        return [alert.rule for alert in read_alerts(asked)]

    def findings(self) -> list[str]:
        return findings(self.troubles(), now_ms=SystemClock().now_ms())


@contextmanager
def whole_shop(stack: Endpoints, *, folder: Path) -> Generator[Whole]:
    """Open a shop, and start the roles with the configuration that `tailrace up` writes."""
    data_dir = folder / "data"
    namespace = f"t{secrets.token_hex(3)}"
    settings = configuration(
        {}, watch=(f"{folder}/none.log",), data_dir=data_dir, has_shop=True
    )
    with (
        opened(stack, namespace=namespace, data_dir=data_dir) as one,
        Elastic(one.connections) as elastic,
        started_roles(
            stack,
            namespace=namespace,
            folder=folder,
            plans={"agent": [], "stream": [], "indexer": []},
            settings=toml_text(settings),
        ),
    ):
        index = events_alias(namespace)

        def has_begun() -> bool:
            try:
                return elastic.count(index) > 0
            except ServiceUnavailable:
                return False  # The index is being made.

        eventually(has_begun, WAIT_S_MAX, what="the shop's first line is stored")
        yield Whole(one, elastic)

"""The shop's incidents, each found by a rule and on the page, as `tailrace up` has both."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import pytest

from tailrace.query import events_alias
from tailrace.shop_rules import GATEWAY_SLOW, NEW_ERROR, ORDERS_FAIL, REPORT_MISSING
from tailrace_embedded.stack import Endpoints
from tailrace_shop import load
from tailrace_shop.incidents import Incident
from tests.support.shops import WAIT_S_MAX, Whole, whole_shop
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

ORDERS = 60
FOUND_S_MAX = 240
"""An incident lasts a minute, and the longest is known by what does not come."""


@pytest.fixture(scope="module")
def whole(
    stack: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Whole]:
    with whole_shop(stack, folder=tmp_path_factory.mktemp("shop")) as one:
        # The first, for its silence takes longest to be noticed.
        one.shop.link.tell(f"incidents/{Incident.CRON_STOPS}")
        yield one


def test_a_slow_gateway_and_then_a_bad_deploy_are_found_each_by_its_own_rule(
    whole: Whole,
) -> None:
    """In this order: of the first no version is accused, and there was no other before."""
    find_slow_gateway(whole)
    find_bad_deploy(whole)


def find_slow_gateway(whole: Whole) -> None:
    whole.shop.link.tell(f"incidents/{Incident.SLOW_GATEWAY}")
    placed = asyncio.run(load.order(whole.shop.link.url, count=5))
    registered = asyncio.run(load.register(whole.shop.link.url, count=1))
    assert placed.answers == {"202": 5}
    # Who waits for the gateway is failed by it, and who left it to a queue is not.
    assert registered.answers == {"201": 1, "503": 2}

    eventually(lambda: GATEWAY_SLOW in whole.alerts(), FOUND_S_MAX)
    assert ORDERS_FAIL not in whole.alerts()
    said = whole.findings()
    assert any(one.startswith("fulfilment: ") for one in said)
    assert not any("in place" in one for one in said)


def find_bad_deploy(whole: Whole) -> None:
    """Its marker, stack traces that are one event each, an alert, a new template; its end."""
    whole.shop.link.tell(f"incidents/{Incident.BAD_DEPLOY}")
    placed = asyncio.run(load.order(whole.shop.link.url, count=ORDERS))
    assert placed.answers["500"] + placed.answers["202"] == ORDERS
    assert placed.answers["500"] >= 5

    def is_found() -> bool:
        return {ORDERS_FAIL, NEW_ERROR} <= set(whole.alerts())

    eventually(is_found, FOUND_S_MAX)
    said = whole.findings()
    assert any(one.startswith("orders: ") for one in said)
    assert any("orders 1.4.1 was in place" in one for one in said)

    words = ("java.lang.NullPointerException", "OrderController.java:58")
    fault = {
        "bool": {"filter": [{"match_phrase": {"message": word}} for word in words]}
    }
    index = events_alias(whole.shop.connections.namespace)
    eventually(
        lambda: whole.elastic.count(index, query=fault) == placed.answers["500"],
        WAIT_S_MAX,
    )

    def versions() -> list[str]:
        deploys = sorted(whole.troubles().deploys, key=lambda one: one.at_ms)
        return [one.version for one in deploys]

    eventually(lambda: versions() == ["1.4.0", "1.4.1", "1.4.0"], FOUND_S_MAX)


def test_a_cron_job_that_stops_is_missed(whole: Whole) -> None:
    """For as long as an incident lasts by default: one report is missing, and no more."""
    eventually(lambda: REPORT_MISSING in whole.alerts(), FOUND_S_MAX)

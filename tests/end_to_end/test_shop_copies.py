"""The shop on three brokers, of which one dies for good amid orders."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace_embedded.config import config_from_environment
from tailrace_embedded.progress import SilentProgress
from tailrace_embedded.stack import Stack
from tailrace_shop import load
from tailrace_shop.client import visiting
from tests.support.shops import WAIT_S_MAX, opened
from tests.support.stack import temporary_data_dir
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(400),
    # kafka-python 3 closes no socket of a connection that was refused; the collector does.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

ORDERS = 60
AGAIN_S = 0.5
AMID_S_MAX = 120.0


@pytest.fixture
def brokers(caplog: pytest.LogCaptureFixture) -> Generator[Stack]:
    # What it says of a lost connection holds on to its socket until the test is over.
    caplog.set_level(logging.CRITICAL + 1, logger="kafka")
    config = config_from_environment(brokers=3)
    with (
        temporary_data_dir() as data_dir,
        Stack.start(data_dir, progress=SilentProgress(), config=config) as stack,
    ):
        yield stack
    gc.collect()  # Here, where what is left of refused connections is no fault.


async def order_until_accepted(url: str) -> int:
    """Order as an impatient customer: the same order again until it is accepted.

    Returns how often something else was answered: an order that was not acknowledged may
    have been written all the same.
    """
    refused = 0
    async with asyncio.timeout(AMID_S_MAX):
        async with visiting(url, address="192.0.2.1", agent="test") as visitor:
            for number in range(ORDERS):
                body = load.order_body("amid", number)
                while (await visitor.ask("POST", "/orders", body=body))[0] != 202:
                    refused += 1
                    await asyncio.sleep(AGAIN_S)
    return refused


def test_an_accepted_order_outlives_a_broker_and_is_counted_once(
    brokers: Stack, tmp_path: Path
) -> None:
    """The inventory reads later what the dead broker alone cannot tell it any more."""
    with opened(brokers.endpoints, namespace="copies", data_dir=tmp_path) as shop:
        assert not shop.link.tell("services/inventory/stop").services["inventory"]
        before = asyncio.run(load.order(shop.link.url, count=ORDERS))
        assert before.answers == {"202": ORDERS}

        dead = brokers.server("kafka-2")
        os.kill(dead.pid, signal.SIGKILL)
        refused = asyncio.run(order_until_accepted(shop.link.url))
        print(f"{refused} answers that were no acceptance")  # noqa: T201 - shown by -s

        def is_led() -> bool:
            """Return whether all that the dead broker led is led by another."""
            try:
                return bool(shop.link.state().waiting)
            except (CommandFailed, ServiceUnavailable):
                return False

        eventually(is_led, WAIT_S_MAX)
        assert shop.taken() == 0
        assert shop.link.tell("services/inventory/start").services["inventory"]
        eventually(lambda: not shop.waiting("inventory"), WAIT_S_MAX)
        assert shop.taken() == 2 * ORDERS
        assert not dead.is_alive()

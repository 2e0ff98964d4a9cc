"""How the shop is run: wired to the system's clock, until it is asked to stop."""

from __future__ import annotations

import threading
from random import SystemRandom

import uvloop

from tailrace.clock import SystemClock
from tailrace.log import logger
from tailrace.settings import Connections
from tailrace_shop.config import ShopSettings
from tailrace_shop.shop import Shop


def run(
    *, connections: Connections, settings: ShopSettings, stop: threading.Event
) -> int:
    """Run the shop until `stop` is set; return the exit code.

    While it runs, `shop/shop.json` in the data folder says where it listens.

    Raises:
        ServiceUnavailable: Kafka does not answer, or the port is taken.
    """
    log = logger("shop")
    shop = Shop(
        connections, settings=settings, clock=SystemClock(), random=SystemRandom()
    )
    log.info("shop_opened", namespace=connections.namespace)
    uvloop.run(shop.run(stop))
    log.info("shop_closed")
    return 0

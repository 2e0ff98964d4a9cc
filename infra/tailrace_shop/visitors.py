"""The gentle traffic of a demonstration: now and then someone looks, registers, or orders."""

from __future__ import annotations

import asyncio
from random import Random

import msgspec

from tailrace_shop.client import visiting
from tailrace_shop.orders import ITEMS
from tailrace_shop.registration import Mode

AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0",
    "curl/8.14.1",
)
NAMES = ("mia", "noah", "emma", "liam", "lea", "paul", "ida", "finn", "zoe", "ben")


async def visit_now_and_then(url: str, *, pause_ms: int, random: Random) -> None:
    """Let visitors come until cancelled; one that is refused is simply gone.

    A pause of 0 lets none come.
    """
    while pause_ms:
        await asyncio.sleep(pause_ms * random.uniform(0.5, 1.5) / 1_000)
        try:
            await visit(url, random=random)
        except (OSError, EOFError):
            continue


async def visit(url: str, *, random: Random) -> None:
    """Let one visitor do one thing, and remember it in the logs of many services.

    Raises:
        OSError, EOFError: the shop does not answer.
    """
    # Of the networks that are kept for documentation.
    address = f"{random.choice(('192.0.2', '198.51.100', '203.0.113'))}.{random.randint(1, 254)}"
    item = random.choice(ITEMS)
    async with visiting(url, address=address, agent=random.choice(AGENTS)) as visitor:
        chance = random.random()
        if chance < 0.5:
            await visitor.ask("GET", random.choice(("/", f"/items/{item}")))
        elif chance < 0.55:
            await visitor.ask("GET", random.choice(("/wp-login.php", "/items/anvil")))
        elif chance < 0.7:
            name = f"{random.choice(NAMES)}{random.randint(1, 9_999)}"
            mode = random.choice(list(Mode))
            body = msgspec.json.encode({"name": name})
            await visitor.ask("POST", f"/users?mode={mode}", body=body)
        else:
            body = msgspec.json.encode({"item": item, "quantity": random.randint(1, 3)})
            await visitor.ask("POST", "/orders", body=body)

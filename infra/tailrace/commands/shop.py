"""`tailrace shop`: the demonstration, run alone, and what is done to it."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.commands.common import (
    AsJson,
    ConfigFile,
    DataDir,
    write_json,
    write_line,
)
from tailrace.commands.roles import SHOP, run_role
from tailrace.errors import ServiceUnavailable
from tailrace.extras import require
from tailrace.shop_loads import Load

if TYPE_CHECKING:
    from tailrace.shop_link import ShopLink
    from tailrace_shop.load import Counted


COUNTS = {Load.REGISTRATION: 20, Load.ORDERS: 200, Load.SALE: 25_000}
"""Enough that each takes a few seconds."""


def run(config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Run the shop in the foreground, on the Kafka that roles would use."""
    run_role(SHOP, config=config, data_dir=data_dir)


def incident(
    name: Annotated[
        str, typer.Argument(help="slow-gateway, bad-deploy or cron-stops.")
    ],
    data_dir: DataDir = None,
) -> None:
    """Cause an incident in the shop that runs; it is over by itself."""
    _link(data_dir).tell(f"incidents/{name}")
    write_line(f"The shop has the incident {name}: find it on the dashboard.")


def load(
    name: Annotated[Load, typer.Argument(help="What to ask the shop for.")],
    count: Annotated[
        int | None,
        typer.Option(
            min=1, max=1_000_000, help="So many requests.", show_default="enough"
        ),
    ] = None,
    per_s: Annotated[
        int,
        typer.Option(
            "--per-s", min=1, max=100_000, help="Of a sale, so many a second."
        ),
    ] = 5_000,
    stock: Annotated[
        int, typer.Option(min=1, max=100_000, help="Of a sale, so many to sell.")
    ] = 500,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Ask the shop that runs for much, and count its answers."""
    require(SHOP)
    import secrets

    from tailrace.clock import SystemClock
    from tailrace.shop_link import SHOP_DIR
    from tailrace_shop import load as load_

    link = _link(data_dir)
    wanted = count or COUNTS[name]
    match name:
        case Load.REGISTRATION:
            asked = load_.register(link.url, count=wanted)
        case Load.ORDERS:
            asked = load_.order(link.url, count=wanted)
        case Load.SALE:
            sale = secrets.token_hex(4)
            link.tell(f"sales/{sale}?stock={stock}")
            asked = load_.storm(link.url, sale=sale, requests=wanted, per_s=per_s)
    counted = _answered(asked, url=link.url)
    folder = _data_dir(data_dir) / SHOP_DIR
    load_.write_down(counted, folder=folder, clock=SystemClock())
    if as_json:
        import msgspec

        write_json({**msgspec.to_builtins(counted), "per_s": counted.per_s})
        return
    answers = ", ".join(
        f"{n:,} times {status}" for status, n in counted.answers.items()
    )
    if counted.unanswered:
        answers += f"; {counted.unanswered:,} got no answer"
    write_line(
        f"{counted.load} {counted.name}: {counted.requests:,} requests in"
        f" {counted.took_ms / 1_000:.1f} s, {counted.per_s:,} a second; answered"
        f" {answers}"
    )


def status(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Say which services of the shop run, what waits for them, and what happens."""
    import msgspec

    state = _link(data_dir).state()
    if as_json:
        write_json(msgspec.to_builtins(state))
        return
    for name, is_running in state.services.items():
        word = "runs" if is_running else "is stopped"
        write_line(
            f"{name} {word}; {state.waiting.get(name, 0):,} messages wait for it"
        )
    for name in state.incidents:
        write_line(f"under way: {name}")
    for sale in state.sales:
        write_line(
            f"{sale.name}: {sale.stock:,} in stock, {sale.admitted:,} admitted,"
            f" {sale.sold:,} sold"
        )


def _answered(asked: Coroutine[object, object, Counted], *, url: str) -> Counted:
    import uvloop

    try:
        return uvloop.run(asked)
    except (OSError, EOFError) as error:
        raise ServiceUnavailable(
            "The shop", address=url, reason=str(error) or "it closed the connection"
        ) from error


def _link(data_dir: Path | None) -> ShopLink:
    from tailrace.shop_link import ShopLink

    return ShopLink.read(_data_dir(data_dir))


def _data_dir(data_dir: Path | None) -> Path:
    from tailrace.commands.lifecycle import folder_of

    return folder_of(data_dir)

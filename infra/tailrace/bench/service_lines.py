"""Lines of services that log JSON, about 270 bytes each: ten keys, an id of each trace.

Three services of several messages each, with their own keys: what an order cost, how long a
query took, which address failed to log in. Most lines are of level `info`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime

from tailrace.bench.draws import drawn_addresses, moment_ms, zipf

_ADDRESSES = 3_000
_USERS = 20_000
_TABLES = ("orders", "customers", "stock", "payments", "sessions", "baskets")
_CARRIERS = ("north", "express", "pigeon", "local")
_CURRENCIES = ("EUR", "USD", "GBP")
_CURRENCY_WEIGHTS = (70, 20, 10)
_HOSTS = ("node-a", "node-b", "node-c")
_VERSIONS = {"orders": "4.12.0", "accounts": "2.7.3", "delivery": "1.30.1"}


class ServiceLines:
    """Whose lines come in turns, by how much each service does."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a corpus is no secret
        self._addresses = drawn_addresses(self._chance, count=_ADDRESSES)
        self._address_weights = zipf(_ADDRESSES, exponent=0.8)
        self._users = zipf(_USERS, exponent=0.6)
        self._sayings: list[Callable[[], tuple[str, str, str]]] = [
            self._order_placed,
            self._query_ran,
            self._logged_in,
            self._login_failed,
            self._parcel_moved,
            self._call_failed,
        ]
        self._weights = (30, 34, 14, 6, 13, 3)

    def block(self, count: int, *, first: int, start_ms: int) -> bytes:
        """Return `count` lines, of which the first is the log's line `first`."""
        sayings = self._chance.choices(self._sayings, self._weights, k=count)
        return "".join(
            self._line(saying, at_ms=moment_ms(first + number, start_ms=start_ms))
            for number, saying in enumerate(sayings)
        ).encode("ascii")

    def _line(self, saying: Callable[[], tuple[str, str, str]], *, at_ms: int) -> str:
        chance = self._chance
        moment = datetime.fromtimestamp(at_ms / 1_000, tz=UTC)
        service, level, rest = saying()
        return (
            f'{{"timestamp":"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03d}Z",'
            f'"level":"{level}","service":"{service}","version":"{_VERSIONS[service]}",'
            f'"host":"{chance.choice(_HOSTS)}","trace_id":"{chance.getrandbits(128):032x}",'
            f"{rest}}}\n"
        )

    def _user(self) -> int:
        return self._chance.choices(range(_USERS), cum_weights=self._users)[0] + 1_000

    def _address(self) -> str:
        found = self._chance.choices(self._addresses, cum_weights=self._address_weights)
        return found[0]

    def _order_placed(self) -> tuple[str, str, str]:
        chance = self._chance
        order, items = chance.randint(100_000, 999_999), chance.randint(1, 9)
        currency = chance.choices(_CURRENCIES, _CURRENCY_WEIGHTS)[0]
        cents = int(chance.lognormvariate(8.2, 0.9))
        return (
            "orders",
            "info",
            (
                f'"message":"Order {order} placed with {items} items","order_id":{order},'
                f'"user_id":{self._user()},"amount":{cents / 100:.2f},"currency":"{currency}"'
            ),
        )

    def _query_ran(self) -> tuple[str, str, str]:
        chance = self._chance
        table, rows = chance.choice(_TABLES), int(chance.lognormvariate(2, 1.2))
        took_ms = chance.lognormvariate(1.2, 1)
        level = "warn" if took_ms > 40 else "debug"
        return (
            "orders",
            level,
            (
                f'"message":"Query on {table} returned {rows} rows in {took_ms:.1f} ms",'
                f'"db_table":"{table}","rows":{rows},"duration_ms":{took_ms:.1f}'
            ),
        )

    def _logged_in(self) -> tuple[str, str, str]:
        user, address = self._user(), self._address()
        return (
            "accounts",
            "info",
            (
                f'"message":"User {user} logged in from {address}","user_id":{user},'
                f'"client_ip":"{address}","session":"{self._chance.getrandbits(64):016x}"'
            ),
        )

    def _login_failed(self) -> tuple[str, str, str]:
        user, address = self._user(), self._address()
        return (
            "accounts",
            "warn",
            (
                f'"message":"Login of user {user} failed: wrong password","user_id":{user},'
                f'"client_ip":"{address}","attempt":{self._chance.randint(1, 5)}'
            ),
        )

    def _parcel_moved(self) -> tuple[str, str, str]:
        chance = self._chance
        parcel, carrier = chance.randint(10**9, 10**10 - 1), chance.choice(_CARRIERS)
        return (
            "delivery",
            "info",
            (
                f'"message":"Parcel {parcel} handed to carrier {carrier}","parcel":"{parcel}",'
                f'"carrier":"{carrier}","weight_g":{int(chance.lognormvariate(6.8, 0.8))}'
            ),
        )

    def _call_failed(self) -> tuple[str, str, str]:
        chance = self._chance
        carrier, attempt = chance.choice(_CARRIERS), chance.randint(1, 4)
        return (
            "delivery",
            "error",
            (
                f'"message":"Carrier {carrier} did not answer within 2000 ms, attempt {attempt}",'
                f'"carrier":"{carrier}","attempt":{attempt},"error":"TimeoutError"'
            ),
        )

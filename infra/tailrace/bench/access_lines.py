"""Lines of an access log in nginx's `combined` format, about 160 bytes each.

Addresses and paths repeat as on a real site (a few make most of the traffic), with real
browsers' names, and sizes and statuses in their usual proportions.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime

from tailrace.bench.draws import drawn_addresses, moment_ms, zipf

_ADDRESSES = 5_000
_PATHS = 2_000
_METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE")
_METHOD_WEIGHTS = (88, 8, 2, 1, 1)
_STATUSES = (200, 304, 301, 302, 404, 403, 500, 502, 204, 499)
_STATUS_WEIGHTS = (780, 90, 30, 20, 45, 8, 6, 4, 12, 5)
_WORDS = [
    "api",
    "shop",
    "cart",
    "item",
    "user",
    "login",
    "search",
    "static",
    "img",
    "css",
    "js",
    "blog",
    "news",
    "docs",
    "help",
    "admin",
    "orders",
    "checkout",
    "product",
    "category",
    "review",
    "media",
    "feed",
    "archive",
]
_SUFFIXES = ("", "", "", "/", ".html", ".js", ".css", ".png", "?page=2", "?q=blue")
_REFERRERS = ("-", "https://example.com/", "https://example.com/shop")
_REFERRER_WEIGHTS = (80, 12, 8)
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:139.0) Gecko/20100101 Firefox/139.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Mobile/15E148",
    "curl/8.14.1",
    "python-requests/2.32.4",
    "kube-probe/1.33",
)
_AGENT_WEIGHTS = (25, 26, 10, 6, 13, 10, 6, 4)


class AccessLines:
    """What lines are made of; chosen once, then drawn from by weight."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a corpus is no secret
        self._addresses = drawn_addresses(self._chance, count=_ADDRESSES)
        self._paths = [self._path() for _ in range(_PATHS)]
        self._address_weights = zipf(_ADDRESSES, exponent=0.8)
        self._path_weights = zipf(_PATHS, exponent=1.0)

    def block(self, count: int, *, first: int, start_ms: int) -> bytes:
        """Return `count` lines, of which the first is the log's line `first`."""
        chance = self._chance
        addresses = chance.choices(
            self._addresses, cum_weights=self._address_weights, k=count
        )
        paths = chance.choices(self._paths, cum_weights=self._path_weights, k=count)
        methods = chance.choices(_METHODS, _METHOD_WEIGHTS, k=count)
        statuses = chance.choices(_STATUSES, _STATUS_WEIGHTS, k=count)
        sizes = [int(chance.lognormvariate(8.5, 1.4)) for _ in range(count)]
        referrers = chance.choices(_REFERRERS, _REFERRER_WEIGHTS, k=count)
        agents = chance.choices(_AGENTS, _AGENT_WEIGHTS, k=count)
        times = _times(count, first=first, start_ms=start_ms)
        lines = [
            f'{address} - - [{time}] "{method} {path} HTTP/1.1" {status} {size}'
            f' "{referrer}" "{agent}"\n'
            for address, time, method, path, status, size, referrer, agent in zip(
                addresses,
                times,
                methods,
                paths,
                statuses,
                sizes,
                referrers,
                agents,
                strict=True,
            )
        ]
        return "".join(lines).encode("ascii")

    def _path(self) -> str:
        chance = self._chance
        parts = chance.choices(_WORDS, k=chance.randint(1, 3))
        number = f"/{chance.randint(1, 99_999)}" if chance.random() < 0.4 else ""
        return "/" + "/".join(parts) + number + chance.choice(_SUFFIXES)


def _times(count: int, *, first: int, start_ms: int) -> list[str]:
    texts: dict[int, str] = {}
    times: list[str] = []
    for number in range(first, first + count):
        at_s = moment_ms(number, start_ms=start_ms) // 1_000
        if at_s not in texts:
            moment = datetime.fromtimestamp(at_s, tz=UTC)
            texts[at_s] = moment.strftime("%d/%b/%Y:%H:%M:%S +0000")
        times.append(texts[at_s])
    return times

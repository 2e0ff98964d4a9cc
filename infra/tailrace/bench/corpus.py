"""The access log that is measured with: the same bytes for the same seed, everywhere.

Lines in nginx's `combined` format, about 160 bytes each: addresses and paths that repeat
as on a real site (a few make most of the traffic), real browsers' names, sizes and
statuses in their usual proportions.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate

BLOCK_LINES = 10_000
LINES_PER_S = 5_000
"""How fast time passes in the log."""

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


@dataclass(frozen=True, slots=True)
class Corpus:
    """An access log of `lines` lines, made from `seed`, that begins at `start_ms`."""

    lines: int
    seed: int
    start_ms: int

    def blocks(self) -> Iterator[bytes]:
        """Yield the log in blocks of at most `BLOCK_LINES` lines, each of whole lines."""
        vocabulary = _Vocabulary(self.seed)
        for first in range(0, self.lines, BLOCK_LINES):
            count = min(BLOCK_LINES, self.lines - first)
            yield vocabulary.block(count, first=first, start_ms=self.start_ms)


class _Vocabulary:
    """What lines are made of; chosen once, then drawn from by weight."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a corpus is no secret
        chance = self._chance
        self._addresses = [
            ".".join(str(chance.randint(1, 254)) for _ in range(4))
            for _ in range(_ADDRESSES)
        ]
        self._paths = [self._path() for _ in range(_PATHS)]
        self._address_weights = _zipf(_ADDRESSES, exponent=0.8)
        self._path_weights = _zipf(_PATHS, exponent=1.0)

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


def _zipf(count: int, *, exponent: float) -> Sequence[float]:
    """Return cumulative weights by which the n-th is drawn as 1 / n ** exponent."""
    return list(accumulate(1 / rank**exponent for rank in range(1, count + 1)))


def _times(count: int, *, first: int, start_ms: int) -> list[str]:
    texts: dict[int, str] = {}
    times: list[str] = []
    for number in range(first, first + count):
        at_s = (start_ms + number * 1_000 // LINES_PER_S) // 1_000
        if at_s not in texts:
            moment = datetime.fromtimestamp(at_s, tz=UTC)
            texts[at_s] = moment.strftime("%d/%b/%Y:%H:%M:%S +0000")
        times.append(texts[at_s])
    return times

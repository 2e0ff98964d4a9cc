"""Realistic and hostile events, as the stream makes them, for pages to show."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

HOSTILE_MESSAGES = (
    "<script>window.pwned = 1</script><img src=x onerror='window.pwned=1'> hostile",
    "[click me](javascript:window.pwned=1) ![x](https://example.invalid/x.png) hostile",
    "\x1b[31mred\x1b[0m and \x1b]0;title\x07 hostile",
    "user=\u202egnp.exe\u202c hostile",
    ":red[colour] $\\frac{1}{2}$ **bold** `code` :material/home: hostile",
)

_PATHS = ("/", "/cart", "/api/orders", "/api/users/{n}", "/assets/app.js", "/login")
_AGENTS = ("Mozilla/5.0 (X11; Linux x86_64) Firefox/141.0", "curl/8.14.1", "kube-probe")
_APP = (
    ("info", "order {n} placed in {ms} ms"),
    ("info", "payment {n} authorised"),
    ("debug", "cache hit for user:{n}"),
    ("warn", "slow query took {ms} ms on orders_by_customer"),
    ("error", "payment provider timed out after {ms} ms for order {n}"),
    ("error", "java.net.SocketTimeoutException: Read timed out (order {n})"),
)
_SYSTEM = (
    ("info", "Accepted publickey for deploy from 10.0.{b}.{c} port {n} ssh2"),
    ("notice", "Started session {n} of user deploy."),
    ("warning", "Failed password for invalid user admin from 203.0.113.{c} port {n}"),
    ("crit", "Out of memory: Killed process {n} (java)"),
)


def time_text(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms // 1_000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03d}000000Z"


def events(
    *, count: int, since_ms: int, until_ms: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Yield `count` events of three hosts, oldest first, in dotted keys."""
    chance = random.Random(seed)
    span_ms = until_ms - since_ms
    offsets: dict[str, int] = {}
    for number in range(count):
        at_ms = (
            since_ms
            + span_ms * number // count
            + chance.randrange(max(span_ms // count, 1))
        )
        yield _event(chance, at_ms=at_ms, offsets=offsets)


def hostile_events(*, at_ms: int) -> Iterator[dict[str, Any]]:
    """Yield events whose text tries to steer the page that shows it."""
    for number, message in enumerate(HOSTILE_MESSAGES):
        yield {
            **_common("shop-web-1", "shop.api", "/var/log/shop/api.log"),
            "@timestamp": time_text(at_ms + number),
            "log.level": "<b>error</b>" if number == 0 else "error",
            "log.offset": 900_000_000 + number,
            "message": message,
            "attributes": {"<i>key</i>": "<script>window.pwned=1</script>"},
        }


def rates(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count the documents by minute, dataset, host and level, as the stream does."""
    counts: dict[tuple[str, ...], int] = {}
    for one in documents:
        key = (
            one["@timestamp"][:16],
            one["event.dataset"],
            one["host.name"],
            one.get("log.level", ""),
            one["tailrace.generation"],
        )
        counts[key] = counts.get(key, 0) + 1
    latency = {
        "@timestamp": f"{max(one['@timestamp'][:16] for one in documents)}:00.000Z",
        "event.dataset": "shop.api",
        "tailrace.spread.field": "event.duration",
        "tailrace.spread.p95": 41_000_000,
    }
    return [latency] + [
        {
            "@timestamp": f"{minute}:00.000Z",
            "event.dataset": dataset,
            "host.name": host,
            **({"log.level": level} if level else {}),
            "tailrace.generation": generation,
            "tailrace.rate.count": count,
            "tailrace.rate.window_ms": 60_000,
            "tailrace.rate.part": 0,
        }
        for (minute, dataset, host, level, generation), count in counts.items()
    ]


def bulk_body(documents: list[dict[str, Any]], *, index: str) -> str:
    """Return the documents as a bulk body; their place names them."""
    lines: list[str] = []
    for number, one in enumerate(documents):
        action = {"create": {"_index": index, "_id": f"event-{number:08d}"}}
        lines += [json.dumps(action), json.dumps(one)]
    return "\n".join(lines) + "\n"


def _event(
    chance: random.Random, *, at_ms: int, offsets: dict[str, int]
) -> dict[str, Any]:
    values = {
        "n": chance.randrange(1_000, 99_999),
        "ms": chance.randrange(3, 5_000),
        "b": chance.randrange(256),
        "c": chance.randrange(1, 255),
    }
    event: dict[str, Any]
    kind = chance.choices(("access", "app", "system"), (6, 3, 1))[0]
    if kind == "access":
        event = _access(chance, values, at_ms=at_ms)
    elif kind == "app":
        level, text = chance.choices(_APP, (30, 12, 20, 4, 2, 1))[0]
        event = {
            **_common("shop-api-1", "shop.api", "/var/log/shop/api.log"),
            "log.level": level,
            "log.logger": "shop.orders",
            "process.thread.name": f"worker-{chance.randrange(8)}",
            "trace.id": f"{chance.getrandbits(128):032x}",
            "message": text.format(**values),
            "attributes": {"order_id": str(values["n"]), "region": "eu-central"},
        }
    else:
        level, text = chance.choices(_SYSTEM, (8, 8, 4, 1))[0]
        event = {
            **_common("shop-db-1", "system.auth", "/var/log/auth.log"),
            "log.level": level,
            "process.name": "sshd",
            "process.pid": values["n"],
            "message": text.format(**values),
        }
    path = str(event["log.file.path"])
    event["@timestamp"] = time_text(at_ms)
    event["log.offset"] = offsets.get(path, 0)
    offsets[path] = event["log.offset"] + len(event["message"]) + 1
    return event


def _access(
    chance: random.Random, values: dict[str, int], *, at_ms: int
) -> dict[str, Any]:
    status = chance.choices((200, 304, 404, 502), (80, 10, 5, 1))[0]
    path = chance.choice(_PATHS).format(**values)
    address = f"198.51.{values['b']}.{values['c']}"
    agent = chance.choice(_AGENTS)
    at = datetime.fromtimestamp(at_ms / 1_000, tz=UTC)
    size = values["ms"] * 7
    return {
        **_common("shop-web-1", "nginx.access", "/var/log/nginx/access.log"),
        "source.ip": address,
        "http.request.method": "GET",
        "http.version": "1.1",
        "url.original": path,
        "http.response.status_code": status,
        "http.response.body.bytes": size,
        "user_agent.original": agent,
        "message": (
            f"{address} - - [{at:%d/%b/%Y:%H:%M:%S} +0000]"
            f' "GET {path} HTTP/1.1" {status} {size} "-" "{agent}"'
        ),
    }


def _common(host: str, dataset: str, path: str) -> dict[str, Any]:
    return {
        "ecs.version": "8.17.0",
        "event.dataset": dataset,
        "host.name": host,
        "agent.id": f"agent-{host}",
        "log.file.path": path,
        "tailrace.generation": f"{abs(hash_of(path)):032x}"[:32],
    }


def hash_of(text: str) -> int:
    """Return the same number for a text in every run."""
    return int.from_bytes(text.encode()[-12:], "big")

"""A proxy before Elasticsearch that answers bulk requests wrongly, late, or not at all."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import struct
import threading
from collections.abc import Callable
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import urlsplit

_SLOW_S = 2.0
_LATE_S = 35.0
"""Longer than the indexer waits for an answer (30 s)."""
_UPSTREAM_S = 60.0
_SHARE = 0.7
"""Of bulks that a fault strikes: the rest passes, so that progress and fault meet."""
_RESET = struct.pack("ii", 1, 0)


class BulkFault(Enum):
    """What is done to a bulk request."""

    NONE = "passed on"
    SLOW = "answered two seconds late"
    RESET = "the connection is reset before it is sent"
    BUSY = "429 for the whole request"
    UNAVAILABLE = "503 for the whole request"
    FORBIDDEN = "403 for each item, as when a right was taken away; nothing is stored"
    ITEMS_BUSY = "stored, and 429 said for half of the items"
    ANSWER_LOST = "stored, and the connection is reset instead of an answer"
    ANSWER_LATE = "stored, and not answered until the client has given up"


class ElasticsearchProxy:
    """Listens on one port; the fault may be changed from any thread."""

    def __init__(
        self, url: str, *, host: str, port: int, chance: random.Random
    ) -> None:
        self.upstream = urlsplit(url)
        self.chance = chance
        self.fault = BulkFault.NONE
        self.struck = 0
        """How many bulks have met the present fault."""
        self.unanswered = 0
        """How many bulks of `when_sent` the server behind took and never answered."""
        self.stopping = threading.Event()
        self._when_sent: Callable[[], None] | None = None
        self._taking = threading.Lock()
        self._server = _Server((host, port), _Handler, self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name=f"proxy {port}", daemon=True
        )

    @property
    def url(self) -> str:
        """Return where clients find it."""
        host, port = cast("tuple[str, int]", self._server.server_address[:2])
        return f"http://{host}:{port}"

    def start(self) -> None:
        """Take connections."""
        self._thread.start()

    def behave(self, fault: BulkFault) -> None:
        """Do this to bulks from now on, and count anew."""
        self.fault = fault
        self.struck = 0

    def when_sent(self, strike: Callable[[], None] | None) -> None:
        """Do this once, between the next bulk's sending and its answer; None: nothing."""
        with self._taking:
            self._when_sent = strike

    def take_strike(self) -> Callable[[], None] | None:
        """Return what is to be done amid a bulk, for one bulk alone."""
        with self._taking:
            strike, self._when_sent = self._when_sent, None
        return strike

    def stop(self) -> None:
        """Close everything; answers that are late by intent are given up."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def draw(self, path: str) -> BulkFault:
        """Return what happens to one request."""
        fault = self.fault
        if fault is BulkFault.NONE or not is_bulk(path):
            return BulkFault.NONE
        return BulkFault.NONE if self.chance.random() > _SHARE else fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Handlers end with their connections; a stop need not wait for idle ones.
    block_on_close = False

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[BaseHTTPRequestHandler],
        proxy: ElasticsearchProxy,
    ) -> None:
        self.proxy = proxy
        super().__init__(address, handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a broken connection is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    """One client connection, and the one behind it."""

    protocol_version = "HTTP/1.1"
    _behind: http.client.HTTPConnection | None = None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - Python's name
        """Log nothing."""

    def finish(self) -> None:
        if self._behind is not None:
            self._behind.close()
        with contextlib.suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        """Treat a request of any method."""
        proxy = cast("_Server", self.server).proxy
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = proxy.draw(self.path)
        if fault is BulkFault.NONE:
            self._answer(*self._ask(body))
            return
        proxy.struck += 1
        self._spoil(fault, body, proxy)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - Python's names

    def _spoil(self, fault: BulkFault, body: bytes, proxy: ElasticsearchProxy) -> None:
        match fault:
            case BulkFault.NONE | BulkFault.SLOW:
                proxy.stopping.wait(_SLOW_S)
                self._answer(*self._ask(body))
            case BulkFault.RESET:
                self._reset()
            case BulkFault.BUSY:
                self._refuse(429, "es_rejected_execution_exception")
            case BulkFault.UNAVAILABLE:
                self._refuse(503, "unavailable_shards_exception")
            case BulkFault.FORBIDDEN:
                self._answer(200, forbidden_items(body))
            case BulkFault.ITEMS_BUSY:
                status, answer = self._ask(body)
                self._answer(status, half_busy(answer) if status == 200 else answer)
            case BulkFault.ANSWER_LOST:
                self._ask(body)
                self._reset()
            case BulkFault.ANSWER_LATE:
                self._ask(body)
                proxy.stopping.wait(_LATE_S)
                self._reset()

    def _ask(self, body: bytes) -> tuple[int, bytes]:
        """Pass the request on; what the server behind does not answer is a 502."""
        proxy = cast("_Server", self.server).proxy
        upstream = proxy.upstream
        names = ("content-type", "accept", "authorization")
        headers = {n: v for n in names if (v := self.headers.get(n)) is not None}
        if self._behind is None:
            assert upstream.hostname is not None
            self._behind = http.client.HTTPConnection(
                upstream.hostname, upstream.port, timeout=_UPSTREAM_S
            )
        strike = None
        try:
            self._behind.request(self.command, self.path, body=body, headers=headers)
            if is_bulk(self.path) and (strike := proxy.take_strike()) is not None:
                strike()
            answer = self._behind.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._behind.close()
            proxy.unanswered += strike is not None
            # As of a load balancer whose server went away under a request.
            return 502, _error("bad_gateway", str(error), status=502)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("X-elastic-product", "Elasticsearch")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, kind: str) -> None:
        self._answer(status, _error(kind, "said by the chaos proxy", status=status))

    def _reset(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close_connection = True


def is_bulk(path: str) -> bool:
    """Return whether a request for that path brings documents."""
    return path.split("?", maxsplit=1)[0].endswith("/_bulk")


def half_busy(answer: bytes) -> bytes:
    """Return a bulk's answer in which every other item says 429 instead."""
    told = cast("dict[str, Any]", json.loads(answer))
    for item in cast("list[dict[str, Any]]", told["items"])[::2]:
        (verb,) = item
        item[verb] = {
            "_index": item[verb].get("_index"),
            "_id": item[verb].get("_id"),
            "status": 429,
            "error": {"type": "es_rejected_execution_exception", "reason": "chaos"},
        }
    told["errors"] = True
    return json.dumps(told).encode()


def forbidden_items(body: bytes) -> bytes:
    """Return the answer to a bulk whose writer has lost its right to the indices."""
    items: list[dict[str, Any]] = []
    for line in body.split(b"\n")[::2]:
        if not line:
            continue
        ((verb, action),) = cast("dict[str, dict[str, Any]]", json.loads(line)).items()
        error = {
            "type": "security_exception",
            "reason": f"action [indices:data/write/bulk] is unauthorized for {verb}",
        }
        items.append({verb: {**action, "status": 403, "error": error}})
    return json.dumps({"took": 1, "errors": True, "items": items}).encode()


def _error(kind: str, reason: str, *, status: int) -> bytes:
    error = {"type": kind, "reason": reason}
    return json.dumps({"error": error, "status": status}).encode()

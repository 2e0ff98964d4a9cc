"""A way to a real Elasticsearch on which each bulk request is seen: when, how, beside which."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

NO_ANSWER = 0
UPSTREAM_S = 120.0


@dataclass(frozen=True, slots=True)
class Bulk:
    """One bulk request that is over."""

    began_s: float
    ended_s: float
    status: int
    """What the server said to the request; `NO_ANSWER` where there was none."""
    items: int
    rejected_items: int
    beside: int
    """How many others were under way when it began."""

    @property
    def is_rejected(self) -> bool:
        """Tell whether the server had no room for it, or for some of it."""
        return self.status == 429 or self.rejected_items > 0


class BulkWatch(ThreadingHTTPServer):
    """Passes every request on, and keeps what became of the bulks."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = urlsplit(url)
        self.bulks: list[Bulk] = []
        self.asked: set[str] = set()
        """Every question so far as its method and path, such as `POST /_bulk`."""
        self.under_way = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Return where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def taken(self) -> list[Bulk]:
        """Return the bulks that are over, in the order in which they began."""
        with self.lock:
            return sorted(self.bulks, key=lambda bulk: bulk.began_s)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a server that is away is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - Python's
        """Log nothing."""

    def do_GET(self) -> None:
        """Pass on a request of any method."""
        watch = self.server
        assert isinstance(watch, BulkWatch)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.partition("?")[0]
        is_bulk = path.endswith("/_bulk")
        watch.asked.add(f"{self.command} {path}")
        began_s, beside = time.monotonic(), 0
        if is_bulk:
            with watch.lock:
                beside, watch.under_way = watch.under_way, watch.under_way + 1
        status, answer = NO_ANSWER, b""
        try:
            status, answer = self._passed_on(watch, body)
        finally:
            if is_bulk:
                items, rejected = _items_of(answer)
                bulk = Bulk(began_s, time.monotonic(), status, items, rejected, beside)
                with watch.lock:
                    watch.under_way -= 1
                    watch.bulks.append(bulk)
        if status == NO_ANSWER:
            self.close_connection = True

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - Python's names

    def _passed_on(self, watch: BulkWatch, body: bytes) -> tuple[int, bytes]:
        host, port = watch.behind.hostname or "", watch.behind.port
        with contextlib.closing(
            http.client.HTTPConnection(host, port, timeout=UPSTREAM_S)
        ) as behind:
            headers = dict(self.headers.items())
            headers.pop("accept-encoding", None)
            try:
                behind.request(self.command, self.path, body=body, headers=headers)
                said = behind.getresponse()
                answer = said.read()
            except (OSError, http.client.HTTPException):
                return NO_ANSWER, b""
        self.send_response(said.status)
        for name in ("content-type", "x-elastic-product"):
            if value := said.headers.get(name):
                self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)
        return said.status, answer


def _items_of(answer: bytes) -> tuple[int, int]:
    """Return how many items an answer speaks of, and how many were rejected."""
    try:
        items = json.loads(answer).get("items", [])
    except ValueError:
        return 0, 0
    rejected = sum(next(iter(one.values())).get("status") == 429 for one in items)
    return len(items), rejected


@contextmanager
def bulk_watch(url: str) -> Generator[BulkWatch]:
    """Watch until the block ends."""
    watch = BulkWatch(url)
    thread = threading.Thread(target=watch.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield watch
    finally:
        watch.shutdown()
        watch.server_close()
        thread.join()

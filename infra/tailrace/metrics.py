"""What a role tells of itself over HTTP: `/metrics` for Prometheus, and `/health`.

Only this machine can ask, and only by a name of loopback, so that no page of another site
reaches it through a browser. There are no other verbs and no other paths. The figures are
in Prometheus' text format, written by its own library.
"""

from __future__ import annotations

import http
import socket
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from tailrace.errors import CommandFailed
from tailrace.health import Health

LOOPBACK: Final = "127.0.0.1"
CONNECTIONS_MAX: Final = 8
REQUEST_WAIT_S_MAX: Final = 5.0
_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})

Collect = Callable[[], Iterable[Metric]]
Check = Callable[[], Health]


class MetricsServer:
    """Answers from `start` to `close`, in threads of its own."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()

    @classmethod
    def start(cls, *, port: int, collect: Collect, check: Check) -> MetricsServer:
        """Listen on loopback; port 0 takes a free one.

        `collect` and `check` are called in other threads than the role's own, so both
        must read values that do not change.

        Raises:
            CommandFailed: the port is taken, or may not be taken.
        """
        try:
            return cls(_Server(port, collect=collect, check=check))
        except OSError as error:
            raise CommandFailed(
                f"No metrics at {LOOPBACK}:{port}: {error.strerror}.",
                remedy="choose another metrics_port, or 0 for a free one",
            ) from error

    @property
    def url(self) -> str:
        """Return where it answers, without a path."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def close(self) -> None:
        """Stop answering; requests under way end within their limit."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Collected(Collector):
    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = CONNECTIONS_MAX

    def __init__(self, port: int, *, collect: Collect, check: Check) -> None:
        self.check = check
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collected(collect))
        self._free = threading.BoundedSemaphore(CONNECTIONS_MAX)
        super().__init__((LOOPBACK, port), _Handler)

    def figures(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self._registry)

    def process_request(
        self,
        request: socket.socket | tuple[bytes, socket.socket],
        client_address: object,
    ) -> None:
        """Answer in a thread, or not at all while too many are being answered."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(
        self,
        request: socket.socket | tuple[bytes, socket.socket],
        client_address: object,
    ) -> None:
        """Answer, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away: it would be anybody's to fill our log."""


class _Handler(BaseHTTPRequestHandler):
    timeout: ClassVar[float | None] = REQUEST_WAIT_S_MAX
    server_version = "tailrace"
    sys_version = ""
    error_message_format = "%(code)d\n"
    error_content_type = "text/plain; charset=utf-8"

    def do_GET(self) -> None:
        """Answer one of the two paths."""
        assert isinstance(self.server, _Server)
        host = self.headers.get("Host", "")
        name = host if host in _NAMES else host.rpartition(":")[0]
        if name not in _NAMES:
            self.send_error(http.HTTPStatus.FORBIDDEN)
        elif self.path == "/metrics":
            self._answer(
                http.HTTPStatus.OK,
                self.server.figures(),
                content_type=CONTENT_TYPE_LATEST,
            )
        elif self.path == "/health":
            health = self.server.check()
            self._answer(
                health.status, health.to_json(), content_type="application/json"
            )
        else:
            self.send_error(http.HTTPStatus.NOT_FOUND)

    def _answer(
        self, status: http.HTTPStatus, body: bytes, *, content_type: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - theirs
        """Write no access log: what is asked here is nobody's news."""

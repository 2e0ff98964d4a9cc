"""A small HTTPS server that asks who comes, and whose key and certificate can be changed."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.certificates import Pair


class GuardedServer:
    """Answers 200 to whoever sends the one header that is accepted, else 401."""

    def __init__(self, folder: Path) -> None:
        self.accepted = ""
        self.on_refusal: Callable[[], object] = lambda: None
        self.seen: list[str] = []
        self._folder = folder
        self._context: ssl.SSLContext | None = None
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._server.guarded = self

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def show(self, pair: Pair) -> None:
        """Be known by another certificate, from the next connection on."""
        certificate, key = pair.write(self._folder, "server")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._context = context

    def wrapped(self, connection: socket.socket) -> socket.socket:
        """Return a connection as the server speaks on it."""
        if self._context is None:
            return connection
        return self._context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )

    @contextmanager
    def serving(self) -> Generator[GuardedServer]:
        """Serve while the block runs."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    guarded: GuardedServer
    daemon_threads = True

    def finish_request(self, request: object, client_address: object) -> None:
        """Speak TLS in the connection's own thread; one that fails is no matter."""
        assert isinstance(request, socket.socket)
        wrapped = self.guarded.wrapped(request)
        try:
            super().finish_request(wrapped, client_address)
        except OSError:
            return
        finally:
            wrapped.close()


def _handler_of(guarded: GuardedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            sent = self.headers.get("authorization", "")
            guarded.seen.append(sent)
            status = 200 if sent == guarded.accepted else 401
            if status == 401:
                guarded.on_refusal()
            self.send_response(status)
            # Each request has its own connection, so that certificates are asked again.
            self.send_header("connection", "close")
            self.send_header("x-elastic-product", "Elasticsearch")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    return Handler

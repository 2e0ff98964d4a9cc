"""An HTTP server on a real socket that says what it was told to, and remembers the questions."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Said:
    """One answer."""

    status: int
    body: dict[str, Any] | str


Say = Callable[[str, str], Said]
"""What is answered to a method and a path."""


class SayingServer(http.server.ThreadingHTTPServer):
    """Answers every request as it is told to."""

    daemon_threads = True

    def __init__(self, say: Say) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.say = say
        self.asked: list[str] = []
        """Each question so far, as `GET /path`."""

    @property
    def url(self) -> str:
        """Return where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a request of any method."""
        assert isinstance(self.server, SayingServer)
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked.append(f"{self.command} {self.path}")
        said = self.server.say(self.command, self.path)
        text = said.body if isinstance(said.body, str) else _compact(said.body)
        self.send_response(said.status)
        self.send_header("X-elastic-product", "Elasticsearch")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - Python's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - Python's
        """Say nothing."""


def _compact(body: dict[str, Any]) -> str:
    # As Elasticsearch writes it: no space stands between two signs.
    return json.dumps(body, separators=(",", ":"))


@contextmanager
def saying(say: Say) -> Generator[SayingServer]:
    """Serve until the block ends."""
    server = SayingServer(say)
    thread = threading.Thread(target=server.serve_forever, args=(POLL_S,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def in_turn(*answers: Said) -> Say:
    """Return what says these one after the other, the last for ever."""
    left = list(answers)
    return lambda _method, _path: left.pop(0) if len(left) > 1 else left[0]

"""A server that takes a question and never answers, or cannot yet, holds nobody up long."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from tailrace.elasticsearch import SHARDS_WAIT_MS_MAX, Elastic, RequestTimedOut
from tailrace.errors import ServiceUnavailable
from tailrace.settings import Connections
from tests.indexer.doubles import ManualClock


def connections_to(port: int) -> Connections:
    return Connections().model_copy(
        update={"elasticsearch_url": f"http://127.0.0.1:{port}"}
    )


def test_an_answer_is_waited_for_as_long_as_was_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with (
            Elastic(connections_to(port), timeout_s=0.2) as elastic,
            pytest.raises(RequestTimedOut, match=r"no answer within 0\.2 s"),
        ):
            elastic.count("events")


NO_SHARDS: dict[str, Any] = {
    "error": {
        "root_cause": [],
        "type": "search_phase_execution_exception",
        "reason": "all shards failed",
        "failed_shards": [],
    },
    "status": 503,
}
"""What Elasticsearch 9 says of an index that was made a moment ago."""


class Saying(http.server.ThreadingHTTPServer):
    """Says what it was told to, one answer after the other, the last for ever."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.answers = list(answers)


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers one request."""

    def do_GET(self) -> None:
        """Say what is next."""
        assert isinstance(self.server, Saying)
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        body = json.dumps(answer, separators=(",", ":")).encode()
        self.send_response(answer.get("status", 200))
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the library's

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
        """Say nothing."""


@contextmanager
def saying(*answers: dict[str, Any]) -> Generator[int]:
    server = Saying(*answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_index_that_was_made_just_now_is_waited_for() -> None:
    with (
        saying(NO_SHARDS, NO_SHARDS, {"count": 7}) as port,
        Elastic(connections_to(port), clock=ManualClock()) as elastic,
    ):
        assert elastic.count("events") == 7


def test_an_index_without_any_shard_is_told_after_a_while() -> None:
    clock = ManualClock()
    began_ms = clock.monotonic_ms()
    with (
        saying(NO_SHARDS) as port,
        Elastic(connections_to(port), clock=clock) as elastic,
        pytest.raises(ServiceUnavailable, match="all shards failed"),
    ):
        elastic.count("events")
    assert clock.monotonic_ms() - began_ms == SHARDS_WAIT_MS_MAX

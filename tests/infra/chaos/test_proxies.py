"""The proxies do what they say to real connections, and count each time that they do."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import pytest

from tailrace.chaos.http_proxy import BulkFault, ElasticsearchProxy
from tailrace.chaos.tcp_proxy import Manner, Target, TcpProxy
from tests.support.waiting import eventually

BODY = b'{"create":{"_index":"i","_id":"1"}}\n{}\n{"create":{"_index":"i","_id":"2"}}\n{}\n'


class AlwaysStrikes(random.Random):
    """Draws the smallest number, so that every bulk meets the fault."""

    def random(self) -> float:
        return 0.0


class StoringServer(ThreadingHTTPServer):
    """Answers a bulk as Elasticsearch does, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), StoringHandler)
        self.stored: list[bytes] = []
        self.dies_amid: threading.Event | None = None
        """A bulk gets no answer, but an end of its connection once this is set."""


class StoringHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert isinstance(self.server, StoringServer)
        self.server.stored.append(body)
        if self.server.dies_amid is not None and self.path == "/_bulk":
            assert self.server.dies_amid.wait(5)
            self.close_connection = True
            return
        items = [{"create": {"_index": "i", "_id": n, "status": 201}} for n in "12"]
        answer = json.dumps({"took": 1, "errors": False, "items": items}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@pytest.fixture
def server() -> Iterator[StoringServer]:
    server = StoringServer()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def proxy(server: StoringServer) -> Iterator[ElasticsearchProxy]:
    url = f"http://127.0.0.1:{server.server_address[1]}"
    proxy = ElasticsearchProxy(url, host="127.0.0.1", port=0, chance=AlwaysStrikes())
    proxy.start()
    yield proxy
    proxy.stop()


def bulk(proxy: ElasticsearchProxy, *, path: str = "/_bulk") -> tuple[int, object]:
    connection = http.client.HTTPConnection(
        proxy.url.removeprefix("http://"), timeout=5
    )
    try:
        connection.request("POST", path, body=BODY)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def statuses(answer: object) -> list[int]:
    items = cast("dict[str, list[dict[str, dict[str, int]]]]", answer)["items"]
    return [item["create"]["status"] for item in items]


def test_an_honest_proxy_passes_everything_on(
    proxy: ElasticsearchProxy, server: StoringServer
) -> None:
    status, answer = bulk(proxy)
    assert (status, statuses(answer), server.stored) == (200, [201, 201], [BODY])
    assert proxy.struck == 0


@pytest.mark.parametrize(
    ("fault", "status"), [(BulkFault.BUSY, 429), (BulkFault.UNAVAILABLE, 503)]
)
def test_a_refused_bulk_is_not_stored(
    proxy: ElasticsearchProxy, server: StoringServer, fault: BulkFault, status: int
) -> None:
    proxy.behave(fault)
    assert bulk(proxy)[0] == status
    assert (server.stored, proxy.struck) == ([], 1)


def test_a_writer_without_rights_hears_it_of_each_item(
    proxy: ElasticsearchProxy, server: StoringServer
) -> None:
    proxy.behave(BulkFault.FORBIDDEN)
    status, answer = bulk(proxy)
    assert (status, statuses(answer), server.stored) == (200, [403, 403], [])


def test_items_that_are_stored_can_be_said_to_be_busy(
    proxy: ElasticsearchProxy, server: StoringServer
) -> None:
    proxy.behave(BulkFault.ITEMS_BUSY)
    assert statuses(bulk(proxy)[1]) == [429, 201]
    assert server.stored == [BODY]


@pytest.mark.parametrize(
    ("fault", "stored"), [(BulkFault.RESET, []), (BulkFault.ANSWER_LOST, [BODY])]
)
def test_a_connection_is_reset_before_or_after_success(
    proxy: ElasticsearchProxy,
    server: StoringServer,
    fault: BulkFault,
    stored: list[bytes],
) -> None:
    proxy.behave(fault)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        bulk(proxy)
    assert (server.stored, proxy.struck) == (stored, 1)


def test_what_is_no_bulk_meets_no_fault(
    proxy: ElasticsearchProxy, server: StoringServer
) -> None:
    proxy.behave(BulkFault.BUSY)
    assert bulk(proxy, path="/_search")[0] == 200
    assert (len(server.stored), proxy.struck) == (1, 0)


def test_e12_a_server_can_be_struck_between_a_bulk_and_its_answer(
    proxy: ElasticsearchProxy, server: StoringServer
) -> None:
    """Once, amid a bulk and nothing else; what was then not answered is counted."""
    struck: list[int] = []
    server.dies_amid = is_dead = threading.Event()

    def strike() -> None:
        struck.append(len(struck))
        is_dead.set()

    proxy.when_sent(strike)
    assert bulk(proxy, path="/_search")[0] == 200
    assert not struck
    assert bulk(proxy)[0] == 502
    assert (struck, proxy.unanswered) == ([0], 1)
    server.dies_amid = None
    assert bulk(proxy)[0] == 200
    assert (struck, proxy.unanswered) == ([0], 1)


@pytest.fixture
def echo() -> Iterator[int]:
    """Give the port of a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(ConnectionResetError):
                    while data := connection.recv(1_024):
                        connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def relay(echo: int) -> Iterator[tuple[TcpProxy, int]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = TcpProxy(Target("127.0.0.1", echo), host="127.0.0.1", port=port)
    proxy.start()
    yield proxy, port
    proxy.stop()


def test_bytes_pass_in_both_directions(relay: tuple[TcpProxy, int]) -> None:
    proxy, port = relay
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"hello")
        assert connection.recv(5) == b"hello"
    assert proxy.affected == 0


def test_a_silent_proxy_holds_bytes_and_then_lets_them_go(
    relay: tuple[TcpProxy, int],
) -> None:
    proxy, port = relay
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        proxy.behave(Manner.SILENT)
        connection.sendall(b"hello")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(5)
        assert proxy.affected == 1
        proxy.behave(Manner.HONEST)
        connection.settimeout(5)
        assert connection.recv(5) == b"hello"


def test_a_refusing_proxy_resets_what_is_open_and_what_comes(
    relay: tuple[TcpProxy, int],
) -> None:
    proxy, port = relay
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"hello")
        assert connection.recv(5) == b"hello"
        proxy.behave(Manner.REFUSING)
        with pytest.raises(ConnectionResetError):
            connection.recv(5)
    # The reset may come before connecting has returned.
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", port), 5) as connection,
    ):
        connection.recv(5)
    eventually(lambda: proxy.affected >= 3)

"""The two paths over HTTP: for this machine alone, bounded, and without any other verb."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from tailrace.errors import CommandFailed
from tailrace.health import Health
from tailrace.metrics import CONNECTIONS_MAX, LOOPBACK, MetricsServer
from tests.support.waiting import eventually

HOSTILE = 'a"b\\c\n<script>\x1b[31m'


def figures() -> Iterator[Metric]:
    metric = GaugeMetricFamily("lag_bytes", "Lag.", labels=("path",))
    metric.add_metric((HOSTILE,), 5)
    yield metric


class Says:
    def __init__(self) -> None:
        self.health = Health()

    def __call__(self) -> Health:
        return self.health


@pytest.fixture
def says() -> Says:
    return Says()


@pytest.fixture
def server(says: Says) -> Iterator[MetricsServer]:
    made = MetricsServer.start(port=0, collect=figures, check=says)
    yield made
    made.close()


def ask(
    server: MetricsServer, path: str, *, verb: str = "GET", host: str | None = None
) -> tuple[int, bytes]:
    address = server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request(verb, path, headers={"Host": host or address})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_figures_are_read_by_prometheus_own_parser(server: MetricsServer) -> None:
    status, body = ask(server, "/metrics")
    assert status == 200
    (family,) = text_string_to_metric_families(body.decode())
    (sample,) = family.samples
    assert (sample.name, sample.value) == ("lag_bytes", 5)
    assert sample.labels == {"path": HOSTILE}


def test_health_is_200_or_503_with_reasons(server: MetricsServer, says: Says) -> None:
    assert ask(server, "/health") == (200, b'{"status":"ok","problems":[],"notes":[]}')
    says.health = Health(("no Kafka",))
    status, body = ask(server, "/health")
    assert status == 503
    assert json.loads(body) == {
        "status": "failing",
        "problems": ["no Kafka"],
        "notes": [],
    }
    says.health = Health(notes=("3 files wait",))
    status, body = ask(server, "/health")
    assert status == 200, "who answers 503 may be ended, which would help nobody"
    assert json.loads(body) == {
        "status": "degraded",
        "problems": [],
        "notes": ["3 files wait"],
    }


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_x19_there_is_no_verb_that_changes_anything(
    server: MetricsServer, verb: str
) -> None:
    status, _body = ask(server, "/metrics", verb=verb)
    assert status == 501


@pytest.mark.parametrize("path", ["/", "/metrics/../health", "/quit", "/health?x"])
def test_x19_other_paths_are_not_there(server: MetricsServer, path: str) -> None:
    assert ask(server, path) == (404, b"404\n")


def test_x19_a_page_of_another_site_is_refused(server: MetricsServer) -> None:
    port = server.url.rpartition(":")[2]
    assert ask(server, "/metrics", host=f"evil.example:{port}")[0] == 403
    assert ask(server, "/metrics", host="127.0.0.1.evil.example")[0] == 403
    assert ask(server, "/health", host=f"localhost:{port}")[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\xfe\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET " + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\n" + b"x: y\r\n" * 200 + b"\r\n",
    ],
)
def test_x19_nonsense_is_refused_and_hurts_nothing(
    server: MetricsServer, sent: bytes
) -> None:
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection((LOOPBACK, port), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4_096):
            pass
    assert ask(server, "/health")[0] == 200


def test_x19_no_more_are_answered_at_once_than_there_is_room_for(
    server: MetricsServer,
) -> None:
    port = int(server.url.rpartition(":")[2])
    silent = [
        socket.create_connection((LOOPBACK, port), timeout=10)
        for _ in range(CONNECTIONS_MAX)
    ]
    with socket.create_connection((LOOPBACK, port), timeout=10) as one_more:
        assert one_more.recv(1) == b""
    for connection in silent:
        # Not closed for their silence, which began before: it was for want of room.
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
    for connection in silent:
        connection.close()

    def is_answered() -> bool:
        try:
            return ask(server, "/health")[0] == 200
        except (http.client.HTTPException, OSError):
            return False

    eventually(is_answered)


def test_a_port_that_is_taken_is_said_with_its_remedy(server: MetricsServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(CommandFailed, match=f"{LOOPBACK}:{port}") as caught:
        MetricsServer.start(port=port, collect=figures, check=Says())
    assert "metrics_port" in caught.value.remedy

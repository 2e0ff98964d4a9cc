"""A ZooKeeper that is frozen, or that serves nobody, is told within a bound."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tailrace import status_facts
from tailrace.clock import SystemClock
from tailrace.errors import NoAnswer, ServiceUnavailable
from tailrace.server_facts import server_facts
from tailrace.settings import Connections
from tailrace.up_record import created_at_s, write_record
from tailrace.zookeeper_probe import WAIT_MS_MAX, require_zookeeper
from tests.infra.test_status import UP

SESSION = struct.pack(">iiqi16sb", 0, 4_000, 7, 16, b"", 0)


@contextmanager
def answering(answer: bytes) -> Generator[tuple[int, list[bytes]]]:
    """Yield the port of a server that gives one client `answer`, and what it then hears."""
    heard: list[bytes] = []

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            (size,) = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
            heard.append(connection.recv(size, socket.MSG_WAITALL))
            connection.sendall(answer)
            if answer:
                heard.append(connection.recv(12, socket.MSG_WAITALL))
                connection.sendall(bytes(16))
                connection.shutdown(socket.SHUT_WR)
                # A reset here would be a trace in the server's log, which is shipped.
                heard.append(connection.recv(1))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield server.getsockname()[1], heard
        thread.join()


def asked(hosts: str) -> float:
    """Return how long it took to learn that there is none."""
    clock = SystemClock()
    began_ms = clock.monotonic_ms()
    with pytest.raises(ServiceUnavailable, match="ZooKeeper at 127"):
        require_zookeeper(hosts, clock=clock)
    return clock.monotonic_ms() - began_ms


def test_a_server_that_gives_a_session_answers_and_gets_it_back() -> None:
    with answering(struct.pack(">i", len(SESSION)) + SESSION) as (port, heard):
        require_zookeeper(f"127.0.0.1:{port}/chroot", clock=SystemClock())
    connect, close, end = heard
    assert len(connect) == 45, "as a client of today asks"
    assert close == struct.pack(">iii", 8, 1, -11)
    assert end == b""


def test_one_server_of_several_that_answers_is_enough() -> None:
    with answering(struct.pack(">i", len(SESSION)) + SESSION) as (port, _heard):
        require_zookeeper(f"127.0.0.1:1,127.0.0.1:{port}", clock=SystemClock())


def test_a_server_that_serves_nobody_is_no_answer() -> None:
    with answering(b"") as (port, _heard):
        asked(f"127.0.0.1:{port}")


def test_frozen_servers_hold_nobody_up_beyond_the_bound() -> None:
    """The kernel takes the connection, and nobody ever reads from it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        hosts = ",".join(f"127.0.0.1:{each.getsockname()[1]}" for each in (one, two))
        took_ms = asked(hosts)
    assert WAIT_MS_MAX * 0.9 <= took_ms < WAIT_MS_MAX + 1_000


@pytest.mark.parametrize(
    ("hosts", "reason"),
    [("127.0.0.1:1", "nothing listens there"), ("127.0.0.1:1,127.0.0.1:1", "nothing")],
)
def test_where_nothing_listens_is_said_at_once(hosts: str, reason: str) -> None:
    clock = SystemClock()
    began_ms = clock.monotonic_ms()
    with pytest.raises(ServiceUnavailable, match=reason) as away:
        require_zookeeper(hosts, clock=clock)
    assert clock.monotonic_ms() - began_ms < WAIT_MS_MAX / 2
    assert not isinstance(away.value, NoAnswer)
    assert "start it" in away.value.remedy


def test_a_frozen_one_of_several_is_told_as_that_and_not_as_the_one_that_is_away() -> (
    None
):
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        hosts = f"127.0.0.1:{frozen.getsockname()[1]},127.0.0.1:1"
        with pytest.raises(NoAnswer, match="no answer within 3 s") as still:
            require_zookeeper(hosts, clock=SystemClock())
    assert "busy or stand still" in still.value.remedy


def test_doctor_says_that_nothing_listens_for_zookeeper_too() -> None:
    connections = Connections().model_copy(
        update={
            "kafka_bootstrap": "127.0.0.1:1",
            "zookeeper_hosts": "127.0.0.1:1",
            "elasticsearch_url": "http://127.0.0.1:1",
        }
    )

    problems = [found.problem for found in server_facts(connections)]

    assert problems == ["nothing listens there"] * 3


def no_lags(connections: Connections) -> dict[str, int]:
    del connections
    return {}


def test_status_names_a_zookeeper_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Kafka's client leaves sockets behind where nobody is, and is not asked here.
    monkeypatch.setattr(status_facts, "_lags", no_lags)
    pid = os.getpid()
    mine = msgspec.structs.replace(UP, pid=pid, created_at_s=created_at_s(pid))
    write_record(tmp_path, mine)
    connections = Connections().model_copy(
        update={
            "data_dir": tmp_path,
            "elasticsearch_url": "http://127.0.0.1:1",
            "zookeeper_hosts": "127.0.0.1:1",
        }
    )

    (told,) = [
        each
        for each in status_facts.gather(connections).unreachable
        if each.startswith("ZooKeeper at 127.0.0.1:1 cannot be reached")
    ]
    assert "lines are shipped and stored on, but the fleet page is blind" in told

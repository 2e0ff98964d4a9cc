"""What the Fleet page says of a ZooKeeper that is away, or stands still."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tailrace.clock import SystemClock
from tailrace.errors import NoAnswer, ServiceUnavailable
from tailrace.settings import Connections
from tailrace_dashboard.fleet_gateway import CONNECT_MS_MAX, ZooKeeperFleet

WAIT_S = 15


def fleet_at(hosts: str) -> closing[ZooKeeperFleet]:
    made = ZooKeeperFleet(Connections().model_copy(update={"zookeeper_hosts": hosts}))
    return closing(made)


def test_where_nothing_listens_is_said_at_once() -> None:
    clock = SystemClock()
    began_ms = clock.monotonic_ms()
    with (
        fleet_at("127.0.0.1:1") as fleet,
        pytest.raises(ServiceUnavailable, match="nothing listens there") as away,
    ):
        fleet.agents().result(WAIT_S)
    assert not isinstance(away.value, NoAnswer)
    assert clock.monotonic_ms() - began_ms < CONNECT_MS_MAX


def test_one_that_stands_still_is_not_to_be_started() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as frozen,
        fleet_at(f"127.0.0.1:{frozen.getsockname()[1]}") as fleet,
        pytest.raises(NoAnswer, match="no answer within 3 s") as still,
    ):
        fleet.agents().result(WAIT_S)
    assert "busy or stand still" in still.value.remedy


SESSION = struct.pack(">iiqi16sb", 0, 30_000, 7, 16, bytes(16), 0)
CLOSE_BYTES = 12


@pytest.fixture
def sessions_only() -> Iterator[str]:
    """Give the address of a server that gives sessions, and then stands still."""
    held: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        (size,) = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
        connection.recv(size, socket.MSG_WAITALL)
        connection.sendall(struct.pack(">i", len(SESSION)) + SESSION)
        asked = connection.recv(CLOSE_BYTES, socket.MSG_PEEK | socket.MSG_WAITALL)
        if asked[4:8] == struct.pack(">i", 1) and asked[8:] == struct.pack(">i", -11):
            connection.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            held.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in held:
        connection.close()


@pytest.mark.timeout(60)
def test_one_that_stands_still_amid_a_session_is_not_to_be_started(
    sessions_only: str,
) -> None:
    """As one that is frozen while the page is open."""
    with (
        fleet_at(sessions_only) as fleet,
        pytest.raises(NoAnswer, match="no answer within 3 s") as still,
    ):
        fleet.agents().result(WAIT_S)
    assert "busy or stand still" in still.value.remedy

"""The dashboard's port is the configured one, or one that is free at each start."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tailrace.dashboard_port import VARIABLE, DashboardPort, DashboardProcess
from tailrace.errors import CommandFailed
from tests.support.waiting import eventually


@contextmanager
def taken(port: int) -> Generator[None]:
    with closing(socket.create_server(("127.0.0.1", port))):
        yield


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def test_a_port_that_was_taken_since_is_left_for_another() -> None:
    """Two starts in the same minute find the same port free."""
    port = DashboardPort.of({}, kept=free_port())
    first = port.number
    assert port.look_again() == first, "kept while it is free"
    with taken(first):
        other = port.look_again()
        assert other != first
    assert port.look_again() == other, "whoever has it open finds it there"


def test_a_configured_port_is_never_left(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = free_port()
    monkeypatch.setenv(VARIABLE, str(wanted))
    port = DashboardPort.of({"dashboard": {"port": wanted + 1}}, kept=wanted + 2)
    assert port.number == wanted
    with taken(wanted):
        assert port.look_again() == wanted, "the dashboard says that it is taken"
        with pytest.raises(CommandFailed, match=f"{wanted}.*configured for dashboard"):
            DashboardPort.of({}, kept=0)


def test_a_dashboard_that_is_started_again_is_told_of_the_port_that_is_free(
    tmp_path: Path,
) -> None:
    """Each of its lives prints where it is to listen."""
    port = DashboardPort.of({}, kept=free_port())
    reading, writing = os.pipe()
    process = Printing(
        "dashboard",
        port=port,
        arguments=[],
        environment=dict(os.environ),
        log_path=tmp_path / "log",
        watched_fd=reading,
    )
    first = port.number
    process.start()
    eventually(lambda: not process.is_alive(), 10)
    with taken(first):
        process.start()
        eventually(lambda: not process.is_alive(), 10)
    eventually(lambda: len((tmp_path / "log").read_text().split()) == 2, 10)
    told = [int(word) for word in (tmp_path / "log").read_text().split()]
    assert told == [first, port.number]
    assert first != port.number
    os.close(reading)
    os.close(writing)


class Printing(DashboardProcess):
    """Says where it would listen."""

    def _command(self) -> list[str]:
        return [sys.executable, "-c", f"import os; print(os.environ[{VARIABLE!r}])"]

from __future__ import annotations

import http.client
import io
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
import pytest
from pydantic import SecretStr
from streamlit import config
from streamlit.error_util import handle_uncaught_app_exception

from tailrace.errors import CommandFailed
from tailrace.log import configure
from tailrace.settings import Connections, read_connections
from tailrace.zookeeper_users import users_by_role
from tailrace_dashboard.config import DashboardSettings
from tailrace_dashboard.main import (
    STATUS_FILE,
    Status,
    child_environment,
    run,
    streamlit_flags,
)
from tailrace_dashboard.serve import FAILURES_LOGGER, say_that_a_page_failed
from tests.support.waiting import eventually

START_WAIT_S = 60


def connections_in(data_dir: Path) -> Connections:
    return Connections().model_copy(update={"data_dir": data_dir})


def test_x10_secrets_reach_the_script_by_its_environment_alone() -> None:
    connections = Connections().model_copy(
        update={
            "elasticsearch_password": SecretStr("hunter2"),
            "elasticsearch_username": "reader",
            "kafka_ca_file": None,
        }
    )
    settings = DashboardSettings(port=1_234)
    base = {
        "PATH": "/bin",
        "STREAMLIT_SERVER_ADDRESS": "0.0.0.0",
        "TAILRACE_KAFKA_CA_FILE": "/gone",
    }
    environment = child_environment(connections, settings=settings, base=base)
    assert environment["TAILRACE_ELASTICSEARCH_PASSWORD"] == "hunter2"
    assert environment["PATH"] == "/bin"
    assert "STREAMLIT_SERVER_ADDRESS" not in environment
    assert "TAILRACE_KAFKA_CA_FILE" not in environment
    assert "hunter2" not in " ".join(streamlit_flags(settings, port=1_234))


def test_the_script_learns_every_setting_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = Connections().model_copy(
        update={
            "data_dir": tmp_path,
            "kafka_password": SecretStr("hunter2"),
            "zookeeper_users": users_by_role(
                {"agent": ("agent-web1", "agent-web2"), "operator": ()}
            ),
        }
    )
    environment = child_environment(connections, settings=DashboardSettings(), base={})
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert read_connections() == connections


def test_what_a_page_raised_is_an_event_of_the_log_and_escaped() -> None:
    """It may hold text of a log, and Streamlit would write it as it is, or nowhere."""
    written = io.StringIO()
    configure(stream=written)
    said_by_streamlit = logging.getLogger(FAILURES_LOGGER)
    said_by_streamlit.addFilter(say_that_a_page_failed)
    is_rich = config.get_option("logger.enableRich")
    config.set_option("logger.enableRich", False)
    try:
        handle_uncaught_app_exception(ValueError("\x1b[2J of a log"))
    finally:
        config.set_option("logger.enableRich", is_rich)
        said_by_streamlit.removeFilter(say_that_a_page_failed)
    assert "\x1b" not in written.getvalue()
    (event,) = map(msgspec.json.decode, written.getvalue().splitlines())
    assert event["event"] == "page_failed"
    assert "ValueError: \x1b[2J of a log" in event["exception"]


def test_x17_the_page_is_closed_to_others_unless_someone_opens_it() -> None:
    """Loopback, known host names alone, and nothing told to anyone (X17)."""
    flags = streamlit_flags(DashboardSettings(), port=8_501)
    for flag in (
        "--server.address=127.0.0.1",
        "--server.allowedHosts=localhost",
        "--server.enableXsrfProtection=true",
        "--browser.gatherUsageStats=false",
        "--client.showErrorDetails=none",
        "--logger.enableRich=false",
        "--server.fileWatcherType=none",
        "--server.headless=true",
    ):
        assert flag in flags
    behind = DashboardSettings(allowed_hosts=("logs.example.com",))
    assert "--server.allowedHosts=logs.example.com" in streamlit_flags(behind, port=1)


def test_a_port_in_use_says_which_and_how_to_choose_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandFailed) as caught:
            run(
                connections=connections_in(tmp_path),
                settings=DashboardSettings(port=port),
                stop=threading.Event(),
            )
    assert f"cannot listen at 127.0.0.1:{port}: Address already in use." in str(
        caught.value
    )
    assert "TAILRACE_DASHBOARD_PORT" in caught.value.remedy
    assert not (tmp_path / STATUS_FILE).exists()


@contextmanager
def served_by_a_process(data_dir: Path) -> Generator[tuple[int, Status], None, None]:
    environment = {
        **os.environ,
        "TAILRACE_DATA_DIR": str(data_dir),
        "TAILRACE_DASHBOARD_PORT": "0",
    }
    command = [sys.executable, "-m", "tailrace_dashboard"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as role:
        path = data_dir / STATUS_FILE
        try:
            eventually(path.exists, START_WAIT_S, what="the dashboard is up")
            yield role.pid, msgspec.json.decode(path.read_bytes(), type=Status)
        finally:
            role.kill()


@pytest.mark.timeout(120)
def test_x17_it_answers_on_loopback_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with served_by_a_process(tmp_path) as (pid, status):
        with urllib.request.urlopen(status.url, timeout=10) as answer:
            assert answer.status == 200
        listening = {
            connection.laddr.ip
            for connection in psutil.Process(status.pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
        # A page elsewhere that points its own name here is not let in.
        assert handshake(status.url, host="evil.example") == 403
        assert handshake(status.url, host="localhost") == 101
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: is_gone(pid) and is_gone(status.pid), 20)
    assert not (tmp_path / STATUS_FILE).exists()


@pytest.mark.timeout(120)
def test_a_killed_role_leaves_no_server_behind(tmp_path: Path) -> None:
    with served_by_a_process(tmp_path) as (pid, status):
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: is_gone(status.pid), 20, what="the child has left")


def handshake(url: str, *, host: str) -> int:
    """Ask for the page's socket under a name, and return the status."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request(
        "GET",
        "/_stcore/stream",
        headers={
            "Host": host,
            "Origin": f"http://{host}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol": "streamlit",
        },
    )
    status = connection.getresponse().status
    connection.close()
    return status


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True

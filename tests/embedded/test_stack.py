"""The real servers: one owner, no orphans, data kept, whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from tailrace.errors import CommandFailed, DataDirInUse
from tailrace.kafka_admin import KafkaAdmin, NewTopic
from tailrace.settings import Connections
from tailrace_embedded.progress import SilentProgress
from tailrace_embedded.record import RunningServers, read_running, read_servers
from tailrace_embedded.stack import Endpoints, Stack, read_endpoints
from tests.support.stack import temporary_data_dir
from tests.support.waiting import eventually

pytestmark = pytest.mark.stack

TOPIC = "kept"


@pytest.fixture(scope="module")
def killed() -> Generator[tuple[Path, RunningServers]]:
    """Give a data folder with data in it, whose owner has just been killed."""
    with temporary_data_dir() as data_dir:
        command = [sys.executable, "-m", "tailrace_embedded", "up"]
        with subprocess.Popen(
            [*command, "--data-dir", str(data_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as owner:
            assert owner.stdout is not None
            for _variable in range(3):
                assert owner.stdout.readline().startswith(b"export TAILRACE_")
            running = read_running(data_dir)
            endpoints = read_endpoints(data_dir)
            assert running is not None
            assert endpoints is not None
            write_data(endpoints)
            owner.send_signal(signal.SIGKILL)
        yield data_dir, running


def ask(url: str, *, method: str = "GET", body: object = None) -> dict[str, object]:
    request = urllib.request.Request(
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        return json.loads(response.read())


def kafka_of(endpoints: Endpoints) -> KafkaAdmin:
    return KafkaAdmin(Connections(kafka_bootstrap=endpoints.kafka_bootstrap))


def write_data(endpoints: Endpoints) -> None:
    index = f"{endpoints.elasticsearch_url}/kept"
    ask(index, method="PUT", body={})
    ask(f"{index}/_doc/1", method="PUT", body={"message": "kept"})
    with kafka_of(endpoints) as kafka:
        kafka.create_topics(
            [NewTopic(name=TOPIC, partitions=1, replication_factor=1, settings={})]
        )


def has_data(endpoints: Endpoints) -> bool:
    found = ask(f"{endpoints.elasticsearch_url}/kept/_doc/1")
    with kafka_of(endpoints) as kafka:
        return found["found"] is True and TOPIC in kafka.partition_counts()


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.timeout(300)
def test_servers_die_with_their_owner_and_their_data_does_not(
    killed: tuple[Path, RunningServers],
) -> None:
    """One story on one start, because starts are what costs."""
    data_dir, before = killed
    assert {server.name for server in before.servers} == {
        "elasticsearch-1",
        "kafka-1",
        "zookeeper",
    }
    eventually(lambda: all(is_gone(server.pid) for server in before.servers))
    assert read_endpoints(data_dir) is None, "a killed owner's record is not believed"

    with Stack.start(data_dir, progress=SilentProgress()) as stack:
        assert read_endpoints(data_dir) == stack.endpoints
        assert stack.endpoints.as_environment() == before.environment, "ports are kept"
        assert has_data(stack.endpoints)

        with pytest.raises(DataDirInUse, match=f"process {os.getpid()}"):
            Stack.start(data_dir, progress=SilentProgress())
        assert all(server.is_ready() for server in stack.servers)

        for server in stack.servers:
            killed_pid = server.pid
            os.kill(killed_pid, signal.SIGKILL)
            eventually(lambda server=server: not server.is_alive())
            server.restart()
            assert server.pid != killed_pid
        for server in stack.servers:
            server.wait_until_ready()
        assert has_data(stack.endpoints)
        recorded = read_servers(data_dir)
        assert recorded is not None
        assert {server.pid for server in recorded.servers} == {
            server.pid for server in stack.servers
        }
        assert_own_user_and_loopback(stack)
        pids = [server.pid for server in stack.servers]
    assert all(is_gone(pid) for pid in pids)
    assert read_servers(data_dir) is None
    assert read_endpoints(data_dir) is None


def assert_own_user_and_loopback(stack: Stack) -> None:
    for server in stack.servers:
        process = psutil.Process(server.pid)
        assert process.uids().real != 0, "not even root's servers run as root"
        assert "-Duser.timezone=UTC" in process.cmdline()
        listening = [
            connection.laddr.ip
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening
        assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


@pytest.mark.timeout(300)
def test_a_server_that_cannot_start_shows_its_log_and_leaves_no_other() -> None:
    with temporary_data_dir() as data_dir:
        broken = data_dir / "servers" / "kafka-1" / "data" / "meta.properties"
        broken.parent.mkdir(parents=True)
        broken.write_text("version=99\n")
        with pytest.raises(CommandFailed, match="kafka-1 ended with") as caught:
            Stack.start(data_dir, progress=SilentProgress())
        assert "Exception" in str(caught.value), "the end of its log is shown"
        assert "tailrace doctor" in caught.value.remedy
        assert read_servers(data_dir) is None
        mine = str(data_dir)
        # The launcher of what has ended may be on its way out itself.
        eventually(
            lambda: (
                not any(mine in str(p.info) for p in psutil.process_iter(["cmdline"]))
            ),
            what="no process of it is left",
        )

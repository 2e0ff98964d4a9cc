"""A ZooKeeper that comes back with nothing: its clients do, too, under a new session."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tailrace.clock import SystemClock
from tailrace.zookeeper import ZooKeeper
from tailrace_embedded import identity
from tailrace_embedded.config import Place
from tailrace_embedded.jvm import ServerFolders
from tailrace_embedded.ports import LOOPBACK, choose_ports
from tailrace_embedded.progress import SilentProgress
from tailrace_embedded.runtime import DefaultFetcher, ensure_runtime
from tailrace_embedded.server import Server
from tailrace_embedded.zookeeper import NAME, zookeeper_spec
from tests.support.stack import temporary_data_dir
from tests.support.waiting import eventually


@dataclass(frozen=True, slots=True)
class Ensemble:
    """A ZooKeeper of this test alone, and what it keeps on the disk."""

    server: Server
    folders: ServerFolders
    hosts: str

    def come_back_with_nothing(self) -> None:
        """Lose all data as a disk that is replaced does."""
        self.server.stop(wait_ms_max=5_000)
        for entry in self.folders.data.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        self.server.start()
        self.server.wait_until_ready()


@pytest.fixture
def ensemble() -> Iterator[Ensemble]:
    user = identity.run_as()
    runtime = ensure_runtime(
        environ=os.environ,
        user=user,
        fetcher=DefaultFetcher(),
        progress=SilentProgress(),
    )
    watched_fd, alive_fd = os.pipe()
    with temporary_data_dir() as data_dir:
        ports = choose_ports([NAME], recorded={}, configured={}, rng=random.Random())
        folders = ServerFolders(identity.servers_dir(data_dir, user=user) / NAME)
        server = Server(
            spec=zookeeper_spec(
                port=ports[NAME],
                folders=folders,
                jars=runtime.zookeeper_jars,
                java_home=runtime.java_home,
                heap_mb=64,
                user=user,
                place=Place(),
            ),
            watched_fd=watched_fd,
            user=user,
            clock=SystemClock(),
            on_start=lambda: None,
        )
        server.start()
        server.wait_until_ready()
        yield Ensemble(server, folders, f"{LOOPBACK}:{ports[NAME]}")
        server.stop(wait_ms_max=5_000)
    os.close(alive_fd)
    os.close(watched_fd)


@pytest.mark.stack
@pytest.mark.timeout(120)
def test_z4_node_returns_to_an_ensemble_that_was_wiped(ensemble: Ensemble) -> None:
    """It knows neither the session nor any transaction that the client has seen."""
    path = "/t/agents/one"
    mine = ZooKeeper.connect(ensemble.hosts, session_ms=4_000)
    mine.register_ephemeral(path, b"me", verify_ms=500, return_ms_max=100)
    eventually(lambda: mine.is_connected and mine.get(path) == b"me", 30)
    for number in range(20):
        mine.set(f"/t/other{number}", b"so that the client has seen transactions")
    ensemble.come_back_with_nothing()
    watcher = ZooKeeper.connect(ensemble.hosts)
    assert watcher.wait_connected(wait_ms_max=20_000)
    eventually(lambda: watcher.get(path) == b"me", 60, what="the node is back")
    assert watcher.get("/t/other0") is None
    mine.close()
    watcher.close()

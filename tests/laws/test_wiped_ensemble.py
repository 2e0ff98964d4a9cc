"""A ZooKeeper that comes back with nothing: its clients do, too, under a new session."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tailrace.zookeeper import ZooKeeper
from tailrace_embedded.config import Place
from tailrace_embedded.jvm import ServerFolders
from tailrace_embedded.ports import LOOPBACK
from tailrace_embedded.server import Server
from tailrace_embedded.zookeeper import NAME, zookeeper_spec
from tests.support.own_server import ground_for, own_server
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
    with temporary_data_dir() as data_dir:
        ground = ground_for(NAME, data_dir=data_dir)
        (port,) = ground.ports
        spec = zookeeper_spec(
            port=port,
            folders=ground.folders,
            jars=ground.runtime.zookeeper_jars,
            java_home=ground.runtime.java_home,
            heap_mb=64,
            user=ground.user,
            place=Place(),
        )
        with own_server(spec, user=ground.user) as server:
            server.start()
            server.wait_until_ready()
            yield Ensemble(server, ground.folders, f"{LOOPBACK}:{port}")


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

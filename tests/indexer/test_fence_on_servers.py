"""Z6: a leader that was frozen past its session, on real servers, does nothing more.

The frozen one is a process of its own, stopped by a signal in the middle of an act
(`frozen_leader.py`). ZooKeeper ends its session; another leads; then it is woken.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from tailrace.elasticsearch import Elastic
from tailrace.ledger import RetentionLedger, decode_ledger
from tailrace.ledger_topic import read_ledger_topic
from tailrace.log import logger
from tailrace.provision import provision
from tailrace.settings import Connections
from tailrace.zookeeper import ZooKeeper
from tailrace_embedded.stack import Endpoints
from tailrace_indexer import expiry
from tailrace_indexer.config import IndexerSettings
from tailrace_indexer.election import Election, Lead, ZooKeeperEras, leaders_path
from tailrace_indexer.event_indices import EventIndices
from tailrace_indexer.fence import Epoch
from tailrace_indexer.leader import RetentionLeader
from tests.indexer.day_index import put_day
from tests.indexer.frozen_leader import SESSION_MS
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
WAIT_S_MAX = 100
GENERATION = "a" * 32


@dataclass(frozen=True, slots=True)
class Servers:
    """A namespace with two day indices, and who leads it."""

    connections: Connections
    elastic: Elastic
    folder: Path

    def put(self, day: int) -> str:
        """Store three events of one day; return the name of their index."""
        return put_day(
            self.elastic,
            self.connections,
            day,
            generation=GENERATION,
            numbers=range(3),
        )

    def is_there(self, index: str) -> bool:
        return self.elastic.request("HEAD", f"/{index}").is_success

    def written_off(self) -> int:
        """Return how often the ledger was told of an index that goes."""
        records = read_ledger_topic(
            self.connections, client_id="test", is_stopping=lambda: False
        )
        decoded = [decode_ledger(each.value) for each in records if each.value]
        return sum(isinstance(record, RetentionLedger) for record in decoded)

    @contextmanager
    def leader(self) -> Generator[RetentionLeader]:
        """Run a leader in this process."""
        leader = RetentionLeader(
            self.connections,
            group=f"{self.connections.namespace}-indexer",
            settings=IndexerSettings(disk_quota_bytes=1, retention_check_ms=1_000),
            is_expired=lambda _index: False,
            log=logger("indexer"),
            session_ms=SESSION_MS,
        )
        leader.start()
        try:
            yield leader
        finally:
            leader.stop()

    @contextmanager
    def stopping_leader(self, place: str) -> Generator[subprocess.Popen[bytes]]:
        """Run one in a process that stops itself at `place`."""
        environment = {
            "TAILRACE_KAFKA_BOOTSTRAP": self.connections.kafka_bootstrap,
            "TAILRACE_ZOOKEEPER_HOSTS": self.connections.zookeeper_hosts,
            "TAILRACE_ELASTICSEARCH_URL": self.connections.elasticsearch_url,
            "TAILRACE_NAMESPACE": self.connections.namespace,
            "TAILRACE_DATA_DIR": str(self.folder),
        }
        with self.log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.indexer.frozen_leader", place],
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)

    @property
    def log_file(self) -> Path:
        return self.folder / "leader.out"


@pytest.fixture
def servers(stack: Endpoints, namespace: str, tmp_path: Path) -> Iterator[Servers]:
    connections = Connections().model_copy(
        update={
            "kafka_bootstrap": stack.kafka_bootstrap,
            "zookeeper_hosts": stack.zookeeper_hosts,
            "elasticsearch_url": stack.elasticsearch_url,
            "namespace": namespace,
            "data_dir": tmp_path,
        }
    )
    provision(connections)
    with Elastic(connections) as elastic:
        yield Servers(connections, elastic, tmp_path)


def _is_stopped(process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "it has ended"
    stat = Path(f"/proc/{process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "T"


def _is_blocked_for_nobody(_indices: EventIndices, _index: str) -> bool:
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(("place", "told_before"), [("counted", 0), ("delete", 1)])
def test_z6_leader_frozen_past_its_session_does_nothing_more_when_it_is_woken(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, place: str, told_before: int
) -> None:
    old, new = servers.put(22), servers.put(23)
    with servers.stopping_leader(place) as frozen:
        eventually(lambda: _is_stopped(frozen), WAIT_S_MAX, what="it stops in its act")
        assert servers.written_off() == told_before
        # Patient with its floors, and blind for what the other has begun, this one takes
        # nothing away before the other is woken.
        monkeypatch.setattr(expiry, "FLOOR_READ_MS", 600_000)
        monkeypatch.setattr(EventIndices, "is_blocked", _is_blocked_for_nobody)
        with servers.leader() as leader:
            eventually(lambda: leader.disk.used_bytes, WAIT_S_MAX, what="another acts")

            frozen.send_signal(signal.SIGCONT)
            eventually(
                lambda: "lead_lost" in servers.log_file.read_text(),
                WAIT_S_MAX,
                what=f"it gives up: {servers.log_file.read_text()[-2000:]}",
            )

            assert servers.is_there(old)
            assert servers.written_off() == told_before
            assert leader.disk.is_leader
            monkeypatch.setattr(expiry, "FLOOR_READ_MS", 0)
            eventually(lambda: old in leader.disk.expired_indices, WAIT_S_MAX)
    assert not servers.is_there(old)
    assert servers.is_there(new)


def test_z6_leader_whose_session_was_lost_leads_no_more_though_it_is_connected(
    servers: Servers,
) -> None:
    """The session is closed by its id from elsewhere, as an expiry does."""
    servers.put(23)
    leads: list[Lead] = []
    over = threading.Event()
    zookeeper = ZooKeeper.connect(
        servers.connections.zookeeper_hosts,
        session_ms=SESSION_MS,
        jitter=random.Random(1),
    )
    assert zookeeper.wait_connected(wait_ms_max=10_000)
    election = Election(zookeeper, namespace=servers.connections.namespace)

    def lead(won: Lead) -> None:
        leads.append(won)
        over.wait(WAIT_S_MAX)

    thread = threading.Thread(target=_until_lost(lambda: election.run(lead)))
    thread.start()
    eventually(lambda: leads, what="it leads")
    assert leads[0].is_held()

    _lose_session(zookeeper, hosts=servers.connections.zookeeper_hosts)

    eventually(lambda: zookeeper.is_connected, 40)
    assert not leads[0].is_held()
    with servers.leader() as other:
        eventually(lambda: other.disk.is_leader, WAIT_S_MAX, what="another leads")
    over.set()
    thread.join(20)
    zookeeper.close()


def test_z6_eras_begin_anew_where_zookeeper_is_not_what_it_was(
    servers: Servers,
) -> None:
    """Its data was lost, or an older copy of it put back."""
    namespace = servers.connections.namespace
    zookeeper = ZooKeeper.connect(servers.connections.zookeeper_hosts)
    assert zookeeper.wait_connected(wait_ms_max=10_000)
    eras = ZooKeeperEras(zookeeper, namespace=namespace)

    assert eras.present(None) == 1
    assert eras.present(Epoch(1, 5)) == 1
    # What it gives now is less than what it gave: it is an older copy.
    assert eras.present(Epoch(1, 2**60)) == 2
    assert eras.present(Epoch(1, 2**60)) == 2
    assert eras.present(Epoch(2, 5)) == 2
    # Nothing is left of what it was.
    zookeeper.delete(f"{leaders_path(namespace)}-era")
    assert eras.present(Epoch(2, 5)) == 3
    zookeeper.close()


def _until_lost(run: Callable[[], None]) -> Callable[[], None]:
    def until_lost() -> None:
        try:
            run()
        except Exception:  # noqa: BLE001 - the session it is to end in is gone
            return

    return until_lost


def _lose_session(zookeeper: ZooKeeper, *, hosts: str) -> None:
    client = cast("Any", zookeeper.native)
    lost = client.client_id
    thief = cast("Any", type(client))(hosts=hosts, client_id=lost)
    thief.start(20)
    thief.stop()
    thief.close()
    eventually(lambda: client.client_id != lost, 40)

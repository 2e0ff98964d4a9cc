"""The agent as a process on real servers, killed where it hurts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import kafka
import msgspec
import pytest

from tailrace.framing import decode_mapped
from tailrace.ledger import decode_ledger
from tailrace.provision import provision_topics
from tailrace.settings import Connections
from tailrace.topics import LEDGER, RAW
from tailrace.wire import AgentLedger, Origin, decode, header_of
from tailrace.zookeeper import ZooKeeper
from tailrace_embedded.stack import Endpoints
from tests.support.roles import KilledRole, PlannedKill
from tests.support.waiting import eventually

library = cast("Any", kafka)


@dataclass(frozen=True, slots=True)
class Stored:
    """One event of the topic."""

    generation: str
    offset: int
    line: bytes


def connections_of(stack: Endpoints, *, namespace: str, data_dir: Path) -> Connections:
    # Not as arguments, over which the environment wins.
    return Connections().model_copy(
        update={
            "kafka_bootstrap": stack.kafka_bootstrap,
            "zookeeper_hosts": stack.zookeeper_hosts,
            "elasticsearch_url": stack.elasticsearch_url,
            "namespace": namespace,
            "data_dir": data_dir,
        }
    )


def records_of(connections: Connections, topic: str) -> Iterator[Any]:
    consumer = library.KafkaConsumer(
        bootstrap_servers=connections.kafka_bootstrap,
        group_id=None,
        max_partition_fetch_bytes=16_000_000,
    )
    numbers = sorted(consumer.partitions_for_topic(topic))
    partitions = [library.TopicPartition(topic, n) for n in numbers]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    consumer.seek_to_beginning(*partitions)
    while any(consumer.position(p) < end for p, end in ends.items()):
        for batch in consumer.poll(timeout_ms=500).values():
            yield from batch
    consumer.close()


def stored_events(connections: Connections) -> list[Stored]:
    """Return every event of every chunk, and check each chunk against its origin."""
    events: list[Stored] = []
    for record in records_of(connections, RAW.name(connections.namespace)):
        header = header_of(record.headers)
        assert header is not None
        origin = decode(header, as_type=Origin)
        assert record.key == origin.generation.encode()
        if origin.framing == "mapped":
            events.extend(
                Stored(origin.generation, e.offset, e.stored)
                for e in decode_mapped(record.value)
            )
            continue
        offset, count = origin.first_offset, 0
        pieces = record.value.split(b"\n")
        for line in pieces if pieces[-1] else pieces[:-1]:
            events.append(Stored(origin.generation, offset, line))
            offset, count = offset + len(line) + 1, count + 1
        assert count == origin.event_count
        assert len(record.value) == origin.size_bytes
    return events


def ledger_of(connections: Connections) -> list[AgentLedger]:
    """Return what the agent says of generations; its heartbeats stand among them."""
    records = [
        decode_ledger(record.value)
        for record in records_of(connections, LEDGER.name(connections.namespace))
    ]
    return [record for record in records if isinstance(record, AgentLedger)]


class Setup:
    """One agent's folders, configuration and process."""

    def __init__(
        self, stack: Endpoints, *, namespace: str, folder: Path, extra: str = ""
    ) -> None:
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.data_dir = folder / "data"
        self.connections = connections_of(
            stack, namespace=namespace, data_dir=self.data_dir
        )
        provision_topics(self.connections)
        config = folder / "tailrace.toml"
        config.write_text(
            f"[agent]\nhost_id = 'host-of-test'\nledger_ms = 500\n{extra}\n"
            f"[[agent.sources]]\nname = 'test'\npaths = ['{self.logs}/*.log']\n"
        )
        self.role = KilledRole(
            name="agent",
            config_file=config,
            environment={
                "TAILRACE_NAMESPACE": namespace,
                "TAILRACE_DATA_DIR": str(self.data_dir),
                "TAILRACE_KAFKA_BOOTSTRAP": stack.kafka_bootstrap,
                "TAILRACE_ZOOKEEPER_HOSTS": stack.zookeeper_hosts,
            },
            folder=folder,
        )

    def status(self) -> dict[str, Any]:
        path = self.data_dir / "agent" / "status.json"
        return msgspec.json.decode(path.read_bytes()) if path.exists() else {}

    def has_caught_up(self, *, size_bytes: int) -> bool:
        """Return whether Kafka has acknowledged every byte of every file."""
        files = self.status().get("files", [])
        return sum(file["acknowledged_offset"] for file in files) >= size_bytes


@pytest.fixture
def setup(stack: Endpoints, namespace: str, tmp_path: Path) -> Iterator[Setup]:
    made = Setup(
        stack,
        namespace=namespace,
        folder=tmp_path,
        extra="chunk_bytes = 4096\nevent_bytes_max = 4096\nstatus_ms = 100",
    )
    yield made
    made.role.stop()


@pytest.mark.stack
@pytest.mark.timeout(180)
@pytest.mark.parametrize("point", ["A1", "A2", "A3", "A4", "A5", "A6"])
def test_p1_every_line_is_there_once_whatever_kills_the_agent(
    setup: Setup, point: str
) -> None:
    setup.role.plan = [PlannedKill(point, 3), PlannedKill(point, 9)]
    paths = [setup.logs / f"{name}.log" for name in ("a", "b", "c")]
    written: list[bytes] = []
    setup.role.start()
    for turn in range(400):
        path = paths[turn % 3]
        lines = [f"{path.name} {turn} {n} ".encode() * 3 for n in range(25)]
        with path.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        written.extend(lines)
        if turn % 20 == 0:
            setup.role.tend()
    size_bytes = sum(path.stat().st_size for path in paths)

    def is_done() -> bool:
        setup.role.tend()
        if setup.role.armed is None:
            return setup.has_caught_up(size_bytes=size_bytes)
        # Kill points need something to pass them.
        with paths[0].open("ab") as file:
            file.write(b"one more\n")
        written.append(b"one more")
        return False

    eventually(is_done, 120)
    size_bytes = sum(path.stat().st_size for path in paths)
    eventually(lambda: setup.has_caught_up(size_bytes=size_bytes), 30)
    assert setup.role.stop() == 0
    assert len(setup.role.witnessed) == 2
    events = stored_events(setup.connections)
    places = {(e.generation, e.offset): e.line for e in events}
    assert len(set(events)) == len(places), "one place holds two lines"
    assert sorted(places.values()) == sorted(written)
    assert len({e.generation for e in events}) == 3


@pytest.mark.stack
@pytest.mark.timeout(120)
def test_deleted_checkpoint_is_restored_from_the_real_ledger(setup: Setup) -> None:
    path = setup.logs / "a.log"
    path.write_bytes(b"".join(b"line %d\n" % n for n in range(1_000)))
    setup.role.start()
    eventually(lambda: setup.has_caught_up(size_bytes=path.stat().st_size), 60)
    assert setup.role.stop() == 0
    for left in (setup.data_dir / "agent").iterdir():
        left.unlink()
    with path.open("ab") as file:
        file.write(b"after\n")
    setup.role.start()
    eventually(lambda: setup.has_caught_up(size_bytes=path.stat().st_size), 60)
    assert setup.role.stop() == 0
    events = stored_events(setup.connections)
    assert len(events) == 1_001
    assert not any(r.identity_rebuilt for r in ledger_of(setup.connections))
    assert "came_from" in setup.role.log_path.read_text()


@pytest.mark.stack
@pytest.mark.timeout(120)
def test_p5_checkpoint_that_was_set_back_is_completed_by_the_real_ledger(
    setup: Setup,
) -> None:
    path, folder = setup.logs / "a.log", setup.data_dir / "agent"
    lines = b"".join(b"line %d\n" % n for n in range(1_000))
    copy = setup.data_dir / "copy"

    def live(content: bytes) -> None:
        path.write_bytes(content)
        setup.role.start()
        is_read = partial(setup.has_caught_up, size_bytes=len(content))
        eventually(lambda: setup.status().get("pid") == setup.role.pid, 60)
        eventually(is_read, 60)
        assert setup.role.stop() == 0

    live(lines)
    shutil.copytree(folder, copy)
    live(b"second life\n" * 10)
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    live(b"second life\n" * 10 + b"after\n")
    assert len(set(stored_events(setup.connections))) == 1_011
    assert "checkpoint and ledger" in setup.role.log_path.read_text()


@pytest.mark.stack
@pytest.mark.timeout(120)
def test_agent_is_in_the_fleet_while_it_lives(setup: Setup) -> None:
    zookeeper = ZooKeeper.connect(setup.connections.zookeeper_hosts)
    agents = f"/{setup.connections.namespace}/agents"
    try:
        assert zookeeper.wait_connected(wait_ms_max=10_000)
        setup.role.start()
        eventually(lambda: len(zookeeper.children(agents)) == 1, 60)
        (name,) = zookeeper.children(agents)
        node = msgspec.json.decode(zookeeper.get(f"{agents}/{name}") or b"")
        assert node["host_id"] == "host-of-test"
        assert node["sources"] == ["test"]
        assert setup.role.stop() == 0
        eventually(lambda: not zookeeper.children(agents), 30)
    finally:
        zookeeper.close()


@pytest.mark.stack
@pytest.mark.timeout(120)
def test_z2_z3_lines_are_shipped_while_no_zookeeper_answers(setup: Setup) -> None:
    """The fleet knows nothing of this agent then, and Kafka gets every line."""
    setup.role.environment["TAILRACE_ZOOKEEPER_HOSTS"] = "127.0.0.1:1"
    path = setup.logs / "a.log"
    lines = [b"line %d" % n for n in range(1_000)]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    setup.role.start()
    eventually(lambda: setup.has_caught_up(size_bytes=path.stat().st_size), 60)
    assert "cannot be reached" in setup.role.log_path.read_text()
    assert setup.role.stop() == 0
    assert [event.line for event in stored_events(setup.connections)] == lines

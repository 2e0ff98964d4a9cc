"""Retention eats no unread chunk: agents wait while their files are the buffer, and go on."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from tailrace.kafka_admin import KafkaAdmin
from tailrace.retention_pause import pause_path, read_pause
from tailrace.settings import Connections
from tailrace.topics import RAW
from tailrace.zookeeper import ZooKeeper
from tailrace_embedded.stack import Endpoints
from tests.support.roles import KilledRole, started_roles
from tests.support.waiting import eventually, within

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
WAIT_S = 240
LINES = 2_000
NOTHING_COMES_S = 5


def write(path: Path, first: int, last: int) -> None:
    with path.open("a") as file:
        # Of lines that do not compress the bytes in Kafka are known about.
        file.writelines(
            f"line {n} {secrets.token_hex(80)}\n" for n in range(first, last)
        )


def audited(role: KilledRole) -> dict[str, Any]:
    done = role.run("audit", "--json", "--wait", str(WAIT_S), wait_s_max=WAIT_S + 60)
    assert done.returncode == 0, (done.stdout[-2_000:], done.stderr[-2_000:])
    return json.loads(done.stdout)["totals"]


def test_k10_k1_agents_wait_while_retention_is_near_what_is_unread_and_lose_nothing(
    stack: Endpoints, tmp_path: Path
) -> None:
    """Nobody reads the raw topic, and the room for it is two thirds full."""
    namespace = f"t{secrets.token_hex(3)}"
    connections = Connections(
        kafka_bootstrap=stack.kafka_bootstrap, namespace=namespace
    )
    raw = RAW.name(namespace)
    path = tmp_path / "logs" / "app.log"
    with (
        started_roles(
            stack,
            namespace=namespace,
            folder=tmp_path,
            plans={"agent": (), "stream": (), "indexer": ()},
        ) as (agent, stream, _),
        KafkaAdmin(connections, client_id="test") as admin,
    ):
        zookeeper = ZooKeeper.connect(stack.zookeeper_hosts)
        stream.stop()

        def status() -> dict[str, Any]:
            file = tmp_path / "data" / "agent" / "status.json"
            return json.loads(file.read_text()) if file.exists() else {}

        def in_kafka() -> int:
            return sum(admin.end_offsets([raw]).values())

        def is_asked() -> bool:
            return read_pause(zookeeper, namespace=namespace) is not None

        write(path, 0, LINES)
        eventually(lambda: status().get("shipped_events") == LINES, WAIT_S)
        size_bytes = max(admin.partition_sizes([raw]).values())
        settings = {"retention.bytes": str(size_bytes * 3 // 2)}
        admin.alter_topic_settings({raw: settings})
        eventually(is_asked, WAIT_S, what="the leader asks agents to wait")
        eventually(lambda: status()["paused"], WAIT_S, what="the agent waits")

        stands_at = in_kafka()
        write(path, LINES, 2 * LINES)
        eventually(
            lambda: status()["lag_bytes"], WAIT_S, what="the agent sees the lines"
        )
        assert not within(lambda: in_kafka() > stands_at, wait_s_max=NOTHING_COMES_S)
        assert raw in status()["paused"]

        stream.start()
        eventually(lambda: not is_asked(), WAIT_S, what="the leader ends the pause")
        totals = audited(agent)
        assert totals["read"] == totals["stored"] == 2 * LINES
        assert not totals["lost_bytes"]
        assert not status()["paused"]
        assert zookeeper.get(pause_path(namespace)) is None
        zookeeper.close()

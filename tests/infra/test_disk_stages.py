"""E4: a disk that fills is told of by node, before Elasticsearch takes nothing more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tailrace.disk_stages import DISKS_PATH, NodeDisk, Stage, node_disks
from tailrace.doctor import Level
from tailrace.elasticsearch import Elastic
from tailrace.settings import Connections
from tailrace.status import StatusFacts, judge
from tailrace.status_facts import role_facts
from tailrace_embedded.stack import Endpoints
from tests.infra.test_doctor import GOOD, bad
from tests.infra.test_status import INDEXER, NOW_MS, WELL, change, write_status

GIBIBYTE = 1024**3


def disk(free_gb: float, *, node: str = "es-1") -> NodeDisk:
    return NodeDisk(
        node=node,
        path="/data",
        available_bytes=int(free_gb * GIBIBYTE),
        low_bytes=30 * GIBIBYTE,
        high_bytes=20 * GIBIBYTE,
        flood_bytes=10 * GIBIBYTE,
    )


@pytest.mark.parametrize(
    ("free_gb", "stage"),
    [
        (30, Stage.WELL),
        (29.9, Stage.LOW),
        (20, Stage.LOW),
        (19.9, Stage.HIGH),
        (10, Stage.HIGH),
        (9.9, Stage.FLOOD),
    ],
)
def test_e4_a_disk_has_stages_before_the_flood(free_gb: float, stage: Stage) -> None:
    assert disk(free_gb).stage is stage


def test_e4_what_is_said_names_node_room_and_what_comes() -> None:
    said = disk(15).sentence()

    for part in ("15.0 GB free at /data of es-1", "20.0 GB", "at 10.0 GB", "no more"):
        assert part in said
    assert "take no lines now" in disk(5).sentence()


def test_e4_nodes_that_store_nothing_and_watermarks_that_are_not_told_alarm_nobody() -> (
    None
):
    data: dict[str, Any] = {"path": "/d", "available_in_bytes": 5}
    answer = {
        "nodes": {
            "b": {"name": "es-2", "roles": ["data_hot"], "fs": {"data": [data]}},
            "a": {"name": "voter", "roles": ["master"], "fs": {"data": [data]}},
            "c": {"name": "es-1", "roles": ["data"], "fs": {"data": [{"path": "/x"}]}},
        }
    }

    (only,) = node_disks(answer)

    assert (only.node, only.stage) == ("es-2", Stage.WELL)
    assert node_disks(None) == ()


@pytest.mark.parametrize(
    ("free_gb", "level"), [(25, Level.WARNING), (15, Level.FAILURE), (5, Level.FAILURE)]
)
def test_e4_doctor_names_the_node_and_what_to_do(free_gb: float, level: Level) -> None:
    (server,) = GOOD.servers
    filling = replace(server, node_disks=(disk(50), disk(free_gb, node="es-2")))

    (finding,) = bad(replace(GOOD, servers=(filling,)))

    assert finding.level is level
    assert "es-2" in finding.what
    assert "disk_quota_bytes" in finding.remedy


@pytest.mark.stack
@pytest.mark.timeout(60)
def test_e4_elasticsearch_says_where_its_watermarks_lie(stack: Endpoints) -> None:
    connections = Connections().model_copy(
        update={"elasticsearch_url": stack.elasticsearch_url}
    )
    with Elastic(connections) as elastic:
        disks = node_disks(elastic.ask("GET", DISKS_PATH))

    assert disks
    for each in disks:
        assert each.node != "?"
        assert each.available_bytes > 0
        assert each.low_bytes >= each.high_bytes >= each.flood_bytes > 0


def test_e4_status_notes_a_low_disk_and_is_not_well_with_a_high_one(
    tmp_path: Path,
) -> None:
    write_status(
        tmp_path,
        "indexer",
        '{"pid":8,"problems":["disk of es-1: high"],'
        '"disk":{"low_nodes":["1.5 GB free at /data of es-2"]}}',
    )

    found = role_facts(tmp_path, [INDEXER], now_ms=NOW_MS)
    facts: StatusFacts = change(WELL, roles=found)
    judged = judge(facts)

    assert judged.reasons == ["the indexer reports disk of es-1: high"]
    assert judged.warnings == ["1.5 GB free at /data of es-2"]

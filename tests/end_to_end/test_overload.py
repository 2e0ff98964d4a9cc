"""What a source writes beyond its rate is dropped or redirected, and each event told of."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any, cast

import kafka
import pytest

from tailrace.elasticsearch import Elastic
from tailrace.settings import Connections
from tailrace.topics import OVERFLOW
from tailrace_embedded.stack import Endpoints
from tests.support.roles import KilledRole, PlannedKill, started_roles
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
library = cast("Any", kafka)
WAIT_S = 240
LINES = 4_000
SETTINGS = """
[agent]
chunk_bytes = 4096
[[agent.sources]]
name = "app"
paths = ["{logs}/whole.log"]
[[agent.sources]]
name = "chatty"
paths = ["{logs}/dropped.log"]
overload = {{ bytes_per_s = 4096, burst_bytes = 8192, policy = "drop" }}
[[agent.sources]]
name = "noisy"
paths = ["{logs}/redirected.log"]
overload = {{ bytes_per_s = 4096, burst_bytes = 8192, policy = "redirect" }}
"""


def line(number: int) -> str:
    return f"line {number} häß 語 {number * number}"


def overflown(stack: Endpoints, *, namespace: str) -> set[str]:
    """Return every line on the topic of what overflows."""
    topic = OVERFLOW.name(namespace)
    consumer = library.KafkaConsumer(
        bootstrap_servers=stack.kafka_bootstrap, group_id=None
    )
    numbers = sorted(consumer.partitions_for_topic(topic))
    partitions = [library.TopicPartition(topic, n) for n in numbers]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    lines: set[str] = set()
    while any(consumer.position(p) < end for p, end in ends.items()):
        for batch in consumer.poll(timeout_ms=500).values():
            for record in batch:
                lines.update(record.value.decode().splitlines())
    consumer.close()
    return lines


def stored(elastic: Elastic, path: Path, *, namespace: str) -> dict[int, str]:
    """Return the stored lines of a file by their event numbers, each there once."""
    elastic.refresh(f"{namespace}-events")
    body: dict[str, Any] = {
        "size": 2 * LINES,
        "query": {"term": {"log.file.path": str(path)}},
    }
    found = elastic.search(f"{namespace}-events", body=body)
    hits = [hit["_source"] for hit in found["hits"]["hits"]]
    lines = {hit["event.sequence"]: hit["message"] for hit in hits}
    assert len(lines) == len(hits)
    return lines


def counted(elastic: Elastic, path: Path, *, namespace: str) -> int:
    """Return how many events of a file the windows count, by its generation."""
    elastic.refresh(f"{namespace}-rates")
    events = elastic.search(
        f"{namespace}-events",
        body={"size": 1, "query": {"term": {"log.file.path": str(path)}}},
    )
    generation = events["hits"]["hits"][0]["_source"]["tailrace.generation"]
    rates = elastic.search(
        f"{namespace}-rates",
        body={
            "size": 0,
            "query": {"term": {"tailrace.generation": generation}},
            "aggs": {"sum": {"sum": {"field": "tailrace.rate.count"}}},
        },
    )
    return int(rates["aggregations"]["sum"]["value"])


def test_p1_what_is_beyond_the_rate_adds_up_also_where_agents_die(
    stack: Endpoints, tmp_path: Path
) -> None:
    """An agent that starts anew has a full bucket, and sends what it had dropped."""
    namespace = f"t{secrets.token_hex(3)}"
    logs = tmp_path / "logs"
    connections = Connections(
        elasticsearch_url=stack.elasticsearch_url, namespace=namespace
    )
    kills = tuple(PlannedKill(point, count) for point, count in (("A2", 9), ("A3", 4)))
    with (
        started_roles(
            stack,
            namespace=namespace,
            folder=tmp_path,
            plans={"agent": kills, "stream": (), "indexer": ()},
            settings=SETTINGS.format(logs=logs),
        ) as roles,
        Elastic(connections) as elastic,
    ):
        agent = roles[0]
        names = ("whole", "dropped", "redirected")
        paths = {name: logs / f"{name}.log" for name in names}

        def is_struck() -> bool:
            agent.tend()
            return len(agent.witnessed) == len(kills)

        def write(first: int, last: int) -> None:
            for path in paths.values():
                with path.open("a") as file:
                    file.writelines(f"{line(n)}\n" for n in range(first, last))

        written = 0
        for step in range(LINES // 500):
            write(step * 500, (step + 1) * 500)
            written = (step + 1) * 500
            agent.tend()
        eventually(is_struck, WAIT_S)
        eventually(lambda: audited(agent)[1]["totals"]["read"] == 3 * written, WAIT_S)
        code, report = audited(agent, "--wait", str(WAIT_S))
        assert code == 0, (report, [role.last_lines() for role in roles])
        assert report["totals"]["in_flight"] == report["totals"]["lost_bytes"] == 0

        lines = {line(n) for n in range(LINES)}
        beside = overflown(stack, namespace=namespace)
        found = {
            name: stored(elastic, path, namespace=namespace)
            for name, path in paths.items()
        }
        assert set(found["whole"].values()) == lines
        assert lines == {*found["redirected"].values(), *beside}
        dropped = report["dropped_by_reason"]
        assert dropped == {
            "overload": LINES - len(found["dropped"]),
            "redirected": LINES - len(found["redirected"]),
        }
        assert all(dropped.values())
        for path in paths.values():
            assert counted(elastic, path, namespace=namespace) == LINES

        gone = next(n for n in range(LINES) if n not in found["dropped"])
        why = agent.run("why", f"{paths['dropped']}:{gone + 1}", wait_s_max=60)
        assert why.returncode == 1
        assert "dropped by its agent" in why.stdout
        assert "MISSING" not in why.stdout

        # A hole among what was dropped is filled, and brings back nothing else.
        middle = sorted(found["dropped"])[len(found["dropped"]) // 2]
        body = {
            "query": {
                "bool": {
                    "filter": [
                        {"term": {"log.file.path": str(paths["dropped"])}},
                        {"term": {"event.sequence": middle}},
                    ]
                }
            }
        }
        (hit,) = elastic.search(f"{namespace}-events", body=body)["hits"]["hits"]
        elastic.ask("DELETE", f"/{hit['_index']}/_doc/{hit['_id']}")
        code, report = audited(agent, "--repair")
        assert code == 0, report
        again = stored(elastic, paths["dropped"], namespace=namespace)
        assert again == found["dropped"]
        code, report = audited(agent, "--deep", "--wait", str(WAIT_S))
        assert code == 0, report


def audited(role: KilledRole, *options: str) -> tuple[int, dict[str, Any]]:
    done = role.run("audit", "--json", *options, wait_s_max=WAIT_S + 120)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)

"""What all hops say of the same lines can be read in one index, and adds up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tests.support.roles import PlannedKill, started_roles
from tests.support.waiting import eventually

LINES = 2_000
WAIT_S_MAX = 150


@pytest.mark.stack
@pytest.mark.timeout(400)
def test_after_so_many_lines_the_ledger_says_so_at_every_hop(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    """Also where the indexer died between the ledger's word and its commit."""
    connections = Connections(
        elasticsearch_url=stack.elasticsearch_url, namespace=namespace
    )
    kills = [PlannedKill("I6", 1)]
    plans = {"agent": [], "stream": [], "indexer": kills}
    with (
        Elastic(connections) as elastic,
        started_roles(
            stack, namespace=namespace, folder=tmp_path, plans=plans
        ) as roles,
    ):
        path = tmp_path / "logs" / "app.log"
        path.write_bytes(b"".join(b"line %05d\n" % n for n in range(LINES)))
        size_bytes = path.stat().st_size

        def documents() -> dict[str, dict[str, Any]]:
            for role in roles:
                role.tend()
            try:
                elastic.refresh(f"{namespace}-ledger")
                if not elastic.count(f"{namespace}-ledger"):
                    return {}
                answer = elastic.search(f"{namespace}-ledger", body={"size": 100})
            except ServiceUnavailable:
                return {}  # The index is being made.
            hits = [hit["_source"] for hit in answer["hits"]["hits"]]
            return {hit["tailrace.hop"]: hit for hit in hits}

        def is_told() -> bool:
            found = documents()
            return (
                found.get("indexer", {}).get("tailrace.next_event_number") == LINES
                and found.get("agent", {}).get("tailrace.next_event_number") == LINES
                and found.get("stream", {}).get("tailrace.next_event_number") == LINES
                and found.get("heartbeat", {}).get("figures", {}).get("unread_bytes")
                == 0
            )

        eventually(is_told, WAIT_S_MAX)
        assert roles[-1].witnessed == kills
        found = documents()

    agent, stream, indexer = found["agent"], found["stream"], found["indexer"]
    assert agent["tailrace.seen_size_bytes"] == size_bytes
    for hop in (agent, stream, indexer):
        assert hop["tailrace.next_offset"] == size_bytes
        assert hop["tailrace.generation"] == agent["tailrace.generation"]
        assert hop["host.name"] == agent["host.name"]
    assert stream["figures"]["event_count"] == LINES
    assert agent["log.file.path"] == indexer["log.file.path"] == str(path)
    assert agent["tailrace.lost_bytes"] == 0
    heartbeat = found["heartbeat"]
    assert heartbeat["agent.id"] == agent["agent.id"]
    assert heartbeat["tailrace.swept_at_ms"] > 0

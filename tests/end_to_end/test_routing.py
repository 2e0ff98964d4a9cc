"""Files go to indices of other names, and the rules change while agents and workers die."""

from __future__ import annotations

import json
import secrets
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tailrace.elasticsearch import Elastic
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tests.end_to_end.test_overload import audited
from tests.support.roles import PlannedKill, started_roles
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
WAIT_S = 240
LINES = 2_000
STEP = 100
OLD_EVERY = 4
"""One line in so many is of a day that is beyond the age."""
SETTINGS = """
[agent]
chunk_bytes = 4096
[[agent.sources]]
name = "app"
paths = ["{logs}/*.log"]
[[agent.sources.routing]]
datasets = ["js*", "nginx.*"]
index = "{index}"
[indexer]
retention_check_ms = 1000
[[indexer.datasets]]
name = "web"
age_days_max = {age}
"""
NOW = datetime.now(UTC).replace(microsecond=0)
DAYS = (NOW - timedelta(days=6), NOW)


def line(number: int) -> str:
    at = DAYS[number % OLD_EVERY != 0]
    return json.dumps({"@timestamp": at.isoformat(), "message": f"häß 語 {number}"})


def found(elastic: Elastic, *, namespace: str) -> list[tuple[str, str, str]]:
    """Return index, file and id of every document that any index of events holds."""
    elastic.refresh(f"{namespace}-events")
    hits: list[dict[str, Any]] = elastic.search(
        f"{namespace}-*-*", body={"size": 10_000, "query": {"match_all": {}}}
    )["hits"]["hits"]
    return [
        (h["_index"], Path(h["_source"]["log.file.path"]).name, h["_id"])
        for h in hits
        if h["_source"]["event.dataset"] == "json"
    ]


def test_p1_s2_k9_a_file_keeps_its_index_while_rules_change_and_roles_die(
    stack: Endpoints, tmp_path: Path
) -> None:
    """The second life of the agent knows of the file by the ledger alone."""
    namespace = f"t{secrets.token_hex(3)}"
    logs = tmp_path / "logs"
    first, second = logs / "first.log", logs / "second.log"
    connections = Connections(
        elasticsearch_url=stack.elasticsearch_url, namespace=namespace
    )
    plans = {
        "agent": (PlannedKill("A2", 5),),
        "stream": tuple(PlannedKill(point, 5) for point in ("S2", "S3")),
        "indexer": (PlannedKill("I2", 3),),
    }
    settings = SETTINGS.format(logs=logs, index="web", age=0)
    with (
        started_roles(
            stack, namespace=namespace, folder=tmp_path, plans=plans, settings=settings
        ) as roles,
        Elastic(connections) as elastic,
    ):
        agent, _, indexer = roles

        def configure(*, index: str, age: int) -> None:
            text = SETTINGS.format(logs=logs, index=index, age=age)
            (tmp_path / "tailrace.toml").write_text(text)

        def tend() -> None:
            for role in roles:
                role.tend()

        def write(path: Path, start: int, stop: int) -> None:
            for at in range(start, stop, STEP):
                with path.open("a") as file:
                    file.writelines(f"{line(n)}\n" for n in range(at, at + STEP))
                tend()

        def read_count() -> int:
            tend()
            return audited(agent)[1]["totals"]["read"]

        write(first, 0, LINES // 2)
        eventually(lambda: read_count() == LINES // 2, WAIT_S)
        configure(index="shop", age=0)
        agent.stop()
        shutil.rmtree(tmp_path / "data" / "agent")
        agent.start()
        write(first, LINES // 2, LINES)
        write(second, 0, LINES)
        eventually(lambda: read_count() == 2 * LINES, WAIT_S)
        code, report = audited(agent, "--deep", "--wait", str(WAIT_S))
        assert code == 0, (report, [role.last_lines() for role in roles])
        assert all(role.armed is None for role in roles), [r.witnessed for r in roles]

        documents = found(elastic, namespace=namespace)
        assert len({document_id for _, _, document_id in documents}) == len(documents)
        old, new = (f"{day:%Y.%m.%d}" for day in DAYS)
        aged = LINES // OLD_EVERY
        assert Counter((index, name) for index, name, _ in documents) == {
            (f"{namespace}-web-{old}", "first.log"): aged,
            (f"{namespace}-web-{new}", "first.log"): LINES - aged,
            (f"{namespace}-shop-{old}", "second.log"): aged,
            (f"{namespace}-shop-{new}", "second.log"): LINES - aged,
        }

        why = agent.run("why", f"{first}:{LINES}", wait_s_max=60)
        assert why.returncode == 0, why.stdout
        assert "as json, for the indices of web" in why.stdout
        assert f"{namespace}-web-{new}" in why.stdout
        query = f'event.dataset:json AND log.file.path:"{second}"'
        size = str(2 * LINES)
        search = agent.run(
            "search", query, "--since", "10d", "--size", size, "--json", wait_s_max=60
        )
        assert len(search.stdout.splitlines()) == LINES, search.stderr
        replay = agent.run("replay", "--offsets", ":", "--json", wait_s_max=120)
        assert replay.returncode == 0, replay.stderr
        totals = json.loads(replay.stdout)["totals"]
        assert (totals["same"], totals["not_stored"]) == (2 * LINES, 0)

        # What is kept is said of the name that stands in the index.
        configure(index="shop", age=3)
        indexer.stop()
        indexer.start()
        kept = {
            f"{namespace}-web-{new}",
            *(f"{namespace}-shop-{d}" for d in (old, new)),
        }
        eventually(lambda: _indices(elastic, namespace=namespace) == kept, WAIT_S)
        with first.open("a") as file:
            file.write(f"{line(0)}\n")
        eventually(lambda: read_count() == 2 * LINES + 1, WAIT_S)
        code, report = audited(agent, "--deep", "--wait", str(WAIT_S))
        assert code == 0, report
        assert report["totals"]["expired"] == aged + 1
        assert _indices(elastic, namespace=namespace) == kept


def _indices(elastic: Elastic, *, namespace: str) -> set[str]:
    return set(elastic.ask("GET", f"/{namespace}-events/_alias"))

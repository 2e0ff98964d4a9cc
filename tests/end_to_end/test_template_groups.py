"""One miner tells which templates are one: whoever reads, leads or dies, and what is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kafka
import pytest

from tailrace.elasticsearch import MISSING_IS_NONE, Elastic
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_options import kafka_options
from tailrace.kafka_reader import read_topic
from tailrace.settings import Connections
from tailrace.template_aliases import TemplateGroups
from tailrace.topics import TEMPLATE_ALIASES
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.template_miner import told_in
from tests.support.installation import installed
from tests.support.roles import KilledRole
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]
WAIT_S = 240
NAMES = ("anna", "boris", "carla", "dirk", "emil", "fritz")
FILES = 4
SETTINGS = """
[indexer]
templates_check_ms = 1_000
[[agent.sources]]
name = "app"
paths = ["{logs}/app-*.log"]
[[agent.sources]]
name = "quota"
dataset = "json"
paths = ["{logs}/quota-*.log"]
"""
FIELD = "tailrace.template.id"


def write(logs: Path, *names: str) -> None:
    """Append a line of each kind for each name, to a file by its turn."""
    for place, name in enumerate(names):
        with (logs / f"app-{place % FILES}.log").open("a") as file:
            file.write(f"session opened for user {name} by admin\n")
        with (logs / f"quota-{place % FILES}.log").open("a") as file:
            file.write(json.dumps({"message": f"quota of user {name} is used up"}))
            file.write("\n")


class Looked:
    """What stands in Kafka and Elasticsearch."""

    def __init__(self, connections: Connections, elastic: Elastic) -> None:
        self._connections = connections
        self._elastic = elastic

    def groups(self) -> TemplateGroups:
        return TemplateGroups(
            told_in(
                read_topic(
                    self._connections,
                    TEMPLATE_ALIASES,
                    client_id="test",
                    is_stopping=lambda: False,
                )
            )
        )

    def ids(self, words: str) -> dict[str, str]:
        """Return of each user the id of the template that a line with `words` has."""
        alias = f"{self._connections.namespace}-events"
        self._elastic.refresh(alias)
        body: dict[str, Any] = {
            "size": 1_000,
            "query": {"match_phrase": {"message": words}},
        }
        hits = found_in(self._elastic, alias, body)
        sources = [hit["_source"] for hit in hits]
        return {
            one["message"].split(" user ")[1].split()[0]: one[FIELD] for one in sources
        }

    def is_one(self, words: str, *, names: int) -> bool:
        ids, groups = set(self.ids(words).values()), self.groups()
        return len(ids) == names and len({groups.group_of(one) for one in ids}) == 1


def search(role: KilledRole, template_id: str) -> list[dict[str, Any]]:
    done = role.run("search", f"{FIELD}:{template_id}", "--json", wait_s_max=WAIT_S)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_templates_of_two_workers_are_one_and_stay_one_whatever_is_lost(
    stack: Endpoints, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    with installed(
        stack, tmp_path, settings=SETTINGS.format(logs=logs)
    ) as installation:
        agent, stream, indexer = (
            installation.roles[name] for name in ("agent", "stream", "indexer")
        )
        connections, elastic = installation.connections, installation.elastic
        namespace = connections.namespace
        other = tmp_path / "other"
        other.mkdir()
        second = KilledRole(
            name="stream",
            config_file=stream.config_file,
            environment={**stream.environment, "TAILRACE_DATA_DIR": str(other)},
            folder=other,
        )
        second.start()
        looked = Looked(connections, elastic)
        kinds = ("session opened", "quota of user")
        try:
            # 1. Of two workers and two datasets each kind becomes one template.
            write(logs, *NAMES)
            for words in kinds:
                eventually(lambda w=words: looked.is_one(w, names=6), WAIT_S)
            ids = {words: looked.ids(words) for words in kinds}
            told = looked.groups()
            firsts = {words: told.group_of(ids[words]["anna"]) for words in kinds}
            assert len(set(firsts.values())) == 2

            # 2. The miner is killed; what comes meanwhile joins, and nothing is renamed.
            assert indexer.kill() == -9
            write(logs, "zoe")
            indexer.start()
            for words in kinds:
                eventually(lambda w=words: looked.is_one(w, names=7), WAIT_S)
                assert looked.groups().group_of(ids[words]["boris"]) == firsts[words]
                assert looked.ids(words).items() >= ids[words].items()

            # 3. The topic is lost; what is told again is the same.
            before = looked.groups()
            eventually(lambda: len(indexed(elastic, namespace)) == 12, WAIT_S)
            indexer.stop()
            delete_topic(connections, TEMPLATE_ALIASES.name(namespace))
            done = agent.run("provision", wait_s_max=WAIT_S)
            assert done.returncode == 0, done.stderr
            indexer.start()
            eventually(lambda: len(looked.groups().aliases) == 12, WAIT_S)
            assert looked.groups().aliases == before.aliases

            # 4. Any id finds all lines, and the list has one of each kind.
            for words in kinds:
                one = looked.ids(words)["zoe"]
                eventually(lambda o=one: len(search(agent, o)) == 7, WAIT_S)
            done = agent.run("templates", "--json", wait_s_max=WAIT_S)
            listed = [json.loads(line)["template"] for line in done.stdout.splitlines()]
            by_id = {one["id"]: one for one in listed}
            session = by_id[firsts["session opened"]]
            assert session["text"] == "session opened for user <*> by admin"
            assert (session["count"], len(session["ids"])) == (7, 7)
            assert set(by_id) == set(firsts.values())
        finally:
            second.stop()


def indexed(elastic: Elastic, namespace: str) -> list[Any]:
    """Return the aliases that can be searched."""
    body: dict[str, Any] = {
        "size": 100,
        "query": {"exists": {"field": "template.alias_of"}},
    }
    return found_in(elastic, f"{namespace}-templates", body)


def found_in(elastic: Elastic, index: str, body: dict[str, Any]) -> list[Any]:
    path = f"/{index}/_search{MISSING_IS_NONE}"
    answer = elastic.ask("POST", path, body=body)
    return list(answer["hits"]["hits"])


def delete_topic(connections: Connections, topic: str) -> None:
    """Delete a topic, and return when no broker knows it any more."""
    untyped: Any = kafka
    admin = untyped.KafkaAdminClient(**kafka_options(connections, client_id="test"))
    try:
        admin.delete_topics([topic])
    finally:
        admin.close()
    with KafkaAdmin(connections) as made:
        eventually(lambda: topic not in made.partition_counts())

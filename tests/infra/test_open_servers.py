"""A server that others reach and that lets us in without a name is told, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tailrace import server_facts
from tailrace.open_servers import nameless_servers
from tailrace.settings import Connections

ELSEWHERE = {
    "kafka_bootstrap": "127.0.0.1:9092,kafka-2:9092",
    "zookeeper_hosts": "zk-1,zk-2:2181/chroot",
    "elasticsearch_url": "https://127.0.0.1:9200,https://10.0.0.7:9200",
}
HERE = {
    "kafka_bootstrap": "127.0.0.1:9092,[::1]:9093",
    "zookeeper_hosts": "localhost,127.0.0.2:2181/chroot",
    "elasticsearch_url": "http://localhost:9200,http://[::1]:9201",
}
EVERY = {"Kafka", "ZooKeeper", "Elasticsearch"}


def reached(**settings: object) -> Connections:
    # Not by the constructor, over which the environment wins.
    return Connections().model_copy(update=settings)


def test_x12_servers_of_this_machine_alone_need_know_nobody() -> None:
    assert nameless_servers(reached(**HERE)) == frozenset()
    assert nameless_servers(reached(**ELSEWHERE)) == EVERY


@pytest.mark.parametrize(
    ("named", "server"),
    [
        ({"kafka_username": "role"}, "Kafka"),
        ({"kafka_certificate_file": Path("role.pem")}, "Kafka"),
        ({"zookeeper_username": "role"}, "ZooKeeper"),
        ({"elasticsearch_username": "role"}, "Elasticsearch"),
        ({"elasticsearch_api_key": SecretStr("a:b")}, "Elasticsearch"),
        ({"elasticsearch_api_key_file": Path("key")}, "Elasticsearch"),
    ],
)
def test_x12_a_server_that_is_told_a_name_is_none_of_these(
    named: dict[str, Any], server: str
) -> None:
    assert nameless_servers(reached(**ELSEWHERE, **named)) == EVERY - {server}


def test_x12_only_a_server_that_answered_lets_anybody_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lack_nothing(_connections: Connections) -> object:
        return server_facts.Found()

    def be_away(_connections: Connections) -> object:
        raise server_facts.ServiceUnavailable("Kafka", address="k:1", reason="refused")

    monkeypatch.setattr(server_facts, "_kafka", be_away)
    for other in ("_zookeeper", "_elasticsearch"):
        monkeypatch.setattr(server_facts, other, lack_nothing)
    facts = server_facts.server_facts(reached(**ELSEWHERE))
    found = {each.name for each in facts if each.is_nameless}
    assert found == EVERY - {"Kafka"}

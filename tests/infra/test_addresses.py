"""Addresses are looked at when settings are read, each entry of each list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kazoo import hosts as kazoo_hosts  # pyright: ignore[reportMissingTypeStubs]

from tailrace.errors import ConfigError, ServiceUnavailable
from tailrace.settings import Connections, read_connections
from tailrace.zookeeper import ZooKeeper

_kazoo_hosts: Any = kazoo_hosts

GOOD = [
    ("kafka_bootstrap", "kafka-1:9092, kafka-2:9092", "kafka-1:9092,kafka-2:9092"),
    ("kafka_bootstrap", "[::1]:9092", "[::1]:9092"),
    ("kafka_bootstrap", "bücher.example:1", "bücher.example:1"),
    ("zookeeper_hosts", "zk-1, zk-2:2182", "zk-1,zk-2:2182"),
    ("zookeeper_hosts", "zk-1:2181,zk-2:2181/a/b", "zk-1:2181,zk-2:2181/a/b"),
    ("zookeeper_hosts", "[fe80::1%eth0]:2181/", "[fe80::1%eth0]:2181/"),
    ("elasticsearch_url", "http://a:9200/, https://b:1", "http://a:9200,https://b:1"),
]
BAD = [
    ("kafka_bootstrap", ""),
    ("kafka_bootstrap", "kafka-1"),
    ("kafka_bootstrap", "kafka-1:"),
    ("kafka_bootstrap", ":9092"),
    ("kafka_bootstrap", "kafka-1:0"),
    ("kafka_bootstrap", "kafka-1:65536"),
    ("kafka_bootstrap", "kafka-1:port"),
    ("kafka_bootstrap", "PLAINTEXT://kafka-1:9092"),
    ("kafka_bootstrap", "::1:9092"),
    ("kafka_bootstrap", "kafka-1:9092,"),
    ("kafka_bootstrap", "kafka-1:9092,,kafka-2:9092"),
    ("kafka_bootstrap", "kafka-1:9092 kafka-2:9092"),
    ("zookeeper_hosts", ""),
    ("zookeeper_hosts", "/chroot"),
    ("zookeeper_hosts", "zk-1:2181,"),
    ("zookeeper_hosts", "zk-1:"),
    ("zookeeper_hosts", "zk-1:99999"),
    ("zookeeper_hosts", "zk-1/a,zk-2/b"),
    ("zookeeper_hosts", "zk-1//a"),
    ("elasticsearch_url", ""),
    ("elasticsearch_url", "http://a:9200,"),
    ("elasticsearch_url", "http://a:99999"),
    ("elasticsearch_url", "http://:9200"),
    ("elasticsearch_url", "http://a"),
    ("elasticsearch_url", "http://a:9200?x"),
    ("elasticsearch_url", "a:9200"),
]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in {key for key, *_rest in GOOD}:
        monkeypatch.delenv(f"TAILRACE_{key.upper()}", raising=False)


def read(folder: Path, key: str, value: str) -> Connections:
    config = folder / "tailrace.toml"
    config.write_text(f'[connections]\n{key} = "{value}"\n')
    return read_connections(config, data_dir=folder)


@pytest.mark.parametrize(("key", "value", "kept"), GOOD)
def test_addresses_are_taken_without_the_spaces_between(
    key: str, value: str, kept: str, tmp_path: Path
) -> None:
    assert getattr(read(tmp_path, key, value), key) == kept


@pytest.mark.parametrize(
    "value", [kept for key, _value, kept in GOOD if key == "zookeeper_hosts"]
)
def test_what_is_taken_for_zookeeper_its_client_takes(value: str) -> None:
    hosts, _chroot = _kazoo_hosts.collect_hosts(value)

    assert len(hosts) == len(value.split(","))


@pytest.mark.parametrize(("key", "value"), BAD)
def test_what_is_no_address_is_refused_with_key_value_and_form(
    key: str, value: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, key, value)

    (problem,) = caught.value.problems
    assert problem.startswith(f"connections.{key}: must be ")
    assert "HOST:PORT" in problem
    assert problem.endswith(f", got {value!r}")


def test_the_entry_that_is_wrong_is_named_by_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="entry 2 is not, got 'a:1,b'"):
        read(tmp_path, "kafka_bootstrap", "a:1,b")


def test_z3_hosts_that_the_client_refuses_are_a_zookeeper_that_is_away() -> None:
    """Wherever they come from: nothing that needs no ZooKeeper ends by its address."""
    zookeeper = ZooKeeper.connect("")
    try:
        assert not zookeeper.is_connected
        with pytest.raises(ServiceUnavailable, match="bad hostname"):
            zookeeper.children("/")
    finally:
        zookeeper.close()

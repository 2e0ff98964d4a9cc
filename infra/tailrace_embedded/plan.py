"""Which servers a stack consists of, where each listens and keeps what it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tailrace.errors import CommandFailed
from tailrace_embedded import identity
from tailrace_embedded.config import StackConfig
from tailrace_embedded.elasticsearch import Node, elasticsearch_spec
from tailrace_embedded.identity import RunAs
from tailrace_embedded.jvm import ServerFolders
from tailrace_embedded.kafka import Broker, kafka_spec
from tailrace_embedded.runtime import Runtime
from tailrace_embedded.server import ServerSpec
from tailrace_embedded.zookeeper import NAME as ZOOKEEPER
from tailrace_embedded.zookeeper import zookeeper_spec


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where clients find the three servers."""

    kafka_bootstrap: str
    zookeeper_hosts: str
    elasticsearch_url: str

    def as_environment(self) -> dict[str, str]:
        """Return them as the variables that every role reads."""
        return {
            "TAILRACE_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "TAILRACE_ZOOKEEPER_HOSTS": self.zookeeper_hosts,
            "TAILRACE_ELASTICSEARCH_URL": self.elasticsearch_url,
        }


def plan(
    config: StackConfig,
    *,
    runtime: Runtime,
    ports: Mapping[str, int],
    data_dir: Path,
    user: RunAs | None,
) -> tuple[Endpoints, list[ServerSpec]]:
    """Write every server's configuration; return where they will be and how they run.

    Raises:
        CommandFailed: the folder holds the data of more or fewer servers.
    """
    brokers, nodes = _brokers(config, ports=ports), _nodes(config, ports=ports)
    folder = identity.servers_dir(data_dir, user=user)
    _refuse_other_count(folder, prefix="kafka", count=config.brokers)
    _refuse_other_count(
        folder, prefix="elasticsearch", count=config.elasticsearch_nodes
    )
    # The slowest first, so that it has the processors to itself for a moment.
    specs = [
        elasticsearch_spec(
            node,
            nodes=nodes,
            folders=ServerFolders(folder / node.name),
            home=runtime.elasticsearch_home,
            java_home=runtime.java_home,
            heap_mb=config.elasticsearch_heap_mb,
            user=user,
            java_flags=config.java_flags,
        )
        for node in nodes
    ]
    specs += [
        kafka_spec(
            broker,
            brokers=brokers,
            folders=ServerFolders(folder / broker.name),
            jars=runtime.kafka_jars,
            java_home=runtime.java_home,
            heap_mb=config.kafka_heap_mb,
            user=user,
            java_flags=config.java_flags,
        )
        for broker in brokers
    ]
    zookeeper = zookeeper_spec(
        port=ports[ZOOKEEPER],
        folders=ServerFolders(folder / ZOOKEEPER),
        jars=runtime.zookeeper_jars,
        java_home=runtime.java_home,
        heap_mb=config.zookeeper_heap_mb,
        user=user,
        place=config.place(ZOOKEEPER),
    )
    endpoints = Endpoints(
        kafka_bootstrap=",".join(broker.advertised for broker in brokers),
        zookeeper_hosts=f"{config.place(ZOOKEEPER).address}:{ports[ZOOKEEPER]}",
        elasticsearch_url=",".join(node.url for node in nodes if node.holds_data),
    )
    return endpoints, [*specs, zookeeper]


def port_names(config: StackConfig) -> list[str]:
    """Return the names of all ports: those of clients bear their server's name."""
    names = [ZOOKEEPER]
    for number in range(1, config.brokers + 1):
        names += [f"kafka-{number}", f"kafka-{number}-controller"]
        if f"kafka-{number}" in config.advertised:
            names.append(f"kafka-{number}-replication")
    for number in range(1, config.elasticsearch_nodes + 1):
        names += [f"elasticsearch-{number}", f"elasticsearch-{number}-transport"]
    return names


def _brokers(config: StackConfig, *, ports: Mapping[str, int]) -> list[Broker]:
    return [
        Broker(
            number=number,
            client_port=ports[f"kafka-{number}"],
            controller_port=ports[f"kafka-{number}-controller"],
            place=config.place(f"kafka-{number}"),
            proxy=config.advertised.get(f"kafka-{number}", ""),
            replication_port=ports.get(f"kafka-{number}-replication", 0),
        )
        for number in range(1, config.brokers + 1)
    ]


def _nodes(config: StackConfig, *, ports: Mapping[str, int]) -> list[Node]:
    return [
        Node(
            number=number,
            http_port=ports[f"elasticsearch-{number}"],
            transport_port=ports[f"elasticsearch-{number}-transport"],
            place=config.place(f"elasticsearch-{number}"),
        )
        for number in range(1, config.elasticsearch_nodes + 1)
    ]


def _refuse_other_count(folder: Path, *, prefix: str, count: int) -> None:
    """Refuse to read a cluster's data with more or fewer servers than wrote it."""
    found_count = len(list(folder.glob(f"{prefix}-*")))
    if found_count not in {0, count}:
        raise CommandFailed(
            f"{folder} holds the data of {found_count} {prefix} servers, and {count}"
            " are asked for.",
            remedy="ask for as many as there were, or name another data folder",
        )

"""How Kafka runs here: KRaft, each broker a controller too, on loopback."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tailrace_embedded.config import Place
from tailrace_embedded.identity import RunAs
from tailrace_embedded.jvm import (
    COMMON_FLAGS,
    ServerFolders,
    class_path,
    java_environment,
    log4j2_properties,
    properties,
)
from tailrace_embedded.probes import kafka_answers
from tailrace_embedded.server import ServerSpec

# Of three copies two must have a record before it is acknowledged.
_COPIES_MAX = 3
_LOG_LAYOUT = "[%d{ISO8601}] %p %m (%c)%n"

# The cluster's id is arbitrary but must be the same for all brokers and all starts.
_CLUSTER_ID = "tailrace embedded kafka"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """One broker's place in the cluster."""

    number: int
    client_port: int
    controller_port: int
    place: Place = field(default_factory=Place)
    proxy: str = ""
    """Where clients are told to go instead, `HOST:PORT`, when a proxy stands between."""
    replication_port: int = 0
    """Where the other brokers go when clients are sent to a proxy."""

    @property
    def name(self) -> str:
        """Return the server's name."""
        return f"kafka-{self.number}"

    @property
    def address(self) -> str:
        """Return where it listens for clients."""
        return f"{self.place.address}:{self.client_port}"

    @property
    def advertised(self) -> str:
        """Return where clients find it."""
        return self.proxy or self.address

    @property
    def controller(self) -> str:
        """Return where other controllers find it."""
        return f"{self.place.address}:{self.controller_port}"


def broker_settings(
    broker: Broker, *, brokers: Sequence[Broker], data_dir: Path
) -> dict[str, str]:
    """Return a broker's configuration.

    Topics are only ever created on purpose. Internal topics have few partitions:
    each costs files and start-up time, and a laptop has few groups.
    """
    copies = str(min(len(brokers), _COPIES_MAX))
    acknowledged = str(max(1, min(len(brokers), _COPIES_MAX) - 1))
    voters = (f"{b.number}@{b.controller}" for b in brokers)
    return {
        **_listeners(broker),
        "process.roles": "broker,controller",
        "node.id": str(broker.number),
        "controller.quorum.voters": ",".join(voters),
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data_dir),
        "auto.create.topics.enable": "false",
        "default.replication.factor": copies,
        "min.insync.replicas": acknowledged,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": acknowledged,
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": acknowledged,
        "share.coordinator.state.topic.num.partitions": "4",
        # A first member of a group need not wait for others on one machine.
        "group.initial.rebalance.delay.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "4",
        # Five minutes by default: a topic that is filled at a disk's speed, and keeps few
        # bytes by its settings, would fill the disk in between.
        "log.retention.check.interval.ms": "15000",
        # The default, 128 MB, would be a quarter of the heap; keys here are few.
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    }


def _listeners(broker: Broker) -> dict[str, str]:
    """Return who comes by which address; brokers past the proxy, where there is one."""
    listeners = f"PLAINTEXT://{broker.address},CONTROLLER://{broker.controller}"
    advertised = f"PLAINTEXT://{broker.advertised}"
    protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
    if not broker.proxy:
        return {
            "listeners": listeners,
            "advertised.listeners": advertised,
            "listener.security.protocol.map": protocols,
        }
    replication = f"REPLICATION://{broker.place.address}:{broker.replication_port}"
    return {
        "listeners": f"{listeners},{replication}",
        "advertised.listeners": f"{advertised},{replication}",
        "listener.security.protocol.map": f"{protocols},REPLICATION:PLAINTEXT",
        "inter.broker.listener.name": "REPLICATION",
    }


def kafka_spec(
    broker: Broker,
    *,
    brokers: Sequence[Broker],
    folders: ServerFolders,
    jars: list[Path],
    java_home: Path,
    heap_mb: int,
    user: RunAs | None,
    java_flags: Sequence[str] = (),
) -> ServerSpec:
    """Write the broker's configuration and return how it is run."""
    settings = broker_settings(broker, brokers=brokers, data_dir=folders.data)
    log4j2 = log4j2_properties(folders.log_path, layout=_LOG_LAYOUT)
    files = {"server.properties": properties(settings), "log4j2.properties": log4j2}
    folders.create(files, user=user)
    config = str(folders.conf / "server.properties")
    java = (
        str(java_home / "bin" / "java"),
        *COMMON_FLAGS,
        f"-Djava.io.tmpdir={folders.temporary}",
        f"-Dlog4j2.configurationFile={folders.conf / 'log4j2.properties'}",
    )
    classes = ("-cp", class_path(jars))
    # The tool runs for half a second: compiling well would take longer than running.
    brief = (
        java[0],
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        *java[1:],
        *classes,
    )
    cluster_id = _cluster_id(_CLUSTER_ID)
    return ServerSpec(
        name=broker.name,
        command=(
            *(java[0], f"-Xmx{heap_mb}m", *java[1:], *java_flags, *classes),
            *("kafka.Kafka", config),
        ),
        prepare=(
            *brief,
            *("kafka.tools.StorageTool", "format", "--ignore-formatted"),
            *("-t", cluster_id, "-c", config),
        ),
        prepared_mark=folders.data / "meta.properties",
        environment=java_environment(java_home, temporary=folders.temporary),
        working_dir=folders.temporary,
        log_path=folders.log_path,
        output_path=folders.output_path,
        is_ready=partial(
            kafka_answers,
            broker.client_port,
            brokers_count=len(brokers),
            host=broker.place.address,
        ),
        place=broker.place,
        ports={"client": broker.client_port, "controller": broker.controller_port},
    )


def _cluster_id(name: str) -> str:
    """Return a name as the base64 of a UUID, which is what Kafka takes."""
    identifier = uuid.uuid5(uuid.NAMESPACE_DNS, name)
    return base64.urlsafe_b64encode(identifier.bytes).decode().rstrip("=")

"""What the three configured servers answer: who they are, and what they lack."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tailrace.clock import SystemClock
from tailrace.disk_stages import DISKS_PATH, NodeDisk, node_disks
from tailrace.doctor import FolderDisk, ServerFacts
from tailrace.errors import (
    AWAY_REMEDY,
    SILENT_REMEDY,
    NoAnswer,
    ServiceUnavailable,
    TailraceError,
)
from tailrace.extras import missing_modules
from tailrace.open_servers import nameless_servers
from tailrace.settings import Connections
from tailrace.topics import TOPICS
from tailrace.zookeeper_probe import require_zookeeper

if TYPE_CHECKING:
    from tailrace.zookeeper import ZooKeeper

CONNECT_MS_MAX = 3_000


def server_facts(connections: Connections) -> tuple[ServerFacts, ...]:
    """Ask each server; one that somebody configured, or that we run, is expected."""
    return (
        _ask(
            "Kafka",
            connections.kafka_bootstrap,
            setting="kafka_bootstrap",
            connections=connections,
            question=_kafka,
        ),
        _ask(
            "ZooKeeper",
            connections.zookeeper_hosts,
            setting="zookeeper_hosts",
            connections=connections,
            question=_zookeeper,
        ),
        _ask(
            "Elasticsearch",
            connections.elasticsearch_url,
            setting="elasticsearch_url",
            connections=connections,
            question=_elasticsearch,
        ),
    )


def live_hosts(connections: Connections) -> tuple[tuple[str, str], ...]:
    """Return host id and name of each live agent; none where ZooKeeper is away."""
    place = f"/{connections.namespace}/agents"
    if missing_modules("agent"):
        return ()
    try:
        with _zookeeper_session(connections) as zookeeper:
            names = zookeeper.children(place)
            found = [zookeeper.get(f"{place}/{name}") for name in names]
    except TailraceError:
        return ()
    agents = [msgspec.json.decode(raw, type=_Agent) for raw in found if raw]
    return tuple((agent.host_id, agent.host_name) for agent in agents)


class _Agent(msgspec.Struct):
    host_id: str = ""
    host_name: str = ""


class Found(NamedTuple):
    """What a server answered, see `ServerFacts`."""

    version: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()
    disks: tuple[FolderDisk, ...] = ()
    node_disks: tuple[NodeDisk, ...] = ()


def _ask(
    name: str,
    address: str,
    *,
    setting: str,
    connections: Connections,
    question: Callable[[Connections], Found],
) -> ServerFacts:
    is_expected = address != type(connections).model_fields[setting].default
    if missing_modules("indexer"):
        # Without the clients nobody can ask; that they are missing is told elsewhere.
        return ServerFacts(name=name, address=address, is_expected=False, problem="?")
    try:
        found = question(connections)
    except TailraceError as error:
        _what, _separator, reason = str(error).partition("cannot be reached: ")
        return ServerFacts(
            name=name,
            address=address,
            is_expected=is_expected,
            problem=reason or str(error),
            remedy=_remedy(error),
        )
    return ServerFacts(
        name=name,
        address=address,
        is_expected=is_expected,
        version=found.version,
        is_nameless=name in nameless_servers(connections),
        missing=found.missing,
        disks=found.disks,
        node_disks=found.node_disks,
    )


def _remedy(error: TailraceError) -> str:
    """Return what doctor advises, which need not point to doctor."""
    if isinstance(error, NoAnswer):
        return SILENT_REMEDY
    return "" if error.remedy.startswith(AWAY_REMEDY) else error.remedy


def _kafka(connections: Connections) -> Found:
    from tailrace.kafka_admin import KafkaAdmin

    disks: tuple[FolderDisk, ...] = ()
    with KafkaAdmin(connections, connect_ms_max=CONNECT_MS_MAX) as admin:
        there = admin.partition_counts()
        # A broker that leaves just now is no reason to call Kafka away.
        with suppress(ServiceUnavailable):
            disks = tuple(
                FolderDisk(
                    name=f"broker {folder.broker}",
                    path=folder.path,
                    free_bytes=folder.free_bytes,
                )
                for folder in admin.log_folders()
            )
    wanted = [topic.name(connections.namespace) for topic in TOPICS]
    missing = tuple(name for name in wanted if name not in there)
    return Found(missing=missing, disks=disks)


def _elasticsearch(connections: Connections) -> Found:
    from tailrace.elasticsearch import INTERACTIVE_TIMEOUT_S, Elastic
    from tailrace.index_templates import NAMES, template_name

    with Elastic(connections, timeout_s=INTERACTIVE_TIMEOUT_S) as elastic:
        answer: Any = elastic.ask("GET", "/_nodes/_local?filter_path=nodes.*.version")
        nodes = list(answer["nodes"].values())
        names = [template_name(connections.namespace, kind=kind) for kind in NAMES]
        missing = [name for name in names if not elastic.template_fingerprint(name)]
        disks = node_disks(elastic.ask("GET", DISKS_PATH))
    shown = str(nodes[0]["version"]).partition("-")[0]
    version = tuple(int(part) for part in shown.split(".") if part.isdecimal())
    lacking = tuple(f"the template {name}" for name in missing)
    return Found(version, lacking, node_disks=disks)


def _zookeeper(connections: Connections) -> Found:
    require_zookeeper(connections.zookeeper_hosts, clock=SystemClock())
    with _zookeeper_session(connections) as zookeeper:
        zookeeper.children(f"/{connections.namespace}")
    return Found()


def _zookeeper_session(connections: Connections) -> closing[ZooKeeper]:
    """Return a session that has had time to be made."""
    from tailrace.zookeeper import ZooKeeper
    from tailrace.zookeeper_rights import login_of

    zookeeper = ZooKeeper.connect(
        connections.zookeeper_hosts, login=login_of(connections)
    )
    zookeeper.wait_connected(wait_ms_max=CONNECT_MS_MAX)
    return closing(zookeeper)

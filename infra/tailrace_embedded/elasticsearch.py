"""How Elasticsearch runs here: its server process itself, without its command line tool.

The tool (`bin/elasticsearch`) is a second Java process of 100 MB that stays for as long
as the server, and takes half of the start. All it does is to compute the flags below,
and to write the settings to the server's standard input; so that is done here. The
server ends by itself when that input ends.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tailrace.errors import CommandFailed
from tailrace_embedded.config import Place
from tailrace_embedded.identity import RunAs
from tailrace_embedded.jvm import (
    COMMON_FLAGS,
    ServerFolders,
    java_environment,
    log4j2_properties,
)
from tailrace_embedded.ports import LOOPBACK
from tailrace_embedded.probes import elasticsearch_answers
from tailrace_embedded.server import ServerSpec

# The third of three nodes only votes, so that data is on two and a master on three.
_MASTER_ONLY_NUMBER = 3
_MASTER_ONLY_HEAP_MB_MAX = 512

_LOG_LAYOUT = "[%d{{ISO8601}}][%-5p][%-25c{{1.}}] [{name}] %m%n"

_SECRETS_CLASS = "org.elasticsearch.common.settings.KeyStoreWrapper"
_SECRETS_FORMAT_VERSION = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node's place in the cluster."""

    number: int
    http_port: int
    transport_port: int
    place: Place = field(default_factory=Place)

    @property
    def name(self) -> str:
        """Return the server's and the node's name."""
        return f"elasticsearch-{self.number}"

    @property
    def holds_data(self) -> bool:
        """Tell whether clients should talk to it."""
        return self.number != _MASTER_ONLY_NUMBER

    @property
    def url(self) -> str:
        """Return where clients find it."""
        return f"http://{self.place.address}:{self.http_port}"


def node_settings(
    node: Node, *, nodes: Sequence[Node], folders: ServerFolders, home: Path
) -> dict[str, str]:
    """Return a node's configuration.

    Disk watermarks are absolute: a share of a large disk that is 90 % full would stop
    writing while tens of gigabytes are free. An index comes only from whoever may create
    it, never from a mistyped name in a write.
    """
    settings = {
        "cluster.name": "tailrace-embedded",
        "node.name": node.name,
        # Nodes talk to each other by loopback in every case: past it Elasticsearch
        # insists on limits of the kernel that a laptop or a container may not have.
        "network.host": LOOPBACK,
        "http.host": node.place.address,
        "http.port": str(node.http_port),
        "transport.port": str(node.transport_port),
        "path.home": str(home),
        "path.data": str(folders.data),
        "path.logs": str(folders.logs),
        "action.auto_create_index": "false",
        "cluster.routing.allocation.disk.watermark.low": "2gb",
        "cluster.routing.allocation.disk.watermark.high": "1gb",
        "cluster.routing.allocation.disk.watermark.flood_stage": "500mb",
        # A day's index a dataset for years, on one node; shards here are small.
        "cluster.max_shards_per_node": "5000",
        # Reachable from this machine alone; roles and users come with the deployment.
        "xpack.security.enabled": "false",
    }
    if len(nodes) == 1:
        settings["discovery.type"] = "single-node"
        return settings
    seeds = (f"{LOOPBACK}:{other.transport_port}" for other in nodes)
    settings["discovery.seed_hosts"] = ",".join(seeds)
    # Read on a cluster's very first start only.
    names = (other.name for other in nodes)
    settings["cluster.initial_master_nodes"] = ",".join(names)
    settings["node.roles"] = "master,data" if node.holds_data else "master"
    return settings


def elasticsearch_spec(
    node: Node,
    *,
    nodes: Sequence[Node],
    folders: ServerFolders,
    home: Path,
    java_home: Path,
    heap_mb: int,
    user: RunAs | None,
    java_flags: Sequence[str] = (),
) -> ServerSpec:
    """Write the node's configuration and return how it is run."""
    folders.create(
        {
            "log4j2.properties": log4j2_properties(
                folders.log_path, layout=_LOG_LAYOUT.format(name=node.name)
            )
        },
        user=user,
    )
    settings = node_settings(node, nodes=nodes, folders=folders, home=home)
    if not node.holds_data:
        heap_mb = min(heap_mb, _MASTER_ONLY_HEAP_MB_MAX)
    environment = java_environment(java_home, temporary=folders.temporary)
    environment["LIBFFI_TMPDIR"] = str(folders.temporary)
    is_whole = partial(
        elasticsearch_answers,
        node.http_port,
        nodes_count=len(nodes),
        host=node.place.address,
    )
    every_status = frozenset({"red", "yellow", "green"})
    return ServerSpec(
        name=node.name,
        command=(
            str(java_home / "bin" / "java"),
            *_flags(home, folders=folders, heap_mb=heap_mb),
            *java_flags,
            "-m",
            "org.elasticsearch.server/org.elasticsearch.bootstrap.Elasticsearch",
        ),
        standard_input=server_arguments(
            settings, conf_dir=folders.conf, logs_dir=folders.logs
        ),
        environment=environment,
        working_dir=folders.temporary,
        log_path=folders.log_path,
        output_path=folders.output_path,
        is_ready=is_whole,
        is_answering=partial(is_whole, accepted=every_status),
        ports={"http": node.http_port, "transport": node.transport_port},
        place=node.place,
    )


def server_arguments(
    settings: Mapping[str, str], *, conf_dir: Path, logs_dir: Path
) -> bytes:
    """Return what the server reads from its standard input, as its tool writes it.

    In order: not a daemon, not quiet, no file for the process id, no secrets, the
    settings sorted by key, and the two folders.
    """
    secrets = _string(_SECRETS_CLASS) + struct.pack(">i", _SECRETS_FORMAT_VERSION)
    # No password, no encrypted part, no entry, not closed.
    secrets += b"\0\0\0\0"
    body = b"".join(
        # The zero says that the value is a string.
        _string(key) + b"\0" + _string(value)
        for key, value in sorted(settings.items())
    )
    folders = _string(str(conf_dir)) + _string(str(logs_dir))
    return b"\0\0\0" + secrets + _length(len(settings)) + body + folders


def _flags(home: Path, *, folders: ServerFolders, heap_mb: int) -> tuple[str, ...]:
    """Return the Java flags that this version's tool computes, without its extras.

    Left out: touching the whole heap at the start, and the incubating vector module,
    which this runtime does not have.
    """
    (bridge,) = (home / "lib" / "entitlement-bridge").glob("*.jar")
    exported_to = (
        "org.elasticsearch.entitlement,java.logging,java.net.http,java.naming,jdk.net"
    )
    opened = ("codecs.lucene99", "codecs.hnsw", "internal.vectorization")
    return (
        f"-Xms{min(heap_mb, 256)}m",
        f"-Xmx{heap_mb}m",
        f"-XX:MaxDirectMemorySize={heap_mb // 2}m",
        "-XX:+UseG1GC",
        "-XX:G1HeapRegionSize=4m",
        "-XX:InitiatingHeapOccupancyPercent=30",
        "-XX:G1ReservePercent=15",
        "-Xss1m",
        *COMMON_FLAGS,
        f"-Djava.io.tmpdir={folders.temporary}",
        "-Des.networkaddress.cache.ttl=60",
        "-Des.networkaddress.cache.negative.ttl=10",
        "-Djna.nosys=true",
        "-XX:-OmitStackTraceInFastThrow",
        "-Dio.netty.noUnsafe=true",
        "-Dio.netty.noKeySetOptimization=true",
        "-Dio.netty.recycler.maxCapacityPerThread=0",
        "-Dlog4j.shutdownHookEnabled=false",
        "-Dlog4j2.formatMsgNoLookups=true",
        "-Djava.locale.providers=CLDR",
        "-Dorg.apache.lucene.vectorization.upperJavaFeatureVersion=25",
        "-Dorg.apache.lucene.store.defaultReadAdvice=normal",
        "-Dorg.apache.lucene.store.MMapDirectory.sharedArenaMaxPermits=1",
        f"-Des.path.home={home}",
        "-Des.distribution.type=zip",
        "-Des.java.type=ES_JAVA_HOME",
        "--enable-native-access=org.elasticsearch.nativeaccess,org.apache.lucene.core",
        "--enable-native-access=ALL-UNNAMED",
        "--illegal-native-access=deny",
        "-XX:+EnableDynamicAgentLoading",
        "-Djdk.attach.allowAttachSelf=true",
        f"--patch-module=java.base={bridge}",
        f"--add-exports=java.base/org.elasticsearch.entitlement.bridge={exported_to}",
        *(
            f"--add-opens=org.apache.lucene.core/org.apache.lucene.{package}="
            "org.elasticsearch.server"
            for package in opened
        ),
        f"--module-path={home / 'lib'}",
        "--add-modules=jdk.net",
        "--add-modules=jdk.management.agent",
        "--add-modules=ALL-MODULE-PATH",
    )


def _length(count: int) -> bytes:
    """Encode a length in groups of seven bits, the lowest first."""
    encoded = bytearray()
    while count > 0x7F:
        encoded.append(count & 0x7F | 0x80)
        count >>= 7
    encoded.append(count)
    return bytes(encoded)


def _string(text: str) -> bytes:
    """Encode a string: its length in UTF-16 units, then the units by Java's rules.

    Raises:
        CommandFailed: a character outside the basic plane, which only a path can hold.
    """
    if any(ord(character) > 0xFFFF for character in text):
        raise CommandFailed(
            f"Elasticsearch cannot be given the path {text!r}.",
            remedy="name a data folder without emoji or other rare characters",
        )
    return _length(len(text)) + text.encode("utf-8")

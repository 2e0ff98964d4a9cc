"""How ZooKeeper runs here: one server, on loopback, with a small heap."""

from __future__ import annotations

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
from tailrace_embedded.ports import LOOPBACK
from tailrace_embedded.probes import zookeeper_answers
from tailrace_embedded.server import ServerSpec

NAME = "zookeeper"
_LOG_LAYOUT = "%d{ISO8601} [myid:%X{myid}] - %-5p [%t:%C{1}@%L] - %m%n"


def zookeeper_settings(
    *, port: int, data_dir: Path, host: str = LOOPBACK
) -> dict[str, str]:
    """Return the server's configuration."""
    return {
        "tickTime": "2000",
        "dataDir": str(data_dir),
        "clientPort": str(port),
        "clientPortAddress": host,
        # Every role and test is a client of the same address.
        "maxClientCnxns": "1000",
        "admin.enableServer": "false",
        "4lw.commands.whitelist": "srvr,ruok,mntr",
        # Old snapshots and logs are of no use to one server: the fewest are kept.
        "autopurge.snapRetainCount": "3",
        "autopurge.purgeInterval": "1",
        # Its log grows in steps of this many KiB; the default, 64 MB, is all zeros.
        "preAllocSize": "4096",
    }


def zookeeper_spec(
    *,
    port: int,
    folders: ServerFolders,
    jars: list[Path],
    java_home: Path,
    heap_mb: int,
    user: RunAs | None,
    place: Place,
) -> ServerSpec:
    """Write the server's configuration and return how it is run."""
    settings = zookeeper_settings(port=port, data_dir=folders.data, host=place.address)
    log4j2 = log4j2_properties(folders.log_path, layout=_LOG_LAYOUT)
    folders.create(
        {"zoo.cfg": properties(settings), "log4j2.properties": log4j2}, user=user
    )
    return ServerSpec(
        name=NAME,
        command=(
            str(java_home / "bin" / "java"),
            f"-Xmx{heap_mb}m",
            # It does little, so that a quick start and a small process matter more.
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            *COMMON_FLAGS,
            f"-Djava.io.tmpdir={folders.temporary}",
            f"-Dlog4j2.configurationFile={folders.conf / 'log4j2.properties'}",
            "-Dzookeeper.jmx.log4j.disable=true",
            "-cp",
            class_path(jars),
            # This main class, unlike the standalone one, also purges old snapshots.
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            str(folders.conf / "zoo.cfg"),
        ),
        environment=java_environment(java_home, temporary=folders.temporary),
        working_dir=folders.temporary,
        log_path=folders.log_path,
        output_path=folders.output_path,
        is_ready=partial(zookeeper_answers, port, host=place.address),
        ports={"client": port},
        place=place,
    )

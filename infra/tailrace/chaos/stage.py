"""What a run stands on: folder, network, disks, servers, proxies, roles, writer.

Everything is gone afterwards, the folder apart where the user named it.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import tempfile
import threading
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tailrace.chaos.arena import Arena
from tailrace.chaos.asked import Asked
from tailrace.chaos.disks import MEBIBYTE, SmallDisk
from tailrace.chaos.http_proxy import ElasticsearchProxy
from tailrace.chaos.ledger_watch import LedgerWatch
from tailrace.chaos.lines import LineMaker
from tailrace.chaos.namespaces import HUB_ADDRESS, Network
from tailrace.chaos.record import Record
from tailrace.chaos.roles import ChaosRole, RoleGroup
from tailrace.chaos.safe import SafeOffsets
from tailrace.chaos.tcp_proxy import Target, TcpProxy
from tailrace.chaos.writer import Writer
from tailrace.clock import Clock
from tailrace.errors import CommandFailed, DataDirInUse
from tailrace.provision import provision
from tailrace.settings import ENVIRONMENT_PREFIX, Connections, read_connections
from tailrace.watched import toml_text
from tailrace_embedded.config import StackConfig, config_from_environment
from tailrace_embedded.lock import is_held
from tailrace_embedded.ports import LOOPBACK, choose_ports
from tailrace_embedded.progress import Progress
from tailrace_embedded.stack import Stack

ELASTICSEARCH_HEAP_MB = 512
KAFKA_HEAP_MB = 384
READY_MS_MAX = 1_200_000
"""Seven Java processes start at once, on a machine that may have two processors."""
AGENT_DISK_BYTES = 64 * MEBIBYTE
BROKER_DISK_BYTES = 1_536 * MEBIBYTE
"""Of the last broker: memory, of which only what is written is taken."""
SHARED_FILES = re.compile(r"/app0(\.log(\.\d+)?|-\d+\.moved)$")
"""Files that a second agent, of another host, reads as well."""
ELASTICSEARCH = "elasticsearch"
ROLES = ("agent-1", "agent-2", "stream-1", "stream-2", "indexer-1", "indexer-2")
ROLE_SETTINGS = {
    "TAILRACE_AGENT_LEDGER_MS": "1000",
    # Chunks of some size also at a small rate: what follows is paid by the chunk.
    "TAILRACE_AGENT_LINGER_MS_MAX": "500",
    "TAILRACE_AGENT_ROTATED_GRACE_MS": "3000",
    # Short enough that a frozen worker loses its partitions, and long
    # enough that one which is only slow does not.
    "TAILRACE_STREAM_SESSION_TIMEOUT_MS": "15000",
    # Shorter than Kafka is kept silent, so that sends really fail and are sent again.
    "TAILRACE_STREAM_REQUEST_TIMEOUT_MS": "5000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOptions:
    """How large the stage is, and what is written on it."""

    seed: int
    lines_per_s: int
    brokers: int
    nodes: int
    has_network: bool
    folder: Path | None
    """Kept when it is named; else a temporary one."""


@dataclass(slots=True)
class Stage:
    """A stage that is set: roles and writer are not yet started."""

    arena: Arena
    ledger: LedgerWatch
    maker: LineMaker
    record_path: Path
    environment: Mapping[str, str]


def readers_of(path: str) -> int:
    """Return how many agents, of different hosts, read the file of that path."""
    return len(hosts_of(path))


def hosts_of(path: str) -> tuple[str, ...]:
    """Return the names of those hosts."""
    return ROLES[:2] if SHARED_FILES.search(path) else ROLES[:1]


@contextmanager
def set_stage(
    options: StageOptions, *, progress: Progress, clock: Clock, asked: Asked
) -> Generator[Stage]:
    """Set the stage; whatever happens, it is cleared at the end.

    Raises:
        Interrupted: the user asked for the end before it was set.
        CommandFailed: a server did not come up, or the named folder is not empty.
        DataDirInUse: a stack runs in the named folder.
    """
    with ExitStack() as cleanup:
        ground = _lay_ground(
            options, cleanup, progress=progress, clock=clock, asked=asked
        )
        ledger = LedgerWatch(ground.connections)
        ledger.start()
        cleanup.callback(ledger.stop)
        roles = _roles(ground, cleanup, clock=clock)
        maker = LineMaker(
            seed=options.seed, start_ms=clock.now_ms(), lines_per_s=options.lines_per_s
        )
        record_path = ground.folder / "written.ndjson"
        safe = SafeOffsets(
            checkpoints=[
                role.folder / "state" / "agent" / "checkpoint.sqlite"
                for role in roles.of("agent")
            ],
            ledger=ledger,
            readers=readers_of,
            clock=clock,
        )
        writer = Writer(
            folder=ground.folder / "logs",
            record=cleanup.enter_context(Record(record_path)),
            maker=maker,
            chance=random.Random(f"{options.seed} writer"),  # noqa: S311 - repeats a seed
            clock=clock,
            knowledge=safe,
            readers=readers_of,
            stop=threading.Event(),
        )
        arena = Arena(
            stack=ground.stack,
            connections=ground.connections,
            roles=roles,
            writer=writer,
            elasticsearch_proxies=ground.bulk_proxies,
            kafka_proxies=ground.kafka_proxies,
            network=ground.network,
            agent_disk=ground.disks[0] if ground.disks else None,
            broker_disk=ground.disks[1] if len(ground.disks) > 1 else None,
            clock=clock,
            stop=asked.stop,
        )
        yield Stage(arena, ledger, maker, record_path, ground.environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What is there before any role."""

    folder: Path
    network: Network | None
    disks: list[SmallDisk]
    stack: Stack
    kafka_proxies: list[TcpProxy]
    bulk_proxies: list[ElasticsearchProxy]
    connections: Connections
    environment: Mapping[str, str]


def _lay_ground(
    options: StageOptions,
    cleanup: ExitStack,
    *,
    progress: Progress,
    clock: Clock,
    asked: Asked,
) -> _Ground:
    """Start network, disks, servers and proxies, and make topics and templates.

    Nothing is left amid its making: a request is looked at from step to step, and while
    servers come up.
    """
    folder = _folder(options.folder, cleanup)
    network = None
    if options.has_network:
        network = Network.make(_member_names(options), clock=clock)
        cleanup.callback(network.close)
    disks: list[SmallDisk] = []
    for mount, size_bytes in _small_disks(options, folder=folder).items():
        disk = SmallDisk.mount(mount, size_bytes=size_bytes)
        # Before the folder is removed: a folder that is mounted on stays.
        cleanup.callback(disk.unmount)
        disks.append(disk)
    chance = random.Random(f"{options.seed} stage")  # noqa: S311 - spreads, hides nothing
    config, kafka_proxies = _stack_config(options, network=network, chance=chance)
    for proxy in kafka_proxies:
        proxy.start()
        cleanup.callback(proxy.stop)
    with asked.giving_up():
        stack = Stack.start(
            folder / "data",
            progress=progress,
            clock=clock,
            config=config,
            given_up=asked.stop,
        )
        cleanup.callback(stack.stop)
    bulk_proxies = _bulk_proxies(stack, network=network, chance=chance)
    for proxy in bulk_proxies:
        proxy.start()
        cleanup.callback(proxy.stop)
    connections = _connections(stack, folder=folder, clock=clock)
    with asked.interrupting():
        provision(connections)
    return _Ground(
        folder=folder,
        network=network,
        disks=disks,
        stack=stack,
        kafka_proxies=kafka_proxies,
        bulk_proxies=bulk_proxies,
        connections=connections,
        environment=_environment(stack, connections),
    )


def _roles(ground: _Ground, cleanup: ExitStack, *, clock: Clock) -> RoleGroup:
    watched_fd, alive_fd = os.pipe()
    cleanup.callback(os.close, watched_fd)
    cleanup.callback(os.close, alive_fd)
    roles = RoleGroup(
        _role(name, ground=ground, watched_fd=watched_fd, clock=clock) for name in ROLES
    )
    cleanup.callback(roles.stop)
    return roles


def _folder(named: Path | None, cleanup: ExitStack) -> Path:
    if named is None:
        folder = Path(tempfile.mkdtemp(prefix="tailrace-chaos-"))
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
    else:
        folder = named.absolute()
        for used in (folder, folder / "data"):
            if is_held(used):
                raise DataDirInUse(folder, holder="another stack")
        if folder.exists() and any(folder.iterdir()):
            raise CommandFailed(
                f"The folder {folder} is not empty, and chaos breaks what it finds.",
                remedy="name a new folder with --data-dir, or none for a temporary one",
            )
        folder.mkdir(parents=True, exist_ok=True)
    # The servers may run as another user, who must be able to get there.
    folder.chmod(0o755)
    return folder


def _member_names(options: StageOptions) -> list[str]:
    return [
        *(f"kafka-{n}" for n in range(1, options.brokers + 1)),
        ELASTICSEARCH,
        "zookeeper",
        *ROLES,
    ]


def _small_disks(options: StageOptions, *, folder: Path) -> dict[Path, int]:
    """Return what is mounted, and its size: one agent's state and one broker's data."""
    if not options.has_network:
        return {}
    sizes = {folder / "roles" / ROLES[0] / "state": AGENT_DISK_BYTES}
    if options.brokers > 1:
        servers = folder / "data" / "servers"
        # Brokers are counted by their folders, so all of them must be there.
        for number in range(1, options.brokers):
            (servers / f"kafka-{number}").mkdir(parents=True)
        sizes[servers / f"kafka-{options.brokers}" / "data"] = BROKER_DISK_BYTES
    return sizes


def _stack_config(
    options: StageOptions, *, network: Network | None, chance: random.Random
) -> tuple[StackConfig, list[TcpProxy]]:
    """Return where the servers will be, and a proxy before each broker."""
    members = network.members if network else {}
    host = HUB_ADDRESS if network else LOOPBACK
    brokers = [f"kafka-{number}" for number in range(1, options.brokers + 1)]
    names = [name for broker in brokers for name in (broker, f"{broker}-proxy")]
    ports = choose_ports(names, recorded={}, configured={}, rng=chance)
    places = {name: member.place for name, member in members.items()}
    for number in range(1, options.nodes + 1) if network else ():
        # Its nodes talk by loopback, and so have one namespace between them.
        places[f"{ELASTICSEARCH}-{number}"] = members[ELASTICSEARCH].place
    config = StackConfig(
        java_flags=config_from_environment().java_flags,
        brokers=options.brokers,
        elasticsearch_nodes=options.nodes,
        elasticsearch_heap_mb=ELASTICSEARCH_HEAP_MB,
        kafka_heap_mb=KAFKA_HEAP_MB,
        ready_ms_max=READY_MS_MAX,
        ports={broker: ports[broker] for broker in brokers},
        places=places,
        advertised={b: f"{host}:{ports[f'{b}-proxy']}" for b in brokers},
    )
    proxies = [
        TcpProxy(
            Target(config.place(broker).address, ports[broker]),
            host=host,
            port=ports[f"{broker}-proxy"],
        )
        for broker in brokers
    ]
    return config, proxies


def _bulk_proxies(
    stack: Stack, *, network: Network | None, chance: random.Random
) -> list[ElasticsearchProxy]:
    host = HUB_ADDRESS if network else LOOPBACK
    urls = stack.endpoints.elasticsearch_url.split(",")
    return [ElasticsearchProxy(url, host=host, port=0, chance=chance) for url in urls]


def _connections(stack: Stack, *, folder: Path, clock: Clock) -> Connections:
    found = {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for name, value in stack.endpoints.as_environment().items()
    }
    # New each time, so that nothing of another run can be taken for this one's.
    namespace = f"chaos{clock.now_ms() // 1_000:x}"
    connections = read_connections(data_dir=folder / "data")
    return connections.model_copy(update={**found, "namespace": namespace})


def _environment(stack: Stack, connections: Connections) -> dict[str, str]:
    """Return what roles and commands get: nothing of the user's own Tailrace."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ENVIRONMENT_PREFIX)
    }
    return {
        **inherited,
        **stack.endpoints.as_environment(),
        "TAILRACE_NAMESPACE": connections.namespace,
        "TAILRACE_DATA_DIR": str(connections.data_dir),
    }


def _role(name: str, *, ground: _Ground, watched_fd: int, clock: Clock) -> ChaosRole:
    own = ground.folder / "roles" / name
    own.mkdir(parents=True, exist_ok=True)
    kind = name.partition("-")[0]
    arguments = [kind]
    settings = {
        **ground.environment,
        **ROLE_SETTINGS,
        "TAILRACE_DATA_DIR": str(own / "state"),
        "TAILRACE_AGENT_HOST_ID": f"chaos-host-{name}",
        "TAILRACE_AGENT_HOST_NAME": name,
    }
    if kind == "agent":
        config = own / "tailrace.toml"
        stem = "*" if name == ROLES[0] else "app0"
        logs = ground.folder / "logs"
        paths = [f"{logs}/{stem}.log", f"{logs}/{stem}.log.*"]
        # The oracle reads the time of each line: it is not the machine's.
        source = {"name": "chaos", "paths": paths, "time_zone": "UTC"}
        config.write_text(toml_text({"agent": {"sources": [source]}}))
        arguments += ["--config", str(config)]
    if kind == "indexer":
        urls = ",".join(proxy.url for proxy in ground.bulk_proxies)
        settings["TAILRACE_ELASTICSEARCH_URL"] = urls
    network = ground.network
    return ChaosRole(
        name=name,
        arguments=arguments,
        environment=settings,
        folder=own,
        watched_fd=watched_fd,
        clock=clock,
        prefix=network.members[name].prefix if network else (),
    )

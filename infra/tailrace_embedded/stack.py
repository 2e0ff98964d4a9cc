"""The embedded stack: real Kafka, ZooKeeper and Elasticsearch, owned by this process.

Nothing is reachable from another machine, data is kept between runs, one process at a
time holds a data folder, and no server outlives its owner.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tailrace.clock import Clock, SystemClock
from tailrace_embedded import identity, lock, record
from tailrace_embedded.artifacts import Fetcher
from tailrace_embedded.config import StackConfig, config_from_environment
from tailrace_embedded.elasticsearch import Node, elasticsearch_spec
from tailrace_embedded.identity import RunAs
from tailrace_embedded.jvm import ServerFolders
from tailrace_embedded.kafka import Broker, kafka_spec
from tailrace_embedded.ports import LOOPBACK, choose_ports
from tailrace_embedded.progress import Progress
from tailrace_embedded.runtime import DefaultFetcher, Runtime, ensure_runtime
from tailrace_embedded.server import STOP_WAIT_MS_MAX, Server, ServerSpec
from tailrace_embedded.zookeeper import NAME as ZOOKEEPER
from tailrace_embedded.zookeeper import zookeeper_spec

# The watchers of a killed owner stop its servers within their own, shorter limit.
_LEFTOVER_WAIT_S_MAX = 15.0


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


def read_endpoints(data_dir: Path) -> Endpoints | None:
    """Return where the servers of a data folder are, or None when none run for it."""
    running = record.read_running(data_dir)
    if running is None:
        return None
    found = running.environment
    return Endpoints(
        kafka_bootstrap=found["TAILRACE_KAFKA_BOOTSTRAP"],
        zookeeper_hosts=found["TAILRACE_ZOOKEEPER_HOSTS"],
        elasticsearch_url=found["TAILRACE_ELASTICSEARCH_URL"],
    )


class Stack:
    """The servers of one data folder, from `start` to `stop`."""

    def __init__(
        self,
        *,
        data_dir: Path,
        endpoints: Endpoints,
        specs: list[ServerSpec],
        user: RunAs | None,
        clock: Clock,
        held: lock.FolderLock,
    ) -> None:
        self._data_dir = data_dir
        self._held = held
        # Never written to: that it closes with this process is what the watchers see.
        self._watched_fd, self._alive_fd = os.pipe()
        self.endpoints = endpoints
        self.servers = [
            Server(
                spec=spec,
                watched_fd=self._watched_fd,
                user=user,
                clock=clock,
                on_start=self._record,
            )
            for spec in specs
        ]

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        progress: Progress,
        config: StackConfig | None = None,
        environ: Mapping[str, str] = os.environ,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        fetcher: Fetcher | None = None,
    ) -> Self:
        """Start every server on `data_dir` and return when all of them answer.

        1. hold the folder; 2. wait for servers of a killed owner to be gone; 3. fetch and
        check the runtime; 4. choose ports; 5. start all at once; 6. wait for each.

        Raises:
            DataDirInUse: another process holds the folder.
            CommandFailed: a download failed, a configured port is taken, or a server did
                not come up; then none is left running.
            ConfigError: a setting is out of its range.
        """
        clock = clock or SystemClock()
        config = config or config_from_environment(environ)
        data_dir = data_dir.absolute()
        held = lock.hold(data_dir, clock=clock)
        try:
            _end_leftovers(data_dir)
            user = identity.run_as()
            runtime = ensure_runtime(
                environ=environ,
                user=user,
                fetcher=fetcher or DefaultFetcher(),
                progress=progress,
            )
            ports = choose_ports(
                _port_names(config),
                recorded=record.read_ports(data_dir),
                configured=config.ports,
                rng=rng or random.Random(),  # noqa: S311 - a port is no secret
            )
            record.write_ports(data_dir, ports)
            endpoints, specs = _plan(
                config, runtime=runtime, ports=ports, data_dir=data_dir, user=user
            )
            stack = cls(
                data_dir=data_dir,
                endpoints=endpoints,
                specs=specs,
                user=user,
                clock=clock,
                held=held,
            )
        except BaseException:
            held.release()
            raise
        stack._bring_up(progress)
        return stack

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()

    def server(self, name: str) -> Server:
        """Return one server by its name.

        Raises:
            KeyError: there is none of this name.
        """
        return {server.name: server for server in self.servers}[name]

    def stop(self) -> None:
        """Stop every server in order, then let go of the folder; may be repeated.

        All are asked at once, since each flushes its own; then each is waited for.
        """
        for server in reversed(self.servers):
            server.ask_to_stop()
        for server in reversed(self.servers):
            server.stop(wait_ms_max=STOP_WAIT_MS_MAX)
        if self._alive_fd >= 0:
            os.close(self._alive_fd)
            os.close(self._watched_fd)
            self._alive_fd = self._watched_fd = -1
            record.remove_servers(self._data_dir)
        self._held.release()

    def _bring_up(self, progress: Progress) -> None:
        try:
            with ThreadPoolExecutor(len(self.servers)) as pool:
                waiting = [
                    pool.submit(_start_and_wait, server, progress)
                    for server in self.servers
                ]
                for future in waiting:
                    future.result()
        except BaseException:
            self.stop()
            raise

    def _record(self) -> None:
        started = [s for s in self.servers if s.is_alive()]
        servers = [
            record.RunningServer(
                name=server.name,
                pid=server.pid,
                created_at_s=server.created_at_s(),
                ports=dict(server.spec.ports),
                log_path=str(server.log_path),
            )
            for server in started
        ]
        running = record.RunningServers(
            environment=self.endpoints.as_environment(),
            supervisor_pid=os.getpid(),
            servers=servers,
        )
        record.write_servers(self._data_dir, running)


def _start_and_wait(server: Server, progress: Progress) -> None:
    server.start()
    server.wait_until_ready()
    address = f"{LOOPBACK}:{next(iter(server.spec.ports.values()))}"
    progress.step(f"{server.name} is up at {address}")


def _port_names(config: StackConfig) -> list[str]:
    names = [ZOOKEEPER]
    for number in range(1, config.brokers + 1):
        names += [f"kafka-{number}", f"kafka-{number}-controller"]
    for number in range(1, config.elasticsearch_nodes + 1):
        names += [f"elasticsearch-{number}", f"elasticsearch-{number}-transport"]
    return names


def _plan(
    config: StackConfig,
    *,
    runtime: Runtime,
    ports: Mapping[str, int],
    data_dir: Path,
    user: RunAs | None,
) -> tuple[Endpoints, list[ServerSpec]]:
    """Write every server's configuration; return where they will be and how they run."""
    brokers = [
        Broker(
            number=number,
            client_port=ports[f"kafka-{number}"],
            controller_port=ports[f"kafka-{number}-controller"],
        )
        for number in range(1, config.brokers + 1)
    ]
    nodes = [
        Node(
            number=number,
            http_port=ports[f"elasticsearch-{number}"],
            transport_port=ports[f"elasticsearch-{number}-transport"],
        )
        for number in range(1, config.elasticsearch_nodes + 1)
    ]
    folder = identity.servers_dir(data_dir, user=user)
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
    )
    endpoints = Endpoints(
        kafka_bootstrap=",".join(broker.address for broker in brokers),
        zookeeper_hosts=f"{LOOPBACK}:{ports[ZOOKEEPER]}",
        elasticsearch_url=",".join(node.url for node in nodes if node.holds_data),
    )
    return endpoints, [*specs, zookeeper]


def _end_leftovers(data_dir: Path) -> None:
    """Wait until servers of an owner that was killed are gone; kill what remains."""
    recorded = record.read_servers(data_dir)
    if recorded is None:
        return
    leftovers: list[psutil.Process] = []
    for server in recorded.servers:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(server.pid)
            if process.create_time() == server.created_at_s:
                leftovers.append(process)
    _gone, alive = psutil.wait_procs(leftovers, timeout=_LEFTOVER_WAIT_S_MAX)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=_LEFTOVER_WAIT_S_MAX)
    record.remove_servers(data_dir)

"""The embedded stack: real Kafka, ZooKeeper and Elasticsearch, owned by this process.

Nothing is reachable from another machine, data is kept between runs, one process at a
time holds a data folder, and no server outlives its owner.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tailrace.clock import Clock, SystemClock
from tailrace.errors import CommandFailed
from tailrace.whole_files import READABLE
from tailrace_embedded import identity, lock, record
from tailrace_embedded.artifacts import Fetcher
from tailrace_embedded.config import StackConfig, config_from_environment
from tailrace_embedded.identity import RunAs
from tailrace_embedded.plan import Endpoints, plan, port_names
from tailrace_embedded.ports import choose_ports
from tailrace_embedded.progress import Progress
from tailrace_embedded.runtime import DefaultFetcher, ensure_runtime
from tailrace_embedded.server import STOP_WAIT_MS_MAX, Server, ServerSpec

__all__ = ["Endpoints", "Stack", "read_endpoints"]

# The watchers of a killed owner stop its servers within their own, shorter limit.
_LEFTOVER_WAIT_S_MAX = 15.0


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
        ready_ms_max: int,
        given_up: threading.Event,
    ) -> None:
        self._given_up = given_up
        self._data_dir = data_dir
        self._ready_ms_max = ready_ms_max
        self._held = held
        # Servers are started, and started again, from several threads.
        self._record_lock = threading.Lock()
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
                given_up=given_up,
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
        given_up: threading.Event | None = None,
    ) -> Self:
        """Start every server on `data_dir` and return when all of them answer.

        1. hold the folder; 2. wait for servers of a killed owner to be gone; 3. fetch and
        check the runtime; 4. choose ports; 5. start all at once; 6. wait for each. Once
        `given_up` is set no server is started any more, and those that were are stopped.

        Raises:
            DataDirInUse: another process holds the folder.
            CommandFailed: a download failed, a configured port is taken, a server did not
                come up, or the start was given up; then none is left running.
            ConfigError: a setting is out of its range.
        """
        clock = clock or SystemClock()
        config = config or config_from_environment(environ)
        data_dir = data_dir.absolute()
        try:
            # Any process may ask by it whether `servers.json` still holds.
            held = lock.hold(data_dir, clock=clock, mode=READABLE)
        except OSError as error:
            raise _unwritable(data_dir, error) from error
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
                port_names(config),
                recorded=record.read_ports(data_dir),
                configured=config.ports,
                rng=rng or random.Random(),  # noqa: S311 - a port is no secret
            )
            record.write_ports(data_dir, ports)
            endpoints, specs = plan(
                config, runtime=runtime, ports=ports, data_dir=data_dir, user=user
            )
            stack = cls(
                data_dir=data_dir,
                endpoints=endpoints,
                specs=specs,
                user=user,
                clock=clock,
                held=held,
                ready_ms_max=config.ready_ms_max,
                given_up=given_up or threading.Event(),
            )
        except BaseException as error:
            held.release()
            if isinstance(error, OSError):
                raise _unwritable(data_dir, error) from error
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
                    pool.submit(
                        _start_and_wait,
                        server,
                        progress=progress,
                        ready_ms_max=self._ready_ms_max,
                    )
                    for server in self.servers
                ]
                try:
                    for future in as_completed(waiting):
                        future.result()
                except BaseException:
                    # The others need not come up first to be stopped, nor begin.
                    self._given_up.set()
                    for server in self.servers:
                        server.ask_to_stop()
                    raise
        except BaseException:
            self.stop()
            raise

    def _record(self) -> None:
        with self._record_lock:
            servers = [
                record.RunningServer(
                    name=server.name,
                    pid=server.pid,
                    created_at_s=server.created_at_s(),
                    ports=dict(server.spec.ports),
                    log_path=str(server.log_path),
                )
                for server in self.servers
                if server.is_alive()
            ]
            running = record.RunningServers(
                environment=self.endpoints.as_environment(),
                supervisor_pid=os.getpid(),
                servers=servers,
            )
            record.write_servers(self._data_dir, running)


def _start_and_wait(server: Server, *, progress: Progress, ready_ms_max: int) -> None:
    server.start()
    server.wait_until_ready(wait_ms_max=ready_ms_max)
    address = f"{server.spec.place.address}:{next(iter(server.spec.ports.values()))}"
    progress.step(f"{server.name} is up at {address}")


def _unwritable(data_dir: Path, error: OSError) -> CommandFailed:
    return CommandFailed(
        f"The servers' files cannot be written (data folder {data_dir}): {error}.",
        remedy="name a folder that you may write with --data-dir, on a disk with room",
    )


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

"""What runs on this machine, in which order it starts, and how it is stopped."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from tailrace import dashboard_port
from tailrace.clock import Clock
from tailrace.dashboard_port import DashboardPort, DashboardProcess
from tailrace.first_line_watch import FirstLineWatch
from tailrace.role_process import STOP_WAIT_MS_MAX, RoleProcess
from tailrace.server_life import ServerLife
from tailrace.server_wait import ask_until_served
from tailrace.settings import CONFIG_FILE, Connections, read_connections
from tailrace.shop_link import LINK_FILE, SHOP_DIR
from tailrace.supervise import Backoff, Member
from tailrace.up_record import (
    Phase,
    UpRecord,
    created_at_s,
    write_record,
)
from tailrace_embedded import record
from tailrace_embedded.probes import kafka_answers
from tailrace_embedded.progress import Progress
from tailrace_embedded.stack import Endpoints, Stack, read_endpoints

TICK_MS = 100
SEARCHABLE_WAIT_MS_MAX = 120_000
"""From the servers' readiness; a healthy start takes a tenth of it."""
SHOP_WAIT_MS_MAX = 10_000
"""So that whoever types a command of the shop next finds it open; nothing else waits."""
URL_LOOK_MS = 1_000
"""How often it is looked whether the dashboard, started again, has another address."""
SERVERS_STOP_WAIT_S_MAX = 30
ROLES_ON_KAFKA = ("agent", "stream")
COMMANDS = {SHOP_DIR: (SHOP_DIR, "run")}
"""How one is run whose name alone is not the command."""
LOGS_DIR = "logs"

FoundT = TypeVar("FoundT")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpPlan:
    """What is to be started."""

    data_dir: Path
    watch: tuple[str, ...] = ()
    config_file: Path | None = None
    has_roles: bool = True
    has_shop: bool = False
    """Whether the demonstration runs, too."""


class _DashboardStatus(msgspec.Struct):
    url: str


class Supervision:
    """What runs, and what is to be done about it."""

    def __init__(
        self,
        plan: UpPlan,
        *,
        port: DashboardPort | None,
        watched_globs: list[str],
        progress: Progress,
        stop: threading.Event,
        clock: Clock,
    ) -> None:
        self._plan = plan
        self._watched_globs = watched_globs
        self._progress = progress
        self._stop = stop
        self._clock = clock
        self._stack: Stack | None = None
        self._stack_error: BaseException | None = None
        self._given_up = threading.Event()
        self._stack_start = threading.Thread(target=self._start_stack, daemon=True)
        self._roles: dict[str, RoleProcess] = {}
        self._members: list[Member] = []
        self._phase = Phase.STARTING
        self._started_at_ms = clock.now_ms()
        self._are_servers_kept = False
        self._first_line: FirstLineWatch | None = None
        self._connections: Connections | None = None
        self._dashboard_port = port
        self._written_url = ""
        self._url_look_ms = 0
        # Never written to: that it closes with this process is what watchers see.
        self._watched_fd, self._alive_fd = os.pipe()

    def bring_up(self, ready: Callable[[str], None]) -> None:
        """Start everything, each as soon as what it needs is there."""
        self._write()
        self._stack_start.start()
        endpoints = self._wait_for(self._endpoints)
        if endpoints is None:
            return
        if self._plan.has_roles:
            self._bring_up_roles(endpoints)
        if self._wait_for(self._servers_up) is None:
            return
        self._phase = Phase.RUNNING
        self._write()
        if self._plan.has_roles:
            self._bring_up_indexing()
        if not self._stop.is_set():
            ready(self._dashboard_url())

    def tend_until_stopped(self) -> None:
        """Start again whatever dies, until asked to stop."""
        while not self._stop.is_set():
            self._tick()
            self._look_again()

    def take_down(self) -> None:
        """Stop the roles, which drain, then the servers; nothing is left."""
        self._phase = Phase.STOPPING
        self._write()
        if not self._roles.keys() & set(ROLES_ON_KAFKA):
            # Nobody drains to a server: what is not started yet need not be.
            self._given_up.set()
        deadline_ms = self._clock.monotonic_ms() + STOP_WAIT_MS_MAX
        for role in self._roles.values():
            role.ask_to_stop()
        for role in self._roles.values():
            role.wait(wait_ms_max=deadline_ms - self._clock.monotonic_ms())
        if self._stack_start.is_alive():
            self._give_up_start()
        if self._stack is not None:
            self._stack.stop()
        for member in self._members:
            member.stopped(
                now_ms=self._clock.now_ms(), monotonic_ms=self._clock.monotonic_ms()
            )
        self._write()
        os.close(self._alive_fd)
        os.close(self._watched_fd)

    def _start_stack(self) -> None:
        try:
            self._stack = Stack.start(
                self._plan.data_dir,
                progress=self._progress,
                clock=self._clock,
                given_up=self._given_up,
            )
        except BaseException as error:  # noqa: BLE001 - raised again by the waiting one
            self._stack_error = error

    def _bring_up_roles(self, endpoints: Endpoints) -> None:
        from tailrace.provision import provision_topics

        self._connections = self._connect(endpoints)
        self._start_role("dashboard", endpoints=endpoints)
        if self._wait_for(lambda: self._kafka_answers(endpoints) or None) is None:
            return
        connections = self._connections
        if self._served("Kafka", lambda: provision_topics(connections)) is None:
            return
        for name in ROLES_ON_KAFKA:
            self._start_role(name, endpoints=endpoints)
        self._progress.step("agent, stream and dashboard are started")

    def _bring_up_indexing(self) -> None:
        from tailrace.provision import provision_templates

        assert self._connections is not None
        assert self._stack is not None
        connections = self._connections
        if self._served("Elasticsearch", lambda: provision_templates(connections)) is (
            None
        ):
            return
        self._start_role("indexer", endpoints=self._stack.endpoints)
        self._progress.step("indexer is started; waiting for a first line")
        self._first_line = first_line = self._first_line_watch(connections)
        deadline_ms = self._clock.monotonic_ms() + SEARCHABLE_WAIT_MS_MAX
        missing = self._wait_for(lambda: first_line.missing_by(deadline_ms))
        if missing is None:
            return
        took_ms = self._clock.now_ms() - self._started_at_ms
        if missing:
            self._progress.step(
                f"{missing} after {took_ms // 1_000} s; still trying:"
                " `tailrace status` says what is wrong"
            )
        else:
            self._progress.step(first_line.searchable_text())
        self._write()
        if self._plan.has_shop and not self._stop.is_set():
            # Last: what a person waits for does not wait for it.
            self._open_shop(self._stack.endpoints)

    def _open_shop(self, endpoints: Endpoints) -> None:
        link_path = self._plan.data_dir / LINK_FILE
        # One that was killed leaves its word behind.
        link_path.unlink(missing_ok=True)
        self._start_role(SHOP_DIR, endpoints=endpoints)
        deadline_ms = self._clock.monotonic_ms() + SHOP_WAIT_MS_MAX
        is_open = self._wait_for(
            lambda: (
                link_path.exists()
                or (False if self._clock.monotonic_ms() > deadline_ms else None)
            )
        )
        state = "is open" if is_open else "opens soon"
        self._progress.step(f"the shop {state}: the demonstration, on page Shop")

    def _first_line_watch(self, connections: Connections) -> FirstLineWatch:
        from tailrace.first_line import is_searchable

        return FirstLineWatch(
            is_searchable=lambda: is_searchable(
                connections, since_ms=self._started_at_ms
            ),
            dashboard_url=self._dashboard_url,
            started_at_ms=self._started_at_ms,
            clock=self._clock,
        )

    def _look_again(self) -> None:
        """Take back what was said to be missing, once it is there."""
        news = self._first_line.look_rarely() if self._first_line else ()
        for said in news:
            self._progress.step(said)
        if news or self._has_moved_dashboard():
            self._write()

    def _has_moved_dashboard(self) -> bool:
        """Tell whether it answers elsewhere than was written; looked at now and then."""
        now_ms = self._clock.monotonic_ms()
        if now_ms < self._url_look_ms:
            return False
        self._url_look_ms = now_ms + URL_LOOK_MS
        return self._dashboard_url() != self._written_url

    def _served(self, service: str, ask: Callable[[], FoundT]) -> FoundT | None:
        """Return what `ask` does once the embedded server serves it; None to stop."""
        return ask_until_served(
            ask,
            service=service,
            log_path=lambda: self._log_of(service.lower()),
            idle_until=self._idle_until,
            say=self._progress.step,
            clock=self._clock,
        )

    def _idle_until(self, at_monotonic_ms: int) -> bool:
        reached = self._wait_for(
            lambda: True if self._clock.monotonic_ms() >= at_monotonic_ms else None
        )
        return reached is not None

    def _log_of(self, server: str) -> str:
        running = record.read_servers(self._plan.data_dir)
        for one in running.servers if running is not None else ():
            if one.name.startswith(server):
                return one.log_path
        return str(self._plan.data_dir / LOGS_DIR)

    def _connect(self, endpoints: Endpoints) -> Connections:
        # The servers that we start win over any that the environment names.
        os.environ.update(endpoints.as_environment())
        return read_connections(self._plan.config_file, data_dir=self._plan.data_dir)

    def _start_role(self, name: str, *, endpoints: Endpoints) -> None:
        data_dir = self._plan.data_dir
        environment = {
            **os.environ,
            **endpoints.as_environment(),
            "TAILRACE_DATA_DIR": str(data_dir),
        }
        make: Callable[..., RoleProcess] = RoleProcess
        if name == dashboard_port.NAME and self._dashboard_port is not None:
            make = partial(DashboardProcess, port=self._dashboard_port)
        role = make(
            name,
            arguments=[
                *COMMANDS.get(name, (name,)),
                *("--config", str(data_dir / CONFIG_FILE)),
            ],
            environment=environment,
            log_path=data_dir / LOGS_DIR / f"{name}.log",
            watched_fd=self._watched_fd,
        )
        self._roles[name] = role
        member = Member(role, backoff=Backoff())
        self._members.append(member)
        member.start(
            now_ms=self._clock.now_ms(), monotonic_ms=self._clock.monotonic_ms()
        )
        self._write()

    def _endpoints(self) -> Endpoints | None:
        found = read_endpoints(self._plan.data_dir)
        mine = record.read_servers(self._plan.data_dir)
        is_mine = mine is not None and mine.supervisor_pid == os.getpid()
        return found if is_mine else None

    def _servers_up(self) -> Stack | None:
        self._keep_servers()
        return self._stack

    def _keep_servers(self) -> None:
        """Look after the servers from when all are up, also while one is waited for."""
        if self._stack is None or self._are_servers_kept:
            return
        self._are_servers_kept = True
        for server in self._stack.servers:
            member = Member(ServerLife(server), backoff=Backoff())
            member.started(
                now_ms=self._clock.now_ms(), monotonic_ms=self._clock.monotonic_ms()
            )
            self._members.append(member)

    def _kafka_answers(self, endpoints: Endpoints) -> bool:
        port = int(endpoints.kafka_bootstrap.split(",")[0].rpartition(":")[2])
        return kafka_answers(port, brokers_count=1)

    def _wait_for(self, condition: Callable[[], FoundT | None]) -> FoundT | None:
        """Return what `condition` yields once it does; None when asked to stop."""
        while not self._stop.is_set():
            if (found := condition()) is not None:
                return found
            if self._stack_error is not None:
                raise self._stack_error
            self._tick()
        return None

    def _tick(self) -> None:
        self._keep_servers()
        now_ms, monotonic_ms = self._clock.now_ms(), self._clock.monotonic_ms()
        changes = [
            member.tend(now_ms=now_ms, monotonic_ms=monotonic_ms)
            for member in self._members
        ]
        if any(changes):
            self._write()
        self._stop.wait(TICK_MS / 1_000)

    def _give_up_start(self) -> None:
        """Let no server be started any more; the start stops those that were, and ends."""
        self._given_up.set()
        # A download is simply left; the cache takes only what is complete.
        self._stack_start.join(SERVERS_STOP_WAIT_S_MAX)

    def _dashboard_url(self) -> str:
        """Return where the dashboard is, as it says itself; "" while it does not."""
        if not self._plan.has_roles:
            return ""
        path = self._plan.data_dir / "dashboard" / "status.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=_DashboardStatus).url
        except (OSError, msgspec.DecodeError):
            return ""

    def _write(self) -> None:
        namespace = self._connections.namespace if self._connections else ""
        self._written_url = self._dashboard_url()
        first_line = self._first_line
        record_now = UpRecord(
            pid=os.getpid(),
            created_at_s=created_at_s(os.getpid()),
            started_at_ms=self._started_at_ms,
            phase=self._phase,
            namespace=namespace,
            has_roles=self._plan.has_roles,
            dashboard_url=self._written_url,
            dashboard_port=self._dashboard_port.number if self._dashboard_port else 0,
            searchable_after_ms=first_line.searchable_after_ms if first_line else None,
            watched=self._watched_globs,
            members=[member.record() for member in self._members],
        )
        # A full disk must not end what it supervises.
        with contextlib.suppress(OSError):
            write_record(self._plan.data_dir, record_now)

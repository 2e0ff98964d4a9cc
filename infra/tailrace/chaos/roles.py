"""The real roles as processes: killed, frozen, armed, and started again when they end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tailrace.clock import Clock
from tailrace.kill_points import POINT_VARIABLE, WITNESS_VARIABLE
from tailrace.role_process import RoleProcess
from tailrace.status_facts import last_lines

TEND_MS = 100
RESTART_WAIT_MS = 1_000
"""From one start to the next at least, as a supervisor would have it."""
UNPLANNED_KEPT_MAX = 20


@dataclass(frozen=True, slots=True)
class PlannedKill:
    """Kill at the `count`-th pass of `point`."""

    point: str
    count: int


@dataclass(slots=True)
class ChaosRole:
    """One role; every method may be called from any thread."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    watched_fd: int
    clock: Clock
    prefix: Sequence[str] = ()
    starts: int = 0
    unplanned: list[str] = field(default_factory=list[str])
    """How it ended where no fault explains it, with the last line that it said."""
    _process: RoleProcess | None = None
    _armed: PlannedKill | None = None
    _witness: Path | None = None
    _struck: str | None = None
    _is_expected: bool = False
    _is_held: bool = False
    _is_stopped: bool = False
    _started_at_ms: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def log_path(self) -> Path:
        """Return where its own log goes, over all its lives."""
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Return its process, or None while it is not running."""
        with self._lock:
            process = self._process
            return process.pid if process is not None and process.is_alive() else None

    def start(self) -> None:
        """Start it, armed if a kill is planned.

        Raises:
            CommandFailed: the process cannot be made.
        """
        with self._lock:
            environment = dict(self.environment)
            self._witness = None
            if self._armed is not None:
                witness = self.folder / f"{self.name}-{self.starts}.witness"
                environment[POINT_VARIABLE] = f"{self._armed.point}:{self._armed.count}"
                environment[WITNESS_VARIABLE] = str(witness)
                self._witness = witness
            self._process = RoleProcess(
                self.name,
                arguments=self.arguments,
                environment=environment,
                log_path=self.log_path,
                watched_fd=self.watched_fd,
                prefix=self.prefix,
            )
            self._process.start()
            self._started_at_ms = self.clock.monotonic_ms()
            self._is_expected = False
            self.starts += 1

    def tend(self) -> None:
        """Start it again if it has ended."""
        with self._lock:
            process = self._process
            if process is None or self._is_stopped or self._is_held:
                return
            age_ms = self.clock.monotonic_ms() - self._started_at_ms
            if process.is_alive() or age_ms < RESTART_WAIT_MS:
                return
            written = self._written()
            if written is not None:
                self._struck, self._armed = written, None
            elif not self._is_expected:
                self._note_unplanned(process.exit_code())
            self.start()

    def arm(self, kill: PlannedKill) -> None:
        """Have it start anew with a kill planned for the next passes of a point."""
        with self._lock:
            self._armed, self._struck = kill, None
            self.kill()

    def disarm(self) -> None:
        """Plan no more kill from its next start on."""
        with self._lock:
            self._armed = None

    def witnessed(self) -> str | None:
        """Return what the armed kill wrote as it struck, once it was started again."""
        with self._lock:
            return self._struck

    def kill(self) -> int | None:
        """Kill it as `kill -9` does; return the process that was killed."""
        with self._lock:
            pid = self.pid
            self._is_expected = True
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
            return pid

    def hold(self) -> None:
        """Do not start it again until `let_go`."""
        with self._lock:
            self._is_held = True

    def let_go(self) -> None:
        """Let it be started again."""
        with self._lock:
            self._is_held = False

    def freeze(self) -> int | None:
        """Stop it where it stands (SIGSTOP); return the process."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGSTOP)
        return pid

    def thaw(self, pid: int) -> None:
        """Let the process that was frozen go on."""
        with self._lock:
            if self.pid == pid:
                os.kill(pid, signal.SIGCONT)

    def ask_to_stop(self) -> None:
        """Ask it to drain and end; it is not started again."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                self._process.ask_to_stop()

    def wait(self) -> int | None:
        """Return how it ended; it is killed when it will not drain."""
        return self._process.wait() if self._process is not None else 0

    def rss_mb(self) -> float:
        """Return the memory it has now, 0 while it is not running."""
        return memory_mb(self.pid)

    def _written(self) -> str | None:
        """Return what the armed kill of this life has written, if it has struck."""
        if self._witness is None:
            return None
        try:
            return self._witness.read_text().strip() or None
        except FileNotFoundError:
            return None

    def _note_unplanned(self, code: int | None) -> None:
        said = last_lines(self.log_path)
        if len(self.unplanned) < UNPLANNED_KEPT_MAX:
            self.unplanned.append(f"exit code {code}: {said[-1] if said else ''}")


class RoleGroup:
    """All roles of a run, and the thread that starts again what has ended."""

    def __init__(self, roles: Iterable[ChaosRole]) -> None:
        self.roles = {role.name: role for role in roles}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tend, name="tend", daemon=True)
        self.error: BaseException | None = None

    def start(self) -> None:
        """Start every role, and begin to tend them.

        Raises:
            CommandFailed: a process cannot be made.
        """
        for role in self.roles.values():
            role.start()
        self._thread.start()

    def of(self, kind: str) -> list[ChaosRole]:
        """Return every `stream`, say: `stream-1` and `stream-2`."""
        return [role for name, role in self.roles.items() if name.startswith(kind)]

    def stop(self) -> dict[str, int | None]:
        """Have every role drain and end; return how each ended."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for role in self.roles.values():
            role.ask_to_stop()
        return {name: role.wait() for name, role in self.roles.items()}

    def _tend(self) -> None:
        try:
            while not self._stop.wait(TEND_MS / 1_000):
                for role in self.roles.values():
                    role.tend()
        except BaseException as error:  # noqa: BLE001 - told by the run, which ends by it
            self.error = error


def memory_mb(pid: int | None) -> float:
    """Return the memory of a process, 0 for one that is gone."""
    if pid is None:
        return 0.0
    try:
        return psutil.Process(pid).memory_info().rss / 1_048_576
    except psutil.Error:
        return 0.0

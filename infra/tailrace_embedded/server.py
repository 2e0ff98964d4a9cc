"""One server as a child process: what it is, and its life from start to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tailrace.clock import Clock
from tailrace.errors import CommandFailed
from tailrace.text import printable
from tailrace_embedded.config import READY_WAIT_MS_MAX, Place
from tailrace_embedded.identity import RunAs

LAUNCHER_FILE = Path(__file__).with_name("launcher.py")

# A broker with much unflushed data takes seconds; after that its log recovers anyway.
STOP_WAIT_MS_MAX = 20_000

_PROBE_WAIT_MS = 100
_LOG_TAIL_LINES = 15
_LOG_TAIL_BYTES = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """What one server is: everything that its start needs."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_dir: Path
    log_path: Path
    output_path: Path
    """What the process itself prints; short, and begun anew with each start."""
    is_ready: Callable[[], bool]
    """One probe, answered within a second or two; False also when it fails."""
    ports: Mapping[str, int]
    is_answering: Callable[[], bool] = lambda: False
    """Whether it serves in part: enough once the time to be ready has passed."""
    standard_input: bytes = b""
    """Written once; the pipe stays open as long as the server runs."""
    prepare: tuple[str, ...] = ()
    """A command to run once before the first start (formatting a disk, say)."""
    prepared_mark: Path | None = None
    """What `prepare` leaves behind; it is run while this is missing."""
    place: Place = field(default_factory=Place)
    """Where it listens."""


@dataclass(slots=True)
class Server:
    """A server of the stack; `restart` may be called by a supervisor's thread."""

    spec: ServerSpec
    watched_fd: int
    """The reading end of the pipe whose end tells a watcher that we are gone."""
    user: RunAs | None
    clock: Clock
    on_start: Callable[[], None]
    """Called after every start, to record the new process id."""
    given_up: threading.Event = field(default_factory=threading.Event)
    """Once set, by who starts it, it is started no more."""
    _process: subprocess.Popen[bytes] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """Return `kafka-1`, `zookeeper`, `elasticsearch-1` and so on."""
        return self.spec.name

    @property
    def pid(self) -> int:
        """Return the process id of the server itself, of its last life if it is dead.

        Raises:
            CommandFailed: it has never been started.
        """
        if self._process is None:
            raise CommandFailed(f"{self.name} is not started.", remedy="start it")
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """Return the log that the server writes; it is rotated at a bounded size."""
        return self.spec.log_path

    def is_alive(self) -> bool:
        """Tell whether the process exists; a stopped (SIGSTOP) one does."""
        return self._process is not None and self._process.poll() is None

    def exit_code(self) -> int | None:
        """Return how its last life ended: minus the signal's number, or its own code."""
        return None if self._process is None else self._process.poll()

    def is_ready(self) -> bool:
        """Tell whether the server answers what its clients will ask."""
        return self.is_alive() and self.spec.is_ready()

    def start(self) -> None:
        """Start the process; it is not ready yet.

        Raises:
            CommandFailed: its first preparation failed, it cannot be executed, or its
                start was given up.
        """
        with self._lock:
            if self.is_alive():
                return
            self._prepare()
            self._require_wanted()
            self._process = self._spawn()
        self.on_start()

    def restart(self) -> None:
        """Start it anew with the same ports and data, whether it lives or not.

        Returns at once; `wait_until_ready` says when it serves.

        Raises:
            CommandFailed: it cannot be executed.
        """
        self.stop()
        self.start()

    def ask_to_stop(self) -> None:
        """Send SIGTERM, so that several servers can stop at the same time."""
        if self._process is not None and self.is_alive():
            self._process.send_signal(signal.SIGTERM)
            # A server that a test has frozen can only act once it runs again.
            self._process.send_signal(signal.SIGCONT)

    def stop(self, *, wait_ms_max: int = STOP_WAIT_MS_MAX) -> None:
        """Stop the process: asked first, killed when it has not gone in time."""
        with self._lock:
            process = self._process
            if process is None:
                return
            self.ask_to_stop()
            try:
                process.wait(wait_ms_max / 1_000)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()

    def wait_until_ready(self, *, wait_ms_max: int = READY_WAIT_MS_MAX) -> None:
        """Return when the server answers, or after that time when it does in part.

        Raises:
            CommandFailed: it died, or did not answer in time; its log's end is shown. Or
                its start was given up.
        """
        deadline_ms = self.clock.monotonic_ms() + wait_ms_max
        while not self.is_ready():
            self._require_wanted()
            if not self.is_alive():
                code = self._process.returncode if self._process else None
                raise self._failed(f"ended with exit code {code} while it started")
            if self.clock.monotonic_ms() > deadline_ms:
                if self.spec.is_answering():
                    return
                raise self._failed(f"did not answer within {wait_ms_max // 1_000} s")
            self.clock.sleep_ms(_PROBE_WAIT_MS)
        self._require_wanted()

    def created_at_s(self) -> float:
        """Return when the process began, which with its id names it for ever."""
        try:
            return psutil.Process(self.pid).create_time()
        except psutil.NoSuchProcess:
            return 0.0

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.spec.output_path.open("wb") as output:
            process = subprocess.Popen(
                self._launched(self.spec.command),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.spec.working_dir,
                env=dict(self.spec.environment),
                pass_fds=(self.watched_fd,),
                # Ctrl-C in a terminal reaches us, and we stop the servers in order.
                start_new_session=True,
            )
        assert process.stdin is not None
        try:
            process.stdin.write(self.spec.standard_input)
            process.stdin.flush()
        except BrokenPipeError:
            # It died already; waiting for it to be ready says why.
            pass
        return process

    def _launched(self, command: tuple[str, ...]) -> list[str]:
        user = str(self.user.user_id) if self.user else "-"
        group = str(self.user.group_id) if self.user else "-"
        python = [sys.executable, "-I", "-S", str(LAUNCHER_FILE)]
        watched = [str(self.watched_fd), user, group]
        return [*self.spec.place.prefix, *python, *watched, *command]

    def _prepare(self) -> None:
        mark = self.spec.prepared_mark
        if mark is None or mark.exists():
            return
        self._require_wanted()
        with subprocess.Popen(
            self._launched(self.spec.prepare),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.spec.working_dir,
            env=dict(self.spec.environment),
            pass_fds=(self.watched_fd,),
            start_new_session=True,
        ) as process:
            printed = self._output_of(process)
        if process.returncode != 0:
            self._require_wanted()
            output = printed.decode("utf-8", "replace")
            raise CommandFailed(
                f"{self.name} could not be prepared (exit code {process.returncode}):\n"
                + "\n".join(map(printable, output.splitlines()[-_LOG_TAIL_LINES:])),
                remedy=f"see whether {self.spec.working_dir} can be written",
            )

    def _output_of(self, process: subprocess.Popen[bytes]) -> bytes:
        """Return what a process prints until it ends, or is ended as it is given up."""
        while True:
            try:
                return process.communicate(timeout=_PROBE_WAIT_MS / 1_000)[0]
            except subprocess.TimeoutExpired:
                if self.given_up.is_set():
                    # Without its mark it is done anew with the next start.
                    process.kill()

    def _require_wanted(self) -> None:
        if self.given_up.is_set():
            raise CommandFailed(
                f"The start of {self.name} was given up.", remedy="start again"
            )

    def _failed(self, what: str) -> CommandFailed:
        return CommandFailed(
            f"{self.name} {what}. The end of its log {self.log_path}:\n"
            + log_tail([self.log_path, self.spec.output_path]),
            remedy="act on what the log says (memory, disk and ports are checked by"
            " `tailrace doctor`), then start again",
        )


def log_tail(paths: list[Path]) -> str:
    """Return the last lines of the newest of these files that has any, escaped."""
    written: list[tuple[float, Path]] = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        if status.st_size:
            written.append((status.st_mtime, path))
    if not written:
        return "  (nothing was written)"
    _written_at, newest = max(written)
    with newest.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _LOG_TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return "\n".join(f"  {printable(line)}" for line in lines[-_LOG_TAIL_LINES:])

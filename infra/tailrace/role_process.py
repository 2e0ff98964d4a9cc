"""A role as a child process: its own session, a log of bounded size, no orphan.

The child is started through the embedded stack's launcher, so that a watcher beside it
ends it when the supervisor is gone in whatever way. What it prints is read by a thread
and written to a file that is turned over at a bounded size; a role never learns of it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tailrace.errors import CommandFailed

LOG_BYTES_MAX = 4 * 1_024 * 1_024
LOG_FILES = 2
"""The current one and the one before it."""
READ_BYTES = 1 << 16
STOP_WAIT_MS_MAX = 20_000
"""A role drains within this, or is killed; what it had not finished is done again."""


class BoundedLog:
    """A file that is renamed to `.1` when it is full; at most two are kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self._size_bytes = self._file.tell()

    def write(self, data: bytes) -> None:
        """Append `data`; a full disk loses it, and nothing else."""
        with contextlib.suppress(OSError):
            if self._size_bytes + len(data) > LOG_BYTES_MAX // LOG_FILES:
                self._turn_over()
            self._file.write(data)
            self._file.flush()
            self._size_bytes += len(data)

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _turn_over(self) -> None:
        self._file.close()
        self.path.replace(self.path.with_name(self.path.name + ".1"))
        self._file = self.path.open("ab")
        self._size_bytes = 0


class RoleProcess:
    """One role; `start` may be called again after it has died.

    `prefix` is a command before the role's own, such as one that enters a namespace.
    """

    kind = "role"

    def __init__(
        self,
        name: str,
        *,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log_path: Path,
        watched_fd: int,
        prefix: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._prefix = tuple(prefix)
        self._arguments = tuple(arguments)
        self.environment = dict(environment)
        """What it finds at its next start."""
        self._log_path = log_path
        self._watched_fd = watched_fd
        self._process: subprocess.Popen[bytes] | None = None
        self._is_group_ended = False

    @property
    def log_path(self) -> str:
        """Return where it says what it does."""
        return str(self._log_path)

    @property
    def pid(self) -> int | None:
        """Return its process, of its last life if it is dead."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the role.

        Raises:
            CommandFailed: the process or its log cannot be made.
        """
        try:
            log = BoundedLog(self._log_path)
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self.environment,
                pass_fds=(self._watched_fd,),
                # Ctrl-C in a terminal reaches the supervisor, which stops us in order.
                start_new_session=True,
            )
        except OSError as error:
            raise CommandFailed(
                f"The {self.name} cannot be started: {error.strerror}"
                f" ({error.filename or self._log_path}).",
                remedy="`tailrace doctor` checks memory, disk and open files",
            ) from None
        self._is_group_ended = False
        assert self._process.stdout is not None
        threading.Thread(
            target=_pump,
            args=(self._process.stdout, log),
            name=f"log of {self.name}",
            daemon=True,
        ).start()

    def is_alive(self) -> bool:
        """Tell whether its process is there."""
        if self._process is None or self._process.poll() is not None:
            self._end_group()
            return False
        return True

    def exit_code(self) -> int | None:
        """Return how it ended, negative for a signal."""
        return self._process.poll() if self._process else None

    def ask_to_stop(self) -> None:
        """Ask it to drain and end."""
        if self._process is not None and self.is_alive():
            self._process.terminate()
            # A frozen one can only act once it runs again.
            self._process.send_signal(signal.SIGCONT)

    def wait(self, *, wait_ms_max: int = STOP_WAIT_MS_MAX) -> int | None:
        """Return its exit code once it has ended; kill it when it has not in time."""
        if self._process is None:
            return None
        try:
            code = self._process.wait(max(wait_ms_max, 0) / 1_000)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._end_group()
        return code

    def _command(self) -> list[str]:
        from tailrace_embedded.server import LAUNCHER_FILE

        launcher = [sys.executable, "-I", "-S", str(LAUNCHER_FILE)]
        watched = [str(self._watched_fd), "-", "-"]
        # -P: a folder that happens to hold a module of ours is not its source.
        role = [sys.executable, "-P", "-m", "tailrace", *self._arguments]
        return [*self._prefix, *launcher, *watched, *role]

    def _end_group(self) -> None:
        """End what the dead role has left behind in its own session.

        Once, as soon as its death is seen: later its id may be another's.
        """
        if self._process is not None and not self._is_group_ended:
            self._is_group_ended = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _pump(output: IO[bytes], log: BoundedLog) -> None:
    descriptor = output.fileno()
    while data := os.read(descriptor, READ_BYTES):
        log.write(data)
    output.close()
    log.close()

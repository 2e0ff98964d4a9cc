"""`tailrace up --detach`: a supervisor that stays when the command returns.

The supervisor is the same command, started in a session of its own. What it has to say
until it is ready comes through a pipe, one JSON object a line, and is shown by the
command that waits; after that nobody reads, and it goes to its log.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from tailrace.data_folder import writing_data
from tailrace.errors import CommandFailed, TailraceError
from tailrace.role_process import STOP_WAIT_MS_MAX
from tailrace_embedded.progress import Advance, Progress

PROGRESS_VARIABLE = "TAILRACE_PROGRESS_FD"
SUPERVISOR_LOG = "up.log"
STOP_WAIT_S_MAX = 2 * STOP_WAIT_MS_MAX / 1_000 + 30
"""Roles, then servers, each within its own limit."""


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that the supervisor says."""

    step: str = ""
    download: str = ""
    download_id: int = -1
    size_bytes: int = 0
    received_bytes: int = 0
    is_done: bool = False
    is_ready: bool = False
    url: str = ""
    error: str = ""
    remedy: str = ""
    exit_code: int = 0


class PipeProgress:
    """Says to the waiting command what there is to say; to nobody once it has left."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def tell(self, told: Told) -> None:
        """Write one line."""
        self._is_read(told)

    def step(self, message: str) -> None:
        """Say that something has been done or is waited for; alone, into the log."""
        if not self._is_read(Told(step=message)):
            # Standard error is that log, and its disk may be full.
            with contextlib.suppress(OSError):
                sys.stderr.write(f"{message}\n")
                sys.stderr.flush()

    @contextmanager
    def downloading(self, label: str, *, size_bytes: int) -> Generator[Advance]:
        """Tell of a download, and of each part received."""
        number = next(self._numbers)
        self.tell(Told(download=label, download_id=number, size_bytes=size_bytes))
        try:
            yield lambda count: self.tell(
                Told(download_id=number, received_bytes=count)
            )
        finally:
            self.tell(Told(download_id=number, is_done=True))

    def _is_read(self, told: Told) -> bool:
        with self._lock:
            try:
                os.write(self._descriptor, msgspec.json.encode(told) + b"\n")
            except OSError:
                return False
        return True

    def failed(self, error: TailraceError) -> None:
        """Tell why nothing runs."""
        self.tell(
            Told(error=str(error), remedy=error.remedy, exit_code=error.exit_code)
        )


def progress_from_environment() -> PipeProgress | None:
    """Return the pipe to the waiting command, if this process was started detached."""
    descriptor = os.environ.pop(PROGRESS_VARIABLE, "")
    if not descriptor:
        return None
    # No server and no role shall hold it open; and a reader that does not read must not
    # hold us up.
    os.set_inheritable(int(descriptor), False)  # noqa: FBT003 - Python's signature
    os.set_blocking(int(descriptor), False)
    return PipeProgress(int(descriptor))


def start_detached(
    arguments: Sequence[str],
    *,
    data_dir: Path,
    log_path: Path,
    progress: Progress,
    stop: threading.Event,
) -> Told:
    """Start `tailrace` with `arguments`, show its progress, and return what it became.

    Raises:
        TailraceError: it failed, or was interrupted, or its log cannot be written;
            nothing is left running.
    """
    with writing_data(data_dir):
        log_path.parent.mkdir(parents=True, exist_ok=True)
        opened = log_path.open("wb")
    reading, writing = os.pipe()
    with opened as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tailrace", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, PROGRESS_VARIABLE: str(writing)},
            pass_fds=(writing,),
            start_new_session=True,
        )
    os.close(writing)
    done = threading.Event()
    threading.Thread(
        target=_end_when_asked, args=(process, stop, done), daemon=True
    ).start()
    try:
        with os.fdopen(reading, "rb") as lines:
            return _follow(iter(lines.readline, b""), progress=progress)
    except EOFError:
        process.wait(STOP_WAIT_S_MAX)
        raise _ended(process.returncode, log_path=log_path, stop=stop) from None
    finally:
        done.set()


def _follow(lines: Iterator[bytes], *, progress: Progress) -> Told:
    """Show what is told, until it is ready or failed.

    Raises:
        EOFError: the supervisor ended with nothing more to say.
        TailraceError: it said why it failed.
    """
    with ExitStack() as bars:
        advances: dict[int, tuple[Advance, Callable[[], None]]] = {}
        for line in lines:
            told = msgspec.json.decode(line, type=Told)
            if told.is_ready:
                return told
            if told.error:
                failure = CommandFailed(told.error, remedy=told.remedy)
                failure.exit_code = told.exit_code
                raise failure
            if told.step:
                progress.step(told.step)
            elif told.download:
                bar = ExitStack()
                bars.push(bar)
                advance = bar.enter_context(
                    progress.downloading(told.download, size_bytes=told.size_bytes)
                )
                advances[told.download_id] = (advance, bar.close)
            elif told.is_done:
                advances.pop(told.download_id)[1]()
            else:
                advances[told.download_id][0](told.received_bytes)
    raise EOFError


def _end_when_asked(
    process: subprocess.Popen[bytes], stop: threading.Event, done: threading.Event
) -> None:
    """Stop the supervisor when the waiting command is interrupted before it is ready."""
    while not done.is_set():
        if stop.wait(0.2) and not done.is_set():
            process.send_signal(signal.SIGTERM)
            return


def _ended(code: int, *, log_path: Path, stop: threading.Event) -> CommandFailed:
    if stop.is_set():
        return CommandFailed(
            "Interrupted before it was up; everything was stopped again.",
            remedy="start again; what was downloaded is kept",
        )
    lines = log_path.read_text("utf-8", "backslashreplace").splitlines()[-15:]
    return CommandFailed(
        f"The supervisor ended with exit code {code}. The end of its log"
        f" {log_path}:\n" + "\n".join(lines),
        remedy="act on what the log says; `tailrace doctor` checks this machine",
    )

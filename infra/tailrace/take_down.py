"""How everything of a data folder is stopped, and how it is known that nothing is left."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Protocol

import psutil

from tailrace.errors import CommandFailed
from tailrace.up_record import is_process, read_record
from tailrace_embedded import lock, record

STOP_WAIT_S_MAX = 90.0
"""The supervisor drains roles, then stops servers; each has a shorter limit there."""
KILL_WAIT_S_MAX = 10.0


class Says(Protocol):
    """Where progress is shown."""

    def print(self, message: str, /) -> object:
        """Show one line."""
        ...


def take_down(data_dir: Path, *, progress: Says) -> int:
    """Stop the supervisor and all it looks after; return how many processes ended.

    The supervisor is asked first and given time to drain. Whatever it leaves, or what a
    killed one has left, is ended here.

    Raises:
        CommandFailed: a process could not be ended.
    """
    processes = recorded_processes(data_dir)
    if not processes:
        return 0
    supervisor = processes[0]
    progress.print(f"Stopping (process {supervisor.pid} and what it started) ...")
    with contextlib.suppress(psutil.NoSuchProcess):
        supervisor.terminate()
    _gone, left = psutil.wait_procs(processes, timeout=STOP_WAIT_S_MAX)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _gone, left = psutil.wait_procs(left, timeout=KILL_WAIT_S_MAX)
    if left:
        raise CommandFailed(
            f"These processes could not be ended: {[process.pid for process in left]}.",
            remedy="end them as the user who started them",
        )
    return len(processes)


def recorded_processes(data_dir: Path) -> list[psutil.Process]:
    """Return what lives of a data folder, its supervisor first, with all children."""
    named: list[tuple[int, float]] = []
    up = read_record(data_dir)
    if up is not None:
        named.append((up.pid, up.created_at_s))
    servers = record.read_servers(data_dir)
    if servers is not None:
        if lock.is_held(data_dir):
            named.append((servers.supervisor_pid, 0.0))
        named += [(server.pid, server.created_at_s) for server in servers.servers]
    found: dict[int, psutil.Process] = {}
    for pid, created_at_s in named:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if created_at_s and not is_process(pid, created_at_s=created_at_s):
                continue
            for one in [process, *process.children(recursive=True)]:
                found.setdefault(one.pid, one)
    return list(found.values())

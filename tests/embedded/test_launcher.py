"""No server outlives its owner, however the owner ends; none is killed for another.

The law is the launcher's, so that a few lines of Python stand in for a server here; the
real servers are held to it in `test_stack.py`.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import psutil
import pytest

from tailrace_embedded.server import LAUNCHER_FILE
from tests.support.waiting import eventually

# Starts a server through the launcher, says its process id, and waits for ever.
OWNER = """
import os, subprocess, sys
watched, alive = os.pipe()
server = subprocess.Popen(
    [sys.executable, "-I", "-S", sys.argv[1], str(watched), "-", "-",
     sys.executable, "-c", sys.argv[2]],
    pass_fds=(watched,), start_new_session=True, stdout=subprocess.PIPE,
)
server.stdout.readline()
print(server.pid, flush=True)
sys.stdin.read()
"""
SERVER = "print('up', flush=True); import signal; signal.pause()"
DEAF_SERVER = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True);\nwhile True: signal.pause()"
)


@contextmanager
def owner_of(
    server: str,
) -> Generator[tuple[psutil.Process, psutil.Process], None, None]:
    """Yield an owner and its server; neither is left, whatever happens."""
    command = [sys.executable, "-c", OWNER, str(LAUNCHER_FILE), server]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        started = psutil.Process(int(owner.stdout.readline()))
        try:
            yield psutil.Process(owner.pid), started
        finally:
            owner.kill()
            if started.is_running():
                started.kill()


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_killed_owner_leaves_neither_server_nor_watcher() -> None:
    with owner_of(SERVER) as (owner, server):
        (watcher,) = server.children()
        owner.send_signal(signal.SIGKILL)
        eventually(lambda: is_gone(server) and is_gone(watcher))


def test_a_server_that_ignores_the_request_to_stop_or_is_frozen_is_killed() -> None:
    with owner_of(DEAF_SERVER) as (one, deaf), owner_of(SERVER) as (other, frozen):
        frozen.send_signal(signal.SIGSTOP)
        one.send_signal(signal.SIGKILL)
        other.send_signal(signal.SIGKILL)
        eventually(lambda: is_gone(deaf) and is_gone(frozen), wait_s_max=15)


def test_the_watcher_goes_home_when_the_server_ends_first() -> None:
    with owner_of(SERVER) as (owner, server):
        (watcher,) = server.children()
        server.send_signal(signal.SIGKILL)
        eventually(lambda: is_gone(watcher))
        assert owner.is_running()


def test_the_server_has_the_process_id_that_its_owner_knows() -> None:
    with owner_of(SERVER) as (_owner, server):
        assert "signal.pause" in server.cmdline()[-1]
        assert str(LAUNCHER_FILE) not in server.cmdline()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_python_ignores_is_not_ignored_by_what_it_becomes() -> None:
    """A Python process ignores SIGPIPE, and a program it becomes would inherit that."""
    status = launched("/bin/cat", "/proc/self/status")
    (ignored,) = re.findall(r"^SigIgn:\s*([0-9a-f]+)$", status, flags=re.MULTILINE)
    assert not int(ignored, 16) >> (signal.SIGPIPE - 1) & 1


def test_the_open_files_limit_is_raised_as_far_as_allowed() -> None:
    asked = "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    expected = 65_535 if hard == resource.RLIM_INFINITY else min(65_535, hard)
    assert launched(sys.executable, "-c", asked).strip() == str((expected, hard))


def launched(*command: str) -> str:
    """Return what a command prints that was started through the launcher."""
    watched, alive = os.pipe()
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER_FILE), str(watched), "-", "-"]
    done = subprocess.run(
        [*launcher, *command],
        pass_fds=(watched,),
        capture_output=True,
        check=True,
        text=True,
    )
    os.close(alive)
    os.close(watched)
    return done.stdout

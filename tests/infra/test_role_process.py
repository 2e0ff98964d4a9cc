"""What a role prints is kept in bounded space, and a killed supervisor leaves no role."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tailrace.role_process import LOG_BYTES_MAX, BoundedLog, RoleProcess
from tests.support.waiting import eventually

# A supervisor of one role, which is this interpreter's `python -m tailrace agent`.
SUPERVISOR = """
import os, sys, threading
from pathlib import Path
from tailrace.role_process import RoleProcess
watched_fd, alive_fd = os.pipe()
role = RoleProcess(
    "agent", arguments=["agent"], environment=dict(os.environ),
    log_path=Path(sys.argv[1]), watched_fd=watched_fd,
)
role.start()
print(role.pid, flush=True)
threading.Event().wait()
"""


def test_a_log_never_takes_more_than_its_limit(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "logs" / "agent.log")
    for _number in range(200):
        log.write(b"x" * 99_999 + b"\n")
    log.close()

    sizes = [path.stat().st_size for path in (tmp_path / "logs").iterdir()]
    assert len(sizes) == 2
    assert sum(sizes) <= LOG_BYTES_MAX


def test_a_log_is_continued(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        log = BoundedLog(tmp_path / "agent.log")
        log.write(text)
        log.close()

    assert (tmp_path / "agent.log").read_bytes() == b"one\ntwo\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An agent with nothing to do, and no server to do it with."""
    return {
        **os.environ,
        "TAILRACE_DATA_DIR": str(tmp_path / "data"),
        "TAILRACE_KAFKA_BOOTSTRAP": "127.0.0.1:9",
        "TAILRACE_ZOOKEEPER_HOSTS": "127.0.0.1:9",
    }


def test_a_role_is_asked_to_stop_and_its_words_are_kept(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    watched_fd, alive_fd = os.pipe()
    role = RoleProcess(
        "agent",
        arguments=["agent", "--help"],
        environment=environment,
        log_path=tmp_path / "agent.log",
        watched_fd=watched_fd,
    )
    role.start()
    eventually(lambda: not role.is_alive())

    assert role.exit_code() == 0
    eventually(lambda: "Ship the files" in (tmp_path / "agent.log").read_text())
    os.close(watched_fd)
    os.close(alive_fd)


def test_no_role_outlives_a_supervisor_that_is_killed(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path / "agent.log")],
        stdout=subprocess.PIPE,
        env=environment,
    ) as supervisor:
        assert supervisor.stdout is not None
        role = psutil.Process(int(supervisor.stdout.readline()))
        try:
            eventually((tmp_path / "data" / "agent").is_dir)
            family = [role, *role.children()]
            assert is_living(role)
            # Frozen, it cannot die of the pipe that nobody reads any more.
            role.suspend()

            supervisor.send_signal(signal.SIGKILL)

            eventually(lambda: not any(map(is_living, family)), 12)
        finally:
            supervisor.kill()
            if is_living(role):
                role.kill()


def is_living(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

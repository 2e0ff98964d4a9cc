"""A benchmark that is asked to end leaves nothing behind: no folder, and no server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tailrace_embedded.identity import OWNER_FILE, SHARED_STATE_DIR
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(500)]
WAIT_S_MAX = 200


def started_on(folder: Path) -> list[psutil.Process]:
    """Return the processes that were told of something in this folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in part for part in process.info["cmdline"] or ())
        and process.pid != os.getpid()
    ]


def kept_elsewhere(folder: Path) -> list[Path]:
    """Return what servers keep where their user may go, for data folders in this one."""
    owners = SHARED_STATE_DIR.glob(f"*/{OWNER_FILE}")
    return [each for each in owners if str(folder) in each.read_text()]


@pytest.mark.parametrize("moment", ["while servers start", "while it measures"])
def test_p2_a_benchmark_that_is_asked_to_end_leaves_nothing_behind(
    tmp_path: Path, moment: str
) -> None:
    def is_there() -> bool:
        assert bench.poll() is None
        if moment == "while servers start":
            return any(tmp_path.glob("tailrace-bench-*/data/servers/*/logs/*"))
        # Its namespace's folder, which it makes once all three servers answer.
        return any(tmp_path.glob("tailrace-bench-*/made"))

    with subprocess.Popen(
        [
            *(sys.executable, "-m", "tailrace", "bench", "storage"),
            *("--lines", "200000", "--folder", str(tmp_path)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as bench:
        try:
            eventually(is_there, WAIT_S_MAX, what=moment)
            bench.send_signal(signal.SIGTERM)
            _, said = bench.communicate(timeout=WAIT_S_MAX)
        finally:
            bench.kill()

    assert bench.returncode == 143, said
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())
    assert not kept_elsewhere(tmp_path)
    eventually(lambda: not started_on(tmp_path), 20, what="every server gone")

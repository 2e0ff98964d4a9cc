"""One process holds a data folder; the kernel, not a file's content, says who."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tailrace.clock import SystemClock
from tailrace.errors import DataDirInUse
from tailrace_embedded.lock import LOCK_FILE, hold, is_held
from tests.support.waiting import eventually

HOLD = """
import sys
from pathlib import Path
from tailrace.clock import SystemClock
from tailrace_embedded.lock import hold
held = hold(Path(sys.argv[1]), clock=SystemClock())
print("held", flush=True)
sys.stdin.read()
"""


class InstantClock(SystemClock):
    """A clock whose waits are over at once."""

    def sleep_ms(self, wait_ms: int) -> None:
        del wait_ms


def test_a_second_holder_is_refused_with_the_first_ones_process_id(
    tmp_path: Path,
) -> None:
    first = hold(tmp_path, clock=InstantClock())
    with pytest.raises(DataDirInUse, match=f"in use by process {os.getpid()}"):
        hold(tmp_path, clock=InstantClock())
    first.release()
    hold(tmp_path, clock=InstantClock()).release()


@pytest.mark.parametrize("mode", [0o600, 0o644], ids=oct)
def test_a_lock_that_an_earlier_version_made_gets_the_mode_of_today(
    mode: int, tmp_path: Path
) -> None:
    (tmp_path / LOCK_FILE).touch(mode=0o666)

    hold(tmp_path, clock=InstantClock(), mode=mode).release()

    assert (tmp_path / LOCK_FILE).stat().st_mode & 0o777 == mode


def test_a_killed_holder_holds_nothing_although_its_file_is_left(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_held(tmp_path)
        holder.send_signal(signal.SIGKILL)
    assert (tmp_path / LOCK_FILE).read_text() == f"{holder.pid}\n"
    eventually(lambda: not is_held(tmp_path))
    hold(tmp_path, clock=InstantClock()).release()


def test_a_folder_that_nobody_ever_held_is_not_held(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "missing")

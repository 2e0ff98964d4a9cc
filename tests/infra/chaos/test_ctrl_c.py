"""Ctrl-C in `tailrace chaos`: all is put away, and a second one does not cut that short.

Process, signals and folders are real; a few lines of Python stand in for the servers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tailrace.chaos import namespaces
from tests.support import chaos_start
from tests.support.waiting import eventually

PUT_AWAY = "Interrupted: everything is stopped and put away."
WAIT_S_MAX = 90.0


class Run:
    """A run of chaos that has come to a moment of its start."""

    def __init__(self, folder: Path, moment: str) -> None:
        self.folder = folder
        self._temporary = folder / "temporary"
        self._temporary.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", chaos_start.__name__, moment, str(folder)],
            env={**os.environ, "TMPDIR": str(self._temporary)},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            eventually(
                lambda: self.says("reached") or self.process.poll() is not None,
                WAIT_S_MAX,
            )
        except BaseException:
            self.end()
            raise

    def says(self, name: str) -> bool:
        return (self.folder / name).exists()

    def press(self, number: signal.Signals = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def release(self) -> None:
        (self.folder / "release").touch()

    def outcome(self) -> tuple[int, str]:
        """Return exit code and what was said on standard error, once it has ended."""
        _, said = self.process.communicate(timeout=WAIT_S_MAX)
        return self.process.returncode, said

    def left_folders(self) -> list[Path]:
        return list(self._temporary.glob("tailrace-chaos-*"))

    def left_processes(self) -> list[int]:
        return [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if str(self.folder) in (process.info["cmdline"] or ())
        ]

    def end(self) -> None:
        """Leave nothing behind, also where a test found that something would be."""
        self.release()
        self.process.kill()
        self.process.communicate()
        eventually(lambda: not self.left_processes(), WAIT_S_MAX)


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Run]:
    made = Run(tmp_path, request.param)
    yield made
    made.end()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("run", ["start", "provision"], indirect=True)
def test_p2_ctrl_c_in_a_start_is_no_failure_of_a_server(run: Run) -> None:
    """Whatever a client that it strikes makes of what is raised there."""
    run.release()
    run.press()
    code, said = run.outcome()
    assert (code, "cannot be reached" in said, PUT_AWAY in said) == (130, False, True)
    assert (run.left_folders(), run.left_processes()) == ([], [])


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("run", "number"),
    [
        ("start", signal.SIGINT),
        ("start", signal.SIGHUP),
        ("provision", signal.SIGINT),
        ("provision", signal.SIGTERM),
    ],
    indirect=["run"],
)
def test_p2_a_second_request_amid_the_putting_away_leaves_nothing(
    run: Run, number: signal.Signals
) -> None:
    run.press()
    eventually(lambda: run.says("stopping"), WAIT_S_MAX)
    run.press(number)
    run.release()
    code, said = run.outcome()
    assert (run.left_folders(), run.left_processes()) == ([], [])
    assert (code, PUT_AWAY in said) == (130, True)
    assert ("Still putting away" in said) is (number is not signal.SIGHUP)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("run", ["start"], indirect=True)
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_p2_a_third_request_ends_at_once_and_says_what_stays(
    run: Run, number: signal.Signals, code: int
) -> None:
    """What cannot be put away holds nobody for ever; no server outlives the run."""
    run.press()
    eventually(lambda: run.says("stopping"), WAIT_S_MAX)
    run.press()
    assert run.process.stderr is not None
    assert "putting everything away" in run.process.stderr.readline()
    assert "Still putting away" in run.process.stderr.readline()
    run.press(number)
    ended, said = run.outcome()
    assert ended == code
    (left,) = run.left_folders()
    assert f"{left.parent}/tailrace-chaos-*" in said
    assert PUT_AWAY not in said
    run.release()
    eventually(lambda: not run.left_processes(), WAIT_S_MAX)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("run", ["fetch"], indirect=True)
def test_p2_ctrl_c_in_the_fetch_is_heard_before_anything_is_begun(run: Run) -> None:
    run.press()
    run.release()
    code, said = run.outcome()
    assert (code, PUT_AWAY in said, run.says("left")) == (130, True, False)


def test_p2_ctrl_c_of_a_terminal_reaches_no_tool_that_sets_up_or_puts_away() -> None:
    """An `umount` that it ends leaves a folder that is mounted on, and so stays."""
    told = namespaces.run(
        sys.executable, "-c", "import os; print(os.getpgid(0) == os.getpid())"
    )
    assert told == "True\n"

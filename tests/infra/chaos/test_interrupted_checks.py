"""Ctrl-C in the last phase of a run of chaos ends its checks, and fails none of them."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import cast

import psutil
import pytest

from tailrace.chaos import checks
from tailrace.chaos.arena import Arena, Interrupted
from tailrace.chaos.asked import Asked, asked_by_signals
from tailrace.chaos.checks import (
    CheckResult,
    Evidence,
    check_audit,
    compared,
    made,
)
from tailrace.clock import SystemClock
from tests.support.waiting import eventually, within

AUDIT = """
import os, pathlib, sys, threading
pathlib.Path(os.environ["WITNESS"]).write_text(f"{os.getpid()} {os.getsid(0)}")
threading.Event().wait(60)
"""
SAYS = """
import sys
print("x" * 1_000_000)
print("the end", file=sys.stderr)
sys.exit(7)
"""


def evidence_on(folder: Path, *, program: str, stop: threading.Event) -> Evidence:
    """Return what a check looks at where `tailrace` is another program."""
    package = folder / "tailrace"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(program)
    waits = Waits(stop)
    return Evidence(
        arena=cast("Arena", waits),
        lives=(),
        agent_records=(),
        struck=(),
        environment={"PYTHONPATH": str(folder), "WITNESS": str(folder / "witness")},
        hosts=lambda _path: (),
    )


class Waits:
    """An arena in which one can only wait."""

    within = Arena.within
    wait = Arena.wait

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.clock = SystemClock()


@pytest.mark.timeout(120)
def test_p2_an_audit_that_is_interrupted_is_killed_and_is_no_verdict(
    tmp_path: Path,
) -> None:
    """A terminal sends its Ctrl-C to its foreground: the audit is not of it."""
    stop, witness = threading.Event(), tmp_path / "witness"

    def interrupt() -> None:
        within(lambda: witness.exists() and witness.read_text(), wait_s_max=60)
        stop.set()

    asking = threading.Thread(target=interrupt)
    asking.start()
    evidence = evidence_on(tmp_path, program=AUDIT, stop=stop)
    with pytest.raises(Interrupted):
        check_audit(evidence)
    asking.join()
    pid, session = map(int, witness.read_text().split())
    assert session == pid != os.getsid(0)
    eventually(lambda: not psutil.pid_exists(pid))


@pytest.mark.timeout(120)
def test_what_an_audit_says_is_shown_however_much_it_is(tmp_path: Path) -> None:
    evidence = evidence_on(tmp_path, program=SAYS, stop=threading.Event())
    result = check_audit(evidence)
    assert (result.is_passed, result.problems[-1]) == (False, "the end")
    assert result.detail.endswith("ended with 7")


@pytest.mark.timeout(60)
def test_p2_ctrl_c_ends_a_check_amid_its_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that compares millions of lines looks at no event."""

    def compares(_evidence: Evidence) -> CheckResult:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it was compared to the end")

    monkeypatch.setattr(checks, "FINAL_CHECKS", (compares,))
    evidence = evidence_on(tmp_path, program="", stop=threading.Event())
    with asked_by_signals() as asked, pytest.raises(Interrupted):
        compared(evidence, asked)


def test_p2_after_ctrl_c_no_further_check_is_made(tmp_path: Path) -> None:
    """Also where it was heard in code that lets no exception out."""
    asked, passed = Asked(), CheckResult(name="first", is_passed=True, detail="")

    def first(_evidence: Evidence) -> CheckResult:
        asked.stop.set()
        return passed

    def second(_evidence: Evidence) -> CheckResult:
        raise AssertionError("it was made")

    evidence = evidence_on(tmp_path, program="", stop=asked.stop)
    with pytest.raises(Interrupted):
        made([first, second], evidence, asked)

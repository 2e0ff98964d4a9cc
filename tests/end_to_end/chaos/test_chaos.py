"""Whatever strikes, the run ends exact; what is broken on purpose is broken for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from tailrace.clock import SystemClock
from tailrace_embedded.lock import hold
from tests.end_to_end.chaos.mutated.sitecustomize import MUTATIONS
from tests.support.stack import temporary_data_dir
from tests.support.waiting import eventually

SEED = 11
MINUTES = 0.75
LINES_PER_S = 500
RUN_S_MAX = 1_800
MUTATED_FOLDER = Path(__file__).with_name("mutated")
IMPORT_BROKEN = """
import importlib, sys
import sitecustomize
module, _break_it = sitecustomize.MUTATIONS[sys.argv[1]]
sitecustomize.install(["tailrace", "stream"], mutation=sys.argv[1])
broken = importlib.import_module(module)
print(type(broken.__spec__.loader).__name__)
"""


def chaos(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "tailrace", "chaos", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_S_MAX,
    )


@pytest.mark.stack
@pytest.mark.timeout(RUN_S_MAX)
def test_three_of_each_server_and_faults_in_both_lanes_end_exact() -> None:
    """A failure prints its seed: the same plan strikes again with it."""
    done = chaos(
        *("--seed", str(SEED), "--minutes", str(MINUTES)),
        *("--lines-per-s", str(LINES_PER_S), "--json"),
    )
    assert done.stdout, done.stderr[-3_000:]
    report = cast("dict[str, Any]", json.loads(done.stdout))
    assert report["is_exact"], (report["seed"], report["checks"])
    assert done.returncode == 0
    assert report["lines"] > 0
    assert all(fault["witness"] for fault in report["faults"])
    assert {check["name"] for check in report["checks"]} >= {
        "faults",
        "lines",
        "rates",
        "dead letters",
        "agent's ledger",
        "roles",
    }


@pytest.mark.stack
@pytest.mark.timeout(600)
@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_leaves_no_process_and_no_file(presses: int) -> None:
    with interrupted_run("--small") as (run, parent):
        reads_until(run, " is up at ")
        presses_ctrl_c(run, times=presses)
        assert_put_away(run, parent)


@pytest.mark.stack
@pytest.mark.timeout(RUN_S_MAX)
@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_amid_the_faults_leaves_no_process_and_no_file(presses: int) -> None:
    """As root amid mounts and namespaces, and with somebody who is frozen."""
    faults = ["--small", "--once", "--only", "freeze", "--only", "disk full"]
    with interrupted_run(*faults) as (run, parent):
        reads_until(run, "  now: ")
        presses_ctrl_c(run, times=presses)
        assert_put_away(run, parent)


@pytest.mark.stack
@pytest.mark.timeout(RUN_S_MAX)
def test_ctrl_c_amid_the_audit_is_no_verdict_and_leaves_nothing() -> None:
    with interrupted_run("--small", "--once", "--only", "kill agent") as (run, parent):
        reads_until(run, "No more faults")
        eventually(lambda: audits_of(run), wait_s_max=900)
        (audit,) = audits_of(run)
        presses_ctrl_c(run, times=1)
        assert_put_away(run, parent)
        assert not audit.is_running()


@pytest.mark.stack
@pytest.mark.timeout(RUN_S_MAX)
@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_amid_the_last_checks_leaves_no_process_and_no_file(
    presses: int,
) -> None:
    with interrupted_run("--small", "--once", "--only", "kill agent") as (run, parent):
        reads_until(run, "Stopping the roles")
        presses_ctrl_c(run, times=presses)
        assert_put_away(run, parent)


@contextmanager
def interrupted_run(*arguments: str) -> Generator[tuple[subprocess.Popen[str], Path]]:
    """Yield a run and the folder for its temporary files; it is killed in any case."""
    with temporary_data_dir() as parent:
        run = subprocess.Popen(
            [sys.executable, "-P", "-m", "tailrace", "chaos", *arguments],
            env={**os.environ, "TMPDIR": str(parent)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield run, parent
        finally:
            run.kill()
            run.communicate()
            # Whatever it began ends with it, before its folder is removed.
            eventually(lambda: not processes_of(parent), wait_s_max=60)


def reads_until(run: subprocess.Popen[str], moment: str) -> None:
    """Return as soon as the run says so."""
    assert run.stderr is not None
    said: list[str] = []
    for line in run.stderr:
        said.append(line)
        if moment in line:
            return
    raise AssertionError(f"it ended before {moment!r}: {''.join(said)[-3_000:]}")


def presses_ctrl_c(run: subprocess.Popen[str], *, times: int) -> None:
    """Signal what a terminal would: the run, and whoever is of its group."""
    # Each is answered before the next: two signals at once are one.
    for answer in ("Interrupted: putting", "Still putting away")[:times]:
        os.killpg(run.pid, signal.SIGINT)
        reads_until(run, answer)


def assert_put_away(run: subprocess.Popen[str], parent: Path) -> None:
    _, said = run.communicate(timeout=300)
    assert run.returncode == 130, said[-3_000:]
    assert "everything is stopped and put away" in said
    eventually(lambda: not processes_of(parent), wait_s_max=60)
    assert list(parent.glob("tailrace-chaos-*")) == []


def audits_of(run: subprocess.Popen[str]) -> Sequence[psutil.Process]:
    return [
        child
        for child in psutil.Process(run.pid).children()
        if "--deep" in child.cmdline()
    ]


def processes_of(folder: Path) -> Sequence[psutil.Process]:
    """Return who names the folder, in the command or as the place of temporary files."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "environ"])
        if str(folder) in " ".join(process.info["cmdline"] or ())
        or f"TMPDIR={folder}" in variables_of(process)
    ]


def variables_of(process: psutil.Process) -> Sequence[str]:
    found = cast("dict[str, str] | None", process.info["environ"])
    return [f"{name}={value}" for name, value in (found or {}).items()]


def test_a_folder_that_a_stack_holds_is_refused(tmp_path: Path) -> None:
    lock = hold(tmp_path, clock=SystemClock())
    try:
        done = chaos("--data-dir", str(tmp_path))
    finally:
        lock.release()
    assert done.returncode == 1
    assert "is in use by" in done.stderr


def test_a_folder_with_anything_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    done = chaos("--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert (tmp_path / "mine").read_text() == "precious"


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_each_mutation_still_finds_what_it_breaks(mutation: str) -> None:
    """A renamed function would leave a mutation that changes nothing."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", IMPORT_BROKEN, mutation],
        env={**os.environ, "PYTHONPATH": str(MUTATED_FOLDER)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "_Breaking", done.stderr

"""Whatever strikes, the run ends exact; what is broken on purpose is broken for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
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
        "dead letters",
        "agent's ledger",
        "roles",
    }


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_ctrl_c_leaves_no_process_and_no_file() -> None:
    with temporary_data_dir() as parent:
        command = [sys.executable, "-P", "-m", "tailrace", "chaos", "--small"]
        with subprocess.Popen(
            command,
            env={**os.environ, "TMPDIR": str(parent)},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as run:
            assert run.stderr is not None
            assert " is up at " in run.stderr.readline()
            run.send_signal(signal.SIGINT)
            assert run.wait(300) == 130
        eventually(lambda: not processes_of(parent), wait_s_max=60)
        assert list(parent.glob("tailrace-chaos-*")) == []


def processes_of(folder: Path) -> Sequence[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(process.info["cmdline"] or ())
    ]


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

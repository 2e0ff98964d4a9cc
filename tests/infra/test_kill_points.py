"""An armed place kills at the pass it is armed for, and proves that it did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PASSES = """
from tailrace.kill_points import reach
for number in range(3):
    reach("A1")
    reach("A3")
    print(number, flush=True)
"""


def run(tmp_path: Path, *, armed: str) -> tuple[int, str, str]:
    witness = tmp_path / "witness"
    done = subprocess.run(
        [sys.executable, "-c", PASSES],
        env={"TAILRACE_KILL_POINT": armed, "TAILRACE_KILL_WITNESS": str(witness)},
        capture_output=True,
        text=True,
        check=False,
    )
    left = witness.read_text() if witness.exists() else ""
    return done.returncode, done.stdout, left


def test_the_second_pass_dies_and_leaves_a_witness(tmp_path: Path) -> None:
    code, printed, witness = run(tmp_path, armed="A3:2")
    assert (code, printed) == (-9, "0\n")
    assert witness.startswith("A3 ")


def test_another_name_passes_and_leaves_none(tmp_path: Path) -> None:
    assert run(tmp_path, armed="A4") == (0, "0\n1\n2\n", "")

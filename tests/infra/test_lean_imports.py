"""The indexer starts without the packages that its libraries load for nothing."""

from __future__ import annotations

import subprocess
import sys

from tailrace.lean_imports import NOT_NEEDED

STARTED = """
import sys
from tailrace.commands.roles import load_role
from tailrace.lean_imports import NOT_NEEDED, barred

with barred(NOT_NEEDED["indexer"]):
    load_role("indexer")
print(*sorted(set(sys.modules) & set(NOT_NEEDED["indexer"])))
import numpy
"""


def test_the_indexer_loads_nothing_that_it_does_not_need_and_bars_nothing_after() -> (
    None
):
    done = subprocess.run(
        [sys.executable, "-c", STARTED], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == []
    assert "numpy" in NOT_NEEDED["indexer"]

"""The promise, over many seeds: whatever strikes, every line is indexed exactly once.

`pytest tests/simulation --simulation-seed N` replays one; `make simulation` tries 10,000.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tailrace_agent import wiring
from tests.simulation.director import STORMS
from tests.simulation.plots import PLOTS
from tests.simulation.process import POINTS
from tests.simulation.run import simulate
from tests.simulation.stand_ins import NOT_SIMULATED, READING_FILES
from tests.simulation.trying import assert_clean

MUST_FIRE = frozenset(
    {
        *STORMS,
        *(f"plot.{plot.__name__}" for plot in PLOTS),
        *(f"kill.{point}" for points in POINTS.values() for point in points),
        *(f"stall.{role}" for role in POINTS),
        *(f"stop.{role}" for role in POINTS),
        "agent.restored_from_ledger",
        "audit.half_on_its_way",
        "canary.hidden",
        "checkpoint.behind",
        "checkpoint.deleted",
        "clock.jumped",
        "commit.refused",
        "dead.document_refused",
        "dead.mapping_conflict",
        "file.copied_and_truncated",
        "file.deleted",
        "file.half_a_line",
        "file.inode_reused",
        "file.renamed",
        "file.started_anew",
        "file.truncated",
        "file.truncated_and_regrown",
        "file.written_after_rename",
        "kafka.all_compacted",
        "kafka.compacted",
        "leader.mended",
        "retention.index_deleted",
        "stream.stuck",
    }
)
ENOUGH_SEEDS = 150
"""With fewer, a rare fault may well not have struck, which is then no finding."""
MORE_SEEDS_MAX = 600
"""Tried for a rare fault that has not struck yet: any change throws the dice anew."""
SEEDS_FOUND = (163, 4_091, 7_189, 8_013)
"""Seeds that were unclean, and are few enough to be tried each time."""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", SEEDS_FOUND)
def test_f8_e9_a_seed_that_was_unclean_is_clean(seed: int) -> None:
    assert not simulate(seed).problems


@pytest.mark.timeout(0)
def test_p1_k9_s2_e8_x11_whatever_strikes_every_line_is_indexed_exactly_once(
    seeds: range,
) -> None:
    """And each kind of fault has really struck in some of the runs."""
    assert_clean(
        seeds,
        simulated=simulate,
        must_fire=MUST_FIRE if len(seeds) >= ENOUGH_SEEDS else frozenset(),
        more_seeds_max=MORE_SEEDS_MAX,
    )


def test_no_module_of_the_agent_looks_at_the_real_disk() -> None:
    """One that did would find no file, and behave as if each had been moved."""
    folder = Path(wiring.__file__).parent
    asking = {
        path.stem
        for path in folder.rglob("*.py")
        if re.search(r"^import os$", path.read_text(), re.MULTILINE)
    }
    simulated = {module.__name__.rpartition(".")[2] for module in READING_FILES}
    assert asking == simulated | NOT_SIMULATED


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", [3, 20, 77])
def test_a_seed_is_the_same_run_each_time(seed: int) -> None:
    first, again = simulate(seed), simulate(seed)
    assert first.trace_hash == again.trace_hash
    assert first == again
    assert first.trace_hash != simulate(seed + 1).trace_hash


@pytest.mark.timeout(60)
def test_a_run_says_which_of_its_faults_never_struck() -> None:
    reports = [simulate(seed) for seed in range(8)]
    assert any(report.not_fired for report in reports)
    for report in reports:
        assert not report.not_fired & set(report.witnesses)

"""A storm of rotations: whatever is renamed, copied, compressed, deleted and killed, nothing
is lost beyond what is declared in bytes, and nothing is there twice that no agent declared.

`pytest tests/simulation -k rotation_storm --simulation-seed N` replays one seed;
`TAILRACE_STORM_SEEDS=1000` tries that many.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.simulation.profiles import ROTATION_STORM
from tests.simulation.run import simulate
from tests.simulation.trying import assert_clean, seeds_of

SEEDS_VARIABLE = "TAILRACE_STORM_SEEDS"
SEEDS_DEFAULT = 60
MORE_SEEDS_MAX = 200
"""Tried for a rare fault that has not struck yet: any change throws the dice anew."""
ENOUGH_SEEDS = 40
MUST_FIRE = frozenset(
    {
        "agent.restored_from_ledger",
        "canary.hidden",
        "checkpoint.deleted",
        "checkpoint.set_back",
        "copy.outside",
        "file.half_a_line",
        "file.inode_reused",
        "file.truncated",
        "file.truncated_and_regrown",
        "file.written_after_rename",
        "kill.A2",
        "kill.A3",
        "stop.agent",
        "storm.compressed.gz",
        "storm.compressed.zst",
        "storm.copied_and_truncated",
        "storm.copied_over",
        "storm.deleted",
        "storm.killed",
        "storm.lost_all",
        "storm.lost_the_folder",
        "storm.renamed_by_date",
        "storm.renamed_by_number",
        "storm.twins",
    }
)


@pytest.fixture
def seeds(request: pytest.FixtureRequest) -> range:
    """Give the seeds to try."""
    return seeds_of(request, variable=SEEDS_VARIABLE, default=SEEDS_DEFAULT)


@pytest.mark.timeout(0)
def test_rotation_storm_f1_f4_f20_p1_p5_p10_loses_nothing_undeclared(
    seeds: range,
) -> None:
    """And each kind of rotation and each loss of memory has struck in some of the runs."""
    assert_clean(
        seeds,
        simulated=partial(simulate, profile=ROTATION_STORM),
        must_fire=MUST_FIRE if len(seeds) >= ENOUGH_SEEDS else frozenset(),
        more_seeds_max=MORE_SEEDS_MAX,
    )


@pytest.mark.timeout(60)
def test_rotation_storm_of_a_seed_is_the_same_each_time() -> None:
    first = simulate(5, profile=ROTATION_STORM)
    assert first == simulate(5, profile=ROTATION_STORM)
    assert first.profile == "rotation_storm"

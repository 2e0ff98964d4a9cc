"""Rules that change with each life of a worker: what one left out no other brings back.

`pytest tests/simulation -k changing_rules --simulation-seed N` replays one seed;
`TAILRACE_RULES_SEEDS=1000` tries that many.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.simulation.profiles import CHANGING_RULES
from tests.simulation.run import simulate
from tests.simulation.trying import assert_clean, seeds_of

SEEDS_VARIABLE = "TAILRACE_RULES_SEEDS"
SEEDS_DEFAULT = 60
MORE_SEEDS_MAX = 100
ENOUGH_SEEDS = 40
SEEDS_FOUND = (50, 75, 154, 199, 224)
"""Seeds that were unclean, and are few enough to be tried each time."""
MUST_FIRE = frozenset(
    {
        "audit.half_on_its_way",
        "checkpoint.deleted",
        "kill.S2",
        "kill.S3",
        "kill.S4",
        "retention.index_deleted",
        "rules.changed_amid_a_file",
        "rules.left_out",
        "stop.stream",
    }
)


@pytest.fixture
def seeds(request: pytest.FixtureRequest) -> range:
    """Give the seeds to try."""
    return seeds_of(request, variable=SEEDS_VARIABLE, default=SEEDS_DEFAULT)


@pytest.mark.timeout(0)
def test_s2_k9_s9_changing_rules_leave_out_what_they_count_and_nothing_twice(
    seeds: range,
) -> None:
    """The audit adds up at the end and in the middle, whoever reads a record again."""
    assert_clean(
        seeds,
        simulated=partial(simulate, profile=CHANGING_RULES),
        must_fire=MUST_FIRE if len(seeds) >= ENOUGH_SEEDS else frozenset(),
        more_seeds_max=MORE_SEEDS_MAX,
    )


@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", SEEDS_FOUND)
def test_a_seed_that_was_unclean_is_clean(seed: int) -> None:
    report = simulate(seed, profile=CHANGING_RULES)
    assert not report.problems, str(report)

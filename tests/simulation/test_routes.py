"""Routing that changes with each life of an agent: no event stands in two indices.

`pytest tests/simulation -k changing_routes --simulation-seed N` replays one seed;
`TAILRACE_ROUTES_SEEDS=1000` tries that many.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.simulation.profiles import CHANGING_ROUTES
from tests.simulation.run import simulate
from tests.simulation.trying import assert_clean, seeds_of

SEEDS_VARIABLE = "TAILRACE_ROUTES_SEEDS"
SEEDS_DEFAULT = 60
MORE_SEEDS_MAX = 100
ENOUGH_SEEDS = 40
MUST_FIRE = frozenset(
    {
        "agent.restored_from_ledger",
        "audit.half_on_its_way",
        "checkpoint.deleted",
        "kill.A1",
        "kill.A2",
        "kill.S2",
        "routes.changed_amid_a_file",
        "routes.elsewhere",
    }
)


@pytest.fixture
def seeds(request: pytest.FixtureRequest) -> range:
    """Give the seeds to try."""
    return seeds_of(request, variable=SEEDS_VARIABLE, default=SEEDS_DEFAULT)


@pytest.mark.timeout(0)
def test_p1_s2_k9_changing_routes_store_nothing_twice_and_lose_nothing(
    seeds: range,
) -> None:
    """The audit adds up at the end and in the middle, whoever sends or reads again."""
    assert_clean(
        seeds,
        simulated=partial(simulate, profile=CHANGING_ROUTES),
        must_fire=MUST_FIRE if len(seeds) >= ENOUGH_SEEDS else frozenset(),
        more_seeds_max=MORE_SEEDS_MAX,
    )

"""Each guarantee that is broken by hand turns the simulation red, or it proves nothing."""

from __future__ import annotations

import pytest

from tests.simulation.mutations import MUTATIONS, Mutation
from tests.simulation.run import simulate

SEEDS_MAX = 200


@pytest.mark.timeout(0)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_broken_guarantee_is_found(mutation: Mutation) -> None:
    for seed in (mutation.found_by, *range(1, SEEDS_MAX + 1)):
        if mutation.is_told(simulate(seed, mutate=mutation.apply).problems):
            return
    pytest.fail(f"{mutation.name!r} was not found in {SEEDS_MAX} seeds")


def test_each_mutation_names_the_cases_it_proves() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
    assert all(mutation.cases for mutation in MUTATIONS)

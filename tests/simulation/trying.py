"""How seeds are tried: all of them are clean, and what must strike has struck."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest

from tests.simulation.run import Report

FAILURES_SHOWN = 3


def seeds_of(request: pytest.FixtureRequest, *, variable: str, default: int) -> range:
    """Return the seeds to try: the one that is asked for, or as many as are set."""
    seed: int | None = request.config.getoption("--simulation-seed")
    if seed is not None:
        return range(seed, seed + 1)
    return range(int(os.environ.get(variable, default)))


def assert_clean(
    seeds: range,
    *,
    simulated: Callable[[int], Report],
    must_fire: frozenset[str],
    more_seeds_max: int,
) -> None:
    """Fail where a seed is not clean, or where one of `must_fire` never struck.

    For what has not struck yet more seeds are tried: any change throws the dice anew.
    """
    failed: list[Report] = []
    witnesses: Counter[str] = Counter()
    never = must_fire
    for seed in range(seeds.start, seeds.stop + more_seeds_max):
        if seed >= seeds.stop and not never:
            break
        report = simulated(seed)
        witnesses += report.witnesses
        never -= set(witnesses)
        if report.problems:
            failed.append(report)
    assert not failed, f"{len(failed)} of {len(seeds)} seeds\n" + "\n\n".join(
        str(report) for report in failed[:FAILURES_SHOWN]
    )
    assert not never, f"faults that never struck: {', '.join(sorted(never))}"

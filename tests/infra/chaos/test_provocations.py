"""What leads a role to a rare point leaves it the time to come there."""

from __future__ import annotations

import itertools

import pytest

from tailrace.chaos.faults_roles import (
    POINTS,
    PROVOKE_MS,
    RARE_POINTS,
    REBALANCING_POINTS,
    STRIKE_MS_MAX,
    provocation_waits_ms,
)

START_MS = 15_000
SESSION_MS = 30_000


@pytest.mark.parametrize(
    "point", [point for points in POINTS.values() for point in points]
)
def test_a_point_is_waited_for_as_long_as_may_be_and_no_longer(point: str) -> None:
    waits_ms = list(provocation_waits_ms(point))
    assert sum(waits_ms) == STRIKE_MS_MAX
    assert waits_ms[0] == PROVOKE_MS
    assert len(waits_ms) > 3, "it is provoked more than once"


@pytest.mark.parametrize("point", sorted(REBALANCING_POINTS))
def test_a_group_is_left_alone_longer_each_time_until_it_can_agree(point: str) -> None:
    """One that was disturbed every four seconds had no member with partitions for minutes."""
    assert point in RARE_POINTS
    waits_ms = list(provocation_waits_ms(point))
    assert all(2 * a <= b for a, b in itertools.pairwise(waits_ms))
    assert waits_ms[-1] > START_MS + 2 * SESSION_MS

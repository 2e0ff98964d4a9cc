"""The same seed plans the same faults; what cannot be done is left out and said."""

from __future__ import annotations

import pytest

from tailrace.chaos.faults import FaultKind, Lane, Need
from tailrace.chaos.faults_copies import copy_faults
from tailrace.chaos.faults_network import network_faults
from tailrace.chaos.faults_roles import POINTS, role_faults
from tailrace.chaos.faults_servers import server_faults
from tailrace.chaos.schedule import length_ms_of, plan_lane, possible

KINDS = [*role_faults(), *server_faults(), *copy_faults(), *network_faults()]
EVERYTHING = frozenset(Need)


def names(seed: int, *, lane: Lane, minutes: float | None) -> list[str]:
    planned = plan_lane(KINDS, lane=lane, seed=seed, minutes=minutes)
    return [each.kind.name for each in planned]


@pytest.mark.parametrize("lane", Lane)
def test_a_seed_gives_one_plan_and_another_seed_another(lane: Lane) -> None:
    first = plan_lane(KINDS, lane=lane, seed=5, minutes=10)
    again = plan_lane(KINDS, lane=lane, seed=5, minutes=10)
    assert [(p.kind.name, p.pause_ms, p.seed) for p in first] == [
        (p.kind.name, p.pause_ms, p.seed) for p in again
    ]
    assert names(5, lane=lane, minutes=10) != names(6, lane=lane, minutes=10)


def test_half_an_hour_strikes_with_every_kind_in_both_lanes() -> None:
    struck = {name for lane in Lane for name in names(1, lane=lane, minutes=30)}
    assert struck == {kind.name for kind in KINDS}


@pytest.mark.parametrize("lane", Lane)
def test_a_plan_fits_its_time_and_is_never_empty(lane: Lane) -> None:
    planned = plan_lane(KINDS, lane=lane, seed=2, minutes=4)
    assert length_ms_of(planned) <= 4 * 60_000
    assert len(plan_lane(KINDS, lane=lane, seed=2, minutes=0.01)) == 1


@pytest.mark.parametrize("lane", Lane)
def test_without_a_time_each_kind_strikes_once_as_in_a_first_round(lane: Lane) -> None:
    own = [kind.name for kind in KINDS if kind.lane is lane]
    planned = names(3, lane=lane, minutes=None)
    assert sorted(planned) == sorted(own)
    assert names(3, lane=lane, minutes=600)[: len(own)] == planned


def test_every_kill_point_is_a_fault_of_its_own() -> None:
    expected = {f"kill at {point}" for points in POINTS.values() for point in points}
    assert expected <= {kind.name for kind in KINDS}
    assert len(expected) == 18
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_without_root_only_what_needs_it_is_left_out() -> None:
    done, left_out = possible(KINDS, given=frozenset({Need.THREE}))
    assert {kind.family for kind in left_out} == {"network partition", "disk full"}
    assert all(Need.ROOT in kind.needs for kind in left_out)
    assert len(done) + len(left_out) == len(KINDS)
    every: list[FaultKind] = possible(KINDS, given=EVERYTHING)[0]
    assert len(every) == len(KINDS)

"""Which faults strike in which order: a function of the seed, so that a run can be repeated."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tailrace.chaos.faults import FaultKind, Lane, Need

PAUSE_MS_MIN = 500
PAUSE_MS_MAX = 3_000


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of a plan: a pause, and then it strikes."""

    kind: FaultKind
    pause_ms: int
    seed: int
    """Of whatever the fault draws: its victim, its length."""


def possible(
    kinds: Iterable[FaultKind], *, given: frozenset[Need]
) -> tuple[list[FaultKind], list[FaultKind]]:
    """Return the kinds that can be done with what is given, and those left out."""
    done: list[FaultKind] = []
    left_out: list[FaultKind] = []
    for kind in kinds:
        (done if kind.needs <= given else left_out).append(kind)
    return done, left_out


def plan_lane(
    kinds: Sequence[FaultKind], *, lane: Lane, seed: int, minutes: float | None
) -> list[Planned]:
    """Return the faults of one lane: every kind in a drawn order, then all of them anew.

    As many as fit the time by what they are said to take, and at least one; where no
    time is given, each once.
    """
    chance = random.Random(f"{seed} {lane.value}")  # noqa: S311 - a plan is no secret
    own = [kind for kind in kinds if kind.lane is lane]
    planned: list[Planned] = []
    left_ms = math.inf if minutes is None else minutes * 60_000
    while own:
        for kind in chance.sample(own, len(own)):
            pause_ms = chance.randint(PAUSE_MS_MIN, PAUSE_MS_MAX)
            left_ms -= pause_ms + kind.takes_s * 1_000
            if left_ms < 0 and planned:
                return planned
            planned.append(Planned(kind, pause_ms, chance.getrandbits(32)))
        if minutes is None:
            break
    return planned


def length_ms_of(planned: Iterable[Planned]) -> int:
    """Return how long faults take, one after the other, by what they are said to."""
    return sum(each.pause_ms + each.kind.takes_s * 1_000 for each in planned)

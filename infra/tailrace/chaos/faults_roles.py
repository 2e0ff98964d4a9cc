"""Faults of the roles: killed at each kill point and anywhere, frozen, robbed of state."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from functools import partial

from tailrace.chaos.arena import Arena, NotWitnessed
from tailrace.chaos.faults import FaultKind, Lane
from tailrace.chaos.http_proxy import BulkFault
from tailrace.chaos.poison import poison_documents
from tailrace.chaos.roles import ChaosRole, PlannedKill
from tailrace.up_record import is_frozen

POINTS: dict[str, tuple[str, ...]] = {
    "agent": ("A1", "A2", "A3", "A4", "A5", "A6", "A7"),
    "stream": ("S1", "S2", "S3", "S4", "S5", "S6"),
    "indexer": ("I1", "I2", "I3", "I4", "I5"),
}
PASSES_MAX = 3
RARE_POINTS = frozenset({"A7", "S5", "S6", "I3", "I5"})
"""Passed now and then only: armed for the first pass."""
STRIKE_MS_MAX = 240_000
"""Waits here are bounds of patience, for machines with much else to do."""
PROVOKE_MS = 4_000
"""How soon what leads to a rare point is done again."""
REBALANCING_POINTS = frozenset({"S5", "S6"})
"""Led to by a worker that leaves its group and comes back."""
FREEZE_MS: dict[str, int] = {"agent": 8_000, "stream": 20_000, "indexer": 14_000}
"""Of stream and indexer longer than their sessions (15 s and 10 s): they lose what they hold, and
go on as zombies."""
STATE_FILES = ("checkpoint.sqlite", "checkpoint.previous.sqlite")


def role_faults() -> list[FaultKind]:
    """Return every kind that strikes a role."""
    kinds = [
        FaultKind(
            name=f"kill at {point}",
            family=f"{kind} killed at a kill point",
            lane=Lane.ROLES,
            takes_s=14,
            strike=partial(_kill_at, kind=kind, point=point),
        )
        for kind, points in POINTS.items()
        for point in points
    ]
    for kind in POINTS:
        kinds.append(
            FaultKind(
                name=f"kill {kind}",
                family="role killed anywhere",
                lane=Lane.ROLES,
                takes_s=6,
                strike=partial(_kill, kind=kind),
            )
        )
        kinds.append(
            FaultKind(
                name=f"freeze {kind}",
                family="role frozen longer than its session",
                lane=Lane.ROLES,
                takes_s=FREEZE_MS[kind] // 1_000 + 2,
                strike=partial(_freeze, kind=kind),
            )
        )
    kinds.append(
        FaultKind(
            name="delete checkpoint",
            family="agent's state lost",
            lane=Lane.ROLES,
            takes_s=8,
            strike=_delete_checkpoint,
        )
    )
    return kinds


def _kill_at(arena: Arena, chance: random.Random, *, kind: str, point: str) -> str:
    role = chance.choice(arena.roles.of(kind))
    count = 1 if point in RARE_POINTS else chance.randint(1, PASSES_MAX)
    provoke = _provocation(arena, role, point)
    # Only one fault at a time decides what becomes of bulks.
    bulks = arena.bulks if point == "I3" else contextlib.nullcontext()
    with bulks:
        role.arm(PlannedKill(point, count))
        try:
            for number, wait_ms in enumerate(provocation_waits_ms(point)):
                if number:
                    provoke()
                if arena.within(
                    lambda: role.witnessed() is not None, wait_ms_max=wait_ms
                ):
                    return f"{role.name}: {role.witnessed()}"
        finally:
            role.disarm()
            for proxy in arena.elasticsearch_proxies if point == "I3" else ():
                proxy.behave(BulkFault.NONE)
    raise NotWitnessed(f"{role.name} did not come to {point} in time")


def provocation_waits_ms(point: str) -> Iterator[int]:
    """Yield how long a point is waited for before and after each provocation.

    A group that is disturbed again before its members agree never comes to share its
    partitions, and no worker to the point: there each wait is twice the one before.
    """
    wait_ms, left_ms = PROVOKE_MS, STRIKE_MS_MAX
    growth = 2 if point in REBALANCING_POINTS else 1
    while left_ms > 0:
        # What would be left is too short for another provocation to show anything.
        is_last = left_ms - wait_ms < wait_ms * growth
        yield left_ms if is_last else wait_ms
        left_ms = 0 if is_last else left_ms - wait_ms
        wait_ms *= growth


def _provocation(arena: Arena, role: ChaosRole, point: str) -> Callable[[], object]:
    """Return what leads a role to a point that it does not pass all the time."""

    def items_fail() -> None:
        for proxy in arena.elasticsearch_proxies:
            proxy.behave(BulkFault.ITEMS_BUSY)

    def others_leave() -> None:
        # Whoever leaves and comes back makes the group share its partitions anew.
        for other in arena.roles.of("stream"):
            if other is not role:
                other.kill()

    provocations: dict[str, Callable[[], object]] = {
        "A7": arena.writer.rotate_all,
        "S5": others_leave,
        # States are read when partitions come: after a start, or after a rebalance.
        "S6": others_leave,
        "I3": items_fail,
        "I5": partial(poison_documents, arena),
    }
    return provocations.get(point, lambda: None)


def _kill(arena: Arena, chance: random.Random, *, kind: str) -> str:
    role = chance.choice(arena.roles.of(kind))
    arena.require(
        lambda: role.pid is not None, wait_ms_max=STRIKE_MS_MAX, what="it runs"
    )
    starts = role.starts
    pid = role.kill()
    arena.require(
        lambda: role.starts > starts,
        wait_ms_max=STRIKE_MS_MAX,
        what=f"{role.name} ended and was started again",
    )
    return f"{role.name}: SIGKILL to {pid}, start {role.starts}"


def _freeze(arena: Arena, chance: random.Random, *, kind: str) -> str:
    role = chance.choice(arena.roles.of(kind))
    arena.require(
        lambda: role.pid is not None, wait_ms_max=STRIKE_MS_MAX, what="it runs"
    )
    pid = role.freeze()
    if pid is None:
        raise NotWitnessed(f"{role.name} ended by itself before it was frozen")
    try:
        arena.require(
            lambda: is_frozen(pid), wait_ms_max=2_000, what="the kernel says stopped"
        )
        arena.wait(FREEZE_MS[kind])
        if not is_frozen(pid):
            raise NotWitnessed(f"{role.name} did not stay frozen")
    finally:
        role.thaw(pid)
    return f"{role.name}: {pid} stopped for {FREEZE_MS[kind]} ms"


def _delete_checkpoint(arena: Arena, chance: random.Random) -> str:
    """Kill the agent and take its checkpoint away: it comes back from the ledger."""
    agent = chance.choice(arena.roles.of("agent"))
    folder = agent.folder / "state" / "agent"
    # Copies that the writer is about to make stand on a checkpoint that is there.
    with arena.writer.no_disposal():
        said_before = _said(agent, "state_restored")
        agent.hold()
        try:
            pid = agent.kill()
            arena.require(
                lambda: agent.pid is None, wait_ms_max=5_000, what="the agent is gone"
            )
            deleted = [p for name in STATE_FILES for p in folder.glob(f"{name}*")]
            for path in deleted:
                path.unlink()
        finally:
            agent.let_go()
        if folder / STATE_FILES[0] not in deleted:
            raise NotWitnessed(f"there was no {STATE_FILES[0]} to delete")
        arena.require(
            lambda: _said(agent, "state_restored") > said_before,
            wait_ms_max=STRIKE_MS_MAX,
            what="the agent restored its state",
        )
    names = ", ".join(sorted(path.name for path in deleted))
    return f"{agent.name}: {pid} killed, {names} deleted"


def _said(role: ChaosRole, event: str) -> int:
    """Return how often a role's log has said something."""
    count = 0
    # The log is turned over when it is full, and its former part stands beside it.
    for path in role.log_path.parent.glob(f"{role.log_path.name}*"):
        with contextlib.suppress(FileNotFoundError):
            count += path.read_bytes().count(event.encode())
    return count

"""What strikes the agents in a rotation storm: kills, restarts, and lost memories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation.agent_process import AgentHost
from tests.simulation.cluster import LATE_MS, WAY_MS
from tests.simulation.director import Director
from tests.simulation.process import Process

AGENTS_STORMS = (
    "kafka.refused",
    "kafka.ack_lost",
    "kafka.late",
    "kafka.down",
    "disk.full",
)
"""Faults that agents meet."""
LOSE_ALL_CHANCE = 0.2
LOSE_ALL_AT_MS = (2_000, 4_500)
STALLS_MS = (200, 1_000, 2_500, 15_000)
"""The last one is longer than an agent waits to see what a copy is of."""


@dataclass(slots=True)
class RotationDirector(Director):
    """Strikes the agents, and now and then somebody else."""

    _lose_all_at_ms: int | None = field(default=None)

    def __post_init__(self) -> None:
        """Choose the faults of this run, and whether one host loses all it knows."""
        Director.__post_init__(self)
        if self.world.has_luck(LOSE_ALL_CHANCE):
            self._lose_all_at_ms = self.world.random.randint(*LOSE_ALL_AT_MS)

    def _chosen(self) -> tuple[str, ...]:
        return tuple(self.world.random.sample(AGENTS_STORMS, 2))

    def step(self) -> None:
        """Do one thing; where it is time, let a host lose checkpoint and ledger."""
        at_ms = self._lose_all_at_ms
        if at_ms is not None and self.world.now_ms >= at_ms:
            self._lose_all_at_ms = None
            self.begin_anew(self.world.random.choice(self.hosts))
        Director.step(self)

    def _strike(self) -> None:
        random = self.world.random
        agent = random.choice([p for p in self.processes if p.role == "agent"])
        kinds: dict[Callable[[Process], None], int] = {
            lambda _: self._begin_storm(): 3,
            _arm: 2,
            _kill: 2,
            lambda one: one.stall(random.choice(STALLS_MS)): 1,
            lambda one: one.stop(): 1,
            lambda _: _arm(random.choice(self.processes)): 1,
            lambda _: self._set_a_clock(): 1,
            lambda _: self.cluster.compact(): 1,
        }
        (kind,) = random.choices(list(kinds), list(kinds.values()))
        kind(agent)

    def begin_anew(self, host: AgentHost) -> None:
        """Let an agent start anew when nothing that it sent is on its way any more.

        A word that came in after the ledger was lost would be all that is known.
        """
        if not host.had_life:
            return
        agent = self._agent_of(host)
        agent.kill("")
        agent.due_ms = self.world.now_ms + WAY_MS[1] + LATE_MS[1] + 1
        host.is_to_lose_all = True

    def _agent_of(self, host: AgentHost) -> Process:
        (agent,) = [p for p in self.processes if p.name == f"agent {host.name}"]
        return agent


def _arm(process: Process) -> None:
    if process.is_alive:
        process.arm()


def _kill(process: Process) -> None:
    if process.is_alive:
        process.kill("storm.killed")

"""One role as a process: it lives, is stalled, is killed, and starts again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tests.simulation.world import SimulatedCrash, World

SESSION_MS = 1_200
"""After which a group gives up a member of which it hears nothing."""
RESTART_MS = (50, 1_500)
POINTS = {
    "agent": ("A1", "A2", "A3", "A4", "A5", "A6", "A7"),
    "stream": ("S1", "S2", "S3", "S4", "S5", "S6"),
    "indexer": ("I1", "I2", "I3", "I4", "I5", "I6"),
    "leader": ("R1", "R2", "R3", "R4", "M1", "M2"),
}
RARE = ("A7", "S5", "I3", "I5", "R1", "R2", "R3", "R4", "M1", "M2")
"""Points that few lives pass: chosen more often, and for the first pass."""


class EndedItself(Exception):
    """A role ended with a failure, to be started again by its supervisor."""


class Life(Protocol):
    """One life of a role, from its start to its end."""

    def step(self) -> int:
        """Do what is due; return the moment of the next step."""
        ...

    def kill(self) -> None:
        """Drop everything that was in memory."""
        ...

    def crash(self, crash: SimulatedCrash) -> None:
        """Run nothing more from this moment on."""
        ...

    def lose_session(self) -> None:
        """Be given up by its group, and not know of it."""
        ...

    def stop(self) -> None:
        """End as a SIGTERM makes it end."""
        ...


@dataclass(slots=True, eq=False)
class Process:
    """A role that is kept running."""

    role: str
    name: str
    world: World
    start: Callable[[], Life]
    life: Life | None = None
    due_ms: int = 0
    """When it is to be stepped, or started again."""
    armed: str = ""
    passes_left: int = 0
    problems: list[str] = field(default_factory=list[str])

    @property
    def is_alive(self) -> bool:
        return self.life is not None

    def step(self) -> None:
        """Take one step; a kill or a fault of the code ends this life."""
        try:
            if self.life is None:
                self.world.tell(f"{self.name} starts")
                self.life = self.start()
            self.due_ms = max(self.life.step(), self.world.now_ms + 1)
        except SimulatedCrash as crash:
            self.kill(f"kill.{crash}")
        except EndedItself as end:
            self.world.witness(str(end))
            self.kill("")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            self.problems.append(f"{self.name} raised {error!r}")
            self.kill("")

    def arm(self) -> None:
        """Choose a place where this process is to die, or to be left alone."""
        points = POINTS[self.role]
        weights = [10 if point in RARE else 3 for point in points]
        (self.armed,) = self.world.random.choices(points, weights)
        self.passes_left = 1 if self.armed in RARE else self.world.random.randint(1, 4)
        self.world.planned.add(f"kill.{self.armed}")

    def arm_at(self, point: str) -> None:
        """Let this process die at its next pass of a place."""
        self.armed, self.passes_left = point, 1
        self.world.planned.add(f"kill.{point}")

    def reach(self, point: str) -> None:
        """Pass a kill point.

        Raises:
            SimulatedCrash: it is the one that was chosen, and its time has come.
        """
        if point != self.armed or self.world.is_calm:
            return
        self.passes_left -= 1
        if not self.passes_left:
            self.armed = ""
            crash = SimulatedCrash(point)
            if self.life is not None:
                self.life.crash(crash)
            raise crash

    def kill(self, witness: str) -> None:
        """End this life without a word."""
        if witness:
            self.world.witness(witness)
        self.armed = ""
        life, self.life = self.life, None
        if life is not None:
            life.kill()
            self.world.later(SESSION_MS, life.lose_session)
        self.due_ms = self.world.now_ms + self.world.random.randint(*RESTART_MS)

    def stall(self, stall_ms: int) -> None:
        """Do nothing for a while and know nothing of it, as after a SIGSTOP."""
        life = self.life
        if life is None:
            return
        self.due_ms = self.world.now_ms + stall_ms
        if stall_ms > SESSION_MS:
            self.world.later(SESSION_MS, life.lose_session)
        self.world.witness(f"stall.{self.role}")

    def stop(self) -> None:
        """End in order, and start again."""
        if self.life is None:
            return
        life, self.life = self.life, None
        try:
            life.stop()
            self.world.witness(f"stop.{self.role}")
        except SimulatedCrash as crash:
            life.kill()
            self.world.later(SESSION_MS, life.lose_session)
            self.world.witness(f"kill.{crash}")
        self.armed = ""
        self.due_ms = self.world.now_ms + self.world.random.randint(*RESTART_MS)

"""Who decides what goes wrong in a run, and when."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.simulation.application import Applications
from tests.simulation.cluster import Cluster
from tests.simulation.process import Process
from tests.simulation.world import HostClock, World

STORMS = (
    "kafka.refused",
    "kafka.ack_lost",
    "kafka.down",
    "elasticsearch.item_403",
    "elasticsearch.item_429",
    "elasticsearch.item_503",
    "elasticsearch.request_403",
    "elasticsearch.request_429",
    "elasticsearch.request_503",
    "elasticsearch.timeout_after_success",
    "elasticsearch.down",
    "faust.dropped",
    "faust.fetched_twice",
    "disk.full",
)
STORM_MS = (300, 2_500)
REBALANCE_STORMS = 4
"""How many times as long a fault may strike that needs a rebalance."""
JUMP_MS = 900_000
"""How far a clock is set: not into the minutes that the lines tell."""
ACTS_MS = (30, 330)
ARMED_CHANCE = 0.3


@dataclass(slots=True)
class Director:
    """Lets applications write, and faults strike, until its time is over."""

    world: World
    applications: Applications
    cluster: Cluster
    processes: list[Process]
    clocks: list[HostClock]
    ends_at_ms: int
    due_ms: int = 0
    _faults: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        # A run that is full of one fault finds more than one with a little of all.
        count = self.world.random.randint(2, 5)
        self._faults = tuple(self.world.random.sample(STORMS, count))
        self.applications.may_copy = self.world.has_luck(0.25)

    def step(self) -> None:
        """Do one thing."""
        random = self.world.random
        self.due_ms = self.world.now_ms + random.randint(*ACTS_MS)
        if random.random() < 0.6:
            self.applications.act()
        else:
            self._strike()

    def _strike(self) -> None:
        random = self.world.random
        # Where files are copied, agents live on: a kill between sending and checkpoint,
        # and a truncation before the next start, stores what was sent under the copy's
        # name, too (ARCHITECTURE.md, "Limits known today").
        spared = "agent" if self.applications.may_copy else ""
        process = random.choice([p for p in self.processes if p.role != spared])
        kind = random.randrange(10)
        if kind < 3:
            fault = random.choice(self._faults)
            lasts_ms = random.randint(*STORM_MS)
            chance = random.choice((0.1, 0.3, 0.9))
            if fault.startswith("faust."):
                # It strikes in a rebalance alone, and those are few.
                lasts_ms, chance = lasts_ms * REBALANCE_STORMS, max(chance, 0.3)
            self.world.begin_storm(
                fault,
                lasts_ms=lasts_ms,
                chance=chance,
            )
        elif kind < 6:
            if process.is_alive:
                process.arm()
        elif kind == 6:
            process.stall(random.choice((200, 1_000, 2_000, 3_500)))
        elif kind == 7:
            process.stop()
        elif kind == 8:
            clock = random.choice(self.clocks)
            clock.jumped_ms = random.randint(-JUMP_MS, JUMP_MS)
            self.world.witness("clock.jumped")
        else:
            self.cluster.compact()

"""Who decides what goes wrong in a run, and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.simulation.agent_process import AgentHost
from tests.simulation.application import Applications
from tests.simulation.cluster import Cluster
from tests.simulation.plots import PLOTS, POLL_MS, Stage, finished_after_the_flush
from tests.simulation.process import Process
from tests.simulation.world import World

STORMS = (
    "agents.paused",
    "kafka.refused",
    "kafka.ack_lost",
    "kafka.late",
    "kafka.down",
    "kafka.marked",
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
PLOT_CHANCE = 0.5
PLOT_AT_MS = (200, 2_000)
NEVER_MS = 2**40


@dataclass(slots=True)
class Director:
    """Lets applications write, and faults strike, until its time is over."""

    world: World
    applications: Applications
    cluster: Cluster
    processes: list[Process]
    hosts: list[AgentHost]
    ends_at_ms: int
    _faults: tuple[str, ...] = field(init=False)
    _act_due_ms: int = 0
    _plot: Iterator[int] = field(default_factory=lambda: iter(()))
    _plot_due_ms: int = NEVER_MS

    def __post_init__(self) -> None:
        self._faults = self._chosen()
        self.applications.may_copy = self.world.has_luck(0.25)
        if self.world.has_luck(PLOT_CHANCE):
            self._plot = self._plotted()
            self._plot_due_ms = self.world.random.randint(*PLOT_AT_MS)

    @property
    def due_ms(self) -> int:
        """When the next thing is to be done."""
        return min(self._act_due_ms, self._plot_due_ms)

    def step(self) -> None:
        """Do one thing."""
        random = self.world.random
        if self._plot_due_ms <= self._act_due_ms:
            self._plot_due_ms = self.world.now_ms + next(self._plot, NEVER_MS)
            return
        self._act_due_ms = self.world.now_ms + random.randint(*ACTS_MS)
        if random.random() < 0.6:
            self.applications.act()
        else:
            self._strike()

    def _chosen(self) -> tuple[str, ...]:
        """Return the faults of this run.

        One that is full of one fault finds more than one with a little of all.
        """
        count = self.world.random.randint(2, 5)
        return tuple(self.world.random.sample(STORMS, count))

    def _plotted(self) -> Iterator[int]:
        """Play one plot with one log, which is left alone by all others meanwhile."""
        random, applications = self.world.random, self.applications
        log = random.choice(applications.logs)
        (agent,) = [p for p in self.processes if p.name == f"agent {log.host}"]
        applications.reserved = log
        while log.is_rotating:
            yield POLL_MS
        # Where lines expire, nothing may be left to tell that a generation came to hold
        # two contents, which is what the other plots bring about.
        plots = PLOTS if len(applications.days) == 1 else (finished_after_the_flush,)
        yield from random.choice(plots)(Stage(self.world, applications, log, agent))
        applications.reserved = None

    def _strike(self) -> None:
        random = self.world.random
        process = random.choice(self.processes)
        kind = random.randrange(10)
        if kind < 3:
            self._begin_storm()
        elif kind < 6:
            if process.is_alive:
                process.arm()
        elif kind == 6:
            process.stall(random.choice((200, 1_000, 2_000, 3_500)))
        elif kind == 7:
            process.stop()
        elif kind == 8:
            self._set_a_clock()
        else:
            self.cluster.compact()

    def _begin_storm(self) -> None:
        random = self.world.random
        fault = random.choice(self._faults)
        lasts_ms = random.randint(*STORM_MS)
        chance = random.choice((0.1, 0.3, 0.9))
        if fault.startswith("faust."):
            # It strikes in a rebalance alone, and those are few.
            lasts_ms, chance = lasts_ms * REBALANCE_STORMS, max(chance, 0.3)
        self.world.begin_storm(fault, lasts_ms=lasts_ms, chance=chance)

    def _set_a_clock(self) -> None:
        random = self.world.random
        clock = random.choice(self.hosts).clock
        clock.jumped_ms = random.randint(-JUMP_MS, JUMP_MS)
        self.world.witness("clock.jumped")

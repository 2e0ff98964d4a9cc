"""How far a run has come, told while it lasts: counters, and what strikes now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tailrace.chaos.lane_run import LaneRun
from tailrace.chaos.roles import memory_mb
from tailrace.chaos.stage import Stage
from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.query import events_alias

SAY_MS = 10_000
COUNT_MS = 1_000
"""A count refreshes the indices: not more often than this."""
COUNT_WAIT_S = 5.0

Say = Callable[[str], None]


@dataclass(slots=True)
class Live:
    """Looks at the run from outside; one thread asks it."""

    stage: Stage
    lanes: Sequence[LaneRun]
    say: Say
    memory: dict[str, float] = field(default_factory=dict[str, float])
    """The most memory seen, by the kind of process."""
    _said_at_ms: int = -SAY_MS
    _counted_at_ms: int = -COUNT_MS
    _indexed: int | None = None

    def look(self) -> None:
        """Say how things stand, if some time has passed since the last word."""
        now_ms = self.stage.arena.clock.monotonic_ms()
        if now_ms - self._said_at_ms < SAY_MS:
            return
        self._said_at_ms = now_ms
        self._measure()
        self.say(self.line())

    def line(self) -> str:
        """Return the counters as one line."""
        totals = self.stage.ledger.totals()
        indexed = self.indexed()
        counts = self.stage.arena.writer.counts
        struck = [each for lane in self.lanes for each in lane.struck]
        now = ", ".join(lane.now for lane in self.lanes if lane.now)
        unwitnessed = sum(bool(each.problem) for each in struck)
        return (
            f"written {counts.lines} ({counts.wanted} documents)"
            f"  shipped {totals.shipped}"
            f"  streamed {'?' if totals.streamed is None else totals.streamed}"
            f"  indexed {'?' if indexed is None else indexed}"
            f"  faults {len(struck)}"
            + (f" ({unwitnessed} without witness)" if unwitnessed else "")
            + (f"  now: {now}" if now else "")
        )

    def indexed(self) -> int | None:
        """Return how many events a search finds, None while nobody answers."""
        now_ms = self.stage.arena.clock.monotonic_ms()
        if now_ms - self._counted_at_ms >= COUNT_MS:
            self._indexed = self._count()
            self._counted_at_ms = self.stage.arena.clock.monotonic_ms()
        return self._indexed

    def _count(self) -> int | None:
        connections = self.stage.arena.connections
        alias = events_alias(connections.namespace)
        try:
            with Elastic(connections, timeout_s=COUNT_WAIT_S) as elastic:
                elastic.refresh(alias)
                return elastic.count(alias)
        except ServiceUnavailable:
            return None

    def _measure(self) -> None:
        arena = self.stage.arena
        now: dict[str, float] = {}
        for server in arena.stack.servers:
            kind = server.name.partition("-")[0]
            now[kind] = now.get(kind, 0.0) + memory_mb(server.pid)
        for role in arena.roles.roles.values():
            kind = role.name.partition("-")[0]
            now[kind] = now.get(kind, 0.0) + role.rss_mb()
        now["all"] = sum(now.values())
        for kind, size_mb in now.items():
            self.memory[kind] = round(max(self.memory.get(kind, 0.0), size_mb), 1)

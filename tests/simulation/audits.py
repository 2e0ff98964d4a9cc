"""The real audit of a run: its look and its judgement, on the run's own servers.

It must be sound at the end, and also in the middle, while everything goes on between its
questions. What it says of a generation that came to hold two contents is left aside: two
documents of one number are what it is to find.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from tailrace.audit.kafka import KafkaProgress
from tailrace.audit.look import Looker
from tailrace.audit.run import audit
from tailrace.audit.sources import Drained, Passed
from tailrace.audit.verdict import AuditReport
from tailrace.kafka_admin import KafkaAdmin
from tailrace.topics import DEAD, LEDGER
from tests.simulation.claims import Claims
from tests.simulation.cluster import NAMESPACE, Cluster, partitions_of
from tests.simulation.leader_process import WINDOW_EVENTS
from tests.simulation.world import EPOCH_MS
from tests.support.fakes.audited import (
    MemoryAuditIndex,
    MemoryAuditLedger,
    MemoryLagging,
)

PROBLEMS_SHOWN = 3


@dataclass(slots=True)
class AuditClock:
    """Time that passes by letting everything else go on."""

    cluster: Cluster
    let_pass: Callable[[int], None]

    def now_ms(self) -> int:
        return EPOCH_MS + self.cluster.world.now_ms

    def monotonic_ms(self) -> int:
        return self.cluster.world.now_ms

    def sleep_ms(self, wait_ms: int) -> None:
        self.let_pass(wait_ms)


class ImpatientProgress(KafkaProgress):
    """The real one, waiting for the indexers only as long as a short run allows."""

    WAIT_MS_MAX = 400

    def drained(self, *, wait_ms_max: int) -> Drained:
        return super().drained(wait_ms_max=min(wait_ms_max, self.WAIT_MS_MAX))

    def passed(self, *, wait_ms_max: int) -> Passed:
        return super().passed(wait_ms_max=min(wait_ms_max, self.WAIT_MS_MAX))


def audited(
    cluster: Cluster, *, is_deep: bool, let_pass: Callable[[int], None]
) -> AuditReport:
    """Audit a run; `let_pass` lets so many milliseconds pass between two questions."""
    world = cluster.world

    def between() -> None:
        let_pass(world.random.randint(0, 120))

    clock = AuditClock(cluster, let_pass)
    looker = Looker(
        ledger=MemoryAuditLedger(cluster.kafka, partitions_of(LEDGER), between),
        progress=ImpatientProgress(
            cast("KafkaAdmin", cluster.admin),
            namespace=NAMESPACE,
            clock=clock,
            read_lagging=MemoryLagging(cluster.kafka, DEAD.name(NAMESPACE)),
        ),
        index=MemoryAuditIndex(
            cluster.elasticsearch, NAMESPACE, WINDOW_EVENTS, between
        ),
        window_events=WINDOW_EVENTS,
    )
    return audit(
        looker, clock=clock, is_deep=is_deep, wait_ms_max=0, tell=lambda _text: None
    )


def audit_problems(report: AuditReport, claims: Claims, *, when: str) -> list[str]:
    """Return what an audit finds wrong, but in generations of two contents."""
    problems = [f"audit {when}: {problem.text}" for problem in report.problems]
    for verdict in report.unsound:
        generation = verdict.facts.generation
        if claims.has_repeats(generation):
            continue
        problems += [
            f"audit {when}: {generation[:6]} {problem.kind} {problem.event_number}"
            f" {problem.text}"
            for problem in verdict.problems[:PROBLEMS_SHOWN]
        ]
    return problems

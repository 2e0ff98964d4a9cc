"""Which rules are there without anybody's asking: those about the pipeline itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from tailrace.alerts.rule_settings import RuleSettings, Severity

FactKind: TypeAlias = Literal[
    "agent_silent", "bytes_lost", "ledger_hole", "retention_lag", "rule_put_aside"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRule:
    """A rule about what is so now, as the ledger and Kafka tell it: there is no history."""

    name: str
    kind: FactKind
    severity: Severity
    group_by: tuple[str, ...]
    every_ms: int = 30_000
    held_ms: int = 0
    """For so long it must be so before it is an alert."""
    is_event: bool = False
    """Whether it happened, and so is never over."""
    channels: tuple[str, ...] | None = None


FACT_RULES: Final = (
    FactRule(
        name="agent-silent",
        kind="agent_silent",
        severity="critical",
        group_by=("host.name", "agent.id"),
        # A restart of an agent, or of its machine, is none.
        held_ms=120_000,
    ),
    FactRule(
        name="bytes-lost",
        kind="bytes_lost",
        is_event=True,
        severity="critical",
        group_by=("host.name", "log.file.path", "tailrace.generation"),
    ),
    FactRule(
        name="ledger-hole",
        kind="ledger_hole",
        severity="critical",
        group_by=("host.name", "log.file.path", "tailrace.generation"),
        # Chunks of a file may come out of order for a moment, after a rebalance.
        held_ms=300_000,
    ),
    FactRule(
        name="retention-lag",
        kind="retention_lag",
        severity="critical",
        group_by=("kafka.topic",),
    ),
    FactRule(
        name="rule-put-aside",
        kind="rule_put_aside",
        severity="warning",
        group_by=("rule.name",),
    ),
)
DEAD_LETTERS_RISING: Final = RuleSettings(
    name="dead-letters-rising",
    kind="threshold",
    source="dead",
    group_by=("event.dataset", "dead.reason"),
    above=0,
    window_ms=600_000,
    clear_rounds=5,
)
BUILT_IN_NAMES: Final = (*(rule.name for rule in FACT_RULES), DEAD_LETTERS_RISING.name)

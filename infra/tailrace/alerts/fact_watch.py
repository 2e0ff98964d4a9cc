"""When the built-in rules look at what is so now, and at what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tailrace.alerts.aside import Aside
from tailrace.alerts.builtin import FactRule
from tailrace.alerts.facts import (
    Fact,
    Holding,
    ledger_holes,
    lost_bytes,
    put_aside,
    retention_lags,
    silent_agents,
)
from tailrace.alerts.judging import Group
from tailrace.alerts.questions import Questions
from tailrace.alerts.records import harmless
from tailrace.alerts.watermark import Watermark
from tailrace.errors import ServiceUnavailable
from tailrace.retention_pause import LateTopic

LOSS_AGAIN_MS = 3_600_000
"""A file of which more and more is lost is told of once in this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What of a rule's facts is so now."""

    facts: list[Fact]
    lasting: list[Fact]
    """Those that have been so for long enough to be alerts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lags:
    """What Kafka says of how far the roles have read."""

    topics: tuple[LateTopic, ...]
    is_ledger_read: bool
    """Whether the indexers have read all that there is of the ledger."""


class FactWatch:
    """Looks at the facts of each rule when it is time."""

    def __init__(
        self,
        questions: Questions,
        *,
        watermark: Watermark,
        lags: Callable[[], Lags],
        aside: Aside,
    ) -> None:
        self._questions = questions
        self._watermark = watermark
        self._lags = lags
        self._aside = aside
        self._holding = Holding()
        self._next_at_ms: dict[str, int] = {}
        self._losses: dict[Group, tuple[float, int]] = {}
        """By file, what was told of last as lost of it, and when."""

    def due(self, rule: FactRule, *, now_ms: int) -> Seen | None:
        """Return the facts of a rule; None where it is not time, or cannot be told.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer.
        """
        next_at_ms = self._next_at_ms.get(rule.name, 0)
        # A clock that was set back must not stop it.
        if next_at_ms - rule.every_ms <= now_ms < next_at_ms:
            return None
        self._next_at_ms[rule.name] = now_ms + rule.every_ms
        facts = self._facts(rule, now_ms=now_ms)
        if facts is None:
            return None
        named = [
            Fact(
                group=tuple(map(harmless, fact.group)),
                key=fact.key,
                value=fact.value,
                text=fact.text,
            )
            for fact in facts
        ]
        lasting = self._holding.lasting(rule, named, now_ms=now_ms)
        return Seen(facts=named, lasting=lasting)

    def _facts(self, rule: FactRule, *, now_ms: int) -> list[Fact] | None:
        if rule.kind == "rule_put_aside":
            return put_aside(self._aside.reasons())
        if rule.kind == "bytes_lost":
            told = lost_bytes(self._questions.losses(now_ms=now_ms))
            return self._greater_losses(told, now_ms=now_ms)
        if rule.kind == "ledger_hole":
            return ledger_holes(self._questions.holes())
        try:
            lags = self._lags()
        except ServiceUnavailable:
            # Without Kafka neither lag nor silence can be told.
            return None
        if rule.kind == "retention_lag":
            return retention_lags(lags.topics)
        self._watermark.read(now_ms)
        return silent_agents(
            self._watermark.heartbeats,
            now_ms=now_ms,
            is_ledger_read=lags.is_ledger_read,
        )

    def _greater_losses(self, facts: list[Fact], *, now_ms: int) -> list[Fact]:
        """Return the losses that are greater than those told of, not too often."""
        present = {fact.group for fact in facts}
        self._losses = {
            group: told for group, told in self._losses.items() if group in present
        }
        greater: list[Fact] = []
        for fact in facts:
            value, told_at_ms = self._losses.get(fact.group, (0, 0))
            if fact.value > value and now_ms - told_at_ms >= LOSS_AGAIN_MS:
                self._losses[fact.group] = (fact.value, now_ms)
                greater.append(fact)
        return greater

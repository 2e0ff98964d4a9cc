"""How templates that were never there before are found, soon after they came.

Each look asks which templates arrived since the watermark of the last one, so that what was
stored late is not passed over. Of those not known yet it asks whether they are older.
"""

from __future__ import annotations

from dataclasses import dataclass

from tailrace.alerts.news import Sighting
from tailrace.alerts.questions import Questions
from tailrace.alerts.rule_settings import RuleSettings
from tailrace.alerts.unseen import unseen_of
from tailrace.alerts.wording import sighting_text

OVERLAP_MS = 30_000
BACK_MS_MAX = 86_400_000
"""Of a longer time in which nobody looked, the last day is looked at."""
KNOWN_MAX = 100_000
"""Templates that are remembered; beyond it they are asked for once more."""
NEW_MAX = 100
"""Told of in one look, the first that came; the others are found by the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What one look found."""

    sightings: list[tuple[Sighting, str]]
    """What is new, each with what is told of it."""
    judged_to_ms: int
    seen: frozenset[str]
    """Templates that need not be asked for again."""


class NewsWatch:
    """Looks for new templates; what it remembers only spares questions."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._known: dict[str, set[str]] = {}
        self._next_at_ms: dict[str, int] = {}

    def look(
        self,
        rule: RuleSettings,
        *,
        judged_to_ms: int | None,
        watermark_ms: int,
        now_ms: int,
    ) -> News | None:
        """Return what is new, None where it is not time to look.

        Raises:
            RuleFault: the rule asks for what cannot be answered.
            ServiceUnavailable: Elasticsearch does not answer.
        """
        next_at_ms = self._next_at_ms.get(rule.name, 0)
        # A clock that was set back must not stop it.
        if next_at_ms - rule.every_ms <= now_ms < next_at_ms:
            return None
        self._next_at_ms[rule.name] = now_ms + rule.every_ms
        since_ms = max(
            (watermark_ms if judged_to_ms is None else judged_to_ms) - OVERLAP_MS,
            now_ms - BACK_MS_MAX,
        )
        asked = self._questions
        found = asked.sightings(rule, since_ms=since_ms, until_ms=now_ms + OVERLAP_MS)
        known = self._known.setdefault(rule.name, set())
        fresh = {name: one for name, one in found.items() if name not in known}
        unseen = unseen_of(
            fresh,
            rule=rule,
            questions=asked,
            since_ms=since_ms,
            learnt_by_ms=now_ms,
            now_ms=now_ms,
            looked_at_max=NEW_MAX,
        )
        return News(
            sightings=[(one, sighting_text(one)) for one in unseen.new],
            # Those that were left out are found again from the same moment on.
            judged_to_ms=max(since_ms, watermark_ms)
            if unseen.is_all
            else since_ms + OVERLAP_MS,
            seen=unseen.looked_at,
        )

    def known(self, rule: RuleSettings, news: News) -> None:
        """Remember what was looked at, now that what is new of it is recorded."""
        known = self._known.setdefault(rule.name, set())
        if len(known) > KNOWN_MAX:
            known.clear()
        known |= news.seen

"""What a rule would have decided in the past: the same questions, the same judging."""

from __future__ import annotations

from collections.abc import Iterator

from tailrace.alerts.judging import Decision, Group, judge, points_between
from tailrace.alerts.news import Sighting
from tailrace.alerts.questions import Questions
from tailrace.alerts.rule_settings import RuleSettings
from tailrace.alerts.unseen import unseen_of

POINTS_AT_ONCE = 240
SAMPLES_MAX = 100


def rehearse(
    rule: RuleSettings, questions: Questions, *, since_ms: int, until_ms: int
) -> Iterator[Decision]:
    """Yield what a rule that counts would have decided between two moments.

    Nothing is on before the first of them.

    Raises:
        RuleFault: it asks for what cannot be answered.
        ServiceUnavailable: Elasticsearch does not answer.
    """
    points = points_between(rule, after_ms=since_ms, to_ms=until_ms)
    on: dict[Group, int] = {}
    for first in range(0, len(points), POINTS_AT_ONCE):
        part = points[first : first + POINTS_AT_ONCE]
        observed = questions.observe(
            rule, after_ms=part[0] - rule.every_ms, to_ms=part[-1]
        )
        for decision in judge(rule, observed, points=part, on=on):
            if decision.kind == "raised":
                on[decision.group] = decision.start_ms
            else:
                on.pop(decision.group, None)
            yield decision


def rehearse_news(
    rule: RuleSettings, questions: Questions, *, since_ms: int, until_ms: int
) -> list[Sighting]:
    """Return the templates that came first between two moments, the first of them.

    Raises:
        RuleFault: it asks for what cannot be answered.
        ServiceUnavailable: Elasticsearch does not answer.
    """
    found = questions.sightings(rule, since_ms=since_ms, until_ms=until_ms)
    unseen = unseen_of(
        found,
        rule=rule,
        questions=questions,
        since_ms=since_ms,
        learnt_by_ms=until_ms,
        now_ms=until_ms,
        looked_at_max=SAMPLES_MAX,
    )
    return list(unseen.new)

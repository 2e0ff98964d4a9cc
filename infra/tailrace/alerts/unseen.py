"""Which of the templates that came were never there before: asked the same way each time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tailrace.alerts.news import Sighting, new_templates
from tailrace.alerts.questions import Questions
from tailrace.alerts.rule_settings import RuleSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """What a look at some templates found."""

    new: tuple[Sighting, ...]
    """What is to be told, in the order in which it came, each with what its first event
    says."""
    looked_at: frozenset[str]
    """Those that need not be looked at again: older ones, and the first of the others."""
    is_all: bool
    """Whether no other is left."""


def unseen_of(
    found: Mapping[str, Sighting],
    *,
    rule: RuleSettings,
    questions: Questions,
    since_ms: int,
    learnt_by_ms: int,
    now_ms: int,
    looked_at_max: int,
) -> Unseen:
    """Return which of the templates that came since a moment had never come before.

    Nor had any other of its group (`tailrace.template_aliases`). Of these the first
    `looked_at_max` are looked at; one whose text is to be known in a moment is left to
    the next look, which finds it again. A dataset that was there for
    `rule.learn_ms` at `learnt_by_ms` is one of which new templates are told.

    Raises:
        RuleFault: the rule asks for what cannot be answered.
        ServiceUnavailable: Elasticsearch does not answer.
    """
    older = questions.older_templates(found.keys(), before_ms=since_ms)
    first_seen_ms = {name: found[name].first_seen_ms for name in found.keys() - older}
    kinds = questions.kinds(first_seen_ms.keys(), before_ms=since_ms, now_ms=now_ms)
    older = older | kinds.older
    waiting = kinds.waiting(first_seen_ms, now_ms=now_ms)
    unseen = sorted(
        first_seen_ms.keys() - older - waiting, key=first_seen_ms.__getitem__
    )
    if not unseen:
        return Unseen(new=(), looked_at=frozenset(older), is_all=True)
    learnt = questions.older_datasets(before_ms=learnt_by_ms - rule.learn_ms)
    first = unseen[:looked_at_max]
    samples = [questions.sample(rule, found[one], since_ms=since_ms) for one in first]
    return Unseen(
        new=tuple(new_templates(samples, learnt=learnt)),
        looked_at=frozenset({*older, *first}),
        is_all=len(first) == len(unseen),
    )

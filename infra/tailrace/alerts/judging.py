"""When the values of a rule become an alert, and when that is over. Pure.

A rule is asked at moments that are multiples of its `every_ms`, one after the other and
none left out, whoever asks: so two that ask the same, one after a crash of the other, come
to the same alert with the same beginning. What it takes into account of earlier moments
(`rounds`, `clear_rounds`) is counted again each time and not remembered.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal, TypeAlias

from tailrace.alerts.rule_settings import RuleSettings

Group: TypeAlias = tuple[str, ...]
"""The values of a rule's `group_by`, empty where one has none."""
Counts: TypeAlias = Mapping[Group, Mapping[int, int]]
"""How many events, by group and by the start of a bucket that is `every_ms` long."""


def _nothing() -> Counts:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was counted for one rule."""

    counts: Counts
    whole: Counts = field(default_factory=_nothing)
    """Of a ratio: of what it is a share."""
    before: Counts = field(default_factory=_nothing)
    """Of a change: what it is compared with, at its own time."""
    last_seen_ms: Mapping[Group, int] = field(default_factory=dict[Group, int])
    """Of an absence: when each group was there last, before what `counts` begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """That an alert begins, or is over."""

    kind: Literal["raised", "over"]
    group: Group
    start_ms: int
    """The first moment of the breach; with rule and group it names the alert."""
    at_ms: int
    value: float | None
    """None where it is over because there is nothing to judge any more."""


class Timeline:
    """How many events of one group lie between two moments."""

    def __init__(self, buckets: Mapping[int, int], *, width_ms: int) -> None:
        self._starts = sorted(start for start, count in buckets.items() if count)
        sums = accumulate(buckets[start] for start in self._starts)
        self._sums = [0, *sums]
        self._width_ms = width_ms

    def count(self, since_ms: int, until_ms: int) -> int:
        """Return how many lie in the buckets that begin in `[since_ms, until_ms)`."""
        first = bisect_left(self._starts, since_ms)
        last = bisect_left(self._starts, until_ms)
        return self._sums[last] - self._sums[first]

    def last_ms(self, until_ms: int) -> int | None:
        """Return the end of the last bucket that holds something and ends by then."""
        index = bisect_right(self._starts, until_ms - self._width_ms)
        return self._starts[index - 1] + self._width_ms if index else None


def points_between(rule: RuleSettings, *, after_ms: int, to_ms: int) -> range:
    """Return the moments in `(after_ms, to_ms]` that a rule is asked for."""
    every_ms = rule.every_ms
    return range(after_ms // every_ms * every_ms + every_ms, to_ms + 1, every_ms)


def history_ms(rule: RuleSettings) -> int:
    """Return how long before a moment the counts must begin to judge it."""
    rounds = max(rule.rounds, rule.clear_rounds)
    of_window = 0 if rule.kind == "absence" else rule.window_ms
    return of_window + (rounds - 1) * rule.every_ms


def judge(
    rule: RuleSettings,
    observed: Observed,
    *,
    points: Sequence[int],
    on: Mapping[Group, int],
) -> list[Decision]:
    """Return what changes at these moments, in their order.

    `on` are the alerts of this rule that are on before the first of them, by group, with
    their beginning.
    """
    groups = {*observed.counts, *observed.whole, *observed.before}
    groups |= {*observed.last_seen_ms, *on}
    if not rule.group_by:
        groups.add(())
    decisions = [
        decision
        for group in sorted(groups)
        for decision in _judge_group(
            rule,
            _Course(rule, observed, group=group),
            points=points,
            start_ms=on.get(group),
        )
    ]
    return sorted(decisions, key=lambda one: (one.at_ms, one.group))


def _judge_group(
    rule: RuleSettings,
    course: _Course,
    *,
    points: Sequence[int],
    start_ms: int | None,
) -> Iterator[Decision]:
    every_ms = rule.every_ms
    for at_ms in points:
        if start_ms is None:
            asked = [at_ms - back * every_ms for back in range(rule.rounds)]
            if all(is_breach(rule, course.value(moment)) for moment in asked):
                start_ms = asked[-1]
                value = course.value(at_ms)
                yield Decision(
                    kind="raised",
                    group=course.group,
                    start_ms=start_ms,
                    at_ms=at_ms,
                    value=value,
                )
            continue
        # What was so before it began says nothing of whether it is over.
        asked = [at_ms - back * every_ms for back in range(rule.clear_rounds)]
        if asked[-1] > start_ms and all(
            is_clear(rule, course.value(moment)) for moment in asked
        ):
            yield Decision(
                kind="over",
                group=course.group,
                start_ms=start_ms,
                at_ms=at_ms,
                value=course.value(at_ms),
            )
            start_ms = None


def is_breach(rule: RuleSettings, value: float | None) -> bool:
    """Tell whether a value is one to be alarmed by."""
    if value is None:
        return False
    if rule.kind == "absence":
        return value >= rule.window_ms
    if rule.above is not None:
        return value > rule.above
    return rule.below is not None and value < rule.below


def is_clear(rule: RuleSettings, value: float | None) -> bool:
    """Tell whether a value lets an alert be over: it need not be so where no breach is."""
    if value is None or rule.clear is None:
        return not is_breach(rule, value)
    return value <= rule.clear if rule.above is not None else value >= rule.clear


class _Course:
    """The values of one group."""

    def __init__(self, rule: RuleSettings, observed: Observed, *, group: Group) -> None:
        self.group = group
        self._rule = rule
        width_ms = rule.every_ms
        self._counts = Timeline(observed.counts.get(group, {}), width_ms=width_ms)
        self._whole = Timeline(observed.whole.get(group, {}), width_ms=width_ms)
        self._before = Timeline(observed.before.get(group, {}), width_ms=width_ms)
        self._last_seen_ms = observed.last_seen_ms.get(group)

    def value(self, at_ms: int) -> float | None:
        """Return what is judged at a moment; None where there is nothing to judge."""
        rule = self._rule
        if rule.kind == "absence":
            return self._silent_ms(at_ms)
        since_ms = at_ms - rule.window_ms
        count = self._counts.count(since_ms, at_ms)
        if rule.kind == "threshold":
            return count
        if rule.kind == "ratio":
            whole = self._whole.count(since_ms, at_ms)
        else:
            whole = self._before.count(
                since_ms - rule.before_ms, at_ms - rule.before_ms
            )
        return None if whole < rule.count_min else count / whole

    def _silent_ms(self, at_ms: int) -> float | None:
        """Return for how long it was silent; None once nobody misses it."""
        last_ms = self._counts.last_ms(at_ms)
        if last_ms is None:
            # What is in the bucket that is not over yet is not silence either.
            last_ms = self._last_seen_ms
        if last_ms is None:
            return None
        silent_ms = max(at_ms - last_ms, 0)
        return silent_ms if silent_ms < self._rule.before_ms else None

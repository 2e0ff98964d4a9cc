"""What an alert says, in words: ours alone, with values in them and no template of anybody. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from tailrace.alerts.judging import Decision
from tailrace.alerts.news import SAMPLE_CHARACTERS_MAX, Sighting
from tailrace.alerts.rule_settings import RuleSettings

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000))


def fields_of(rule: RuleSettings, decision: Decision) -> dict[str, str]:
    """Return the values of a decision's group by the names of their fields."""
    return dict(zip(rule.group_by, decision.group, strict=True))


def decision_text(rule: RuleSettings, decision: Decision) -> str:
    """Return why a rule is an alert."""
    value = decision.value or 0
    window = length_text(rule.window_ms)
    where = group_text(fields_of(rule, decision))
    limit = rule.above if rule.above is not None else rule.below or 0
    side = "more" if rule.above is not None else "less"
    if rule.kind == "absence":
        said = f"nothing for {length_text(round(value))}"
    elif rule.kind == "threshold":
        what = "dead letters" if rule.source == "dead" else "events"
        said = f"{value:,.0f} {what} in {window}, {side} than {limit:,g}"
    elif rule.kind == "ratio":
        said = f"a share of {value:.1%} in {window}, {side} than {limit:.1%}"
    else:
        before = length_text(rule.before_ms)
        said = (
            f"{value:,.2f} times as many events in {window} as {before} before,"
            f" {side} than {limit:,g}"
        )
    return f"{said}{where}"


def sighting_text(sighting: Sighting) -> str:
    """Return what of a template that was never there is told."""
    place = " of ".join(one for one in (sighting.dataset, sighting.host_name) if one)
    sample = sighting.message[:SAMPLE_CHARACTERS_MAX]
    return (
        f"a kind of line never seen before{f' in {place}' if place else ''}: {sample}"
    )


def group_text(fields: Mapping[str, str]) -> str:
    """Return of which group it is, with a space before it; nothing where it is of none."""
    if not fields:
        return ""
    named = ", ".join(f"{name}={value or '(none)'}" for name, value in fields.items())
    return f" ({named})"


def length_text(length_ms: int) -> str:
    """Return a length of time in the largest unit of which it is a whole number."""
    for name, unit_ms in _UNITS:
        if length_ms >= unit_ms and not length_ms % unit_ms:
            return f"{length_ms // unit_ms:,} {name}"
    return f"{length_ms / 1_000:,g} s"

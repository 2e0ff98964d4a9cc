"""What a rule is, as a person writes it: `[[indexer.alerts.rules]]` of the settings.

Everything that can be wrong with a rule is told when settings are read: what Elasticsearch
would only say in the night, when the rule is needed, comes too late.
"""

from __future__ import annotations

import re
from typing import Literal, Self, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,63}$"
FIELD_PATTERN = r"^[A-Za-z@_][A-Za-z0-9@_.-]{0,199}$"
RATES_FIELDS = frozenset(
    {
        "event.dataset",
        "host.name",
        "log.level",
        "tailrace.generation",
        "tailrace.rate.status_class",
        "tailrace.template.id",
    }
)
"""What a count of the rates index can be asked by."""
CHANNELS_MAX = 50
GROUP_FIELDS_MAX = 3
NEWS_MS = 2_000
POINTS_MAX = 10_080
"""Steps of a rule in its window: a week of minutes."""

Kind: TypeAlias = Literal["threshold", "change", "ratio", "absence", "new_template"]
Severity: TypeAlias = Literal["info", "warning", "critical"]

_TOKENS = re.compile(r'\(|\)|[\w.@\\-]+:|"[^"]*"|[^\s():"]+')
_WORDS_BETWEEN = frozenset({"AND", "OR", "NOT", "TO", "*"})


class Table(BaseModel):
    """A table of the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RuleSettings(Table):
    """One question that is asked again and again, and when its answer is an alert."""

    name: str = Field(pattern=NAME_PATTERN)
    kind: Kind
    source: Literal["events", "rates", "dead"] = "events"
    """`rates` are counts by minute, and cost the least."""
    query: str = Field(default="", max_length=4_000)
    """What is counted, as `tailrace search` takes it; empty is everything."""
    of_query: str = Field(default="", max_length=4_000)
    """Of a ratio: the whole, of which what `query` finds is a share."""
    group_by: tuple[str, ...] = Field(default=(), max_length=GROUP_FIELDS_MAX)
    """Fields by whose values each is judged by itself."""
    above: float | None = None
    below: float | None = None
    """More or less than this is a breach: a count, a factor of a change, a share."""
    clear: float | None = None
    """It is over on the other side of this; between both it stays what it is."""
    window_ms: int = Field(default=5 * MINUTE_MS, ge=1_000, le=7 * DAY_MS)
    """How much time one value is about; of an absence, how long nothing came."""
    every_ms: int = Field(default=MINUTE_MS, ge=1_000, le=DAY_MS)
    """How far apart the moments are that it is asked for; the window is a multiple. A new
    template is looked for every two seconds where nothing else is said."""
    before_ms: int = Field(default=DAY_MS, ge=MINUTE_MS, le=35 * DAY_MS)
    """Of a change: how long before the time is that it is compared with. Of an absence: for
    how long who was there is missed."""
    learn_ms: int = Field(default=HOUR_MS, ge=0, le=35 * DAY_MS)
    """Of a new template: how old a dataset must be, of which something may be new."""
    count_min: int = Field(default=1, ge=1)
    """With fewer events, in the whole or before, share and change mean nothing."""
    rounds: int = Field(default=1, ge=1, le=100)
    """For so many moments in a row it must be a breach before it is an alert."""
    clear_rounds: int = Field(default=1, ge=1, le=100)
    """For so many it must be none before it is over."""
    severity: Severity = "warning"
    channels: tuple[str, ...] | None = Field(default=None, max_length=CHANNELS_MAX)
    """Whom to tell; all where it is left out."""

    @model_validator(mode="before")
    @classmethod
    def _news_come_soon(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        table = cast("dict[str, object]", given)
        if table.get("kind") == "new_template" and "every_ms" not in table:
            return {**table, "every_ms": NEWS_MS}
        return table

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        if problems := rule_problems(self):
            raise ValueError("; ".join(problems))
        return self


def rule_problems(rule: RuleSettings) -> list[str]:
    """Return what contradicts itself in a rule."""
    problems = [
        f"group_by names {name!r}, which is no field"
        for name in rule.group_by
        if not re.fullmatch(FIELD_PATTERN, name)
    ]
    limits = (rule.above is not None) + (rule.below is not None)
    if rule.kind in {"threshold", "change", "ratio"} and limits != 1:
        problems.append(f"a {rule.kind} needs one of above and below")
    if rule.kind in {"absence", "new_template"} and limits:
        problems.append(f"kind {rule.kind} has neither above nor below")
    problems += _clear_problems(rule)
    for name in ("window_ms", "before_ms"):
        value: int = getattr(rule, name)
        if value % rule.every_ms:
            problems.append(
                f"{name} must be a multiple of every_ms ({rule.every_ms}), got {value}"
            )
    if rule.window_ms // rule.every_ms > POINTS_MAX:
        problems.append(
            f"window_ms must be at most {POINTS_MAX:,} times every_ms"
            f" ({rule.every_ms}), got {rule.window_ms}"
        )
    if rule.kind == "absence" and rule.before_ms <= rule.window_ms:
        problems.append("before_ms must be more than window_ms: it says who is missed")
    if rule.kind == "absence" and not rule.group_by:
        problems.append("an absence needs group_by: it says who may be absent")
    if rule.of_query and rule.kind != "ratio":
        problems.append("of_query is for a ratio alone")
    if rule.kind == "new_template" and (rule.source != "events" or rule.group_by):
        problems.append("a new template is looked for in events, and by no other group")
    return problems + _source_problems(rule)


def _clear_problems(rule: RuleSettings) -> list[str]:
    if rule.clear is None:
        return []
    if rule.above is not None and rule.clear > rule.above:
        return [f"clear must be at most above ({rule.above:g}), got {rule.clear:g}"]
    if rule.below is not None and rule.clear < rule.below:
        return [f"clear must be at least below ({rule.below:g}), got {rule.clear:g}"]
    if rule.above is None and rule.below is None:
        return ["clear needs above or below"]
    return []


def _source_problems(rule: RuleSettings) -> list[str]:
    if rule.source != "rates":
        return []
    problems = [
        f"the rates do not know {name}; there are {', '.join(sorted(RATES_FIELDS))}"
        for name in rule.group_by
        if name not in RATES_FIELDS
    ]
    if rule.every_ms % MINUTE_MS:
        problems.append(
            f"every_ms must be whole minutes, as the rates are, got {rule.every_ms}"
        )
    problems += [
        f"a query of the rates names each of its fields, one of"
        f" {', '.join(sorted(RATES_FIELDS))}; this does not: {strays[0]!r}"
        for query in (rule.query, rule.of_query)
        if (strays := _strays_of(query))
    ]
    return problems


def _strays_of(query: str) -> list[str]:
    """Return what of a query asks the rates for something that they do not hold."""
    strays: list[str] = []
    is_value = depth_of_value = 0
    for found in _TOKENS.finditer(query):
        part = found[0]
        if part == "(":
            depth_of_value += 1 if is_value or depth_of_value else 0
            is_value = 0
        elif part == ")":
            depth_of_value = max(depth_of_value - 1, 0)
        elif part.endswith(":"):
            if part[:-1].lstrip("+-") not in RATES_FIELDS:
                strays.append(part[:-1])
            is_value = 1
        elif is_value or depth_of_value or part in _WORDS_BETWEEN:
            is_value = 0
        else:
            strays.append(part)
    return strays

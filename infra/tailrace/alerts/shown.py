"""How alerts are shown: lines for people, JSON for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from tailrace.alerts.judging import Decision
from tailrace.alerts.records import Alert
from tailrace.alerts.rule_settings import RuleSettings
from tailrace.alerts.wording import decision_text, fields_of, group_text, length_text
from tailrace.moments import moment_text
from tailrace.text import printable


def alert_lines(alerts: Iterable[Alert]) -> Iterator[str]:
    """Yield a line for each alert."""
    for alert in alerts:
        told = "" if not alert.due else f", still to be told to {len(alert.due)}"
        state = alert.status
        if alert.over_at_ms is not None:
            lasted_ms = max(alert.over_at_ms - alert.start_ms, 0)
            state = f"over after {length_text(lasted_ms // 1_000 * 1_000)}"
        yield printable(
            f"{moment_text(alert.start_ms)[:19]} {alert.severity:8} {alert.rule}:"
            f" {alert.message} [{state}{told}]"
        )


def alert_json(alert: Alert) -> dict[str, Any]:
    """Return an alert as one JSON object."""
    return {"id": alert.alert_id, **msgspec.to_builtins(alert)}


def rule_lines(
    rules: Iterable[tuple[str, str]], judged_to_ms: Mapping[str, int]
) -> Iterator[str]:
    """Yield a line for each rule, given by name and kind: up to when it was judged."""
    for name, kind in rules:
        at_ms = judged_to_ms.get(name)
        until = "" if at_ms is None else f", judged to {moment_text(at_ms)[:19]}"
        yield f"{name} ({kind}{until})"


def decision_line(rule: RuleSettings, decision: Decision) -> str:
    """Return what a rule would have decided at a moment."""
    what = "would be raised" if decision.kind == "raised" else "would be over"
    text = (
        decision_text(rule, decision)
        if decision.kind == "raised"
        else f"since {moment_text(decision.start_ms)[:19]}"
        f"{group_text(fields_of(rule, decision))}"
    )
    return printable(f"{moment_text(decision.at_ms)[:19]} {what}: {text}")


def decision_json(rule: RuleSettings, decision: Decision) -> dict[str, Any]:
    """Return a decision as one JSON object."""
    return {
        "what": decision.kind,
        "rule": rule.name,
        "group": fields_of(rule, decision),
        "start_ms": decision.start_ms,
        "at_ms": decision.at_ms,
        "value": decision.value,
    }

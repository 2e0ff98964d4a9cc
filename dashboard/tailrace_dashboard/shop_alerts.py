"""What the shop's rules have said: a question to the index of alerts, and rows of its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from tailrace.alerts.records import Alert, read_alert
from tailrace.alerts.wording import length_text
from tailrace.moments import TimeRange
from tailrace.query import TIMEOUT_S, Body, range_clause
from tailrace.shop_rules import NAME_PREFIX

ALERTS_MAX = 10
TEXT_CHARACTERS_MAX = 200


def alerts_body(time_range: TimeRange) -> Body:
    """Build the question for the newest alerts that began in a time, by the shop's rules."""
    rules = {"prefix": {"rule.name": NAME_PREFIX}}
    return {
        "size": ALERTS_MAX,
        "sort": [{"@timestamp": "desc"}],
        "query": {"bool": {"filter": [range_clause(time_range), rules]}},
        "track_total_hits": False,
        "timeout": f"{TIMEOUT_S}s",
    }


def read_alerts(answer: Mapping[str, Any]) -> tuple[Alert, ...]:
    """Read the answer; what is no alert as it is written today is left out."""
    found = [read_alert(hit["_source"]) for hit in answer["hits"]["hits"]]
    return tuple(alert for alert in found if alert is not None)


def alert_rows(alerts: Sequence[Alert], *, zone: tzinfo) -> list[dict[str, object]]:
    """Return a row for each alert: since when, by which rule, why, and whether it is over."""
    return [
        {
            "Began": f"{datetime.fromtimestamp(one.start_ms / 1_000, tz=zone):%H:%M:%S}",
            "Alert": one.rule,
            "Because": _first_line(one.message)[:TEXT_CHARACTERS_MAX],
            "State": _state(one),
        }
        for one in alerts
    ]


def _state(alert: Alert) -> str:
    if alert.over_at_ms is None:
        return alert.status
    lasted_ms = max(alert.over_at_ms - alert.start_ms, 0)
    return f"over after {length_text(lasted_ms // 1_000 * 1_000)}"


def _first_line(message: str) -> str:
    # A message shows the line ends of an event as they were made harmless.
    return message.partition(r"\x0a")[0]

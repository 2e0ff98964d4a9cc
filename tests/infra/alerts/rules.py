"""Rules for tests, as the settings would hold them."""

from __future__ import annotations

from typing import Any

from tailrace.alerts.rule_settings import RuleSettings

MINUTE_MS = 60_000
NOON_MS = 1_790_000_040_000 // MINUTE_MS * MINUTE_MS


def rule(**settings: object) -> RuleSettings:
    given: dict[str, Any] = {
        "name": "many",
        "kind": "threshold",
        "window_ms": MINUTE_MS,
    }
    if settings.get("kind", "threshold") == "threshold" and "below" not in settings:
        given["above"] = 10
    return RuleSettings.model_validate(given | settings)


def minutes(*counts: int, first_ms: int = NOON_MS) -> dict[int, int]:
    """Return so many events in each minute from `first_ms` on."""
    return {first_ms + n * MINUTE_MS: count for n, count in enumerate(counts)}


def moments(count: int, *, first_ms: int = NOON_MS) -> range:
    """Return the moments at which each of so many minutes is over."""
    return range(first_ms + MINUTE_MS, first_ms + (count + 1) * MINUTE_MS, MINUTE_MS)

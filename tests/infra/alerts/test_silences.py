from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tailrace.alerts.config import SilenceSettings
from tailrace.alerts.silences import is_silenced


def at(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000)


FRIDAY_NIGHT: dict[str, Any] = {
    "days": ["friday"],
    "from_time": "22:00",
    "to_time": "06:00",
}
ONCE: dict[str, Any] = {"since": "2026-11-27T10:00", "until": "2026-11-27T11:00"}


@pytest.mark.parametrize(
    ("silence", "moment", "is_silent"),
    [
        (ONCE, "2026-11-27T09:59:59", False),
        (ONCE, "2026-11-27T10:00", True),
        (ONCE, "2026-11-27T11:00", False),
        (ONCE | {"timezone": "Europe/Berlin"}, "2026-11-27T09:30", True),
        (ONCE | {"timezone": "Europe/Berlin"}, "2026-11-27T10:30", False),
        (FRIDAY_NIGHT, "2026-11-27T21:59", False),
        (FRIDAY_NIGHT, "2026-11-27T22:00", True),
        (FRIDAY_NIGHT, "2026-11-28T05:59", True),
        (FRIDAY_NIGHT, "2026-11-28T06:00", False),
        (FRIDAY_NIGHT, "2026-11-27T05:00", False),
        ({"days": ["saturday"]}, "2026-11-28T12:00", True),
        ({"days": ["saturday"]}, "2026-11-29T00:00", False),
        ({"from_time": "01:00", "to_time": "02:00"}, "2026-11-29T01:30", True),
    ],
)
def test_it_is_silent_when_the_silence_says_so(
    silence: dict[str, Any], moment: str, is_silent: bool
) -> None:
    settings = SilenceSettings.model_validate(silence)
    found = is_silenced([settings], rule="many", fields={}, at_ms=at(moment))
    assert found is is_silent


@pytest.mark.parametrize(
    ("named", "is_silent"),
    [
        ({}, True),
        ({"rules": ["man*"]}, True),
        ({"rules": ["few"]}, False),
        ({"groups": {"host.name": "web-*"}}, True),
        ({"groups": {"host.name": "db-*"}}, False),
        ({"groups": {"event.dataset": "*x"}}, False),
    ],
)
def test_only_what_it_names_is_silent(named: dict[str, Any], is_silent: bool) -> None:
    settings = SilenceSettings.model_validate({"days": ["friday"], **named})
    found = is_silenced(
        [settings],
        rule="many",
        fields={"host.name": "web-1"},
        at_ms=at("2026-11-27T12:00"),
    )
    assert found is is_silent

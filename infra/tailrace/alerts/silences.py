"""Whether nobody is to be told of an alert at a moment. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from tailrace.alerts.config import DAYS, SilenceSettings, moment_in, zone_of


def is_silenced(
    silences: Iterable[SilenceSettings],
    *,
    rule: str,
    fields: Mapping[str, str],
    at_ms: int,
) -> bool:
    """Tell whether one of the silences is about this rule, these fields and this moment."""
    return any(
        _is_about(silence, rule=rule, fields=fields) and _holds(silence, at_ms=at_ms)
        for silence in silences
    )


def _is_about(
    silence: SilenceSettings, *, rule: str, fields: Mapping[str, str]
) -> bool:
    if not any(fnmatchcase(rule, glob) for glob in silence.rules):
        return False
    return all(
        fnmatchcase(fields.get(name, ""), glob) for name, glob in silence.groups.items()
    )


def _holds(silence: SilenceSettings, *, at_ms: int) -> bool:
    moment = datetime.fromtimestamp(at_ms / 1_000, tz=UTC)
    if silence.since and moment < moment_in(silence.since, timezone=silence.timezone):
        return False
    if silence.until and moment >= moment_in(silence.until, timezone=silence.timezone):
        return False
    local = moment.astimezone(zone_of(silence.timezone))
    day = local.weekday()
    if silence.from_time is not None and silence.to_time is not None:
        now = local.time()
        if silence.from_time < silence.to_time:
            if not silence.from_time <= now < silence.to_time:
                return False
        elif now < silence.to_time:
            # A night belongs to the day on which it began.
            day = (day - 1) % len(DAYS)
        elif now < silence.from_time:
            return False
    return not silence.days or DAYS[day] in silence.days

"""Which moments a person means: `15m`, `now`, `2026-11-24T01:02Z`, and ranges of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from tailrace.errors import QueryInvalid

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

LATEST_MS = 9_223_372_036_854
"""The last millisecond that `date_nanos` holds (2262-04-11)."""

INTERVALS_MS = (
    *(base * power for power in (1, 10, 100) for base in (1, 2, 5)),
    *(count * SECOND_MS for count in (1, 2, 5, 10, 15, 30)),
    *(count * MINUTE_MS for count in (1, 2, 5, 10, 15, 30)),
    *(count * HOUR_MS for count in (1, 2, 3, 6, 12)),
    *(count * DAY_MS for count in (1, 2, 7, 14, 30, 90, 365)),
)
"""Widths of bars that a person can read off an axis."""

_UNITS_MS = {
    "ms": 1,
    "s": SECOND_MS,
    "m": MINUTE_MS,
    "h": HOUR_MS,
    "d": DAY_MS,
    "w": 7 * DAY_MS,
}
_AGO = re.compile(r"(?:now)?\s*-?\s*(\d{1,9})\s*(ms|s|m|h|d|w)", re.ASCII)
_EPOCH_MS = re.compile(r"\d{11,13}", re.ASCII)
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The moments from `since_ms` on and before `until_ms`, within what ES can hold."""

    since_ms: int
    until_ms: int

    def __post_init__(self) -> None:
        if not 0 <= self.since_ms < self.until_ms <= LATEST_MS:
            raise QueryInvalid(
                f"The time range from {moment_text(self.since_ms)} to"
                f" {moment_text(self.until_ms)} holds nothing.",
                remedy="let it begin before it ends, after 1970 and before 2262",
            )

    @property
    def length_ms(self) -> int:
        """How long the range is."""
        return self.until_ms - self.since_ms


def parse_moment(text: str, *, now_ms: int, zone: tzinfo = _UTC) -> int:
    """Return the moment that a person means by `text`, in epoch milliseconds.

    `now`; an age (`30s`, `15m`, `2h`, `7d`, `1w`, also `now-15m`); a date or time as
    ISO 8601 writes it (`2026-11-24`, `2026-11-24 01:02`, `2026-11-24T01:02:03.5Z`),
    which is in `zone` where it names none; or epoch milliseconds.

    Raises:
        QueryInvalid: it is none of these, or lies before 1970 or after 2262.
    """
    cleaned = text.strip()
    moment_ms = _moment_ms(cleaned, now_ms=now_ms, zone=zone)
    if moment_ms is None:
        raise QueryInvalid(
            f"{cleaned[:60]!r} is not a moment.",
            remedy=(
                "write an age such as `15m`, `2h` or `7d`, `now`,"
                " or a time such as `2026-11-24 01:02` or `2026-11-24T01:02Z`"
            ),
        )
    if not 0 <= moment_ms <= LATEST_MS:
        raise QueryInvalid(
            f"{cleaned[:60]!r} lies before 1970 or after 2262.",
            remedy="choose a moment that Elasticsearch can hold",
        )
    return moment_ms


def _moment_ms(text: str, *, now_ms: int, zone: tzinfo) -> int | None:
    if text.lower() == "now":
        return now_ms
    if ago := _AGO.fullmatch(text.lower()):
        return now_ms - int(ago[1]) * _UNITS_MS[ago[2]]
    if _EPOCH_MS.fullmatch(text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
        placed = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return round(placed.timestamp() * 1_000)
    except (ValueError, OverflowError):
        return None


def interval_ms_for(time_range: TimeRange, *, buckets_max: int) -> int:
    """Return the narrowest readable width that needs at most `buckets_max` buckets.

    Buckets begin at multiples of the width, so a range touches up to one more than its
    length suggests.
    """
    for interval_ms in INTERVALS_MS:
        first = time_range.since_ms // interval_ms
        last = (time_range.until_ms - 1) // interval_ms
        if last - first < buckets_max:
            return interval_ms
    year_ms = INTERVALS_MS[-1]
    return (time_range.length_ms // (year_ms * max(buckets_max - 1, 1)) + 1) * year_ms


def moment_text(moment_ms: int, *, zone: tzinfo = _UTC) -> str:
    """Return `2026-11-24 01:02:03.456`, or the bare number where no calendar has it."""
    try:
        moment = datetime.fromtimestamp(moment_ms / 1_000, tz=zone)
    except (ValueError, OverflowError, OSError):
        return str(moment_ms)
    # Floating point would round 0.9995 s up to the next second.
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment_ms % 1_000:03d}"

"""When a line says it was written: times of every shape as nanoseconds since 1970, UTC.

Everything here is a function of the line and of its generation's placement, so that a
line sent again gets the same time. A time that is no date, lies before 1970 or after what
`date_nanos` holds is null: the line is then dated by when it was seen.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import polars as pl

NS_PER_US = 1_000
LAST_NS = 9_223_372_036_000_000_000
"""What a `date_nanos` of Elasticsearch can hold: 11 April 2262."""
BEFORE_ANCHOR_DAYS = 180
"""A time without a year lies in the year that begins this long before first sight: a file
may be months old when it is found, and may live over a New Year afterwards.

So a line that was older than 180 days when its file was first seen, as in an old file that
was copied onto the host, is dated one year too late, up to 185 days into the future (and
marked `guessed`, as all such times). Known limit: neither the line nor the inode of a copy
tells the year. A file whose lines are all there already is read by `anchor_of_past`.
"""

ISO = r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d*)? ?(Z|[+-]\d\d:?\d\d)?"
"""Three groups: the second, its fraction, the zone."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun",
           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # fmt: skip
MONTH_NUMBERS = {name: f"{number:02d}" for number, name in enumerate(_MONTHS, 1)}


def iso_ns(
    moment: pl.Expr, *, fraction: pl.Expr, zone: pl.Expr, time_zone: str
) -> pl.Expr:
    """Return the time of the three groups of `ISO`; without a zone it is `time_zone`'s."""
    naive = moment.str.replace("T", " ", literal=True).str.strptime(
        pl.Datetime("us"), "%Y-%m-%d %H:%M:%S", strict=False
    )
    digits = zone.str.replace(":", "", literal=True)
    minutes = digits.str.slice(1, 2).cast(
        pl.Int64, strict=False
    ) * 60 + digits.str.slice(3, 2).cast(pl.Int64, strict=False)
    signed = pl.when(zone.str.starts_with("-")).then(-minutes).otherwise(minutes)
    offset_us = signed.fill_null(0) * 60_000_000
    second_us = (
        pl.when(zone.is_null())
        .then(_local_us(naive, time_zone=time_zone))
        .otherwise(naive.dt.epoch("us") - offset_us)
    )
    return believable(second_us * NS_PER_US + fraction_ns(fraction))


def iso_columns_ns(time_zone: str) -> pl.Expr:
    """Return the time of the columns `moment`, `fraction` and `zone`, by `iso_ns`."""
    return iso_ns(
        pl.col("moment"),
        fraction=pl.col("fraction"),
        zone=pl.col("zone"),
        time_zone=time_zone,
    )


def fraction_ns(fraction: pl.Expr) -> pl.Expr:
    """Return the digits after the point as nanoseconds; 0 where there are none."""
    padded = fraction.str.slice(0, 9).str.pad_end(9, "0")
    return padded.cast(pl.Int64, strict=False).fill_null(0)


def access_ns(moment: pl.Expr) -> pl.Expr:
    """Return the time of `24/Nov/2026:01:02:03 +0000`."""
    read = moment.str.strptime(
        pl.Datetime("us", "UTC"), "%d/%b/%Y:%H:%M:%S %z", strict=False
    )
    return believable(read.dt.epoch("us") * NS_PER_US)


def yearless_ns(
    month: pl.Expr,
    *,
    day: pl.Expr,
    clock: pl.Expr,
    fraction: pl.Expr,
    anchor_ms: int,
    time_zone: str,
) -> pl.Expr:
    """Return the time of `Nov 24 01:02:03` in the one year around first sight.

    That year begins 180 days before `anchor_ms`. A file that is older when it is found,
    or lives longer, gets a year too much or too little: nothing in the line could tell.
    """
    start = _moment(anchor_ms, time_zone) - timedelta(days=BEFORE_ANCHOR_DAYS)
    number = month.replace_strict(MONTH_NUMBERS, default=None, return_dtype=pl.String)
    in_year = pl.concat_str(
        number, pl.lit("-"), day.str.replace(" ", "0", literal=True), pl.lit(" "), clock
    )
    year = (
        pl.when(in_year >= start.strftime("%m-%d %H:%M:%S"))
        .then(pl.lit(f"{start.year:04d}-"))
        .otherwise(pl.lit(f"{start.year + 1:04d}-"))
    )
    naive = pl.concat_str(year, in_year).str.strptime(
        pl.Datetime("us"), "%Y-%m-%d %H:%M:%S", strict=False
    )
    local_us = _local_us(naive, time_zone=time_zone)
    return believable(local_us * NS_PER_US + fraction_ns(fraction))


def anchor_of_past(now_ms: int, *, time_zone: str) -> int:
    """Return the anchor for lines that exist already: their year ends a day after now.

    A day, because the clock that wrote them may be ahead, or in another zone than told.
    """
    end = _moment(now_ms, time_zone) + timedelta(days=1)
    if (end.month, end.day) == (2, 29):
        # Of no other year; with all of its day it is the window's last.
        end = end.replace(month=3, day=1, hour=0, minute=0, second=0)
    start = end.replace(year=end.year - 1)
    anchor = start + timedelta(days=BEFORE_ANCHOR_DAYS)
    return int(anchor.timestamp() * 1_000)


def believable(at_ns: pl.Expr) -> pl.Expr:
    """Return the time, or null where `date_nanos` could not hold it."""
    return pl.when(at_ns.is_between(0, LAST_NS)).then(at_ns)


def iso_texts(times_ns: pl.Series) -> pl.Series:
    """Return `2026-11-24T01:02:03.456Z`, with six or nine digits where they are needed.

    How many is decided for each time by itself, never by its neighbours.
    """
    at_ns = pl.col("ns")
    moment = at_ns.cast(pl.Datetime("ns"))
    text = moment.dt.to_string("%Y-%m-%dT%H:%M:%S.%3fZ")
    # Most logs count in milliseconds at the most: each of the others costs a text a line.
    if (times_ns % 1_000_000 != 0).any():
        micro = moment.dt.to_string("%Y-%m-%dT%H:%M:%S.%6fZ")
        nano = moment.dt.to_string("%Y-%m-%dT%H:%M:%S.%9fZ")
        text = (
            pl.when(at_ns % 1_000_000 == 0)
            .then(text)
            .when(at_ns % 1_000 == 0)
            .then(micro)
            .otherwise(nano)
        )
    return pl.DataFrame({"ns": times_ns}).select(text).to_series()


def known_zone(name: str) -> str:
    """Return `name` if it is a time zone here, else UTC: a zone must not cost a line."""
    return name if _zone(name) is not None else "UTC"


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # An odd name is read as a path.
        return None


def _local_us(naive: pl.Expr, *, time_zone: str) -> pl.Expr:
    if time_zone == "UTC":
        return naive.dt.epoch("us")
    # The hour that a change of clocks skips is read as the one after it; of the hour
    # that comes twice, the first.
    there = naive.dt.replace_time_zone(
        time_zone, ambiguous="earliest", non_existent="null"
    ).dt.epoch("us")
    after = (
        naive.dt.offset_by("1h")
        .dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
        .dt.epoch("us")
    )
    return there.fill_null(after)


def _moment(at_ms: int, time_zone: str) -> datetime:
    zone = _zone(time_zone) or UTC
    clamped_ms = min(max(at_ms, 365 * 86_400_000), LAST_NS // 1_000_000)
    return datetime.fromtimestamp(clamped_ms / 1_000, tz=zone)

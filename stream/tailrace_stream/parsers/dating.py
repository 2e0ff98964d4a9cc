"""Times as servers write them into their own logs: mostly without a zone, some without a year."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tailrace.wire import Table
from tailrace_stream.times import MONTH_NUMBERS, iso_ns, yearless_ns

NONE = pl.lit(None, pl.String)


@dataclass(frozen=True, slots=True)
class Dating:
    """What the placement says of a file, where its lines leave it open: mostly of times."""

    time_zone: str
    """IANA zone, known on this machine."""
    anchor_ms: int
    """First sight of the file; see `tailrace_stream.times.yearless_ns`."""
    table: Table | None = None
    """What the columns are of separated values, which a line leaves open as well."""


def zoneless_ns(moment: pl.Expr, *, fraction: pl.Expr, dating: Dating) -> pl.Expr:
    """Return the time of `2026-11-24 01:02:03`, of the zone that the file is in."""
    return iso_ns(moment, fraction=fraction, zone=NONE, time_zone=dating.time_zone)


def named_month_ns(
    year: pl.Expr,
    *,
    month: pl.Expr,
    day: pl.Expr,
    clock: pl.Expr,
    fraction: pl.Expr,
    dating: Dating,
) -> pl.Expr:
    """Return the time of `24 Nov 2026 01:02:03`; without a year as syslog's is read."""
    padded = day.str.strip_chars(" ").str.zfill(2)
    number = month.replace_strict(MONTH_NUMBERS, default=None, return_dtype=pl.String)
    moment = pl.concat_str(
        year, pl.lit("-"), number, pl.lit("-"), padded, pl.lit(" "), clock
    )
    dated = zoneless_ns(moment, fraction=fraction, dating=dating)
    yearless = yearless_ns(
        month,
        day=padded,
        clock=clock,
        fraction=fraction,
        anchor_ms=dating.anchor_ms,
        time_zone=dating.time_zone,
    )
    return pl.when(year.is_null()).then(yearless).otherwise(dated)


def named_month_columns_ns(dating: Dating) -> pl.Expr:
    """Return the time of the columns `year` to `fraction`, by `named_month_ns`."""
    return named_month_ns(
        pl.col("year"),
        month=pl.col("month"),
        day=pl.col("day"),
        clock=pl.col("clock"),
        fraction=pl.col("fraction"),
        dating=dating,
    )

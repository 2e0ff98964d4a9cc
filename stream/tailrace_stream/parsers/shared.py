"""Expressions that several servers' parsers share: numbers, requests, categories."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tailrace_stream.parsers.columns import MATCHED
from tailrace_stream.parsers.urls import with_whole_urls

REQUEST = r"^([A-Z][A-Z_-]{0,31}) ([^ ]+)(?: HTTP/([0-9.]{1,8}))?$"
"""Three groups: the method, what was asked for, and the version of HTTP."""
NS_PER_MS = 1_000_000


def whole(column: str) -> pl.Expr:
    """Return a text column's numbers; null where it holds none, or one no `long` can."""
    return pl.col(column).cast(pl.Int64, strict=False)


def ms_as_ns(column: str) -> pl.Expr:
    """Return milliseconds, with a fraction or without, as whole nanoseconds."""
    ms = pl.col(column).cast(pl.Float64, strict=False)
    # Above, no `event.duration` is to be believed, nor would it fit one.
    is_believed = ms.is_between(0, 9e12)
    return pl.when(is_believed).then((ms * NS_PER_MS).round().cast(pl.Int64))


def always(values: Sequence[str]) -> pl.Expr:
    """Return the same list of words for each line that matched."""
    return pl.when(MATCHED).then(pl.lit(pl.Series([list(values)])))


def type_by_level(level: pl.Expr, faults: Sequence[str]) -> pl.Expr:
    """Return `event.type`: `error` for the levels that tell of a fault, else `info`."""
    return (
        pl.when(level.is_in(faults))
        .then(pl.lit(pl.Series([["error"]])))
        .when(level.is_not_null())
        .then(pl.lit(pl.Series([["info"]])))
    )


def with_request(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Turn a column such as `GET /a?b HTTP/1.1` into the fields of a request.

    `url.scheme`, `url.domain` and `url.port` are null but for a proxy's.
    """
    names = ["http.request.method", "url.original", "http.version"]
    groups = frame.get_column(column).str.extract_groups(REQUEST)
    made = groups.struct.rename_fields(names).struct.unnest()
    parts = made.get_column("url.original").str.splitn("?", 2).struct
    nothing = pl.lit(None, pl.String)
    return with_whole_urls(
        frame.drop(column).with_columns(
            nothing.alias("url.scheme"),
            nothing.alias("url.domain"),
            nothing.cast(pl.Int64).alias("url.port"),
            *made.get_columns(),
            parts.field("field_0").alias("url.path"),
            parts.field("field_1").alias("url.query"),
        )
    )

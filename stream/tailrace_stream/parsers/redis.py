"""What Redis and Valkey say in their log, of every version since the first.

The names of the fields are those of Elastic's integration `redis`, data stream `log`.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
    by_shape,
    has,
)
from tailrace_stream.parsers.dating import Dating, named_month_columns_ns
from tailrace_stream.parsers.shared import always, whole
from tailrace_stream.times import believable

_WHEN = ("day", "month", "year", "clock", "fraction")
_TIME = (
    r"([0-9]{1,2}) ([A-Z][a-z]{2}) (?:([0-9]{4}) )?([0-9][0-9]:[0-9][0-9]:[0-9][0-9])(?:\.([0-9]{1,9}))? "
    r"([.*#-]) ((?s:.*))$"
)
_SHAPES = (
    (r"^([0-9]{1,10}):([A-Za-z]) " + _TIME, ("pid", "role", *_WHEN, "level", "text")),
    (
        r"^([0-9]{1,10}):signal-handler \(([0-9]{1,10})\) ((?s:.*))$",
        ("pid", "epoch", "text"),
    ),
    # Before 3.0 without a role, and at first without the process, too
    (r"^((?:\[[0-9]{1,10}\] )?)" + _TIME, ("head", *_WHEN, "level", "text")),
)
_USED = ("pid", "role", "head", *_WHEN, "level", "epoch", "text")
_LEVELS = {".": "debug", "-": "verbose", "*": "notice", "#": "warning"}
_ROLES = {"M": "master", "S": "slave", "C": "child", "X": "sentinel"}


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line.

    The logo that it may draw at its start, and what it reports of a crash, have lines of
    another kind: they match, and have a message alone.
    """
    is_drawn = ~lines.str.contains(r"^(?:\[?[0-9])")
    frame = has(by_shape(lines, _SHAPES), *_USED).with_columns(is_drawn.alias("_drawn"))
    written = named_month_columns_ns(dating)
    epoch_ns = believable(whole("epoch") * 1_000_000_000)
    return frame.select(
        (pl.col(MATCHED) | pl.col("_drawn")).alias(MATCHED),
        pl.coalesce(written, epoch_ns).alias(TIME_NS),
        pl.col("epoch").is_null().alias(GUESSED),
        _named("level", _LEVELS).alias("log.level"),
        pl.coalesce("pid", pl.col("head").str.strip_chars("[] "))
        .cast(pl.Int64, strict=False)
        .alias("process.pid"),
        _named("role", _ROLES).alias("redis.log.role"),
        always(["database"]).alias("event.category"),
        always(["info"]).alias("event.type"),
        pl.col("text").alias(MESSAGE),
    )


def _named(column: str, names: dict[str, str]) -> pl.Expr:
    return pl.col(column).replace_strict(names, default=None, return_dtype=pl.String)

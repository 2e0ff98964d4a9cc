"""What MySQL, MariaDB and Percona Server say in their error log, from 5.5 to 9.

The names of the fields are those of Elastic's integration `mysql`, data stream `error`.
Some of what they print, at their start and of a crash, has no time: such a line is theirs
all the same, and has a message and the words of all.
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
from tailrace_stream.parsers.dating import NONE, Dating, zoneless_ns
from tailrace_stream.parsers.shared import whole
from tailrace_stream.times import (
    ISO,
    iso_columns_ns,
)

_TAIL = (
    r" +(?:([0-9]{1,19}) +)?(?:\[([A-Za-z]{1,16})\] *)?"
    r"(?:\[([A-Z]{2,8}-[0-9]{4,8})\] \[([A-Za-z0-9_-]+)\] )?((?s:.*))$"
)
_REST = ("thread", "level", "code", "provider", "text")
_SHAPES = (
    # MySQL from 5.7: UTC, or with the zone's offset; MariaDB from 10.1: local
    (rf"^{ISO}" + _TAIL, ("moment", "fraction", "zone", *_REST)),
    # MariaDB writes the hours before ten with a blank in front.
    (
        r"^([0-9]{4}-[0-9][0-9]-[0-9][0-9])  ?([0-9]{1,2}:[0-9][0-9]:[0-9][0-9])"
        + _TAIL,
        ("date", "clock", *_REST),
    ),
    # MySQL to 5.6, of which every line of a second's begins as in the one before
    (
        r"^([0-9]{6})  ?([0-9]{1,2}:[0-9][0-9]:[0-9][0-9])" + _TAIL,
        ("short", "clock", *_REST),
    ),
)
_USED = ("moment", "fraction", "zone", "date", "clock", "short", *_REST)
_STARTS_TIMED = r"^[0-9]{4}-[0-9]|^[0-9]{6} "


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line."""
    is_bare = ~lines.str.contains(_STARTS_TIMED)
    frame = has(by_shape(lines, _SHAPES), *_USED).with_columns(is_bare.alias("_bare"))
    zone, level = pl.col("zone"), pl.col("level").str.to_lowercase()
    dated = iso_columns_ns(dating.time_zone)
    short = pl.col("short")
    date = pl.coalesce(
        "date",
        pl.concat_str(
            # They were written from 1995 on, and no more after 2018.
            pl.when(short < "9").then(pl.lit("20")).otherwise(pl.lit("19")),
            short.str.slice(0, 2),
            pl.lit("-"),
            short.str.slice(2, 2),
            pl.lit("-"),
            short.str.slice(4, 2),
        ),
    )
    clock = pl.col("clock").str.zfill(8)
    moment = pl.concat_str(date, pl.lit(" "), clock)
    local = zoneless_ns(moment, fraction=NONE, dating=dating)
    return frame.select(
        (pl.col(MATCHED) | pl.col("_bare")).alias(MATCHED),
        pl.coalesce(dated, local).alias(TIME_NS),
        zone.is_null().alias(GUESSED),
        level.alias("log.level"),
        whole("thread").alias("mysql.thread_id"),
        pl.col("code").alias("event.code"),
        pl.col("provider").alias("event.provider"),
        pl.when(pl.col(MATCHED) | pl.col("_bare"))
        .then(pl.lit(pl.Series([["database"]])))
        .alias("event.category"),
        pl.when(level == "error")
        .then(pl.lit(pl.Series([["info", "error"]])))
        .when(pl.col(MATCHED) | pl.col("_bare"))
        .then(pl.lit(pl.Series([["info"]])))
        .alias("event.type"),
        pl.col("text").alias(MESSAGE),
    )

"""What MongoDB says in its log: JSON since 4.4, text before.

The names of the fields are those of Elastic's integration `mongodb`, data stream `log`, but
for `attr`, whose keys stand in `attributes.attr`, as all keys that a line brings of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tailrace_stream.parsers.columns import (
    ATTRIBUTES,
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
    extract,
    has,
    in_order,
    with_rows,
)
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.parsers.fields import TIME
from tailrace_stream.parsers.keyed import parse_keyed
from tailrace_stream.parsers.shared import always
from tailrace_stream.times import (
    ISO,
    iso_columns_ns,
)

_NAMES = {
    "t.$date": TIME,
    "s": "log.level",
    "c": "mongodb.log.component",
    "ctx": "mongodb.log.context",
    "id": "mongodb.log.id",
    "msg": "message",
}
_NUMBERS = frozenset({"mongodb.log.id"})
_TEXT = rf"^{ISO} ([FEWID][1-5]?) +([A-Z_]{{1,16}}|-) +(?:\[([^\]]*)\] ?)?((?s:.*))$"
_LEVELS = {"F": "fatal", "E": "error", "W": "warning", "I": "info", "D": "debug"}
_FIELDS = ("log.level", "mongodb.log.component", "mongodb.log.context", MESSAGE)


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line."""
    rows = pl.int_range(len(lines), eager=True)
    is_json = lines.str.starts_with("{")
    frame = in_order(
        [
            with_rows(_json(lines.filter(is_json), dating), rows.filter(is_json)),
            with_rows(_text(lines.filter(~is_json), dating), rows.filter(~is_json)),
        ]
    )
    letter = pl.col("log.level").str.slice(0, 1)
    component = pl.col("mongodb.log.component")
    is_fault = letter.is_in(["F", "E"])
    kind = (
        pl.when(component == "ACCESS")
        .then(pl.lit("access"))
        .when(component == "WRITE")
        .then(pl.lit("change"))
        .otherwise(pl.lit("info"))
    )
    return frame.with_columns(
        letter.replace_strict(_LEVELS, default=None, return_dtype=pl.String).alias(
            "log.level"
        ),
        always(["database"]).alias("event.category"),
        pl.when(MATCHED & is_fault)
        .then(pl.concat_list(kind, pl.lit("error")))
        .when(MATCHED)
        .then(pl.concat_list(kind))
        .alias("event.type"),
    )


def _json(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    frame = parse_keyed(
        lines,
        names=_NAMES,
        numbers=_NUMBERS,
        is_one=_is_one,
        time_zone=dating.time_zone,
    )
    return has(frame, *_FIELDS)


def _is_one(record: Mapping[str, object]) -> bool:
    return {"t", "s", "c", "msg"} <= record.keys()


def _text(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    names = ("moment", "fraction", "zone", "level", "component", "context", "text")
    frame = extract(lines, _TEXT, names)
    zone = pl.col("zone")
    return frame.select(
        MATCHED,
        iso_columns_ns(dating.time_zone).alias(TIME_NS),
        zone.is_null().alias(GUESSED),
        pl.lit(None, pl.String).alias(ATTRIBUTES),
        pl.col("level").alias("log.level"),
        pl.when(pl.col("component") != "-")
        .then(pl.col("component"))
        .alias("mongodb.log.component"),
        pl.col("context").alias("mongodb.log.context"),
        pl.col("text").alias(MESSAGE),
    )

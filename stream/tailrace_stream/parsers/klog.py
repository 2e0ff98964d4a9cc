"""What Kubernetes' own programs say by klog, and others by glog, of which it comes.

Since its version 0.6 glog of C++ writes the year, too.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers.columns import GUESSED, MATCHED, MESSAGE, TIME_NS, extract
from tailrace_stream.parsers.dating import Dating, named_month_ns
from tailrace_stream.parsers.shared import whole
from tailrace_stream.times import MONTH_NUMBERS

_LINE = (
    r"^([IWEF])(20[0-9]{2})?([01][0-9])([0-3][0-9]) ([0-9]{2}:[0-9]{2}:[0-9]{2})\.([0-9]{1,9})"
    r" +([0-9]{1,19}) ([^\s:\]]+):([0-9]{1,9})\] ?((?s:.*))$"
)
_NAMES = (
    *("level", "year", "month", "day", "clock", "fraction", "thread", "file", "line"),
    "text",
)
_LEVELS = {"I": "info", "W": "warning", "E": "error", "F": "fatal"}
_MONTHS = {number: name for name, number in MONTH_NUMBERS.items()}


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line; its time has no zone, and mostly no year."""
    frame = extract(lines, _LINE, _NAMES)
    month = pl.col("month")
    return frame.select(
        MATCHED,
        named_month_ns(
            pl.col("year"),
            month=month.replace_strict(_MONTHS, default=None, return_dtype=pl.String),
            day=pl.col("day"),
            clock=pl.col("clock"),
            fraction=pl.col("fraction"),
            dating=dating,
        ).alias(TIME_NS),
        pl.lit(value=True).alias(GUESSED),
        pl.col("level")
        .replace_strict(_LEVELS, default=None, return_dtype=pl.String)
        .alias("log.level"),
        whole("thread").alias("process.thread.id"),
        pl.col("file").alias("log.origin.file.name"),
        whole("line").alias("log.origin.file.line"),
        pl.col("text").alias(MESSAGE),
    )

"""Lines of no known shape: the line is the message, and a time that leads it is read."""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers.columns import GUESSED, MATCHED, TIME_NS, extract
from tailrace_stream.times import (
    ISO,
    iso_columns_ns,
)


def parse(lines: pl.Series, *, time_zone: str) -> pl.DataFrame:
    """Return the time that a line begins with, where it does; every line matches."""
    frame = extract(lines, rf"^\[?{ISO}", ("moment", "fraction", "zone"))
    return frame.select(
        pl.col(MATCHED).is_not_null().alias(MATCHED),
        iso_columns_ns(time_zone).alias(TIME_NS),
        (pl.col(MATCHED) & pl.col("zone").is_null()).alias(GUESSED),
    )

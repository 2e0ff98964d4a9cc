"""Syslog as daemons write it to files and send it: RFC 5424, RFC 3164, and ISO times."""

from __future__ import annotations

import re

import msgspec
import polars as pl

from tailrace_stream.parsers.columns import (
    ATTRIBUTES,
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
    by_shape,
    filled,
    has,
)
from tailrace_stream.times import ISO, iso_ns, yearless_ns

_TAIL = r"(?:([^\s:\[]{1,128})(?:\[(\d{1,10})\])?: ?)?((?s:.*))$"
_LEGACY = (
    r"^((?:<\d{1,3}>)?)([A-Z][a-z]{2}) ([ \d]\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?"
    r" (?:<[a-z0-9]{1,16}\.[a-z0-9]{1,16}> )?(\S{1,255}) " + _TAIL
)
_DATED = r"^((?:<\d{1,3}>)?)" + ISO + r" (\S{0,254}[^\s:]) " + _TAIL
_NO_HOST = (
    r"(?i)^\[?(?:trace|debug|verbose|info|notice|warn|warning|error|fatal|critical|severe"
    r"|fine|finer|finest)\]?$"
)
"""What stands behind the time in another program's line: its level, and no host."""
_STRUCTURED = (
    r"^(<\d{1,3}>)1 (?:-|" + ISO + r") (\S+) (\S+) (\S+) (\S+)"
    r' (-|(?:\[(?:[^"\]]|"(?:[^"\\]|\\.)*")*\])+)(?: ((?s:.*)))?$'
)
_SHAPES = (
    (
        _LEGACY,
        ("pri", "month", "day", "clock", "fraction", "host", "program", "pid", "text"),
    ),
    (_DATED, ("pri", "moment", "fraction", "zone", "host", "program", "pid", "text")),
    (
        _STRUCTURED,
        (
            *("pri", "moment", "fraction", "zone", "host", "program", "pid"),
            *("message_id", "structured", "text"),
        ),
    ),
)
_USED = (
    *("pri", "month", "day", "clock", "moment", "fraction", "zone", "host"),
    *("program", "pid", "message_id", "structured", "text"),
)
LEVELS = {
    0: "emergency",
    1: "alert",
    2: "critical",
    3: "error",
    4: "warning",
    5: "notice",
    6: "info",
    7: "debug",
}
"""What the numbers of a severity are called."""
_PARAMETER = re.compile(r'([^\s=\]"\[]+)="((?:[^"\\]|\\.)*)"')


def parse(lines: pl.Series, *, time_zone: str, anchor_ms: int) -> pl.DataFrame:
    """Return the fields of each syslog line."""
    frame = has(by_shape(lines, _SHAPES), *_USED)
    is_anothers = (
        pl.col("moment").is_not_null()
        & (pl.col("pri") == "")
        & pl.col("host").str.contains(_NO_HOST)
    )
    frame = frame.with_columns(pl.col(MATCHED) & ~is_anothers.fill_null(value=False))
    fraction = pl.col("fraction")
    legacy = yearless_ns(
        pl.col("month"),
        day=pl.col("day"),
        clock=pl.col("clock"),
        fraction=fraction,
        anchor_ms=anchor_ms,
        time_zone=time_zone,
    )
    dated = iso_ns(
        pl.col("moment"), fraction=fraction, zone=pl.col("zone"), time_zone=time_zone
    )
    priority = pl.col("pri").str.strip_chars("<>").cast(pl.Int64, strict=False)
    severity = priority % 8
    pid = pl.col("pid").cast(pl.Int64, strict=False)
    return frame.select(
        MATCHED,
        pl.coalesce(dated, legacy).alias(TIME_NS),
        pl.col("zone").is_null().alias(GUESSED),
        severity.replace_strict(LEVELS, default=None, return_dtype=pl.String).alias(
            "log.level"
        ),
        priority.alias("log.syslog.priority"),
        severity.alias("log.syslog.severity.code"),
        (priority // 8).alias("log.syslog.facility.code"),
        filled("host").alias("host.hostname"),
        filled("program").alias("process.name"),
        pid.alias("process.pid"),
        filled("message_id").alias("log.syslog.msgid"),
        pl.when(MATCHED)
        .then(pl.col("text").fill_null("").str.strip_prefix("\ufeff"))
        .alias(MESSAGE),
        _attributes(frame.get_column("structured")).alias(ATTRIBUTES),
    )


def _attributes(structured: pl.Series) -> pl.Series:
    """Return the parameters of structured data as JSON objects."""
    values = structured.to_list()
    return pl.Series(
        [
            _object(text) if text is not None and text != "-" else None
            for text in values
        ],
        dtype=pl.String,
    )


def _object(text: str) -> str | None:
    found = {
        name: re.sub(r'\\(["\\\]])', r"\1", value)
        for name, value in _PARAMETER.findall(text)
    }
    return msgspec.json.encode(found).decode() if found else None

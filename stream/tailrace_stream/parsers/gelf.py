"""Graylog's Extended Log Format, one object of JSON a line."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tailrace_stream.parsers.dating import Dating
from tailrace_stream.parsers.fields import TIME
from tailrace_stream.parsers.keyed import parse_keyed
from tailrace_stream.parsers.syslog import LEVELS

_SEVERITY = "log.syslog.severity.code"
_NAMES = {
    "timestamp": TIME,
    "host": "host.hostname",
    "short_message": "message",
    "level": _SEVERITY,
    "facility": "log.logger",
    "file": "log.origin.file.name",
    "line": "log.origin.file.line",
}
_NUMBERS = frozenset({_SEVERITY, "log.origin.file.line"})


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line; those of its sender's own are `attributes`."""
    frame = parse_keyed(
        lines,
        names=_NAMES,
        numbers=_NUMBERS,
        is_one=_is_one,
        time_zone=dating.time_zone,
    )
    if _SEVERITY not in frame.columns:
        return frame
    level = pl.col(_SEVERITY)
    return frame.with_columns(
        pl.when(level.is_between(0, 7)).then(level).alias(_SEVERITY),
        level.replace_strict(LEVELS, default=None, return_dtype=pl.String).alias(
            "log.level"
        ),
    )


def _is_one(record: Mapping[str, object]) -> bool:
    return {"version", "host", "short_message"} <= record.keys()

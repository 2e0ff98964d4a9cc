"""What a ZooKeeper server says, in the pattern that it brings, of log4j as of logback.

The names of the fields are those of Elastic's integration `zookeeper`, data stream `log`. A
line in another pattern is read as any program's of Java is.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers import log4j
from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
    filled,
)
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.parsers.shared import type_by_level, whole
from tailrace_stream.parsers.stack_traces import java_fault
from tailrace_stream.times import ISO, iso_columns_ns

_SHAPES = (
    # Before 3.4 without the number of the server
    (
        (
            rf"^{ISO} *(?:\[myid:([^\]\n]*)\])? *- {log4j.LEVEL} +\[([^\n]{{0,512}}?)"
            rf":{log4j.LOGGER}@([0-9]{{1,9}})\] - ([^\n]*)(?:\r?\n((?s:.*)))?$"
        ),
        (*log4j.WHEN, "node", "level", "thread", "logger", "line", "text", "trace"),
    ),
)
_NAMES = (*_SHAPES[0][1], "pid")


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line; those of a stack trace alone have none, and match."""
    frame = log4j.frame_of(lines, (*_SHAPES, *log4j.SHAPES), _NAMES)
    level, text, trace = pl.col("log.level"), pl.col("text"), pl.col("trace")
    return frame.select(
        (pl.col(MATCHED) | pl.col("_continued")).alias(MATCHED),
        iso_columns_ns(dating.time_zone).alias(TIME_NS),
        pl.col("zone").is_null().alias(GUESSED),
        level,
        pl.col("logger").alias("log.logger"),
        whole("line").alias("log.origin.file.line"),
        pl.col("thread").alias("process.thread.name"),
        whole("pid").alias("process.pid"),
        filled("node").alias("service.node.name"),
        *java_fault(trace),
        type_by_level(level, ["error", "fatal"]).alias("event.type"),
        pl.when(trace.is_null())
        .then(text)
        .otherwise(pl.concat_str(text, pl.lit("\n"), trace))
        .alias(MESSAGE),
    )

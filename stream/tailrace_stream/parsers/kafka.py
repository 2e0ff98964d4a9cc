"""What a Kafka broker says: server, controller, state changes, in the usual patterns.

The names of the fields are those of Elastic's integration `kafka`, data stream `log`; beside
them stand the fields that ECS has for the same. A line in another pattern of log4j is read
as any program's of Java is.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers import log4j
from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
)
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.parsers.shared import type_by_level, whole
from tailrace_stream.parsers.stack_traces import JAVA_FAULT, filled_text, java_fault
from tailrace_stream.times import ISO, iso_columns_ns

_LEVEL, _CLASS, _WHEN = log4j.LEVEL, log4j.LOGGER, log4j.WHEN
_LINE = r"(?::([0-9]{1,9}))?"
_TRACE = r"(?:\r?\n((?s:.*)))?$"
_SHAPES = (
    # Kafka's own: the class at the end, and what was thrown behind it
    (
        rf"^\[{ISO}\] {_LEVEL} +([^\n]*) \({_CLASS}{_LINE}\){_TRACE}",
        (*_WHEN, "level", "text", "logger", "line", "trace"),
    ),
    # The same with the thread behind the class, as in containers
    (
        rf"^\[?{ISO}\]? {_LEVEL} +([^\n]*) \({_CLASS}{_LINE}\) \[([^\]\n]*)\]{_TRACE}",
        (*_WHEN, "level", "text", "logger", "line", "thread", "trace"),
    ),
    # A message of several lines, as the list of settings is: the class behind the last
    (
        rf"^\[{ISO}\] {_LEVEL} +((?s:.*)) \({_CLASS}{_LINE}\)$",
        (*_WHEN, "level", "text", "logger", "line"),
    ),
    (
        rf"^{ISO} {_LEVEL} +{_CLASS}: \[([^\n]{{0,256}}?)\]: ([^\n]*){_TRACE}",
        (*_WHEN, "level", "logger", "thread", "text", "trace"),
    ),
    (
        rf"^\[{ISO}\] \[{_LEVEL} *\] \[([^\]\n]{{0,256}})\] \[([^\]\n]{{1,256}})\] - ([^\n]*){_TRACE}",
        (*_WHEN, "level", "thread", "logger", "text", "trace"),
    ),
    (
        rf"^{ISO} {_LEVEL} +\[([^\]\n]{{0,256}})\] {_CLASS}:([0-9]{{1,9}}) - ([^\n]*){_TRACE}",
        (*_WHEN, "level", "thread", "logger", "line", "text", "trace"),
    ),
)
_NAMES = (*_WHEN, "level", "logger", "line", "thread", "pid", "text", "trace")
_COMPONENT = r"^\[([^\]\n]*)\][,:.]? +((?s:.*))$"


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line; those of a stack trace alone have none, and match."""
    frame = log4j.frame_of(lines, (*_SHAPES, *log4j.SHAPES), _NAMES)
    level, text, trace = pl.col("log.level"), pl.col("text"), pl.col("trace")
    said = pl.coalesce(text.str.extract(_COMPONENT, 2), text)
    return frame.select(
        (pl.col(MATCHED) | pl.col("_continued")).alias(MATCHED),
        iso_columns_ns(dating.time_zone).alias(TIME_NS),
        pl.col("zone").is_null().alias(GUESSED),
        level,
        pl.col("logger").alias("log.logger"),
        pl.col("logger").alias("kafka.log.class"),
        text.str.extract(_COMPONENT, 1).alias("kafka.log.component"),
        pl.col("thread").alias("process.thread.name"),
        pl.col("thread").alias("kafka.log.thread"),
        whole("pid").alias("process.pid"),
        whole("line").alias("log.origin.file.line"),
        whole("line").alias("kafka.log.line"),
        *java_fault(trace),
        trace.str.extract(JAVA_FAULT, 1).alias("kafka.log.trace.class"),
        filled_text(trace.str.extract(JAVA_FAULT, 2)).alias("kafka.log.trace.message"),
        type_by_level(level, ["error", "fatal"]).alias("event.type"),
        pl.when(trace.is_null())
        .then(said)
        .otherwise(pl.concat_str(said, pl.lit("\n"), trace))
        .str.strip_chars_end("\r\n")
        .alias(MESSAGE),
    )

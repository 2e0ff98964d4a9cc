"""Logs of log4j, logback, Spring, Python, and of Kafka, ZooKeeper and Elasticsearch."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
    by_shape,
    has,
)
from tailrace_stream.times import (
    ISO,
    iso_columns_ns,
)

LEVEL = r"(TRACE|DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|FATAL|CRITICAL|SEVERE|FINEST|FINER|FINE)"
LOGGER = r"([A-Za-z_][A-Za-z0-9_.$/-]*)"
TEXT = r"((?s:.*))$"
_CLASS = r"([A-Za-z_][A-Za-z0-9_$]*(?:\.[A-Za-z0-9_$-]+)+)"
_CALLER = r"(?:[^\s:]{1,256}\.go:[0-9]{1,9}\t)?"
# Not a place in the code, as log4j has it in parentheses: `App.java:12`.
_THREAD = r"([^()\n]{0,255}(?:[^()\n0-9]|[^():\n0-9][0-9]{1,19})|[0-9]{1,19})"
WHEN = ("moment", "fraction", "zone")
SHAPES = (
    # Elasticsearch: [time][LEVEL ][logger ] [node] message
    (
        rf"^\[{ISO}\]\[{LEVEL} *\]\[([^\]]{{1,256}}?) *\] (?:\[([^\]]*)\](?: |$))?{TEXT}",
        (*WHEN, "level", "logger", "node", "text"),
    ),
    # Kafka: the logger in parentheses at the end
    (
        rf"^\[{ISO}\] {LEVEL} ((?s:.*)) \({LOGGER}\)$",
        (*WHEN, "level", "text", "logger"),
    ),
    # ZooKeeper: the thread and the logger with its line in one pair of brackets
    (
        rf"^{ISO} \[myid:[^\]]*\] - {LEVEL} +\[(.{{0,256}}?):{LOGGER}@\d+\] - {TEXT}",
        (*WHEN, "level", "thread", "logger", "text"),
    ),
    # Spring Boot: time  LEVEL pid --- [app] [thread] logger : message
    (
        (
            rf"^{ISO} +{LEVEL} +(\d{{1,10}}) --- (?:\[[^\]]*\] )??\[ *([^\]]*)\]"
            rf" (\S{{1,256}}) *: {TEXT}"
        ),
        (*WHEN, "level", "pid", "thread", "logger", "text"),
    ),
    # WildFly, JBoss and Quarkus: time LEVEL [logger] (thread) message
    (
        rf"^{ISO} +{LEVEL} +\[ *{LOGGER}\] \({_THREAD}\) {TEXT}",
        (*WHEN, "level", "logger", "thread", "text"),
    ),
    # logback and log4j: time [thread] LEVEL logger - message
    (
        rf"^\[?{ISO}\]? *-? *\[([^\]]*)\] *-? *\[?{LEVEL}\]? +{LOGGER} *[-:] +{TEXT}",
        (*WHEN, "thread", "level", "logger", "text"),
    ),
    # time LEVEL [thread] logger - message
    (
        rf"^\[?{ISO}\]? *-? *\[?{LEVEL}\]? +\[([^\]]*)\] +{LOGGER} *[-:] +{TEXT}",
        (*WHEN, "level", "thread", "logger", "text"),
    ),
    # time LEVEL logger: message, as of Rust's tracing, whose loggers are modules.
    (
        (
            rf"^\[?{ISO}\]? *[-|]? *\[?{LEVEL}\]? +"
            rf"([A-Za-z_][A-Za-z0-9_$-]*(?:(?:\.|::)[A-Za-z0-9_$]+)+): +{TEXT}"
        ),
        (*WHEN, "level", "logger", "text"),
    ),
    # Trino and what else is built on Airlift: time, level, thread, class, by tabs.
    (
        rf"^{ISO}\t{LEVEL}\t([^\t\n]{{1,256}})\t{_CLASS}\t([^{{](?s:.*))$",
        (*WHEN, "level", "thread", "logger", "text"),
    ),
    # zap's console, as of operators of Kubernetes: tabs, and where in the code before the text.
    # A word before an object is what was said.
    (
        rf"^{ISO}\t{LEVEL}\t{LOGGER}\t{_CALLER}([^{{](?s:.*))$",
        (*WHEN, "level", "logger", "text"),
    ),
    (rf"^{ISO}\t{LEVEL}\t{_CALLER}{TEXT}", (*WHEN, "level", "text")),
    # Python's usual format, the logger before the level.
    (
        rf"^{ISO} *-? {LOGGER} *-? {LEVEL} *[-:]? {TEXT}",
        (*WHEN, "logger", "level", "text"),
    ),
    # time [thread] LEVEL message
    (
        (
            rf"^\[?{ISO}\]?[ \t]*[-|]?[ \t]*\[([^\]]*)\] *[-|]? *\[?{LEVEL}\]?"
            rf"(?:[ \t]*[-:|]+[ \t]*|[ \t]+|$){TEXT}"
        ),
        (*WHEN, "thread", "level", "text"),
    ),
    # time LEVEL message
    (
        (
            rf"^\[?{ISO}\]?[ \t]*[-|]?[ \t]*\[?{LEVEL}\]?"
            rf"(?:[ \t]*[-:|]+[ \t]*|[ \t]+|$){TEXT}"
        ),
        (*WHEN, "level", "text"),
    ),
)
# What follows a logged exception line by line; joined only where the agent is told to.
CONTINUED = (
    r"^(?:\s|$|Caused by: |Wrapped by: |Suppressed: |Traceback |Exception in thread \""
    r"|\.\.\. \d+ (?:more|common)|During handling of the above exception, "
    r"|The above exception was the direct cause "
    # An exception's class with a package, by its name or followed by its message, and
    # one without, as Python's own are.
    r"|[A-Za-z_$][A-Za-z0-9_$]*(?:\.[A-Za-z0-9_$]+)+(?:Exception|Error|Throwable)\b"
    r"|[A-Za-z_$][A-Za-z0-9_$]*(?:\.[A-Za-z0-9_$]+)*\.[A-Z][A-Za-z0-9_$]*(?:: |$)"
    r"|(?:[A-Z][A-Za-z0-9_]*(?:Exception|Error|Warning|Group|Exit|Iteration)"
    r"|KeyboardInterrupt)(?:: |$))"
)


def frame_of(
    lines: pl.Series, shapes: Sequence[tuple[str, Sequence[str]]], names: Sequence[str]
) -> pl.DataFrame:
    """Return what the first of `shapes` that fits finds in each line, by `names`.

    Beside it `_continued`, whether a line is one of a stack trace, and `log.level`.
    """
    return has(by_shape(lines, shapes), *names).with_columns(
        lines.str.contains(CONTINUED).alias("_continued"),
        pl.col("level").str.to_lowercase().alias("log.level"),
    )


def parse(lines: pl.Series, *, time_zone: str) -> pl.DataFrame:
    """Return the fields of each line; the lines of a stack trace have none, and match."""
    names = (*WHEN, "level", "logger", "thread", "node", "pid", "text")
    frame = frame_of(lines, SHAPES, names)
    return frame.select(
        (pl.col(MATCHED) | pl.col("_continued")).alias(MATCHED),
        iso_columns_ns(time_zone).alias(TIME_NS),
        pl.col("zone").is_null().alias(GUESSED),
        pl.col("log.level"),
        pl.col("logger").alias("log.logger"),
        pl.col("thread").alias("process.thread.name"),
        pl.col("pid").cast(pl.Int64, strict=False).alias("process.pid"),
        pl.col("node").alias("service.node.name"),
        pl.col("text").alias(MESSAGE),
    )

"""What programs in Python say: by `logging`, in its default and the usual formats.

The frameworks that have a format of their own are told by it: Flask, gunicorn, uvicorn,
Celery, Airflow, Scrapy, loguru, oslo. Of a traceback that an event holds, what was raised has
fields; a line in another format is read as any program's of Java is, whose patterns are alike.
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
from tailrace_stream.parsers.stack_traces import TRACEBACK, python_fault
from tailrace_stream.times import ISO, iso_columns_ns

_LEVEL = r"(DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL|TRACE|SUCCESS)"
_NAME = r"([A-Za-z_][A-Za-z0-9_.-]*)"
_TEXT = r"((?s:.*))$"
_WHEN = log4j.WHEN
_SHAPES = (
    # What `logging` does unless it is told otherwise
    (rf"^{_LEVEL}:{_NAME}:{_TEXT}", ("level", "logger", "text")),
    # The documentation's own example, and the same with the level first
    (
        rf"^{ISO} - {_NAME} - {_LEVEL} - {_TEXT}",
        (*_WHEN, "logger", "level", "text"),
    ),
    (
        rf"^{ISO} - {_LEVEL} - {_NAME} - {_TEXT}",
        (*_WHEN, "level", "logger", "text"),
    ),
    # loguru
    (
        rf"^{ISO} \| {_LEVEL} *\| ([^\s:|]{{1,256}}):([^\s:|]{{1,256}}):([0-9]{{1,9}}) - {_TEXT}",
        (*_WHEN, "level", "logger", "function", "line", "text"),
    ),
    # gunicorn
    (
        rf"^\[{ISO}\] \[([0-9]{{1,10}})\] \[{_LEVEL}\] {_TEXT}",
        (*_WHEN, "pid", "level", "text"),
    ),
    # Celery, with the task behind it where a task says it
    (
        rf"^\[{ISO}: {_LEVEL}/([^\]\n]{{1,256}})\] (?:([a-z_][A-Za-z0-9_.]*)\[[0-9a-f-]{{36}}\]: )?{_TEXT}",
        (*_WHEN, "level", "process", "logger", "text"),
    ),
    # Airflow
    (
        rf"^\[{ISO}\] \{{([^}}:\n]{{1,256}}):([0-9]{{1,9}})\}} {_LEVEL} - {_TEXT}",
        (*_WHEN, "file", "line", "level", "text"),
    ),
    # Flask
    (
        rf"^\[{ISO}\] {_LEVEL} in {_NAME}: {_TEXT}",
        (*_WHEN, "level", "logger", "text"),
    ),
    # Scrapy
    (
        rf"^{ISO} \[{_NAME}\] {_LEVEL}: {_TEXT}",
        (*_WHEN, "logger", "level", "text"),
    ),
    # oslo, as OpenStack's services have it, with the request in brackets
    (
        rf"^{ISO} ([0-9]{{1,10}}) {_LEVEL} {_NAME} (\[(?s:.*))$",
        (*_WHEN, "pid", "level", "logger", "text"),
    ),
    # Odoo, which names the database
    (
        rf"^{ISO} ([0-9]{{1,10}}) {_LEVEL} [^\s:]{{1,128}} {_NAME}: {_TEXT}",
        (*_WHEN, "pid", "level", "logger", "text"),
    ),
    # The level before the name, whose first letter is small, unlike that of a sentence
    (
        rf"^{ISO} \[?{_LEVEL}\]? +([a-z_][A-Za-z0-9_.-]*): {_TEXT}",
        (*_WHEN, "level", "logger", "text"),
    ),
    # Django's `verbose`
    (
        rf"^{_LEVEL} {ISO} {_NAME} ([0-9]{{1,10}}) ([0-9]{{1,19}}) {_TEXT}",
        ("level", *_WHEN, "logger", "pid", "thread_id", "text"),
    ),
    # uvicorn
    (rf"^{_LEVEL}: {{1,5}}{_TEXT}", ("level", "text")),
    (rf"^({TRACEBACK}(?s:.*))$", ("trace",)),
)
_NAMES = (
    *(*_WHEN, "level", "logger", "function", "line", "file", "pid", "process"),
    *("thread", "thread_id", "text", "trace"),
)
_RAISED = rf"\n({TRACEBACK}(?s:.*))$"


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line; those of a traceback alone have none, and match."""
    frame = log4j.frame_of(lines, (*_SHAPES, *log4j.SHAPES), _NAMES)
    raised = pl.col("text").str.extract(_RAISED, 1)
    level = pl.col("log.level")
    is_dated = pl.col("moment").is_not_null()
    return frame.select(
        (pl.col(MATCHED) | pl.col("_continued")).alias(MATCHED),
        iso_columns_ns(dating.time_zone).alias(TIME_NS),
        (is_dated & pl.col("zone").is_null()).alias(GUESSED),
        level,
        pl.col("logger").alias("log.logger"),
        pl.col("file").alias("log.origin.file.name"),
        whole("line").alias("log.origin.file.line"),
        pl.col("function").alias("log.origin.function"),
        pl.col("process").alias("process.name"),
        whole("pid").alias("process.pid"),
        pl.col("thread").alias("process.thread.name"),
        whole("thread_id").alias("process.thread.id"),
        *python_fault(pl.coalesce(pl.col("trace"), raised)),
        type_by_level(level, ["error", "critical", "fatal"]).alias("event.type"),
        pl.col("text").alias(MESSAGE),
    )

"""What Apache says in its error log, as 2.4 writes it and as 2.2 did.

The names of the fields are those of Elastic's integration `apache`, data stream `error`.
Whatever a program that Apache started writes to its standard error stands in the same
file, so a line without a bracket in front is one of it, and has a message alone.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers.addresses import with_address
from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
    by_shape,
    has,
)
from tailrace_stream.parsers.dating import Dating, named_month_columns_ns
from tailrace_stream.parsers.shared import always, type_by_level, whole

_TIME = (
    r"^\[[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ 0-9][0-9]) ([0-9][0-9]:[0-9][0-9]:[0-9][0-9])(?:\.([0-9]{1,9}))?"
    r" ([0-9]{4})\] "
)
_WHEN = ("month", "day", "clock", "fraction", "year")
_CLIENT = r"(?:\[(?:remote|client) ([^\]]+)\] )?"
_SHAPES = (
    # 2.4: the module, which may be none, and the process with its thread
    (
        _TIME
        + r"\[([a-z0-9_]*|-):([a-z0-9]{1,16})\] \[pid ([0-9]{1,10})(?::tid ([0-9]{1,19}))?\]"
        # An error's number stands before the client or behind it, by its version.
        + r" ((?:\([-0-9]{1,12}\)[^\[]*?: ?)?)"
        + _CLIENT
        + r"((?s:.*))$",
        (*_WHEN, "module", "level", "pid", "thread", "errno", "client", "text"),
    ),
    # 2.2 and before
    (
        _TIME + r"\[([a-z0-9]{1,16})\] " + _CLIENT + r"((?s:.*))$",
        (*_WHEN, "level", "client", "text"),
    ),
)
_USED = (*_WHEN, "module", "level", "pid", "thread", "errno", "client", "text")
_PORT = r":([0-9]{1,5})$"
_MISSING = r"File does not exist: (.*?)(?:, referer: |$)"
_REFERER = r", referer: (\S*)$"
_FAULTS = ("emerg", "alert", "crit", "error", "warn")


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line."""
    frame = has(by_shape(lines, _SHAPES), *_USED)
    is_foreign = ~frame.get_column(MATCHED) & ~lines.str.starts_with("[")
    client, text = frame.get_column("client"), frame.get_column("text")
    # An address of six groups has colons of its own; Apache writes no brackets there.
    frame = frame.with_columns(
        client.str.replace(_PORT, "").alias("client"),
        client.str.extract(_PORT).alias("port"),
        text.str.extract(_MISSING).alias("file.path"),
        text.str.extract(_REFERER).alias("http.request.referrer"),
        pl.concat_str(
            frame.get_column("errno").fill_null(""), text, ignore_nulls=False
        ).alias(MESSAGE),
        is_foreign.alias("_foreign"),
    )
    frame = with_address(frame, "client", side="source")
    module = pl.col("module")
    return frame.select(
        (pl.col(MATCHED) | pl.col("_foreign")).alias(MATCHED),
        named_month_columns_ns(dating).alias(TIME_NS),
        pl.lit(value=True).alias(GUESSED),
        pl.col("level").alias("log.level"),
        pl.when((module != "") & (module != "-"))
        .then(module)
        .alias("apache.error.module"),
        whole("pid").alias("process.pid"),
        whole("thread").alias("process.thread.id"),
        "source.ip",
        "source.address",
        "source.domain",
        whole("port").alias("source.port"),
        "file.path",
        "http.request.referrer",
        always(["web"]).alias("event.category"),
        type_by_level(pl.col("level"), _FAULTS).alias("event.type"),
        MESSAGE,
    )

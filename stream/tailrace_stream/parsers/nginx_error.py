"""What nginx says in its error log, and of which request, where it is one's.

The names of the fields are those of Elastic's integration `nginx`, data stream `error`;
what stands behind the message (`client`, `request`, ...) goes to fields of ECS.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers.addresses import with_address
from tailrace_stream.parsers.columns import GUESSED, MATCHED, MESSAGE, TIME_NS, extract
from tailrace_stream.parsers.dating import NONE, Dating, zoneless_ns
from tailrace_stream.parsers.shared import (
    always,
    type_by_level,
    whole,
    with_request,
)

_LINE = (
    r"^([0-9]{4}/[0-9][0-9]/[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]) \[([a-z]{1,16})\] ([0-9]{1,10})#([0-9]{1,19}):"
    r" (?:\*([0-9]{1,18}) )?((?s:.*))$"
)
_FAULTS = ("emerg", "alert", "crit", "error", "warn")
_NAMES = ("moment", "level", "pid", "thread", "connection", "text")
# What ngx_http_log_error and its modules add, in this order.
_CLIENT = (
    r", client: ([^,]+), server: ([^,]*)"
    r'(?:, (?:sub)?request: "((?:[^"\\]|\\.)*)")?'
)
_HOST = r', host: "((?:[^"\\]|\\.)*)"'
_REFERRER = r', referrer: "((?:[^"\\]|\\.)*)"'


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line."""
    frame = extract(lines, _LINE, _NAMES)
    text = frame.get_column("text")
    groups = text.str.extract_groups(_CLIENT).struct
    asked = groups.rename_fields(["client", "server", "request"]).struct.unnest()
    frame = frame.with_columns(
        *asked.get_columns(),
        text.str.extract(_HOST).alias("host"),
        text.str.extract(_REFERRER).alias("http.request.referrer"),
    )
    frame = with_request(with_address(frame, "client", side="source"), "request")
    moment = pl.col("moment").str.replace_all("/", "-", literal=True)
    return frame.select(
        MATCHED,
        zoneless_ns(moment, fraction=NONE, dating=dating).alias(TIME_NS),
        pl.lit(value=True).alias(GUESSED),
        pl.col("level").alias("log.level"),
        whole("pid").alias("process.pid"),
        whole("thread").alias("process.thread.id"),
        whole("connection").alias("nginx.error.connection_id"),
        "source.ip",
        "source.address",
        pl.when(pl.col("server") != "").then(pl.col("server")).alias("server.address"),
        "http.request.method",
        "url.original",
        "url.path",
        "url.query",
        "http.version",
        pl.col("host").str.replace(r":[0-9]{1,5}$", "").alias("url.domain"),
        "http.request.referrer",
        always(["web"]).alias("event.category"),
        type_by_level(pl.col("level"), _FAULTS).alias("event.type"),
        pl.col("text").alias(MESSAGE),
    )

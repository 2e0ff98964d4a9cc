"""What IIS says of requests, in W3C's extended format with the fields that it offers.

The names of the fields are those of Elastic's integration `iis`, data stream `access`. Which
fields a file has stands in its `#Fields` alone; the usual choices are told by the line itself.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers.addresses import has_both_ends, with_address
from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    TIME_NS,
    by_shape,
    filled,
    has,
)
from tailrace_stream.parsers.dating import NONE, Dating
from tailrace_stream.parsers.shared import ms_as_ns, whole
from tailrace_stream.times import iso_ns

_TIME = r"^([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}) "
_ANY, _METHOD, _NUMBER = r"(\S+)", r"([A-Z_-]+)", r"([0-9]{1,10}|-)"
_ADDRESS = r"([0-9a-fA-F:.]+(?:%\S+)?|-)"
_HEAD = ("method", "path", "query", "target_port", "user", "client")
_END = ("status", "sub_status", "win32_status")
_REQUEST = (_METHOD, _ANY, _ANY, _NUMBER, _ANY, _ADDRESS)
_STATUS = (_NUMBER, _NUMBER, _NUMBER)
_SHAPES = tuple(
    (_TIME + " ".join(patterns) + r"(?: ([0-9a-fA-F:.]+|-))?$", ("moment", *names))
    for patterns, names in (
        # The default since IIS 8, and that of IIS 7, which had no referrer
        (
            (_ADDRESS, *_REQUEST, _ANY, _ANY, *_STATUS, _NUMBER),
            ("target", *_HEAD, "agent", "referrer", *_END, "took", "forwarded"),
        ),
        (
            (_ADDRESS, *_REQUEST, _ANY, *_STATUS, _NUMBER),
            ("target", *_HEAD, "agent", *_END, "took", "forwarded"),
        ),
        # All of them, and those without the server's own names
        (
            (
                *(_ANY, _ANY, _ADDRESS, *_REQUEST, _ANY, _ANY, _ANY, _ANY, _ANY),
                *(*_STATUS, _NUMBER, _NUMBER, _NUMBER),
            ),
            (
                *("site", "computer", "target", *_HEAD, "protocol", "agent", "cookie"),
                *("referrer", "domain", *_END, "sent", "received", "took", "forwarded"),
            ),
        ),
        (
            (
                *(_ANY, *_REQUEST, _ANY, _ANY, _ANY, _ANY),
                *(*_STATUS, _NUMBER, _NUMBER, _NUMBER),
            ),
            (
                *("site", *_HEAD, "agent", "cookie", "referrer", "domain"),
                *(*_END, "sent", "received", "took", "forwarded"),
            ),
        ),
    )
)
_USED = tuple(dict.fromkeys(name for _, names in _SHAPES for name in names))


def parse(lines: pl.Series, _dating: Dating) -> pl.DataFrame:
    """Return the fields of each line; `#Fields` and its like match by themselves."""
    is_directive = lines.str.starts_with("#")
    frame = has(by_shape(lines, _SHAPES), *_USED)
    # Of an address on one link only, what follows `%` names the link.
    frame = frame.with_columns(
        pl.col("client", "target", "forwarded").str.replace("%.*$", ""),
        is_directive.alias("_directive"),
    )
    for column, side in (
        ("client", "source"),
        ("target", "destination"),
        ("forwarded", "network.forwarded"),
    ):
        frame = with_address(frame, column, side=side)
    status = whole("status")
    is_answered = status.is_between(100, 999)
    return frame.select(
        (pl.col(MATCHED) | pl.col("_directive")).alias(MATCHED),
        # The format has it in UTC, whatever zone the server is in.
        iso_ns(
            pl.col("moment"), fraction=NONE, zone=pl.lit("Z"), time_zone="UTC"
        ).alias(TIME_NS),
        pl.lit(value=False).alias(GUESSED),
        "source.ip",
        "source.address",
        "destination.ip",
        whole("target_port").alias("destination.port"),
        pl.col("network.forwarded.ip").alias("network.forwarded_ip"),
        filled("method").alias("http.request.method"),
        filled("path").alias("url.path"),
        filled("query").alias("url.query"),
        pl.when(filled("query").is_null())
        .then(filled("path"))
        .otherwise(pl.concat_str("path", pl.lit("?"), "query"))
        .alias("url.original"),
        _host("domain").alias("destination.domain"),
        _host("domain").alias("url.domain"),
        filled("user").alias("user.name"),
        filled("protocol").str.strip_prefix("HTTP/").alias("http.version"),
        # Blanks are written as plus signs.
        filled("agent")
        .str.replace_all("+", " ", literal=True)
        .alias("user_agent.original"),
        filled("referrer").alias("http.request.referrer"),
        filled("cookie").alias("iis.access.cookie"),
        filled("site").alias("iis.access.site_name"),
        filled("computer").alias("iis.access.server_name"),
        pl.when(is_answered).then(status).alias("http.response.status_code"),
        whole("sub_status").alias("iis.access.sub_status"),
        whole("win32_status").alias("iis.access.win32_status"),
        whole("sent").alias("http.response.body.bytes"),
        whole("received").alias("http.request.body.bytes"),
        ms_as_ns("took").alias("event.duration"),
        *_categories(status, is_answered=is_answered),
    )


def _host(column: str) -> pl.Expr:
    """Return what was asked for in `Host`, without the port that may stand behind it."""
    return filled(column).str.replace(r":[0-9]{1,5}$", "")


def _categories(status: pl.Expr, *, is_answered: pl.Expr) -> list[pl.Expr]:
    is_connection = has_both_ends()
    return [
        pl.when(is_answered & (status < 400))
        .then(pl.lit("success"))
        .when(is_answered)
        .then(pl.lit("failure"))
        .alias("event.outcome"),
        pl.when(is_connection)
        .then(pl.lit(pl.Series([["web", "network"]])))
        .when(MATCHED)
        .then(pl.lit(pl.Series([["web"]])))
        .alias("event.category"),
        pl.when(is_connection)
        .then(pl.lit(pl.Series([["connection"]])))
        .alias("event.type"),
    ]

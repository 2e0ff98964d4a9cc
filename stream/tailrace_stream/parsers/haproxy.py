"""What HAProxy says of connections and requests: its HTTP, TCP, HTTPS and default formats.

The names of the fields are those of Elastic's integration `haproxy`, data stream `log`. A
line may stand in a syslog's frame, as it mostly does, or without one.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers import syslog
from tailrace_stream.parsers.addresses import has_both_ends, with_address
from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
    by_shape,
    has,
)
from tailrace_stream.parsers.dating import Dating, named_month_columns_ns
from tailrace_stream.parsers.shared import (
    ms_as_ns,
    whole,
    with_request,
)

_NUMBER = r"(\+?-?[0-9]{1,18})"
_ACCEPTED = (
    r"^(\S+):([0-9]{1,5}) \[([0-9][0-9])/([A-Z][a-z]{2})/([0-9]{4}):([0-9][0-9]:[0-9][0-9]:[0-9][0-9])"
    r"(?:\.([0-9]{1,6}))?\] "
)
_FROM = ("client", "port", "day", "month", "year", "clock", "fraction")
_PATH = r"(\S+) ([^\s/]+)/(\S+) "
_BETWEEN = ("frontend", "backend", "server")
_COUNTS = r"([0-9]+)/([0-9]+)/([0-9]+)/([0-9]+)/(\+?[0-9]+) ([0-9]+)/([0-9]+)"
_COUNTED = (
    *("active", "of_frontend", "of_backend", "of_server", "retries"),
    *("server_queue", "backend_queue"),
)
_TIMES = ("time_wait", "total_waiting", "connection_wait", "without_data", "took")
_HTTP = (
    _ACCEPTED
    + _PATH
    + "/".join([_NUMBER] * 5)
    + r" (-?[0-9]{1,5}) "
    + _NUMBER
    + r" (\S+) (\S+) (\S{4}) "
    + _COUNTS
    # Headers that were captured, of the request, of the response, or of both
    + r' (?:\{([^}"]*)\} )?(?:\{([^}"]*)\} )?"([^"]*)"?'
    # httpslog: errors, resumption, name, version and cipher
    + r"(?: ([0-9]+)/([0-9a-fA-F]+)/([0-9]+)/([0-9]+)/([01]) ([^\s/]+)/([A-Za-z]*)v?([0-9.]*|-)/(\S+))?$"
)
_SHAPES = (
    (
        _HTTP,
        (
            *_FROM,
            *_BETWEEN,
            *_TIMES,
            *("status", "bytes", "request_cookie", "response_cookie", "termination"),
            *_COUNTED,
            *("request_headers", "response_headers", "request"),
            *("fc_err", "ssl_fc_err", "ssl_c_err", "ssl_c_ca_err", "resumed", "name"),
            *("tls_protocol", "tls_version", "cipher"),
        ),
    ),
    (
        _ACCEPTED
        + _PATH
        + "/".join([_NUMBER] * 3)
        + rf" {_NUMBER} (\S{{2}}) {_COUNTS}$",
        (
            *_FROM,
            *_BETWEEN,
            *("total_waiting", "connection_wait", "took", "bytes", "termination"),
            *_COUNTED,
        ),
    ),
    # A connection that failed before there was a request
    (
        _ACCEPTED + r"([^\s/]+)/(\S+): ((?s:.*))$",
        (*_FROM, "frontend", "bind", "error"),
    ),
    (
        (
            r"^Connect from (\S+):([0-9]{1,5}) to (\S+):([0-9]{1,5})"
            r" \((\S+)/([A-Z]+)\)$"
        ),
        ("client", "port", "target", "target_port", "frontend", "mode"),
    ),
)
_USED = tuple(dict.fromkeys(name for _, names in _SHAPES for name in names))
_ACCEPT = r"^\S+:[0-9]{1,5} \[[0-9][0-9]/|^Connect from "
_LONGS = {
    "time_wait": "haproxy.http.request.time_wait_ms",
    "without_data": "haproxy.http.request.time_wait_without_data_ms",
    "total_waiting": "haproxy.total_waiting_time_ms",
    "connection_wait": "haproxy.connection_wait_time_ms",
    "bytes": "haproxy.bytes_read",
    "active": "haproxy.connections.active",
    "of_frontend": "haproxy.connections.frontend",
    "of_backend": "haproxy.connections.backend",
    "of_server": "haproxy.connections.server",
    "retries": "haproxy.connections.retries",
    "server_queue": "haproxy.server_queue",
    "backend_queue": "haproxy.backend_queue",
    "fc_err": "haproxy.connections.fc_err",
    "ssl_c_err": "haproxy.connections.ssl_c_err",
    "ssl_c_ca_err": "haproxy.connections.ssl_c_ca_err",
}
_WORDS = {
    "backend": "haproxy.backend_name",
    "server": "haproxy.server_name",
    "bind": "haproxy.bind_name",
    "error": "haproxy.error_message",
    "mode": "haproxy.mode",
    "termination": "haproxy.termination_state",
}
_CAPTURED = {
    "request_cookie": "haproxy.http.request.captured_cookie",
    "response_cookie": "haproxy.http.response.captured_cookie",
}


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line; what is no traffic matches by its frame alone."""
    framed = syslog.parse(lines, time_zone=dating.time_zone, anchor_ms=dating.anchor_ms)
    is_bare = lines.str.contains(_ACCEPT)
    said = pl.DataFrame({"line": lines, "text": framed.get_column(MESSAGE)})
    text = said.select(pl.when(is_bare).then("line").otherwise("text")).to_series()
    frame = has(by_shape(text, _SHAPES), *_USED, "raw")
    is_line = framed.get_column(MATCHED) | is_bare
    frame = _with_sides(frame).with_columns(
        *framed.drop(MATCHED, MESSAGE, GUESSED)
        .rename({TIME_NS: "_framed_ns"})
        .get_columns(),
        text.alias(MESSAGE),
        is_line.alias(MATCHED),
        frame.get_column(MATCHED).alias("_is_traffic"),
    )
    return frame.select(*_when(dating), *_of_frame(), *_of_traffic())


def _with_sides(frame: pl.DataFrame) -> pl.DataFrame:
    frame = with_address(frame, "client", side="source")
    frame = with_address(frame, "target", side="destination")
    frame = frame.with_columns(pl.col("request").alias("raw"))
    return with_request(frame, "request")


def _when(dating: Dating) -> list[pl.Expr]:
    """Return the time: of the accepting, which has a year, before the frame's."""
    accepted = named_month_columns_ns(dating)
    accepted = pl.when(pl.col("year").is_not_null()).then(accepted)
    return [
        pl.col(MATCHED),
        pl.coalesce(accepted, "_framed_ns").alias(TIME_NS),
        pl.lit(value=True).alias(GUESSED),
    ]


def _of_frame() -> list[pl.Expr]:
    names = (
        *("log.level", "log.syslog.priority", "log.syslog.severity.code"),
        *("log.syslog.facility.code", "host.hostname", "process.name", "process.pid"),
    )
    return _named(*names)


def _named(*names: str) -> list[pl.Expr]:
    return [pl.col(name) for name in names]


def _of_traffic() -> list[pl.Expr]:
    status = whole("status")
    is_answered = status.is_between(100, 999)
    is_request, is_traffic = pl.col("raw").is_not_null(), pl.col("_is_traffic")
    is_connection = has_both_ends()
    is_web = is_request | (pl.col("mode") == "HTTP").fill_null(value=False)
    server_name = pl.when(pl.col("name") != "-").then(pl.col("name"))
    frontend = pl.col("frontend").str.strip_suffix("~")
    return [
        *_named("source.ip", "source.address", "source.domain"),
        whole("port").alias("source.port"),
        *_named("destination.ip", "destination.address"),
        whole("target_port").alias("destination.port"),
        server_name.alias("destination.domain"),
        frontend.alias("haproxy.frontend_name"),
        *[pl.col(name).alias(field) for name, field in _WORDS.items()],
        *[
            pl.when(pl.col(name) != "-").then(pl.col(name)).alias(field)
            for name, field in _CAPTURED.items()
        ],
        *[
            pl.col(f"{side}_headers")
            .str.split("|")
            .alias(f"haproxy.http.{side}.captured_headers")
            for side in ("request", "response")
        ],
        # With a `+` in front where more came than it says.
        *[
            pl.col(name).str.strip_prefix("+").cast(pl.Int64, strict=False).alias(field)
            for name, field in _LONGS.items()
        ],
        pl.col("ssl_fc_err")
        .str.to_integer(base=16, strict=False)
        .alias("haproxy.connections.ssl_fc_err"),
        pl.col("raw").alias("haproxy.http.request.raw_request_line"),
        *_named("http.request.method", "url.original", "url.path", "url.query"),
        *_named("http.version", "url.scheme", "url.port"),
        pl.coalesce("url.domain", server_name).alias("url.domain"),
        pl.when(is_answered).then(status).alias("http.response.status_code"),
        pl.when(is_request)
        .then(pl.col("bytes").str.strip_prefix("+").cast(pl.Int64, strict=False))
        .alias("http.response.bytes"),
        ms_as_ns("took").alias("event.duration"),
        *_of_tls(),
        pl.when(is_answered)
        .then(
            pl.when(status < 400).then(pl.lit("success")).otherwise(pl.lit("failure"))
        )
        .alias("event.outcome"),
        pl.when(is_web & is_connection)
        .then(pl.lit(pl.Series([["web", "network"]])))
        .when(is_web)
        .then(pl.lit(pl.Series([["web"]])))
        .when(is_traffic)
        .then(pl.lit(pl.Series([["network"]])))
        .alias("event.category"),
        pl.when(is_traffic & (is_connection | ~is_web))
        .then(pl.lit(pl.Series([["connection"]])))
        .alias("event.type"),
        pl.col(MESSAGE),
    ]


def _of_tls() -> list[pl.Expr]:
    has_version = pl.col("tls_version") != "-"
    return [
        pl.when(pl.col("name") != "-")
        .then(pl.col("name"))
        .alias("tls.client.server_name"),
        pl.when(has_version)
        .then(pl.col("tls_protocol").str.to_lowercase().str.strip_suffix("v"))
        .alias("tls.version_protocol"),
        pl.when(has_version).then(pl.col("tls_version")).alias("tls.version"),
        pl.when(pl.col("cipher") != "-").then(pl.col("cipher")).alias("tls.cipher"),
        pl.when(pl.col("resumed") == "1").then(pl.lit(value=True)).alias("tls.resumed"),
    ]

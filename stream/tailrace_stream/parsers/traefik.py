"""What Traefik says of requests, in its Common Log Format and as JSON, of 1.x and later.

The names of the fields are those of Elastic's integration `traefik`, data stream `access`.
Headers that a configuration keeps stand in `attributes`, under Traefik's own names.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tailrace_stream.parsers.addresses import with_address
from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
    extract,
    filled,
    has,
    in_order,
    with_rows,
)
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.parsers.fields import TIME
from tailrace_stream.parsers.keyed import parse_keyed
from tailrace_stream.parsers.shared import (
    ms_as_ns,
    whole,
    with_request,
)
from tailrace_stream.times import access_ns

_QUOTED = r'(?:"((?:[^"\\]|\\.)*)"|-)'
_LINE = (
    r'^(\S+) (\S+) ([^"\[]+?) \[([^\]]+)\] "((?:[^"\\]|\\.)*)"'
    rf" ([0-9]{{3}}|-) ([0-9]{{1,18}}|-)(?: {_QUOTED} {_QUOTED} ([0-9]{{1,18}}|-) {_QUOTED}"
    rf" {_QUOTED} ([0-9]{{1,18}})ms)?$"
)
_CLF = (
    *("client", "identifier", "user", "time", "request", "status", "bytes"),
    *("referrer", "agent", "count", "router", "service", "took"),
)
_ACCESS = "traefik.access."
_KEYS = {
    "StartUTC": TIME,
    "StartLocal": TIME,
    "time": TIME,
    "ClientAddr": "client_address",
    "ClientHost": "client",
    "ClientPort": "source.port",
    "ClientUsername": "user.name",
    "RequestMethod": "http.request.method",
    "RequestPath": "url.original",
    "RequestProtocol": "protocol",
    "RequestHost": "url.domain",
    "RequestAddr": "url.domain",
    "RequestPort": "url.port",
    "RequestScheme": "url.scheme",
    "RequestContentSize": "http.request.body.bytes",
    "DownstreamStatus": "http.response.status_code",
    "DownstreamContentSize": "http.response.body.bytes",
    "Duration": "event.duration",
    "request_User-Agent": "user_agent.original",
    "request_Referer": "http.request.referrer",
    "RouterName": _ACCESS + "router.name",
    "FrontendName": _ACCESS + "router.name",
    "ServiceAddr": "target",
    "BackendAddr": "target",
    "ServiceURL.Opaque": _ACCESS + "service.url.opaque",
    "BackendURL.Opaque": _ACCESS + "service.url.opaque",
    "ServiceURL.Host": _ACCESS + "service.url.domain",
    "BackendURL.Host": _ACCESS + "service.url.domain",
    "BackendURL.Path": _ACCESS + "service.url.path",
    "BackendURL.Scheme": _ACCESS + "service.url.scheme",
    "ServiceURL.RawPath": _ACCESS + "service.url.raw_path",
    "BackendURL.RawPath": _ACCESS + "service.url.raw_path",
    "ServiceURL.RawQuery": _ACCESS + "service.url.raw_query",
    "BackendURL.RawQuery": _ACCESS + "service.url.raw_query",
    "ServiceURL.Fragment": _ACCESS + "service.url.fragment",
    "BackendURL.Fragment": _ACCESS + "service.url.fragment",
    "ServiceURL.Path": _ACCESS + "service.url.path",
    "ServiceURL.Scheme": _ACCESS + "service.url.scheme",
    "ServiceName": "observer.egress.interface.name",
    "BackendName": "observer.egress.interface.name",
    "entryPointName": "observer.ingress.interface.name",
    "OriginContentSize": _ACCESS + "origin.content_size",
    "OriginDuration": _ACCESS + "origin.duration",
    "OriginStatus": _ACCESS + "origin.status_code",
    "Overhead": _ACCESS + "overhead",
    "RequestCount": _ACCESS + "request_count",
    "RetryAttempts": _ACCESS + "retry_attempts",
    "TLSCipher": "tls.cipher",
    "TLSVersion": "tls.version",
    "level": "log.level",
    "msg": MESSAGE,
}
_NUMBERS = frozenset(
    {
        "source.port", "url.port", "http.request.body.bytes",
        "http.response.status_code", "http.response.body.bytes", "event.duration",
        *(_ACCESS + name for name in (
            "origin.content_size", "origin.duration", "origin.status_code", "overhead",
            "request_count", "retry_attempts")),
    }
)  # fmt: skip
_PORT = r":([0-9]{1,5})$"


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line."""
    rows = pl.int_range(len(lines), eager=True)
    is_json = lines.str.starts_with("{")
    return in_order(
        [
            with_rows(_json(lines.filter(is_json), dating), rows.filter(is_json)),
            with_rows(_common(lines.filter(~is_json)), rows.filter(~is_json)),
        ]
    )


def _common(lines: pl.Series) -> pl.DataFrame:
    frame = extract(lines, _LINE, _CLF)
    target = frame.get_column("service").str.extract(r"^(?:https?://)?([^/\s]+)")
    frame = frame.with_columns(
        target.str.replace(_PORT, "").alias("target"),
        target.str.extract(_PORT).alias("target_port"),
    )
    frame = with_address(frame, "client", side="source")
    frame = with_address(frame, "target", side="destination")
    return with_request(frame, "request").select(
        MATCHED,
        access_ns(pl.col("time")).alias(TIME_NS),
        pl.lit(value=False).alias(GUESSED),
        "source.ip",
        "source.address",
        "source.domain",
        "destination.ip",
        "destination.address",
        "destination.domain",
        whole("target_port").alias("destination.port"),
        filled("identifier").alias(_ACCESS + "user_identifier"),
        filled("user").alias("user.name"),
        "http.request.method",
        "url.original",
        "url.path",
        "url.query",
        "url.scheme",
        "url.domain",
        "url.port",
        "http.version",
        whole("status").alias("http.response.status_code"),
        whole("bytes").alias("http.response.body.bytes"),
        filled("referrer").alias("http.request.referrer"),
        filled("agent").alias("user_agent.original"),
        whole("count").alias(_ACCESS + "request_count"),
        filled("router").alias(_ACCESS + "router.name"),
        filled("service").alias(_ACCESS + "service.address"),
        ms_as_ns("took").alias("event.duration"),
        *_outcome(whole("status")),
    )


def _json(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    frame = parse_keyed(
        lines,
        names=_KEYS,
        numbers=_NUMBERS,
        is_one=_is_one,
        time_zone=dating.time_zone,
    )
    frame = has(frame, "client", "client_address", "target", "protocol", "url.original")
    for number in ("http.response.status_code", "source.port"):
        if number not in frame.columns:
            frame = frame.with_columns(pl.lit(None, pl.Int64).alias(number))
    address = frame.get_column("client_address").str.replace(_PORT, "")
    parts = pl.col("url.original").str.splitn("?", 2).struct
    frame = frame.with_columns(
        address.str.strip_chars("[]").alias("peer"),
        pl.col("client_address").str.extract(_PORT).alias("peer_port"),
        pl.col("target").str.extract(_PORT).alias("target_port"),
        pl.col("target").str.replace(_PORT, ""),
        pl.col("protocol").str.strip_prefix("HTTP/").alias("http.version"),
        parts.field("field_0").alias("url.path"),
        parts.field("field_1").alias("url.query"),
        *_outcome(pl.col("http.response.status_code")),
    ).with_columns(pl.coalesce("peer", "client").alias("peer"))
    # Who asked, where it is another than who is connected: told by a trusted header.
    frame = with_address(frame, "client", side="forwarded")
    frame = frame.with_columns(
        pl.when(pl.col("forwarded.ip") != pl.col("peer"))
        .then("forwarded.ip")
        .alias("network.forwarded_ip"),
        pl.coalesce("source.port", whole("peer_port")).alias("source.port"),
        whole("target_port").alias("destination.port"),
    )
    frame = with_address(frame, "peer", side="source")
    frame = with_address(frame, "target", side="destination")
    return frame.drop(
        *("client_address", "protocol", "target_port", "peer_port"),
        *("forwarded.ip", "forwarded.address", "forwarded.domain"),
    )


def _is_one(record: Mapping[str, object]) -> bool:
    return "RequestMethod" in record or "DownstreamStatus" in record


def _outcome(status: pl.Expr) -> list[pl.Expr]:
    """Return whether a request was answered as asked; that it is one says its dataset."""
    is_answered = status.is_between(100, 999)
    return [
        pl.when(is_answered & (status < 400))
        .then(pl.lit("success"))
        .when(is_answered)
        .then(pl.lit("failure"))
        .alias("event.outcome"),
    ]

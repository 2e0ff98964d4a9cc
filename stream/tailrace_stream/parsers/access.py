"""Access logs of nginx and Apache, `combined` and `common`, trailing fields of one's own."""

from __future__ import annotations

import ipaddress

import polars as pl

from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    TIME_NS,
    by_shape,
    filled,
    has,
)
from tailrace_stream.times import access_ns

_NAMES = ("address", "user", "time", "request", "status", "size", "referrer", "agent")
_REQUEST_NAMES = ("method", "url", "path", "query", "version")
# Every byte decides alone where the pattern goes on, so that one pass finds all groups:
# four times as fast as a pattern in which a space may be two things. A quote after the
# size must begin both texts whole: one with an escape in it is left to the other pattern.
_BEGINNING = r'^([^ ]+) [^ ]+ ([^ "\[]+) \[([^\]]+)\] '
_ENDING = r' ([0-9]{3}) ([0-9]+|-)(?: (?:"([^"\\]*)" "([^"\\]*)"|[^"])|$)'
_PLAIN = rf'{_BEGINNING}"([^"\\]*)"{_ENDING}'
# The usual request's parts cost no pass of their own.
_REQUESTED = rf'{_BEGINNING}"([A-Z]+) (([^ "\\?]+)(?:\?([^ "\\]*))?)(?: HTTP/([0-9.]+))?"{_ENDING}'
_REQUESTED_NAMES = (*_NAMES[:3], *_REQUEST_NAMES, *_NAMES[4:])
_ANY = (
    r'^([^ ]+) [^ ]+ ([^"\[]{1,256}?) \[([^\]]+)\] "((?:[^"\\]|\\.)*)"'
    r' ([0-9]{3}) ([0-9]+|-)(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?'
)
# The name that was asked for first, as Apache's `vhost_combined` has it, or the addresses
# of proxies, as nginx writes what they forwarded. Only addresses tell those from a user's
# name with blanks in it.
_HOSTED = (
    r'^(?:([^ :",\[]+)(?::([0-9]{1,5}))? )?([0-9a-fA-F:.]*[:.][0-9a-fA-F:.]*(?:,? [0-9a-fA-F:.]+)*)'
    r' [^ ]+ ([^ "\[]+) \[([^\]]+)\] "((?:[^"\\]|\\.)*)"'
    r' ([0-9]{3}) ([0-9]+|-)(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?'
)
_HOSTED_NAMES = ("host", "port", "addresses", *_NAMES[1:])
_PRIVATE = r"^(?:10\.|127\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.|::1$|f[cd])"
_REQUEST = r"^([A-Z]+) ([^ ]+)(?: HTTP/([0-9.]+))?$"
_IPV4 = (
    r"^(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    r"(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}$"
)


def parse(lines: pl.Series) -> pl.DataFrame:
    """Return the fields of each access line."""
    shapes = (
        (_REQUESTED, _REQUESTED_NAMES),
        (_PLAIN, _NAMES),
        (_HOSTED, _HOSTED_NAMES),
        (_ANY, _NAMES),
    )
    frame = has(by_shape(lines, shapes), *_REQUESTED_NAMES)
    hosted: list[pl.Expr] = []
    if "addresses" in frame.columns:
        frame, hosted = _with_hosts(frame)
    if "request" in frame.columns:
        frame = _with_requests(frame)
    frame = frame.with_columns(is_address(frame.get_column("address")).alias("_is_ip"))
    address = pl.col("address")
    return frame.select(
        MATCHED,
        access_ns(pl.col("time")).alias(TIME_NS),
        pl.lit(value=False).alias(GUESSED),
        pl.when("_is_ip").then(address).alias("source.ip"),
        pl.when(~pl.col("_is_ip")).then(address).alias("source.address"),
        filled("user").alias("user.name"),
        pl.col("method").alias("http.request.method"),
        pl.col("url").alias("url.original"),
        pl.col("path").alias("url.path"),
        pl.col("query").alias("url.query"),
        pl.col("version").alias("http.version"),
        pl.col("status").cast(pl.Int64).alias("http.response.status_code"),
        pl.col("size").cast(pl.Int64, strict=False).alias("http.response.body.bytes"),
        pl.when(pl.col("status") < "4")
        .then(pl.lit("success"))
        .when(pl.col("status").is_not_null())
        .then(pl.lit("failure"))
        .alias("event.outcome"),
        filled("referrer").alias("http.request.referrer"),
        filled("agent").alias("user_agent.original"),
        *hosted,
    )


def _with_requests(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with the parts of the requests that are read as a whole so far."""
    request = pl.col("request").str.extract_groups(_REQUEST).struct
    method, url, version = (request.field(str(number)) for number in (1, 2, 3))
    parts = url.str.splitn("?", 2).struct
    found = (method, url, parts.field("field_0"), parts.field("field_1"), version)
    return frame.with_columns(
        pl.coalesce(name, one).alias(name)
        for name, one in zip(_REQUEST_NAMES, found, strict=True)
    )


def _with_hosts(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[pl.Expr]]:
    """Return the frame with the client's own address, and the fields of hosts.

    Of several addresses the first one that the world can reach is the client's.
    """
    named = pl.col("addresses").str.replace_all(",", "", literal=True).str.split(" ")
    reachable = named.list.eval(
        pl.element().filter(~pl.element().str.contains(_PRIVATE))
    )
    first = pl.coalesce(reachable.list.first(), named.list.first())
    is_ip = is_address(frame.get_column("host")).alias("_host_is_ip")
    frame = frame.with_columns(pl.coalesce("address", first).alias("address"), is_ip)
    host, is_name = pl.col("host"), ~pl.col("_host_is_ip")
    return frame, [
        pl.when("_host_is_ip").then(host).alias("destination.ip"),
        pl.when(is_name).then(host).alias("destination.domain"),
        pl.when(is_name).then(host).alias("url.domain"),
        pl.col("port").cast(pl.Int64, strict=False).alias("destination.port"),
        pl.when(named.list.len() > 1).then(named).alias("nginx.access.remote_ip_list"),
    ]


def is_address(texts: pl.Series) -> pl.Series:
    """Tell which texts are IP addresses as Elasticsearch reads them."""
    is_ip = texts.str.contains(_IPV4).fill_null(value=False)
    other = texts.filter(~is_ip & texts.is_not_null()).unique()
    six = [text for text in other if ":" in text and _is_ipv6(text)]
    return is_ip | texts.is_in(six).fill_null(value=False) if six else is_ip


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text

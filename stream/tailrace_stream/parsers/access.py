"""Access logs of nginx and Apache, `combined` and `common`, trailing fields of one's own.

The names of the fields are those of Elastic's integrations `nginx` and `apache`, data streams
`access`; which server wrote a line only the file can tell, and neither writes the other's.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers.addresses import PRIVATE, is_address, with_address
from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    TIME_NS,
    by_shape,
    filled,
    has,
)
from tailrace_stream.parsers.urls import with_whole_urls
from tailrace_stream.times import access_ns

_NAMES = ("address", "user", "time", "request", "status", "size", "referrer", "agent")
_REQUEST_NAMES = ("method", "url", "url.path", "query", "version")
_REQUESTED_NAMES = (*_NAMES[:3], *_REQUEST_NAMES, *_NAMES[4:])
# Every byte decides alone where the pattern goes on, so that one pass finds all groups:
# four times as fast as a pattern in which a space may be two things. A quote after the
# size must begin both texts whole: one with an escape in it is left to the other patterns,
# as is a line that has an identity (RFC 1413) before its user's name.
_BEGINNING = r'^([^ ]+) - ([^ "\[]+) \[([^\]]+)\] '
_SENT = r" ([0-9]{3}) ([0-9]+|-)"
_TEXTS = r' "([^"\\]*)" "([^"\\]*)"'
# The usual request's parts cost no pass of their own.
_REQUEST_TEXT = r'"([A-Z]+) (([^ "\\?]+)(?:\?([^ "\\]*))?)(?: HTTP/([0-9.]+))?"'
_REQUESTED = rf"{_BEGINNING}{_REQUEST_TEXT}{_SENT}(?:{_TEXTS}|$)"
# How long it took, behind the size: seconds with a fraction of nginx, microseconds of Apache.
_TOOK = r"([0-9]{1,15}(?:\.[0-9]{1,9})?)"
_TIMED = rf'{_BEGINNING}{_REQUEST_TEXT}{_SENT} {_TOOK}(?:{_TEXTS}| [^"]|$)'
_TIMED_NAMES = (*_REQUESTED_NAMES[:-2], "took", *_NAMES[-2:])
_PLAIN = rf'{_BEGINNING}"([^"\\]*)"{_SENT}(?:{_TEXTS}| [^"0-9]|$)'
_REST = (
    rf' "((?:[^"\\]|\\.)*)"{_SENT}(?: {_TOOK}(?: |$))?'
    r'(?: ?"((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?'
)
_REST_NAMES = ("request", "status", "size", "took", "referrer", "agent")
_ANY = r'^([^ ]+) ([^ ]+) ([^"\[]{1,256}?) \[([^\]]+)\]' + _REST
_ANY_NAMES = ("address", "identity", "user", "time", *_REST_NAMES)
# The name that was asked for first, as Apache's `vhost_combined` has it, or the addresses
# of proxies, as nginx writes what they forwarded. Only addresses tell those from a user's
# name with blanks in it.
_HOSTED = (
    r'^(?:([^ :",\[]+)(?::([0-9]{1,5}))? )?([0-9a-fA-F:.]*[:.][0-9a-fA-F:.]*(?:,? [0-9a-fA-F:.]+)*)'
    r' ([^ ]+) ([^ "\[]+) \[([^\]]+)\]' + _REST
)
_HOSTED_NAMES = ("host", "port", "addresses", "identity", "user", "time", *_REST_NAMES)
# The same with the client's name, where no identity stands. A user's name may have blanks,
# too, and is chosen by who knocks: `- x` must not make an address of what stands before it.
_NAMED = (
    r'^([^ :",\[]+)(?::([0-9]{1,5}))? ([0-9A-Za-z_][^ ",\[]*) - ([^ "\[]+) \[([^\]]+)\]'
    + _REST
)
_NAMED_NAMES = ("host", "port", "address", "user", "time", *_REST_NAMES)
# Apache's log of requests over TLS, as its own configuration has it.
_SECURED = (
    r"^\[([^\]]+)\] ([^ ]+) ((?:TLS|SSL)v[0-9.]{1,8}|-) ([A-Za-z0-9_-]{1,64})"
    r' "((?:[^"\\]|\\.)*)" ([0-9]+|-)$'
)
_SECURED_NAMES = ("time", "address", "protocol", "cipher", "request", "size")
_SHAPES = (
    (_REQUESTED, _REQUESTED_NAMES),
    (_TIMED, _TIMED_NAMES),
    (_PLAIN, _NAMES),
    (_HOSTED, _HOSTED_NAMES),
    (_NAMED, _NAMED_NAMES),
    (_ANY, _ANY_NAMES),
    (_SECURED, _SECURED_NAMES),
)
_REQUEST = r"^([A-Z]+) ([^ ]+)(?: HTTP/([0-9.]+))?$"
_FORWARDED = 'X-Forwarded-For="'
_FORWARDED_FOR = r'" X-Forwarded-For="([0-9a-fA-F:.]+(?:, ?[0-9a-fA-F:.]+)*)"$'
_PORT = r"^(.*[^:]):([0-9]{1,5})$"
_APACHE = "apache.access."
_US_MAX = 9e15
"""Above, no `event.duration` would hold it."""


def parse(lines: pl.Series) -> pl.DataFrame:
    """Return the fields of each access line."""
    frame = has(by_shape(lines, _SHAPES), *_REQUESTED_NAMES)
    if "request" in frame.columns:
        frame = _with_requests(frame)
    frame = with_whole_urls(frame)
    further: list[pl.Expr] = []
    if "host" in frame.columns:
        frame, hosted = _with_hosts(has(frame, "addresses"))
        further += hosted
    if "took" in frame.columns:
        further += _durations()
    if "protocol" in frame.columns:
        further += _secured()
    if "identity" in frame.columns:
        further.append(filled("identity").alias(_APACHE + "identity"))
    if lines.str.contains(_FORWARDED, literal=True).any():
        frame, forwarded = _with_forwarded(frame, lines)
        further += forwarded
    frame = _with_client(frame)
    asked = ("url.scheme", "url.domain", "url.port", "source.domain", "source.port")
    return frame.select(
        MATCHED,
        access_ns(pl.col("time")).alias(TIME_NS),
        pl.lit(value=False).alias(GUESSED),
        "source.ip",
        "source.address",
        filled("user").alias("user.name"),
        pl.col("method").alias("http.request.method"),
        pl.col("url").alias("url.original"),
        "url.path",
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
        *[pl.col(name) for name in asked if name in frame.columns],
        *further,
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


def _with_client(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with what is known of who asked, whose name may be there alone."""
    addresses = frame.get_column("address")
    is_ip = is_address(addresses)
    if is_ip.all():
        nobody = pl.lit(None, pl.String).alias("source.address")
        return frame.with_columns(addresses.alias("source.ip"), nobody)
    # An address of six groups has colons of its own, and was told above.
    groups = frame.select(pl.when(~is_ip).then("address")).to_series()
    parted = groups.str.extract_groups(_PORT).struct.rename_fields(["host", "port"])
    parts = parted.struct.unnest()
    port = parts.get_column("port").cast(pl.Int64).alias("source.port")
    host = parts.get_column("host").str.strip_chars("[]")
    frame = frame.with_columns(port, pl.coalesce(host, "address").alias("address"))
    return with_address(frame, "address", side="source")


def _with_hosts(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[pl.Expr]]:
    """Return the frame with the client's own address, and the fields of hosts."""
    named = pl.col("addresses").str.replace_all(",", "", literal=True).str.split(" ")
    is_ip = is_address(frame.get_column("host")).alias("_host_is_ip")
    frame = frame.with_columns(
        pl.coalesce("address", _reachable(named)).alias("address"), is_ip
    )
    host = filled("host")
    name = pl.when(~pl.col("_host_is_ip")).then(host)
    if "url.domain" in frame.columns:
        frame = frame.with_columns(pl.coalesce("url.domain", name).alias("url.domain"))
    else:
        frame = frame.with_columns(name.alias("url.domain"))
    return frame, [
        pl.when("_host_is_ip").then(host).alias("destination.ip"),
        name.alias("destination.domain"),
        pl.col("port").cast(pl.Int64, strict=False).alias("destination.port"),
        pl.when(named.list.len() > 1).then(named).alias("nginx.access.remote_ip_list"),
    ]


def _reachable(addresses: pl.Expr) -> pl.Expr:
    """Return the first of several addresses that the world can reach, else the first."""
    others = addresses.list.eval(
        pl.element().filter(~pl.element().str.contains(PRIVATE))
    )
    return pl.coalesce(others.list.first(), addresses.list.first())


def _durations() -> list[pl.Expr]:
    """Return how long the answer took, which nginx has in seconds with a fraction."""
    is_seconds = pl.col("took").str.contains(".", literal=True)
    number = pl.col("took").cast(pl.Float64, strict=False)
    us = pl.when(is_seconds).then(number * 1e6).otherwise(number).round()
    us = pl.when(us.is_between(0, _US_MAX)).then(us.cast(pl.Int64))
    return [
        pl.when(is_seconds).then(us // 1_000).alias("nginx.access.response_time"),
        pl.when(~is_seconds).then(us).alias(_APACHE + "response_time"),
        (us * 1_000).alias("event.duration"),
    ]


def _secured() -> list[pl.Expr]:
    """Return what is said of the connection that a request came over."""
    protocol = filled("protocol")
    number = protocol.str.extract("v([0-9.]+)$")
    version = pl.when(number.str.contains(".", literal=True)).then(number)
    return [
        protocol.alias(_APACHE + "ssl.protocol"),
        filled("cipher").alias(_APACHE + "ssl.cipher"),
        filled("cipher").alias("tls.cipher"),
        pl.coalesce(version, number + ".0").alias("tls.version"),
        protocol.str.slice(0, 3).str.to_lowercase().alias("tls.version_protocol"),
    ]


def _with_forwarded(
    frame: pl.DataFrame, lines: pl.Series
) -> tuple[pl.DataFrame, list[pl.Expr]]:
    """Return the frame with whom proxies name, as the integration's own format has it."""
    names = lines.str.extract(_FORWARDED_FOR).str.replace_all(" ", "").str.split(",")
    frame = frame.with_columns(names.alias("_forwarded"))
    forwarded = pl.col("_forwarded")
    told = frame.select(
        forwarded.list.first().alias("first"), _reachable(forwarded).alias("client")
    )
    ips = [told.get_column(name) for name in told.columns]
    frame = frame.with_columns(
        one.zip_with(is_address(one), pl.Series([None], dtype=pl.String)).alias(
            f"_{one.name}"
        )
        for one in ips
    )
    return frame, [
        pl.col("_first").alias("network.forwarded_ip"),
        pl.col("_client").alias("client.ip"),
        pl.when(forwarded.is_not_null())
        .then(pl.concat_list(forwarded, pl.coalesce("source.ip", "source.address")))
        .alias(_APACHE + "remote_addresses"),
    ]

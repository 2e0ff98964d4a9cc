"""The Common Event Format of ArcSight, as devices write it, bare or in a syslog's frame.

Its extension has keys of its own on each line, so a line becomes one Python object here. What
ECS has no field for stands in `attributes`, under CEF's own names.
"""

from __future__ import annotations

import ipaddress
import re

import polars as pl

from tailrace_stream.parsers import syslog
from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    TIME_NS,
    has,
)
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.parsers.fields import TIME, Fields, kept
from tailrace_stream.parsers.structured import frame_of

_HEADER = re.compile(r"CEF:[01]\|" + r"((?:[^|\\]|\\.)*)\|" * 6)
_KEY = re.compile(r"(?:^| )([A-Za-z0-9_.\[\]-]{1,128})=")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NEWLINES = {"n": "\n", "r": "\r"}
_HEADS = (
    *("observer.vendor", "observer.product", "observer.version", "event.code"),
    *("message", "severity"),
)
_TEXTS = {
    "act": "event.action",
    "outcome": "event.outcome",
    "suser": "user.name",
    "suid": "user.id",
    "duser": "user.target.name",
    "shost": "source.domain",
    "dhost": "destination.domain",
    "request": "url.original",
    "requestMethod": "http.request.method",
    "requestClientApplication": "user_agent.original",
    "fname": "file.name",
    "filePath": "file.path",
    "deviceProcessName": "process.name",
    "dvchost": "observer.hostname",
    "proto": "network.transport",
    "app": "network.protocol",
}
_LOWERED = frozenset({"proto", "app"})
"""What ECS has in small letters alone."""
_TRANSPORTS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp", "132": "sctp"}
"""By IANA's numbers, which firewalls write."""
_NUMBERS = {
    "spt": "source.port",
    "dpt": "destination.port",
    "in": "source.bytes",
    "out": "destination.bytes",
    "dvcpid": "process.pid",
}
_ADDRESSES = {"src": "source.ip", "dst": "destination.ip"}
_TIMES = ("rt", "end", "start")
_NUMBER_FIELDS = frozenset({*_NUMBERS.values(), "event.severity"})
# What a severity is called where it is no number.
_WORDS = {"unknown": 0, "low": 3, "medium": 6, "high": 8, "very-high": 10}


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line; the device's own time wins over its frame's."""
    at = lines.str.find("CEF:", literal=True)
    body = pl.DataFrame({"line": lines, "at": at}).select(
        pl.col("line").str.slice(pl.col("at"))
    )
    frame = frame_of(
        [_fields(text) for text in body.to_series()],
        time_zone=dating.time_zone,
        numbers=_NUMBER_FIELDS,
    )
    framed = syslog.parse(lines, time_zone=dating.time_zone, anchor_ms=dating.anchor_ms)
    frame = has(frame, "host.hostname").with_columns(
        framed.get_column(TIME_NS).alias("_framed_ns"),
        framed.get_column("host.hostname"),
        framed.get_column(GUESSED).alias("_framed_guessed"),
    )
    is_own = pl.col(TIME_NS).is_not_null()
    return frame.with_columns(
        pl.when(MATCHED).then(pl.coalesce(TIME_NS, "_framed_ns")).alias(TIME_NS),
        pl.when(is_own)
        .then(pl.col(GUESSED))
        .otherwise(pl.col("_framed_guessed"))
        .alias(GUESSED),
        pl.when(MATCHED).then("host.hostname").alias("host.hostname"),
    ).drop("_framed_ns", "_framed_guessed")


def _fields(text: str | None) -> Fields | None:
    header = _HEADER.match(text) if text else None
    if header is None or text is None:
        return None
    found = Fields()
    for name, value in zip(_HEADS, header.groups(), strict=True):
        found.known[name] = _unescaped(value)
    severity = _severity(str(found.known.pop("severity")))
    if severity is not None:
        found.known["event.severity"] = severity
    extension = text[header.end() :]
    keys = list(_KEY.finditer(extension))
    for index, key in enumerate(keys):
        end = keys[index + 1].start() if index + 1 < len(keys) else len(extension)
        # A blank before the next key is no part of this one's value.
        value = _unescaped(extension[key.end() : end].rstrip(" "))
        if value:
            _place(found, key[1], value)
    return found


def _place(found: Fields, key: str, value: str) -> None:
    known = found.known
    if key == "msg":
        known["event.reason"] = value
    elif key in _TIMES:
        known.setdefault(TIME, int(value) if value.isdecimal() else value)
        if not value.isdecimal():
            found.attributes[key] = value
    elif key in _ADDRESSES and _is_address(value):
        known[_ADDRESSES[key]] = value
    elif key in _NUMBERS and value.isascii() and value.isdigit() and len(value) < 19:
        known[_NUMBERS[key]] = int(value)
    elif key in _LOWERED and _TEXTS[key] not in known:
        by_number = _TRANSPORTS.get(value) if key == "proto" else None
        known[_TEXTS[key]] = by_number or value.lower()
    elif key in _TEXTS and _TEXTS[key] not in known:
        known[_TEXTS[key]] = value
    else:
        found.attributes[key] = kept(value)


def _severity(text: str) -> int | None:
    if text.isascii() and text.isdigit() and len(text) <= 2:
        return int(text)
    return _WORDS.get(text.lower())


def _is_address(text: str) -> bool:
    try:
        return "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda one: _NEWLINES.get(one[1], one[1]), text)

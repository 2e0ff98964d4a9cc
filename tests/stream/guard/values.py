"""Values, and whether the index takes them as their field has it: asked of guard and server."""

from __future__ import annotations

from typing import Any

import polars as pl

VALUES: tuple[tuple[str, pl.DataType, Any, bool], ...] = (
    ("http.response.status_code", pl.Int64(), 200, True),
    ("http.response.status_code", pl.Int64(), 32_767, True),
    ("http.response.status_code", pl.Int64(), 32_768, False),
    ("http.response.status_code", pl.Int64(), -32_769, False),
    ("http.response.status_code", pl.String(), "404", True),
    ("http.response.status_code", pl.String(), "not found", False),
    ("http.response.status_code", pl.String(), "99999", False),
    ("http.response.status_code", pl.Boolean(), True, False),
    ("http.response.status_code", pl.Struct({"code": pl.Int64()}), {"code": 1}, False),
    ("http.response.status_code", pl.List(pl.Int64()), [200, 304], True),
    ("http.response.status_code", pl.List(pl.Int64()), [200, 70_000], False),
    ("source.port", pl.Int64(), 2**63 - 1, True),
    ("source.port", pl.UInt64(), 2**63, False),
    ("source.port", pl.Float64(), 80.0, True),
    ("source.port", pl.Float64(), 1e19, False),
    ("source.port", pl.String(), "99999999999999999999", False),
    ("tailrace.revised_by", pl.Int64(), 2**31, False),
    ("mysql.slowlog.lock_time.sec", pl.Float64(), 0.25, True),
    ("mysql.slowlog.lock_time.sec", pl.Float64(), 1e39, False),
    ("mysql.slowlog.lock_time.sec", pl.Int64(), 2**62, True),
    ("mysql.slowlog.lock_time.sec", pl.String(), "0.5", True),
    ("mysql.slowlog.lock_time.sec", pl.String(), "half", False),
    ("source.ip", pl.String(), "203.0.113.7", True),
    ("source.ip", pl.String(), "2001:db8::1", True),
    ("source.ip", pl.String(), "203.0.113.256", False),
    ("source.ip", pl.String(), "unix:", False),
    ("source.ip", pl.Int64(), 7, False),
    ("host.ip", pl.List(pl.String()), ["10.0.0.1", "::1"], True),
    ("host.ip", pl.List(pl.String()), ["10.0.0.1", "eth0"], False),
    ("tls.resumed", pl.Boolean(), False, True),
    ("tls.resumed", pl.String(), "true", True),
    ("tls.resumed", pl.String(), "maybe", False),
    ("tls.resumed", pl.Int64(), 1, False),
    ("event.start", pl.String(), "2026-11-24T01:02:03.123456789Z", True),
    ("event.start", pl.String(), "2026-11-24", True),
    ("event.start", pl.String(), "2026-02-30T01:02:03Z", False),
    ("event.start", pl.String(), "2026-11-24T25:02:03Z", False),
    ("event.start", pl.String(), "yesterday", False),
    ("event.start", pl.String(), "2500-01-01T00:00:00Z", False),
    ("source.geo.location", pl.String(), "52.5,13.4", True),
    ("source.geo.location", pl.String(), "somewhere", False),
    ("user.name", pl.String(), "frank", True),
    ("user.name", pl.Int64(), 12, True),
    ("user.name", pl.List(pl.String()), ["a", "b"], True),
    ("user.name", pl.Struct({"first": pl.String()}), {"first": "f"}, False),
    ("message", pl.Struct({"text": pl.String()}), {"text": "t"}, False),
    ("host", pl.String(), "web1", False),
    ("message.text", pl.String(), "t", False),
    ("log.syslog.structured_data", pl.String(), "text", False),
    ("log.syslog.structured_data", pl.Struct({"a": pl.String()}), {"a": "b"}, True),
)

STRICTER: tuple[tuple[str, pl.DataType, Any, bool], ...] = (
    # Which servers take one with a zone depends on their version.
    ("source.ip", pl.String(), "fe80::1%eth0", False),
    # It would be found elsewhere than it is.
    ("source.geo.location", pl.String(), "152.5,13.4", False),
)
"""Of which the guard is surer than a server."""


def name_of(case: tuple[str, pl.DataType, Any, bool]) -> str:
    field, dtype, value, _ = case
    return f"{field}-{dtype.base_type()}-{str(value)[:24]}"

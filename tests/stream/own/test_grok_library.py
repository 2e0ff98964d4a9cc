"""The library of grok: what each name takes and leaves, and that all of it is linear."""

from __future__ import annotations

import ipaddress

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace_stream.own.grok import grok_shape
from tailrace_stream.own.grok_library import PATTERNS
from tailrace_stream.own.pattern import STEPS_MAX
from tailrace_stream.own.scanner import scan
from tests.stream.own.parsers import UNMATCHED, found, only, parser_of

WHOLE: dict[str, tuple[list[str], list[str]]] = {
    "USERNAME": (["a.b-c_1"], ["a b", ""]),
    "EMAILADDRESS": (["a+b@example.org"], ["a@", "@b"]),
    "INT": (["12", "-3", "+4"], ["1.5", "a"]),
    "NUMBER": (["12", "-3.5", ".5", "+1"], ["1.", "1e3", ""]),
    "BASE16NUM": (["0xfF", "12aB"], ["0xg"]),
    "BASE16FLOAT": (["0xf.a", "1.8"], ["x"]),
    "POSINT": (["10"], ["0", "-1"]),
    "NONNEGINT": (["0", "007"], ["-1"]),
    "WORD": (["a_1"], ["a b", ""]),
    "NOTSPACE": (["a-b:c"], ["a b"]),
    "SPACE": (["", " \t"], ["a"]),
    "DATA": (["", "a b"], ["a\nb"]),
    "GREEDYDATA": (["", "a b", "a\nb"], []),
    "QUOTEDSTRING": ([r'"a \" b"', "'it'", "`x`", '""'], ['"a', "a"]),
    "UUID": (["123e4567-e89b-12d3-a456-426614174000"], ["123e4567"]),
    "URN": (["urn:isbn:0451450523"], ["urn:"]),
    "MAC": (["00:1A:2b:3c:4d:5e", "00-1a-2b-3c-4d-5e", "001a.2b3c.4d5e"], ["00:1a"]),
    "IPV4": (["0.0.0.0", "255.1.20.199"], ["256.1.1.1", "1.2.3"]),
    "IP": (["10.0.0.1", "::1", "fe80::1%eth0"], ["x", "1:2"]),
    "HOSTNAME": (["web-1.example.org", "a"], ["-a", "a b"]),
    "IPORHOST": (["10.0.0.1", "::1", "web1"], ["a b"]),
    "HOSTPORT": (["web1:80", "10.0.0.1:9200"], ["web1"]),
    "UNIXPATH": (["/", "/var/log/x.log"], ["var/log"]),
    "WINPATH": ([r"C:\Windows\x.log", r"\\host\share"], ["C"]),
    "TTY": (["/dev/pts/1", "/dev/tty1"], ["/dev/null"]),
    "URI": (
        ["http://u:p@example.org:80/a?b=c", "ftp://host/a"],
        ["//x"],
    ),
    "URIPATHPARAM": (["/a/b?c=d&e", "/"], ["a"]),
    "MONTH": (["Jan", "September", "dec"], ["Foo"]),
    "MONTHNUM": (["1", "01", "12"], ["0", "13"]),
    "MONTHDAY": (["1", "09", "31"], ["0", "32"]),
    "DAY": (["Mon", "Sunday"], ["Xyz"]),
    "YEAR": (["2026", "26"], ["202"]),
    "HOUR": (["0", "09", "23"], ["24"]),
    "MINUTE": (["00", "59"], ["60", "5"]),
    "SECOND": (["5", "59.123", "60", "07,5"], ["61"]),
    "TIME": (["01:02:03", "1:02:03.5"], ["25:00:00", "01:02"]),
    "DATE_US": (["11/24/2026", "1-2-26"], ["24/11/2026"]),
    "DATE_EU": (["24.11.2026", "1/2/26"], ["11.24.2026"]),
    "DATESTAMP": (["24.11.2026 01:02:03"], ["24.11.2026"]),
    "TIMESTAMP_ISO8601": (
        ["2026-11-24T01:02:03.456Z", "2026-11-24 01:02", "2026-11-24T01:02:03+01:00"],
        ["24-11-2026"],
    ),
    "DATESTAMP_RFC822": (["Tue Nov 24 2026 01:02:03 UTC"], ["Nov 24"]),
    "DATESTAMP_RFC2822": (["Tue, 24 Nov 2026 01:02:03 +0100"], ["24 Nov 2026"]),
    "DATESTAMP_OTHER": (["Tue Nov 24 01:02:03 CEST 2026"], ["Nov"]),
    "DATESTAMP_EVENTLOG": (["20261124010203"], ["2026"]),
    "SYSLOGTIMESTAMP": (["Nov 24 01:02:03", "Nov  4 01:02:03"], ["24 Nov"]),
    "HTTPDATE": (["24/Nov/2026:01:02:03 +0100"], ["24/11/2026"]),
    "HTTPDERROR_DATE": (["Tue Nov 24 01:02:03 2026"], ["Tue"]),
    "LOGLEVEL": (["INFO", "warning", "Err", "fatal"], ["loud"]),
    "PROG": (["cron", "sshd"], ["a b", "x["]),
    "JAVACLASS": (["org.example.Shop$Inner", "A"], ["1a"]),
    "JAVAFILE": (["Shop.java"], ["a b"]),
    "JAVAMETHOD": (["run", "<init>"], ["1x"]),
    "HTTPDUSER": (["frank", "f@example.org"], ["a b"]),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_name_takes_what_it_is_documented_to_take(name: str) -> None:
    taken, left = WHOLE[name]
    parser = parser_of({"grok": rf"^%{{{name}:x}}$"}, nothing=[])
    assert found(parser, *taken) == [{"attributes": {"x": one}} for one in taken]
    assert found(parser, *left) == [UNMATCHED for _ in left]


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_x8_every_pattern_of_the_library_is_linear_and_short(name: str) -> None:
    shape = grok_shape(f"%{{{name}:x}}", name=name)
    assert scan("".join(piece.regex for piece in shape.pieces)).steps < STEPS_MAX / 2
    for text in ("a", "1", "1:", "1.", "/a", '"', "Jan ", "- "):
        pl.Series([text * 20_000]).str.extract_groups(shape.regex)


def test_syslog_lines_are_taken_apart_by_one_name() -> None:
    parser = parser_of(
        {"grok": "^%{SYSLOGBASE} %{GREEDYDATA:message}"},
        time={"field": "timestamp", "formats": "%b %d %H:%M:%S"},
    )
    line = "Nov  4 01:02:03 web1 sshd[123]: Accepted\nmore"
    assert only(parser, line) == {
        "host.hostname": "web1",
        "process.name": "sshd",
        "process.pid": 123,
        "message": "Accepted\nmore",
        "time": 1_793_754_123_000_000_000,
        "guessed": True,
    }


def test_access_lines_are_taken_apart_by_one_name() -> None:
    parser = parser_of({"grok": "^%{COMBINEDAPACHELOG}$"}, nothing=[""])
    line = (
        '203.0.113.7 - frank [24/Nov/2026:01:02:03 +0100] "GET /a?b HTTP/1.1" 200 -'
        r' "-" "Mozilla \"x\""'
    )
    assert only(parser, line) == {
        "source.address": "203.0.113.7",
        "user.name": "frank",
        "http.request.method": "GET",
        "url.original": "/a?b",
        "http.version": "1.1",
        "http.response.status_code": 200,
        "user_agent.original": r"Mozilla \"x\"",
        "attributes": {"timestamp": "24/Nov/2026:01:02:03 +0100"},
    }


ADDRESS = parser_of({"grok": "^%{IP:source.ip}$"})


@given(st.ip_addresses(v=6), st.booleans())
def test_every_address_is_one(address: ipaddress.IPv6Address, is_long: bool) -> None:
    text = address.exploded if is_long else address.compressed
    assert only(ADDRESS, text) == {"source.ip": text}

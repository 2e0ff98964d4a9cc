"""Times that a user describes: in the line's zone, the parser's, or the source's."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace_stream.own.moments import time_format
from tailrace_stream.own.parser import OwnParser
from tailrace_stream.own.pattern import PatternProblem
from tests.stream.own.parsers import only, parser_of


@lru_cache
def of(formats: tuple[str, ...], zone: str | None) -> OwnParser:
    time = {"field": "t", "formats": list(formats)} | ({"zone": zone} if zone else {})
    return parser_of({"regex": "(?s)^(?P<t>.*)$"}, time=time)


def read(
    text: str, *formats: str, zone: str | None = None, source_zone: str = "UTC"
) -> tuple[str, bool] | None:
    """Return the time of a text, and whether it was guessed."""
    parser = of(formats, zone)
    said = only(parser, text, time_zone=source_zone)
    if "time" not in said:
        conflicts = ["@timestamp"]
        assert said == {"attributes": {"t": text}, "tailrace.conflicts": conflicts}
        return None
    moment = datetime.fromtimestamp(said["time"] // 10**9, tz=UTC)
    fraction = said["time"] % 10**9
    shown = f"{moment:%Y-%m-%dT%H:%M:%S}" + (f".{fraction:09d}" if fraction else "")
    return shown, said["guessed"]


TOLD = [
    ("24/Nov/2026:01:02:03 +0100", "%d/%b/%Y:%H:%M:%S %z", "2026-11-24T00:02:03"),
    ("24/NOV/2026:01:02:03 +01", "%d/%b/%Y:%H:%M:%S %z", "2026-11-24T00:02:03"),
    ("2026-11-24T01:02:03.5Z", "%FT%T.%f%z", "2026-11-24T01:02:03.500000000"),
    ("Tue Nov  4 01:02:03 2026 Z", "%a %b %e %T %Y %z", "2026-11-04T01:02:03"),
    ("2026-11-24 01:02:03,123 +05:30", "iso8601", "2026-11-23T19:32:03.123000000"),
    ("11/4/26 9:05:06 pm Z", "%m/%d/%y %I:%M:%S %p %z", "2026-11-04T21:05:06"),
    ("11/4/26 12:05:06 AM Z", "%m/%d/%y %I:%M:%S %p %z", "2026-11-04T00:05:06"),
    ("4. November 1999 Z", "%d. %B %Y %z", "1999-11-04T00:00:00"),
    ("99-01-02 Z", "%y-%m-%d %z", "1999-01-02T00:00:00"),
    ("1795478523", "unix", "2026-11-24T00:02:03"),
    ("1795478523.25", "unix", "2026-11-24T00:02:03.250000000"),
    ("1795478523250", "unix_ms", "2026-11-24T00:02:03.250000000"),
    ("1795478523250.5", "unix_ms", "2026-11-24T00:02:03.250500000"),
    ("1795478523250001", "unix_us", "2026-11-24T00:02:03.250001000"),
    ("1795478523250000001", "unix_ns", "2026-11-24T00:02:03.250000001"),
]


@pytest.mark.parametrize(("text", "source", "moment"), TOLD)
def test_a_time_with_its_zone_is_read_and_is_no_guess(
    text: str, source: str, moment: str
) -> None:
    assert read(text, source, source_zone="Asia/Tokyo") == (moment, False)


def test_s7_a_time_without_a_zone_has_the_parsers_or_else_the_sources() -> None:
    text, source = "2026-07-01 12:00:00", "%Y-%m-%d %H:%M:%S"
    assert read(text, source) == ("2026-07-01T12:00:00", True)
    assert read(text, source, source_zone="Europe/Berlin") == (
        "2026-07-01T10:00:00",
        True,
    )
    told = read(text, source, zone="America/New_York", source_zone="Europe/Berlin")
    assert told == ("2026-07-01T16:00:00", False)
    assert read(text, "iso8601", zone="UTC") == ("2026-07-01T12:00:00", False)


def test_a_time_without_a_year_is_guessed_around_first_sight() -> None:
    assert read("Nov 23 01:02:03", "%b %d %T", zone="UTC") == (
        "2026-11-23T01:02:03",
        True,
    )
    assert read("05-04 01:02", "%m-%d %H:%M") == ("2027-05-04T01:02:00", True)
    assert read("Feb 29 01:02", "%b %d %H:%M") is None


def test_the_first_format_that_fits_is_taken_and_what_none_fits_is_kept() -> None:
    formats = ("%d.%m.%Y", "iso8601", "unix_ms")
    assert read("24.11.2026", *formats) == ("2026-11-24T00:00:00", True)
    assert read("2026-11-24T01:02:03Z", *formats) == ("2026-11-24T01:02:03", False)
    assert read("1795478523250", *formats) == ("2026-11-24T00:02:03.250000000", False)
    for text in ("31.02.2026", "1.2.3", "yesterday", "99999999999999999999", "é"):
        assert read(text, *formats) is None


REFUSED = [
    ("%Y-%m-%d %Z", "%Z"),
    ("%Q", "%Q"),
    ("%Y-%Y-%m-%d", "twice"),
    ("%H:%M:%S", "no day"),
    ("%Y-%m", "no day"),
    ("today", "no part of a time"),
    ("%Y-%m-%d %I:%M", "%I and %p"),
    ("%Y-%m-%d %H:%I %p", "hour or the year twice"),
    ("%b %d %T %z", "no year"),
    ("%Y-%m-%b-%d", "month twice"),
    ("%", "%"),
]


@pytest.mark.parametrize(("source", "words"), REFUSED)
def test_what_is_no_format_is_refused_in_words(source: str, words: str) -> None:
    with pytest.raises(PatternProblem) as refused:
        time_format(source)
    assert words in str(refused.value)


_FORMATS = [
    "%Y-%m-%d %H:%M:%S.%f %z",
    "%d/%b/%Y:%H:%M:%S %z",
    "%a, %d %B %Y %I:%M:%S %p %z",
    "%A %b %d %Y %I:%M:%S %p (%z)",
]


@settings(max_examples=50)
@given(
    st.datetimes(
        min_value=datetime(1970, 1, 3),  # noqa: DTZ001
        max_value=datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.timezones(),
    ),
    st.sampled_from(_FORMATS),
)
def test_what_is_written_in_a_format_is_read_as_it_was(
    moment: datetime, source: str
) -> None:
    offset = moment.utcoffset()
    assert offset is not None
    if offset.total_seconds() % 60:
        return  # A zone of long ago, with seconds, which %z does not write everywhere.
    kept = moment if "%f" in source else moment.replace(microsecond=0)
    in_utc = kept.astimezone(UTC)
    fraction = f".{in_utc.microsecond * 1000:09d}" if in_utc.microsecond else ""
    assert read(moment.strftime(source), source) == (
        f"{in_utc:%Y-%m-%dT%H:%M:%S}{fraction}",
        False,
    )

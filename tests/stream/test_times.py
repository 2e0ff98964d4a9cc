"""Times without a year, without a zone, in hours that are not there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec
import pytest

from tests.stream.builders import (
    BORN_AT_MS,
    documents,
    placement,
    processed,
    stored,
)


def at_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


def day_of(moment_ms: int) -> datetime:
    return datetime.fromtimestamp(moment_ms / 1_000, tz=UTC)


def time_of(line: str, *, parser: str, time_zone: str = "UTC", anchor: str) -> str:
    (document,) = documents(
        line, parser=parser, time_zone=time_zone, anchor_ms=at_ms(anchor)
    )
    return document["@timestamp"]


@pytest.mark.parametrize(
    ("line_day", "anchor", "expected"),
    [
        ("Nov 24", "2026-11-24", "2026-11-24"),
        ("Dec 31", "2027-01-01", "2026-12-31"),
        ("Jan  1", "2026-12-31", "2027-01-01"),
        ("Jul 15", "2027-01-01", "2026-07-15"),
        ("May 31", "2026-11-24", "2026-05-31"),
        ("Feb 29", "2028-03-01", "2028-02-29"),
    ],
)
def test_the_year_is_the_one_around_first_sight(
    line_day: str, anchor: str, expected: str
) -> None:
    """A file that lives over New Year gets the new one, from the same anchor."""
    line = f"{line_day} 01:02:03 h p: m"
    assert time_of(line, parser="syslog", anchor=anchor) == f"{expected}T01:02:03.000Z"


def test_a_day_that_this_year_does_not_have_is_no_time() -> None:
    found = time_of("Feb 29 01:02:03 h p: m", parser="syslog", anchor="2027-03-01")
    assert found == "2026-11-24T06:00:00.123Z"


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("01:59:59", "2026-03-29T00:59:59.000Z"),
        ("02:30:00", "2026-03-29T01:30:00.000Z"),  # Skipped; read as an hour later.
        ("03:00:00", "2026-03-29T01:00:00.000Z"),
    ],
)
def test_the_hour_that_a_change_of_clocks_skips_is_a_time(
    clock: str, expected: str
) -> None:
    line = f"2026-03-29 {clock} INFO m"
    found = time_of(
        line, parser="log4j", time_zone="Europe/Berlin", anchor="2026-04-01"
    )
    assert found == expected


def test_of_the_hour_that_comes_twice_the_first_is_meant() -> None:
    found = time_of(
        "2026-10-25 02:30:00 INFO m",
        parser="log4j",
        time_zone="Europe/Berlin",
        anchor="2026-11-01",
    )
    assert found == "2026-10-25T00:30:00.000Z"


def test_a_zone_that_is_none_costs_no_line() -> None:
    line = "2026-10-25 02:30:00 INFO m"
    found = time_of(line, parser="log4j", time_zone="../etc/x", anchor="2026-11-01")
    assert found == "2026-10-25T02:30:00.000Z"


def test_s7_a_time_past_belief_is_kept_and_marked_and_decides_no_index() -> None:
    """When the line was seen stands beside it, as in every document."""
    lines = b"".join(
        b"%d-11-24T01:02:03Z INFO m\n" % year for year in (1970, 2026, 2099)
    )
    bounds = {"earliest_ms": at_ms("2016-01-01"), "latest_ms": at_ms("2028-01-01")}
    placed = msgspec.structs.replace(placement("log4j", dataset="java.log"), **bounds)
    found = stored(processed(lines, placed=placed))
    assert [one.document["@timestamp"][:4] for one in found] == ["1970", "2026", "2099"]
    marks = [one.document.get("tailrace.time_source") for one in found]
    assert marks == ["out_of_bounds", None, "out_of_bounds"]
    assert {one.document["event.created"] for one in found} == {
        "2026-11-24T06:00:00.123Z"
    }
    named = [one.index.rpartition("-")[2] for one in found]
    assert named[0] == named[2] == f"{day_of(BORN_AT_MS):%Y.%m.%d}"


def test_where_no_time_decides_the_index_none_is_out_of_bounds() -> None:
    """As in records of others, whose bounds are empty."""
    rule: Literal["generation"] = "generation"
    placed = msgspec.structs.replace(
        placement("log4j"), time_rule=rule, earliest_ms=0, latest_ms=0
    )
    (one,) = stored(processed(b"2026-11-24T01:02:03Z INFO m\n", placed=placed))
    assert "tailrace.time_source" not in one.document


@pytest.mark.parametrize("year", ["1969", "0000", "2263", "9999"])
def test_what_date_nanos_cannot_hold_is_no_time(year: str) -> None:
    line = f"{year}-12-31T23:59:59Z INFO m"
    found = time_of(line, parser="log4j", anchor="2026-11-24")
    assert found == "2026-11-24T06:00:00.123Z"


def test_how_many_digits_a_time_has_is_not_its_neighbours_affair() -> None:
    lines = [f"2026-11-24T01:02:03{fraction}Z INFO m" for fraction in ("", ".000001")]
    apart = [documents(line, parser="log4j")[0]["@timestamp"] for line in lines]
    together = [d["@timestamp"] for d in documents(*lines, parser="log4j")]
    assert (
        apart == together == ["2026-11-24T01:02:03.000Z", "2026-11-24T01:02:03.000001Z"]
    )

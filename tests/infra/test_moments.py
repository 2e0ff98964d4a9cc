from __future__ import annotations

from contextlib import suppress
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.errors import QueryInvalid
from tailrace.moments import (
    LATEST_MS,
    TimeRange,
    interval_ms_for,
    moment_text,
    parse_moment,
)

NOW_MS = 1_795_482_123_456  # 2026-11-24T01:02:03.456Z


@pytest.mark.parametrize(
    ("text", "moment_ms"),
    [
        ("now", NOW_MS),
        ("15m", NOW_MS - 900_000),
        (" now-2h ", NOW_MS - 7_200_000),
        ("1w", NOW_MS - 604_800_000),
        ("2026-11-24T01:02Z", 1_795_482_120_000),
        ("2026-11-24T01:02:03.456Z", NOW_MS),
        ("2026-11-24 02:02:03.456+01:00", NOW_MS),
        ("1795482123456", NOW_MS),
        ("2026-11-24", 1_795_478_400_000),
    ],
)
def test_a_moment_is_what_a_person_means(text: str, moment_ms: int) -> None:
    assert parse_moment(text, now_ms=NOW_MS) == moment_ms


def test_a_time_without_a_zone_is_in_the_zone_of_the_person() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert parse_moment("2026-11-24 02:02", now_ms=NOW_MS, zone=berlin) == (
        parse_moment("2026-11-24T01:02Z", now_ms=NOW_MS)
    )


@pytest.mark.parametrize(
    "text", ["", "yesterday", "15", "m", "15x", "1969-01-01", "9999-01-01", "99999999w"]
)
def test_what_is_not_a_moment_says_what_to_write(text: str) -> None:
    with pytest.raises(QueryInvalid) as caught:
        parse_moment(text, now_ms=NOW_MS)
    assert text in str(caught.value)
    assert caught.value.remedy


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_an_error_for_a_person(text: str) -> None:
    with suppress(QueryInvalid):
        assert 0 <= parse_moment(text, now_ms=NOW_MS) <= LATEST_MS


@given(st.integers(0, 4_102_444_800_000))
def test_a_moment_reads_back_what_was_written(moment_ms: int) -> None:
    text = moment_text(moment_ms).replace(" ", "T") + "Z"
    assert parse_moment(text, now_ms=NOW_MS) == moment_ms


@pytest.mark.parametrize(
    ("since_ms", "until_ms"), [(5, 5), (6, 5), (-1, 5), (0, LATEST_MS + 1)]
)
def test_a_range_that_holds_nothing_is_refused(since_ms: int, until_ms: int) -> None:
    with pytest.raises(QueryInvalid):
        TimeRange(since_ms, until_ms)


@given(st.integers(0, LATEST_MS - 1), st.integers(1, LATEST_MS), st.integers(1, 200))
def test_a_range_never_needs_more_buckets_than_allowed(
    since_ms: int, length_ms: int, buckets_max: int
) -> None:
    """Buckets begin at multiples of the width, as Elasticsearch lays them."""
    until_ms = min(since_ms + length_ms, LATEST_MS)
    time_range = TimeRange(since_ms, until_ms)
    interval_ms = interval_ms_for(time_range, buckets_max=buckets_max)
    touched = (until_ms - 1) // interval_ms - since_ms // interval_ms + 1
    # One bucket cannot be had where a boundary lies within any width.
    assert touched <= max(buckets_max, 2)


def test_a_quarter_of_an_hour_is_drawn_in_bars_of_ten_seconds() -> None:
    time_range = TimeRange(NOW_MS - 900_000, NOW_MS)
    assert interval_ms_for(time_range, buckets_max=120) == 10_000

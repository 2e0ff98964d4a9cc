"""Which indices lie below a floor: told by their names alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.floors import Floors, span_of
from tailrace.identity import DAY_MS, index_name
from tailrace.ledger import FloorLedger
from tailrace.wire import Placement

NOV_24_MS = 1_795_478_400_000
"""2026-11-24T00:00:00Z."""


def _floor(
    floor_ms: int, *, dataset: str = "generic", month: bool = False
) -> FloorLedger:
    return FloorLedger(
        dataset=dataset,
        period="month" if month else "day",
        floor_ms=floor_ms,
        updated_at_ms=1,
    )


@pytest.mark.parametrize(
    ("index", "is_expired"),
    [
        ("t-generic-2026.11.23", True),
        ("t-generic-2026.11.23-r2", True),
        ("t-generic-2026.11.24", False),
        ("t-nginx.access-2026.11.23", False),
        ("t-generic-2026.10", False),
        ("t-generic-2026.11.23-old", False),
        ("t-generic", False),
        ("t-ledger", False),
        ("t-dead-2026.11.23", False),
        ("other-generic-2026.11.23", False),
    ],
)
def test_an_index_is_expired_when_it_ends_at_the_floor(
    index: str, is_expired: bool
) -> None:
    floors = Floors([_floor(NOV_24_MS)])

    assert floors.is_expired(index, namespace="t") == is_expired


def test_a_month_is_measured_by_its_own_floor() -> None:
    floors = Floors([_floor(NOV_24_MS, month=True)])

    assert floors.is_expired("t-generic-2026.10", namespace="t")
    assert not floors.is_expired("t-generic-2026.11", namespace="t")
    assert not floors.is_expired("t-generic-2026.10.31", namespace="t")


def test_december_ends_with_the_year() -> None:
    span = span_of("t-generic-2026.12", namespace="t")
    day = span_of("t-generic-2027.01.01", namespace="t")

    assert span is not None
    assert day is not None
    assert span.end_ms == day.start_ms


@given(
    floors=st.lists(st.integers(0, 10), min_size=1),
)
def test_the_highest_floor_is_the_truth_in_whichever_order_they_are_read(
    floors: list[int],
) -> None:
    read = Floors([_floor(floor) for floor in floors])

    assert read.records["generic", "day"].floor_ms == max(floors)


@given(
    event_ms=st.integers(0, 2**42),
    born_at_ms=st.integers(0, 2**42),
    floor_days=st.integers(0, 60_000),
)
def test_an_event_is_expired_exactly_when_its_whole_index_is(
    event_ms: int, born_at_ms: int, floor_days: int
) -> None:
    placement = Placement(
        dataset="generic",
        parser="auto",
        time_rule="event",
        time_zone="UTC",
        anchor_ms=0,
        earliest_ms=0,
        latest_ms=2**43,
    )
    name = index_name(
        event_ms, namespace="t", placement=placement, born_at_ms=born_at_ms
    )
    span = span_of(name, namespace="t")
    assert span is not None
    assert span.start_ms <= event_ms < span.end_ms
    floor_ms = floor_days * DAY_MS
    floors = Floors([_floor(floor_ms, month=span.period == "month")])

    assert floors.is_expired(name, namespace="t") == (span.end_ms <= floor_ms)

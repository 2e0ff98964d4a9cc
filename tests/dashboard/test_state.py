from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.errors import QueryInvalid
from tailrace.moments import TimeRange
from tailrace.query import Filter
from tailrace_dashboard.state import (
    REFRESH_S,
    SearchState,
    from_params,
    is_relative,
    selected_range,
    to_params,
    typed_range,
)

NOW_MS = 1_795_482_123_456  # 2026-11-24T01:02:03.456Z
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
FILTERS = st.builds(Filter, TEXTS.filter(bool), TEXTS, st.booleans())
STATES = st.builds(
    SearchState,
    query=TEXTS,
    since=st.sampled_from(["15m", "7d", "2026-11-24T01:02:03.000Z"]),
    until=st.sampled_from(["now", "5m", "2026-11-25T01:02:03.000Z"]),
    filters=st.lists(FILTERS, unique=True, max_size=5).map(tuple),
    refresh_s=st.sampled_from(REFRESH_S),
)


@given(STATES)
def test_a_url_restores_what_was_looked_at(state: SearchState) -> None:
    url = urlencode(to_params(state), doseq=True)
    read = parse_qs(url, keep_blank_values=True, strict_parsing=bool(url))
    assert from_params(read) == state


@given(
    st.dictionaries(
        st.sampled_from(["q", "since", "until", "f", "refresh"]),
        st.lists(TEXTS, max_size=4),
    )
)
def test_any_url_is_some_state(params: dict[str, list[str]]) -> None:
    assert isinstance(from_params(params), SearchState)


def test_a_usual_search_has_a_short_url() -> None:
    assert to_params(SearchState()) == {}


def test_a_filter_replaces_its_own_opposite() -> None:
    state = SearchState().with_filter(Filter("host.name", "a"))
    state = state.with_filter(Filter("host.name", "a", is_excluded=True))
    assert state.filters == (Filter("host.name", "a", is_excluded=True),)
    assert state.toggled_filter(state.filters[0]).filters == (Filter("host.name", "a"),)
    assert state.without_filter(state.filters[0]).filters == ()


WITHIN = TimeRange(1_000_000, 2_000_000)


def test_a_brush_is_a_range() -> None:
    chosen = selected_range(
        {"brush": {"at_ms": [1_300_000.7, 1_200_000.2]}, "bar": []},
        interval_ms=10_000,
        within=WITHIN,
    )
    assert chosen == TimeRange(1_200_000, 1_300_001)


def test_a_clicked_bar_is_its_width() -> None:
    chosen = selected_range(
        {"brush": {}, "bar": [{"at_ms": 1_200_000}]}, interval_ms=10_000, within=WITHIN
    )
    assert chosen == TimeRange(1_200_000, 1_210_000)


def test_the_first_bar_does_not_widen_what_is_shown() -> None:
    chosen = selected_range(
        {"bar": [{"at_ms": 995_000}]}, interval_ms=10_000, within=WITHIN
    )
    assert chosen == TimeRange(1_000_000, 1_005_000)


NOTHING_CHOSEN: list[dict[str, Any]] = [
    {},
    {"brush": {}},
    {"brush": {"at_ms": []}},
    {"brush": {"at_ms": ["x", "y"]}},
    {"bar": []},
    {"bar": [{}]},
    {"bar": [{"at_ms": 3_000_000}]},
    {"brush": None, "bar": None},
]


@pytest.mark.parametrize("selection", NOTHING_CHOSEN)
def test_nothing_chosen_is_no_range(selection: dict[str, object]) -> None:
    assert selected_range(selection, interval_ms=10_000, within=WITHIN) is None


def test_a_typed_time_is_the_persons_and_the_url_everyones() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    typed = typed_range("2026-11-24 01:00", "now", now_ms=NOW_MS, zone=berlin)
    assert typed == ("2026-11-24T00:00:00.000Z", "now")


def test_a_typed_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(QueryInvalid):
        typed_range("now", "15m", now_ms=NOW_MS, zone=ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("now", True),
        ("15m", True),
        ("now-2h", True),
        ("2026-11-24", False),
        ("x", False),
    ],
)
def test_an_age_is_relative_and_a_date_is_not(moment: str, expected: bool) -> None:
    assert is_relative(moment) is expected


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        ("15m", "now", "Last 15 minutes"),
        ("3h", "now", "Last 3h"),
        (
            "2026-11-24T00:00:00.000Z",
            "2026-11-24T00:30:00.000Z",
            "Nov 24 01:00:00 – 01:30:00",
        ),
        ("rubbish", "now", "rubbish to now"),
    ],
)
def test_a_range_is_said_in_the_persons_zone(since: str, until: str, said: str) -> None:
    state = SearchState(since=since, until=until)
    assert state.range_text(zone=ZoneInfo("Europe/Berlin"), now_ms=NOW_MS) == said

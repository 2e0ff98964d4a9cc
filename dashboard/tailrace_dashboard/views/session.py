"""What one visitor's search page remembers between two runs of its script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, cast

import streamlit as st

from tailrace.clock import Clock
from tailrace.moments import TimeRange
from tailrace.query import Filter, Row, SearchPage
from tailrace_dashboard.charts import Point
from tailrace_dashboard.state import SearchState, from_params, to_params


@dataclass(slots=True)
class Found:
    """The answers so far to one search over one fixed range of time.

    The range is fixed when the search is made: later pages, the histogram and the rows
    are of the same moment, also where the person asked for the last 15 minutes.
    """

    state: SearchState
    time_range: TimeRange
    asked_at_ms: int
    pages: list[SearchPage] = field(default_factory=list[SearchPage])
    points: tuple[Point, ...] | None = None
    took_ms: int = 0
    told: Future[dict[str, Any]] | None = None
    """What the ledger answers about how complete the rows are."""
    completeness: str = ""
    around: dict[str, tuple[Row, ...]] = field(
        default_factory=dict[str, tuple[Row, ...]]
    )

    @property
    def rows(self) -> list[Row]:
        """Every row of every page so far."""
        return [row for page in self.pages for row in page.rows]


def current_state() -> SearchState:
    """Return what the URL says, or what this visitor last looked at.

    Going to another page takes the search out of the URL; coming back restores it. Where
    the page before was this one, an empty URL is the search that it was at first: the
    browser's Back leads there.
    """
    params = st.query_params
    is_empty = not any(name in params for name in ("q", "since", "f", "refresh"))
    if is_empty and st.session_state.get("came_from") != st.session_state.get("page"):
        remembered = st.session_state.get("search_state")
        if isinstance(remembered, SearchState):
            go_to(remembered)
            return remembered
    state = from_params({name: params.get_all(name) for name in params})
    st.session_state["search_state"] = state
    return state


def arrive(page: str) -> None:
    """Note which page is drawn now, and which was before."""
    st.session_state["came_from"] = st.session_state.get("page")
    st.session_state["page"] = page


def go_to(state: SearchState) -> None:
    """Make `state` what the page shows, and its URL."""
    st.session_state["search_state"] = state
    wanted = to_params(state)
    shown = {name: st.query_params.get_all(name) for name in st.query_params}
    if shown != wanted:
        st.query_params.from_dict(wanted)


def found_for(state: SearchState, *, clock: Clock) -> Found:
    """Return the answers to `state` so far, or a search that is yet to be made.

    Raises:
        QueryInvalid: the range cannot be read.
    """
    found = st.session_state.get("found")
    if isinstance(found, Found) and _is_same_search(found.state, state):
        return found
    now_ms = clock.now_ms()
    fresh = Found(state, state.time_range(now_ms=now_ms), asked_at_ms=now_ms)
    st.session_state["found"] = fresh
    return fresh


def search_again() -> None:
    """Forget the answers, so that the next run asks anew."""
    st.session_state.pop("found", None)


def change_filters(action: Mapping[str, Any]) -> None:
    """Do what was clicked on a chip or in an opened row."""
    state = current_state()
    match action:
        case {"kind": "filter", "field": str() as name, "value": str() as value}:
            is_excluded = action.get("is_excluded") is True
            go_to(state.with_filter(Filter(name, value, is_excluded)))
        case {"kind": "remove", "place": int() as place} if place < len(state.filters):
            go_to(state.without_filter(state.filters[place]))
        case {"kind": "toggle", "place": int() as place} if place < len(state.filters):
            go_to(state.toggled_filter(state.filters[place]))
        case {"kind": "around", "id": str() as row_id}:
            _toggle_around(row_id)
        case _:
            return


def wanted_around() -> Sequence[str]:
    """Return the rows whose neighbours are asked for."""
    return cast("list[str]", st.session_state.get("around", []))


def _toggle_around(row_id: str) -> None:
    wanted = [one for one in wanted_around() if one != row_id]
    if len(wanted) == len(wanted_around()):
        wanted.append(row_id)
    st.session_state["around"] = wanted[-8:]


def _is_same_search(one: SearchState, other: SearchState) -> bool:
    return replace(one, refresh_s=0) == replace(other, refresh_s=0)

"""The bar above the rows: words, range, refreshing, and the filters as chips."""

from __future__ import annotations

from dataclasses import replace
from datetime import tzinfo

import streamlit as st

from tailrace.clock import Clock
from tailrace.errors import QueryInvalid
from tailrace_dashboard.components import draw_chips
from tailrace_dashboard.rows import chip_views, markdown
from tailrace_dashboard.state import (
    DEFAULT_UNTIL,
    QUICK_RANGES,
    REFRESH_S,
    SearchState,
    typed_range,
)
from tailrace_dashboard.views.session import (
    change_filters,
    current_state,
    go_to,
    search_again,
)

QUERY_HELP = (
    "Words are looked for in the message; all of them must be there.  \n"
    '`"timed out"` words in this order · `time*` words that begin so  \n'
    "`log.level:error` a field · `http.response.status_code:>=500` a range  \n"
    "`_exists_:trace.id` a field that is there · `AND` `OR` `NOT` `( )`"
)


def draw_controls(state: SearchState, *, clock: Clock, zone: tzinfo) -> None:
    """Draw the bar; a change in it changes the URL, and the page runs anew."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        _draw_query(state)
        _draw_range(state, clock=clock, zone=zone)
        _draw_refresh(state)
        st.button(
            "Search", key="search", type="primary", on_click=search_again, width=92
        )
    if state.filters:
        draw_chips(chip_views(state.filters), on_action=change_filters)


def draw_ticker(state: SearchState) -> None:
    """Search again every `refresh_s` seconds, where the person asked for it."""
    if not state.refresh_s:
        return
    # A fragment also runs with the page itself, and must not ask again then.
    st.session_state["has_ticked"] = False

    @st.fragment(run_every=state.refresh_s)
    def tick() -> None:
        if st.session_state["has_ticked"]:
            search_again()
            st.rerun(scope="app")
        st.session_state["has_ticked"] = True

    tick()


def choose_range(since: str) -> None:
    """Look at the time from `since` until now."""
    go_to(replace(current_state(), since=since, until=DEFAULT_UNTIL))
    search_again()


def _draw_query(state: SearchState) -> None:
    _follow("query_text", state.query)
    st.text_input(
        "Query",
        key="query_text",
        placeholder='Search, such as  log.level:error AND "timed out"',
        label_visibility="collapsed",
        icon=":material/search:",
        help=None,
        on_change=_apply_query,
        width="stretch",
    )


def _apply_query() -> None:
    go_to(replace(current_state(), query=st.session_state["query_text"].strip()))
    search_again()


def _draw_range(state: SearchState, *, clock: Clock, zone: tzinfo) -> None:
    label = markdown(state.range_text(zone=zone, now_ms=clock.now_ms()))
    with st.popover(label, icon=":material/schedule:", width="content"):
        columns = st.columns(2, gap="small")
        for place, (since, text) in enumerate(QUICK_RANGES.items()):
            columns[place % len(columns)].button(
                text,
                key=f"range_{since}",
                on_click=choose_range,
                args=(since,),
                width="stretch",
                type="primary" if _is_chosen(state, since) else "secondary",
            )
        # Another range is another form: a field that has not been on screen yet shows
        # what it began with.
        ends = (state.since, state.until)
        keys = (f"since_text_{ends}", f"until_text_{ends}")
        with st.form("range", border=False):
            for end, key, text in zip(ends, keys, ("From", "To"), strict=True):
                st.text_input(text, value=end, key=key)
            st.caption(
                "`15m` `2h` `7d` ago, `now`, or a time such as `2026-11-24 01:02`"
            )
            st.form_submit_button(
                "Apply", on_click=_apply_range, args=(keys, clock, zone)
            )
        if problem := st.session_state.get("range_problem"):
            st.warning(markdown(problem), icon=":material/edit:")


def _apply_range(keys: tuple[str, str], clock: Clock, zone: tzinfo) -> None:
    since_typed, until_typed = (st.session_state[key] for key in keys)
    try:
        since, until = typed_range(
            since_typed, until_typed, now_ms=clock.now_ms(), zone=zone
        )
    except QueryInvalid as problem:
        st.session_state["range_problem"] = f"{problem} {problem.remedy}"
        return
    st.session_state.pop("range_problem", None)
    go_to(replace(current_state(), since=since, until=until))
    search_again()


def _draw_refresh(state: SearchState) -> None:
    _follow("refresh", state.refresh_s)
    st.selectbox(
        "Refresh",
        REFRESH_S,
        key="refresh",
        format_func=lambda seconds: f"Every {seconds} s" if seconds else "Refresh off",
        label_visibility="collapsed",
        on_change=_apply_refresh,
        width=132,
    )


def _apply_refresh() -> None:
    go_to(replace(current_state(), refresh_s=st.session_state["refresh"]))


def _is_chosen(state: SearchState, since: str) -> bool:
    return (state.since, state.until) == (since, DEFAULT_UNTIL)


def _follow(key: str, value: object) -> None:
    """Make a widget show what the URL says when that has changed, or it was not there."""
    drawn = f"{key}_drawn"
    if key not in st.session_state or st.session_state.get(drawn) != value:
        st.session_state[key] = value
    st.session_state[drawn] = value

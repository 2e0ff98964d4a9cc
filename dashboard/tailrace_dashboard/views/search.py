"""The Search page: rows first, the histogram second, how complete they are third."""

from __future__ import annotations

from dataclasses import replace
from datetime import tzinfo

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from tailrace.errors import QueryInvalid, ServiceUnavailable, TailraceError
from tailrace.moments import DAY_MS, interval_ms_for
from tailrace.query import (
    Row,
    events_alias,
    field,
    histogram_body,
    next_request,
    read_page,
    search_body,
    surroundings_body,
)
from tailrace_dashboard.charts import count_text, level_chart, read_histogram
from tailrace_dashboard.components import draw_rows
from tailrace_dashboard.gateway import NoIndexYet
from tailrace_dashboard.rows import markdown, row_id, row_view
from tailrace_dashboard.sources import Sources
from tailrace_dashboard.state import selected_range
from tailrace_dashboard.views.completeness import (
    ask_ledger,
    forget_ledger,
    show_completeness,
)
from tailrace_dashboard.views.controls import choose_range, draw_controls, draw_ticker
from tailrace_dashboard.views.parts import (
    draw_nothing_yet,
    draw_problem,
    viewer_zone,
    wait_for,
    zone_text,
)
from tailrace_dashboard.views.session import (
    Found,
    change_filters,
    current_state,
    found_for,
    go_to,
    search_again,
    wanted_around,
)

BUCKETS_MAX = 120
LINES_AROUND = 5
"""Before and after, each."""


def show(sources: Sources) -> None:
    """Draw the whole page, in the order in which a reader wants it."""
    state = current_state()
    zone = viewer_zone()
    draw_controls(state, clock=sources.clock, zone=zone)
    summary, chart, complete, said, rows = (
        st.empty(),
        st.container(),
        st.empty(),
        # Emptied at once, unlike a container: what was said of the last search is not
        # to be read while the next one is under way.
        st.empty(),
        st.container(gap="small"),
    )
    try:
        found = found_for(state, clock=sources.clock)
        with rows:
            has_rows = _show_rows(found, sources=sources, zone=zone)
        if found.pages and not has_rows:
            with said.container():
                _show_no_match(found)
        _show_summary(found, zone=zone, place=summary)
        if has_rows:
            with chart:
                _show_histogram(found, sources=sources)
            _show_summary(found, zone=zone, place=summary)
        if found.pages:
            # Most of all where nothing was found: it may only not have come yet.
            with complete:
                show_completeness(found, sources=sources, zone=zone)
    except NoIndexYet as problem:
        with said.container():
            draw_nothing_yet(problem, key="search")
    except TailraceError as problem:
        with said.container():
            draw_problem(problem, key="search", on_retry=search_again)
    draw_ticker(state)


def _show_rows(found: Found, *, sources: Sources, zone: tzinfo) -> bool:
    """Draw the rows found; return whether there are any."""
    request = found.state.request(found.time_range, size_max=sources.rows_max)
    if found.pages and st.session_state.pop("wants_more", False):
        request = next_request(request, page=found.pages[-1])
    if not found.pages or request.after:
        ask_ledger(found, sources=sources)
        answer = None
        try:
            answer = wait_for(
                sources.search.ask(
                    index=events_alias(sources.namespace),
                    body=search_body(sources.templates.asked(request)),
                    query=found.state.query,
                ),
                what="Searching",
                key="search",
                clock=sources.clock,
            )
        finally:
            if answer is None:
                # Nobody waits for this search any more, nor for what goes with it.
                forget_ledger(found)
        if answer is not None:
            found.pages.append(read_page(answer, size_max=sources.rows_max))
    if not found.pages:
        st.info("The search was cancelled.", icon=":material/block:")
        st.button("Search again", key="cancelled_again", on_click=search_again)
        return False
    if not found.rows:
        return False
    if any(page.is_partial for page in found.pages):
        st.warning(
            "Elasticsearch did not get through all of its data in time: there may be"
            " more rows than these. A shorter range of time helps.",
            icon=":material/hourglass_bottom:",
        )
    has_date = found.time_range.length_ms > DAY_MS
    draw_rows(
        [
            row_view(
                row,
                zone=zone,
                has_date=has_date,
                around=_around(row, found=found, sources=sources),
            )
            for row in found.rows
        ],
        zone=zone_text(zone),
        has_date=has_date,
        on_action=change_filters,
    )
    if found.pages[-1].next_after:
        st.button(
            f"Load {sources.rows_max} more",
            key="more",
            on_click=lambda: st.session_state.update(wants_more=True),
        )
    return True


def _show_no_match(found: Found) -> None:
    with st.container(border=True):
        st.markdown("#### Nothing matches")
        said = "No event matches the query and the filters in this range of time."
        if not found.state.query and not found.state.filters:
            said = "There are no events in this range of time."
        st.markdown(said)
        with st.container(horizontal=True, gap="small"):
            for since, text in (("24h", "Last 24 hours"), ("30d", "Last 30 days")):
                st.button(
                    f"Look at the {text.lower()}",
                    key=f"widen_{since}",
                    on_click=choose_range,
                    args=(since,),
                )
            if found.state.filters:
                st.button(
                    "Without the filters", key="unfiltered", on_click=_drop_filters
                )


def _drop_filters() -> None:
    go_to(replace(current_state(), filters=()))


def _show_summary(found: Found, *, zone: tzinfo, place: DeltaGenerator) -> None:
    if not found.pages:
        return
    first = found.pages[0]
    total, is_exact = first.total_count, first.is_total_exact
    if found.points is not None and not is_exact:
        total, is_exact = sum(point.count for point in found.points), True
    noun = "event" if total == 1 else "events"
    place.caption(
        f"**{count_text(total, is_exact=is_exact)}** {noun} · rows in"
        f" {first.took_ms} ms · times in {markdown(zone_text(zone))}"
    )


def _show_histogram(found: Found, *, sources: Sources) -> None:
    if found.points is None:
        request = found.state.request(found.time_range, size_max=1)
        try:
            answer = wait_for(
                sources.search.ask(
                    index=events_alias(sources.namespace),
                    body=histogram_body(
                        sources.templates.asked(request), buckets_max=BUCKETS_MAX
                    ),
                    query=found.state.query,
                ),
                what="Counting",
                key="histogram",
                clock=sources.clock,
            )
        except (ServiceUnavailable, QueryInvalid) as problem:
            st.caption(f"No histogram: {markdown(str(problem))}")
            return
        if answer is None:
            st.caption("Counting was cancelled.")
            return
        found.points = read_histogram(answer)
    interval_ms = interval_ms_for(found.time_range, buckets_max=BUCKETS_MAX)
    # Another range is another chart: a selection belongs to the bars it was made on.
    key = f"histogram_{found.time_range.since_ms}_{found.time_range.until_ms}"
    st.altair_chart(
        level_chart(found.points, time_range=found.time_range, interval_ms=interval_ms),
        key=key,
        on_select=lambda: _narrow(found, key=key, interval_ms=interval_ms),
        width="stretch",
    )


def _narrow(found: Found, *, key: str, interval_ms: int) -> None:
    chosen = selected_range(
        st.session_state[key].selection,
        interval_ms=interval_ms,
        within=found.time_range,
    )
    if chosen is not None and chosen != found.time_range:
        go_to(current_state().narrowed(chosen))


def _around(row: Row, *, found: Found, sources: Sources) -> tuple[Row, ...]:
    """Return the lines next to `row` in its file, where the reader asked for them."""
    key = row_id(row)
    if key not in wanted_around():
        return ()
    if key not in found.around:
        generation = str(field(row.document, "tailrace.generation"))
        offset = int(field(row.document, "log.offset"))
        before, after = (
            sources.search.ask(
                index=events_alias(sources.namespace),
                body=surroundings_body(
                    generation=generation,
                    offset=offset,
                    size_max=LINES_AROUND,
                    is_before=is_before,
                ),
            )
            for is_before in (True, False)
        )
        pages = [
            read_page(
                wait_for(one, what="Looking around", key="around", clock=sources.clock)
                or {},
                size_max=LINES_AROUND,
            )
            for one in (before, after)
        ]
        found.around[key] = (*reversed(pages[0].rows), row, *pages[1].rows)
    return found.around[key]

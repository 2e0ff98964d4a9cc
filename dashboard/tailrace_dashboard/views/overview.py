"""The Overview page: how much comes from where, from the counts made in the stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from tailrace.errors import TailraceError
from tailrace.moments import MINUTE_MS, TimeRange, interval_ms_for, parse_moment
from tailrace.query import overview_body, rates_index
from tailrace_dashboard.charts import (
    LEVEL_COLOURS,
    Breakdown,
    Overview,
    read_overview,
    series_chart,
    totals_rows,
)
from tailrace_dashboard.gateway import NoIndexYet
from tailrace_dashboard.latency import Slowness, latency_chart, read_latency
from tailrace_dashboard.sources import Sources
from tailrace_dashboard.state import QUICK_RANGES
from tailrace_dashboard.views.parts import (
    draw_nothing_yet,
    draw_problem,
    draw_table,
    wait_for,
)

BUCKETS_MAX = 120
SERIES_MAX = 8
DEFAULT_RANGE = "6h"


def show(sources: Sources) -> None:
    """Draw totals, then one chart and one table for datasets, hosts and levels."""
    since = _draw_range()
    now_ms = sources.clock.now_ms()
    time_range = TimeRange(parse_moment(since, now_ms=now_ms), now_ms)
    try:
        answer = wait_for(
            sources.search.ask(
                index=rates_index(sources.namespace),
                body=overview_body(
                    time_range, buckets_max=BUCKETS_MAX, series_max=SERIES_MAX
                ),
            ),
            what="Adding up",
            key="overview",
            clock=sources.clock,
        )
    except NoIndexYet as problem:
        draw_nothing_yet(problem, key="overview")
        return
    except TailraceError as problem:
        draw_problem(problem, key="overview")
        return
    if answer is None:
        st.info("Adding up was cancelled.", icon=":material/block:")
        st.button("Add up again")
        return
    overview = read_overview(answer)
    if not overview.total:
        st.info("No events were counted in this time.", icon=":material/info:")
        return
    _draw_totals(overview, time_range=time_range)
    for title, breakdown, colours in (
        ("By level", overview.levels, LEVEL_COLOURS),
        ("By dataset", overview.datasets, {}),
        ("By host", overview.hosts, {}),
    ):
        _draw_breakdown(
            title,
            breakdown,
            total=overview.total,
            time_range=time_range,
            colours=colours,
        )
    _draw_latency(read_latency(answer), time_range=time_range)


def _draw_latency(points: Sequence[Slowness], *, time_range: TimeRange) -> None:
    if not points:
        return
    st.markdown("##### Latency, p95")
    st.altair_chart(latency_chart(points, time_range=time_range), width="stretch")
    st.caption("Of the slowest file of each dataset.")


def _draw_range() -> str:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        chosen = st.segmented_control(
            "Range",
            list(QUICK_RANGES),
            key="overview_range",
            default=DEFAULT_RANGE,
            format_func=QUICK_RANGES.__getitem__,
            label_visibility="collapsed",
        )
        st.button("Refresh", key="overview_refresh", icon=":material/refresh:")
    return chosen or DEFAULT_RANGE


def _draw_totals(overview: Overview, *, time_range: TimeRange) -> None:
    minutes = max(time_range.length_ms / MINUTE_MS, 1)
    bad = sum(
        count for name, count in overview.levels.totals if name in {"error", "fatal"}
    )
    with st.container(horizontal=True, gap="medium"):
        st.metric("Events", f"{overview.total:,}", border=True)
        st.metric("A minute", f"{overview.total / minutes:,.1f}", border=True)
        st.metric("Errors", f"{bad:,}", border=True)
        st.metric("Datasets", _counted(overview.datasets), border=True)
        st.metric("Hosts", _counted(overview.hosts), border=True)


def _counted(breakdown: Breakdown) -> str:
    count = len(breakdown.totals)
    return f"{count}+" if breakdown.has_more else str(count)


def _draw_breakdown(
    title: str,
    breakdown: Breakdown,
    *,
    total: int,
    time_range: TimeRange,
    colours: Mapping[str, str],
) -> None:
    if not breakdown.totals:
        return
    interval_ms = max(interval_ms_for(time_range, buckets_max=BUCKETS_MAX), MINUTE_MS)
    chart, table = st.columns((2, 1), gap="medium")
    with chart:
        st.markdown(f"##### {title}")
        st.altair_chart(
            series_chart(
                breakdown,
                time_range=time_range,
                interval_ms=interval_ms,
                colours=colours,
            ),
            width="stretch",
        )
    with table:
        draw_table(
            list(totals_rows(breakdown, total=total)),
            columns={
                "name": st.column_config.TextColumn(title.removeprefix("By ").title()),
                "events": st.column_config.NumberColumn("Events", format="localized"),
                "share": st.column_config.ProgressColumn(
                    "Share", format="%.1f %%", min_value=0, max_value=100
                ),
            },
        )

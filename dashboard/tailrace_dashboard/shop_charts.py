"""How the shop's figures become charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import cast

import altair as alt

from tailrace.moments import TimeRange
from tailrace_dashboard.charts import (
    SERIES_COLOURS,
    Point,
    breakdown_of,
    series_chart,
)
from tailrace_dashboard.shop import ModeFigures, Troubles
from tailrace_dashboard.shop_sale import ADMITTED, SOLD_OUT, WAITING, Answers

ANSWER_NAMES = {ADMITTED: "admitted", WAITING: "waiting page", SOLD_OUT: "sold out"}
ANSWER_COLOURS = {
    "admitted": "#3da17a",
    "waiting page": "#e0a526",
    "sold out": "#93a3b3",
}
SECOND_MS = 1_000
QUEUE_SHOWN_MIN = 10
BAR_MS = 10_000
"""Of troubles, in a quarter of an hour: finer bars would be too thin to see."""


def modes_chart(figures: Sequence[ModeFigures]) -> alt.Chart:
    """Draw a bar for each way of registration: how many one worker does in a second."""
    bars = [{"mode": one.mode, "per_s": round(one.per_s, 2)} for one in figures]
    names = [one.mode for one in figures]
    return (
        alt.Chart(alt.InlineData(values=bars))
        .mark_bar(size=38)
        .encode(
            y=alt.Y("mode:N", title=None, sort=names, axis=alt.Axis(ticks=False)),
            x=alt.X("per_s:Q", title="registrations a second, of one worker"),
            color=alt.Color(
                "mode:N",
                scale=alt.Scale(domain=names, range=list(SERIES_COLOURS[: len(names)])),
                legend=None,
            ),
            tooltip=["mode:N", alt.Tooltip("per_s:Q", title="a second", format=".1f")],
        )
        .properties(height=190)
    )


def queue_chart(samples: Iterable[tuple[int, int]]) -> alt.Chart:
    """Draw how many messages waited, when (ms since 1970)."""
    points = [{"at_ms": at_ms, "waiting": waiting} for at_ms, waiting in samples]
    most = max((point["waiting"] for point in points), default=0)
    return (
        alt.Chart(alt.InlineData(values=points))
        .mark_area(line=True, opacity=0.35, interpolate="step-after")
        .encode(
            x=alt.X("at_ms:T", title=None, axis=alt.Axis(format="%H:%M:%S")),
            y=alt.Y(
                "waiting:Q",
                title="orders that wait",
                # Of an empty queue, too, an axis of whole orders.
                scale=alt.Scale(domain=[0, max(most, QUEUE_SHOWN_MIN)]),
                axis=alt.Axis(format=",d", tickCount=5),
            ),
        )
        .properties(height=190)
    )


def answers_chart(answers: Answers) -> alt.Chart:
    """Draw what was answered, second by second."""
    points = [
        Point(at_ms, ANSWER_NAMES.get(status, str(status)), count)
        for at_ms, status, count in answers.points
    ]
    times = [at_ms for at_ms, _, _ in answers.points]
    return series_chart(
        breakdown_of(points),
        time_range=TimeRange(min(times), max(times) + SECOND_MS),
        interval_ms=SECOND_MS,
        colours=ANSWER_COLOURS,
    )


def troubles_chart(troubles: Troubles, *, time_range: TimeRange) -> alt.LayerChart:
    """Draw errors and warnings by service, and a line for each version deployed."""
    counts = Counter[tuple[int, str]]()
    for at_ms, name, count in troubles.points:
        counts[at_ms - at_ms % BAR_MS, name] += count
    points = [Point(at_ms, name, n) for (at_ms, name), n in sorted(counts.items())]
    bars = series_chart(breakdown_of(points), time_range=time_range, interval_ms=BAR_MS)
    marks = [
        {
            # Where its bar begins: what it broke within that bar must not lie before it.
            "bar_ms": one.at_ms - one.at_ms % BAR_MS,
            "at_ms": one.at_ms,
            "version": one.version,
            "deployed": f"{one.service} {one.version}",
        }
        for one in troubles.deploys
    ]
    lines = (
        alt.Chart(alt.InlineData(values=marks))
        .mark_rule(color="#d3302f", strokeDash=[4, 3], strokeWidth=2)
        .encode(x="bar_ms:T", tooltip=["deployed:N", "at_ms:T"])
    )
    texts = (
        alt.Chart(alt.InlineData(values=marks))
        .mark_text(align="left", dx=2, fontSize=9, baseline="top", color="#d3302f")
        .encode(x="bar_ms:T", y=alt.value(0), text="version:N")
    )
    chart = cast("alt.LayerChart", alt.layer(bars, lines, texts))
    return chart.properties(height=210)

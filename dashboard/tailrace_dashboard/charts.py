"""How counts become charts: answers as points, points as Vega-Lite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import altair as alt
import msgspec

from tailrace.moments import DAY_MS, MINUTE_MS, TimeRange
from tailrace.text import printable

NO_LEVEL = "none"
SERIES_CHARACTERS_MAX = 100
BAR_WIDTH = 0.92
_COUNT_LABEL = "datum.value ? format(datum.value, '~s') : '0'"
"""2k and 40M; of nothing there are no thousands."""
"""Of the room that a bar has."""
LEVEL_COLOURS = {
    "fatal": "#8e1b1b",
    "error": "#d3302f",
    "warn": "#e0a526",
    "notice": "#3da17a",
    "info": "#5b9fcb",
    "debug": "#93a3b3",
    "other": "#a58fc4",
    NO_LEVEL: "#bcc7d1",
}
SERIES_COLOURS = (
    "#2c7fb8",
    "#e0a526",
    "#3da17a",
    "#8f6bb8",
    "#d3302f",
    "#5b9fcb",
    "#b8763a",
    "#93a3b3",
)
_SAME_LEVEL = {
    "emerg": "fatal",
    "emergency": "fatal",
    "alert": "fatal",
    "crit": "fatal",
    "critical": "fatal",
    "panic": "fatal",
    "err": "error",
    "severe": "error",
    "warning": "warn",
    "information": "info",
    "informational": "info",
    "trace": "debug",
    "fine": "debug",
    "finer": "debug",
    "finest": "debug",
    "verbose": "debug",
}


@dataclass(frozen=True, slots=True)
class Point:
    """How many events of one series fell into one bucket."""

    at_ms: int
    series: str
    count: int


class _Sum(msgspec.Struct):
    value: float = 0


class _Term(msgspec.Struct):
    key: str
    doc_count: int


class _Terms(msgspec.Struct):
    buckets: list[_Term] = []


class _Bucket(msgspec.Struct):
    key: float
    doc_count: int = 0
    levels: _Terms = msgspec.field(default_factory=_Terms)
    events: _Sum = msgspec.field(default_factory=_Sum)


class _Timeline(msgspec.Struct):
    buckets: list[_Bucket] = []


class _Series(msgspec.Struct):
    key: str
    timeline: _Timeline = msgspec.field(default_factory=_Timeline)


class _SeriesTerms(msgspec.Struct):
    buckets: list[_Series] = []
    sum_other_doc_count: int = 0


class _HistogramAggregations(msgspec.Struct):
    timeline: _Timeline


class _OverviewAggregations(msgspec.Struct):
    events: _Sum
    timeline: _Timeline
    datasets: _SeriesTerms
    hosts: _SeriesTerms
    levels: _SeriesTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """The counts by one field: the largest series over time, and their sums."""

    points: tuple[Point, ...]
    totals: tuple[tuple[str, int], ...]
    has_more: bool = False
    """There are series beyond those that were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All of the overview's counts."""

    total: int
    datasets: Breakdown
    hosts: Breakdown
    levels: Breakdown


def level_name(level: str) -> str:
    """Return the name that a level is charted under; syslog and Java agree here."""
    lowered = level.lower()
    found = _SAME_LEVEL.get(lowered, lowered)
    return found if found in LEVEL_COLOURS else "other"


def read_histogram(answer: Mapping[str, Any]) -> tuple[Point, ...]:
    """Read the answer to a histogram body; events without a level are counted too."""
    parsed = msgspec.convert(answer["aggregations"], type=_HistogramAggregations)
    counts: dict[tuple[int, str], int] = {}
    for bucket in parsed.timeline.buckets:
        at_ms = int(bucket.key)
        rest = bucket.doc_count
        for term in bucket.levels.buckets:
            key = (at_ms, level_name(term.key))
            counts[key] = counts.get(key, 0) + term.doc_count
            rest -= term.doc_count
        if rest > 0:
            counts[at_ms, NO_LEVEL] = counts.get((at_ms, NO_LEVEL), 0) + rest
    return tuple(Point(at_ms, name, count) for (at_ms, name), count in counts.items())


def read_overview(answer: Mapping[str, Any]) -> Overview:
    """Read the answer to an overview body.

    Levels of one meaning become one series, and what has no level is one too.
    """
    parsed = msgspec.convert(answer["aggregations"], type=_OverviewAggregations)
    levels = [
        Point(point.at_ms, level_name(point.series), point.count)
        for point in _points(parsed.levels)
    ]
    counted: dict[int, int] = {}
    for point in levels:
        counted[point.at_ms] = counted.get(point.at_ms, 0) + point.count
    for bucket in parsed.timeline.buckets:
        rest = round(bucket.events.value) - counted.get(int(bucket.key), 0)
        if rest > 0:
            levels.append(Point(int(bucket.key), NO_LEVEL, rest))
    return Overview(
        total=round(parsed.events.value),
        datasets=_breakdown_of_terms(parsed.datasets),
        hosts=_breakdown_of_terms(parsed.hosts),
        levels=breakdown_of(levels),
    )


def _breakdown_of_terms(terms: _SeriesTerms) -> Breakdown:
    has_more = terms.sum_other_doc_count > 0
    return replace(breakdown_of(_points(terms)), has_more=has_more)


def _points(terms: _SeriesTerms) -> list[Point]:
    return [
        Point(
            int(bucket.key),
            printable(series.key[:SERIES_CHARACTERS_MAX]),
            round(bucket.events.value),
        )
        for series in terms.buckets
        for bucket in series.timeline.buckets
    ]


def breakdown_of(points: Iterable[Point]) -> Breakdown:
    """Add up the points of one bucket and series; the largest series comes first."""
    counts: dict[tuple[int, str], int] = {}
    totals: dict[str, int] = {}
    for point in points:
        key = (point.at_ms, point.series)
        counts[key] = counts.get(key, 0) + point.count
        totals[point.series] = totals.get(point.series, 0) + point.count
    return Breakdown(
        points=tuple(
            Point(at_ms, name, count) for (at_ms, name), count in counts.items()
        ),
        totals=tuple(sorted(totals.items(), key=lambda one: (-one[1], one[0]))),
    )


def level_chart(
    points: Iterable[Point], *, time_range: TimeRange, interval_ms: int
) -> alt.LayerChart:
    """Draw counts by level over time; a column can be clicked and a stretch brushed."""
    known = tuple(points)
    # The worst level stands on the axis, where its height can be compared.
    drawn = _bars(known, interval_ms=interval_ms, order=list(LEVEL_COLOURS))
    present = {bar["series"] for bar in drawn}
    names = [name for name in LEVEL_COLOURS if name in present]
    bars = _bar_chart(
        drawn,
        time_range=time_range,
        names=names,
        colours=[LEVEL_COLOURS[name] for name in names],
    )
    # Above the bars an unseen column of full height, so that the smallest can be hit.
    columns = (
        alt.Chart(alt.InlineData(values=_columns(known, interval_ms=interval_ms)))
        .mark_rect(opacity=0)
        .encode(
            x=alt.X("at_ms:T"),
            x2="until_ms:T",
            tooltip=[
                alt.Tooltip("at_ms:T", title="from", format="%Y-%m-%d %H:%M:%S"),
                alt.Tooltip("events:Q", format=","),
                *(alt.Tooltip(f"{name}:Q", format=",") for name in names),
            ],
        )
        .add_params(
            alt.selection_interval(name="brush", encodings=["x"]),
            alt.selection_point(name="bar", fields=["at_ms"]),
        )
    )
    chart = cast("alt.LayerChart", alt.layer(bars, columns))
    return chart.properties(height=150)


def series_chart(
    breakdown: Breakdown,
    *,
    time_range: TimeRange,
    interval_ms: int,
    colours: Mapping[str, str] | None = None,
) -> alt.Chart:
    """Draw counts by any field over time, the largest series lowest."""
    names = [name for name, _ in breakdown.totals]
    chosen = [
        (colours or {}).get(name, SERIES_COLOURS[place % len(SERIES_COLOURS)])
        for place, name in enumerate(names)
    ]
    drawn = _bars(breakdown.points, interval_ms=interval_ms, order=names)
    return _bar_chart(
        drawn, time_range=time_range, names=names, colours=chosen
    ).properties(height=190)


def _bars(
    points: Iterable[Point], *, interval_ms: int, order: Sequence[str]
) -> list[dict[str, Any]]:
    """Return a rectangle for each point, stacked here so that Vega has nothing to guess."""
    places = {name: place for place, name in enumerate(order)}
    heights: dict[int, int] = {}
    drawn: list[dict[str, Any]] = []
    for point in sorted(points, key=lambda one: places.get(one.series, len(places))):
        low = heights.get(point.at_ms, 0)
        heights[point.at_ms] = low + point.count
        drawn.append(
            {
                "at_ms": point.at_ms,
                # A little air between bars.
                "until_ms": point.at_ms + round(interval_ms * BAR_WIDTH),
                "series": point.series,
                "events": point.count,
                "low": low,
                "high": low + point.count,
            }
        )
    return drawn


def _columns(points: Iterable[Point], *, interval_ms: int) -> list[dict[str, Any]]:
    columns: dict[int, dict[str, Any]] = {}
    for point in points:
        column = columns.setdefault(
            point.at_ms,
            {"at_ms": point.at_ms, "until_ms": point.at_ms + interval_ms, "events": 0},
        )
        column["events"] += point.count
        column[point.series] = column.get(point.series, 0) + point.count
    return list(columns.values())


def _bar_chart(
    drawn: list[dict[str, Any]],
    *,
    time_range: TimeRange,
    names: list[str],
    colours: list[str],
) -> alt.Chart:
    chart = alt.Chart(alt.InlineData(values=drawn)).mark_rect()
    return chart.encode(
        x=alt.X(
            "at_ms:T",
            title=None,
            scale=alt.Scale(
                domain=[time_range.since_ms, time_range.until_ms], nice=False
            ),
            axis=alt.Axis(
                grid=False,
                labelOverlap=True,
                tickCount=8,
                labelPadding=4,
                ticks=False,
                format=_time_format(time_range),
            ),
        ),
        x2="until_ms:T",
        y=alt.Y(
            "low:Q",
            title=None,
            axis=alt.Axis(
                tickCount=3,
                tickMinStep=1,  # There is no half event.
                labelExpr=_COUNT_LABEL,
                domain=False,
                ticks=False,
            ),
        ),
        y2="high:Q",
        color=alt.Color(
            "series:N",
            title=None,
            scale=alt.Scale(domain=names, range=colours),
            legend=alt.Legend(orient="right", symbolType="square", labelLimit=160),
        ),
        tooltip=[
            alt.Tooltip("at_ms:T", title="from", format="%Y-%m-%d %H:%M:%S"),
            alt.Tooltip("series:N", title="series"),
            alt.Tooltip("events:Q", title="events", format=","),
        ],
    )


def _time_format(time_range: TimeRange) -> str:
    if time_range.length_ms <= 10 * MINUTE_MS:
        return "%H:%M:%S"
    return "%H:%M" if time_range.length_ms <= DAY_MS else "%b %d %H:%M"


def count_text(count: int, *, is_exact: bool = True) -> str:
    """Return `8,005`, or `more than 10,000`."""
    return f"{count:,}" if is_exact else f"more than {count:,}"


def specification(chart: alt.Chart | alt.LayerChart) -> Mapping[str, Any]:
    """Return the chart as Vega-Lite JSON."""
    return cast("Mapping[str, Any]", chart.to_dict())


def totals_rows(breakdown: Breakdown, *, total: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table of the largest series with their share in percent."""
    for name, count in breakdown.totals:
        yield {"name": name, "events": count, "share": 100 * count / max(total, 1)}

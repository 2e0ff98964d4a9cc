"""How slow the slowest files are: p95 of latency over time, as a line a dataset.

Quantiles of files do not add up. But that of files together is never above the greatest of
theirs, so what is drawn is a bound, and is true of the file that it is of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import altair as alt
import msgspec

from tailrace.moments import TimeRange
from tailrace.text import printable
from tailrace_dashboard.charts import SERIES_CHARACTERS_MAX, SERIES_COLOURS

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Slowness:
    """The p95 of one dataset's slowest file in one bucket."""

    at_ms: int
    series: str
    took_ms: float


class _Worst(msgspec.Struct):
    value: float | None = None


class _Bucket(msgspec.Struct):
    key: float
    worst: _Worst = msgspec.field(default_factory=_Worst)


class _Timeline(msgspec.Struct):
    buckets: list[_Bucket] = []


class _Dataset(msgspec.Struct):
    key: str
    timeline: _Timeline


class _Datasets(msgspec.Struct):
    buckets: list[_Dataset] = []


class _Latency(msgspec.Struct):
    datasets: _Datasets = msgspec.field(default_factory=_Datasets)


class _Aggregations(msgspec.Struct):
    latency: _Latency = msgspec.field(default_factory=_Latency)


def read_latency(answer: Mapping[str, Any]) -> tuple[Slowness, ...]:
    """Read what the answer to an overview body says of latency; nothing where none is."""
    parsed = msgspec.convert(answer["aggregations"], type=_Aggregations)
    return tuple(
        Slowness(
            int(bucket.key),
            printable(dataset.key[:SERIES_CHARACTERS_MAX]),
            bucket.worst.value / _NS_PER_MS,
        )
        for dataset in parsed.latency.datasets.buckets
        for bucket in dataset.timeline.buckets
        if bucket.worst.value is not None
    )


def latency_chart(points: Iterable[Slowness], *, time_range: TimeRange) -> alt.Chart:
    """Draw a line for each dataset, in milliseconds."""
    known = tuple(points)
    names = list(dict.fromkeys(point.series for point in known))
    drawn = [
        {"at_ms": one.at_ms, "series": one.series, "p95_ms": one.took_ms}
        for one in known
    ]
    domain = [time_range.since_ms, time_range.until_ms]
    colours = [SERIES_COLOURS[n % len(SERIES_COLOURS)] for n in range(len(names))]
    chart = alt.Chart(alt.InlineData(values=cast("Any", drawn)))
    return (
        chart.mark_line(point=True)
        .encode(
            x=alt.X(
                "at_ms:T",
                title=None,
                scale=alt.Scale(domain=domain, nice=False),
                axis=alt.Axis(grid=False, labelOverlap=True, tickCount=8),
            ),
            y=alt.Y("p95_ms:Q", title="ms", axis=alt.Axis(tickCount=3)),
            color=alt.Color(
                "series:N", title=None, scale=alt.Scale(domain=names, range=colours)
            ),
            tooltip=[
                alt.Tooltip("at_ms:T", title="from", format="%Y-%m-%d %H:%M"),
                alt.Tooltip("series:N", title="dataset"),
                alt.Tooltip("p95_ms:Q", title="p95, ms", format=",.1f"),
            ],
        )
        .properties(height=190)
    )

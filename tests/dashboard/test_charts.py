from __future__ import annotations

from typing import Any

from tailrace.moments import TimeRange
from tailrace_dashboard.charts import (
    NO_LEVEL,
    Point,
    count_text,
    level_chart,
    level_name,
    read_histogram,
    read_overview,
    specification,
    totals_rows,
)
from tailrace_dashboard.latency import Slowness, latency_chart, read_latency

RANGE = TimeRange(0, 60_000)


def bucket(at_ms: int, count: int, **levels: int) -> dict[str, Any]:
    terms = [{"key": name, "doc_count": number} for name, number in levels.items()]
    return {"key": at_ms, "doc_count": count, "levels": {"buckets": terms}}


def test_every_event_is_in_the_histogram_whatever_its_level() -> None:
    answer = {
        "aggregations": {
            "timeline": {
                "buckets": [
                    bucket(0, 10, err=2, ERROR=1, info=3, weird=1),
                    bucket(10_000, 4),
                ]
            }
        }
    }
    points = read_histogram(answer)
    assert set(points) == {
        Point(0, "error", 3),
        Point(0, "info", 3),
        Point(0, "other", 1),
        Point(0, NO_LEVEL, 3),
        Point(10_000, NO_LEVEL, 4),
    }


def test_levels_of_one_meaning_have_one_name() -> None:
    assert {level_name(name) for name in ("WARN", "warning", "Warn")} == {"warn"}
    assert {level_name(name) for name in ("crit", "emerg", "FATAL")} == {"fatal"}
    assert level_name("<b>error</b>") == "other"


def test_bars_of_one_moment_stand_on_one_another_the_worst_lowest() -> None:
    chart = level_chart(
        [Point(0, "info", 5), Point(0, "error", 2)],
        time_range=RANGE,
        interval_ms=10_000,
    )
    spec = specification(chart)
    bars = {
        one["series"]: one
        for drawn in spec["datasets"].values()
        for one in drawn
        if "series" in one
    }
    assert (bars["error"]["low"], bars["error"]["high"]) == (0, 2)
    assert (bars["info"]["low"], bars["info"]["high"]) == (2, 7)


def test_a_bar_can_be_clicked_and_a_stretch_brushed() -> None:
    spec = specification(level_chart([], time_range=RANGE, interval_ms=1))
    params = {one["name"]: one["select"] for one in spec["params"]}
    assert params["brush"] == {"type": "interval", "encodings": ["x"]}
    assert params["bar"] == {"type": "point", "fields": ["at_ms"]}


def series(name: str, *counts: float) -> dict[str, Any]:
    return {"key": name, "timeline": timeline(*counts)}


def timeline(*counts: float) -> dict[str, Any]:
    return {
        "buckets": [
            {"key": place * 60_000.0, "events": {"value": count}}
            for place, count in enumerate(counts)
        ]
    }


def test_the_overview_adds_up() -> None:
    answer: dict[str, Any] = {
        "aggregations": {
            "events": {"value": 18.0},
            "timeline": timeline(10, 8),
            "datasets": {"buckets": [series("a\x1b", 10, 8)]},
            "hosts": {"buckets": [series("h", 18)], "sum_other_doc_count": 1},
            "levels": {
                "buckets": [
                    series("warn", 2, 1),
                    series("warning", 1),
                    series("info", 4),
                ]
            },
        }
    }
    overview = read_overview(answer)
    assert overview.total == 18
    assert overview.datasets.totals == (("a\\x1b", 18),)
    assert not overview.datasets.has_more
    assert overview.hosts.has_more
    assert overview.levels.totals == ((NO_LEVEL, 10), ("info", 4), ("warn", 4))
    assert Point(0, "warn", 3) in overview.levels.points
    rows = list(totals_rows(overview.levels, total=overview.total))
    assert sum(row["events"] for row in rows) == overview.total
    assert round(sum(row["share"] for row in rows)) == 100


def test_latency_is_a_line_a_dataset_in_milliseconds() -> None:
    at = {"key": 60_000.0, "worst": {"value": 2_500_000.0}}
    nothing = {"key": 120_000.0, "worst": {"value": None}}
    datasets = [{"key": "web\x1b", "timeline": {"buckets": [at, nothing]}}]
    answer = {"aggregations": {"latency": {"datasets": {"buckets": datasets}}}}
    points = read_latency(answer)
    assert points == (Slowness(60_000, "web\\x1b", 2.5),)
    spec = specification(latency_chart(points, time_range=RANGE))
    (drawn,) = spec["datasets"].values()
    assert drawn == [{"at_ms": 60_000, "series": "web\\x1b", "p95_ms": 2.5}]
    assert spec["mark"]["type"] == "line"
    assert read_latency({"aggregations": {}}) == ()


def test_a_count_that_stopped_early_says_so() -> None:
    assert count_text(8_005) == "8,005"
    assert count_text(10_000, is_exact=False) == "more than 10,000"

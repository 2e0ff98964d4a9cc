"""What the shop's logs say: questions to Elasticsearch, and their answers as values.

Nothing here asks the shop itself: what the page claims of its speed, its answers and its
troubles stands in the log files that the agent collected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tailrace.moments import TimeRange
from tailrace.query import TIMEOUT_S, Body, range_clause
from tailrace.shop_link import SHOP_DIR
from tailrace.shop_rules import REPORT_SILENCE_MS

NANOSECONDS_IN_MS = 1_000_000
"""`@timestamp` is a `date_nanos`, and sorts so."""
MODES = ("serial", "parallel", "queued")
EXPECTED_RATIOS = {"serial": 1.0, "parallel": 1.5, "queued": 3.0}
"""Of 150, 100 and 50 ms."""
ACCEPTED = 202
"""What someone who orders is answered."""
FILES_MAX = 20
DEPLOYS_MAX = 50
TROUBLES_INTERVAL_MS = 1_000
"""Errors are counted so finely that those before a version are told from those after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeFigures:
    """How fast one way of registration was."""

    mode: str
    count: int
    median_ms: float

    @property
    def per_s(self) -> float:
        """Return how many one worker does in a second."""
        return 1_000 / self.median_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many orders the web front accepted, and what the inventory made of them."""

    accepted: int
    taken: int
    sold_out: int
    duplicate: int
    """Those that came again, and changed nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy:
    """A version that was put in place."""

    at_ms: int
    service: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """Errors and warnings by service over time, what was deployed, when was a report."""

    points: tuple[tuple[int, str, int], ...]
    deploys: tuple[Deploy, ...]
    report_at_ms: int | None


def measured_body(time_range: TimeRange) -> Body:
    """Build the question how long registrations took, in each way."""
    return _counting(
        time_range,
        {"term": {"service.name": "registration"}},
        {"term": {"event.action": "registered"}},
        aggs={
            "modes": {
                "terms": {"field": "attributes.mode", "size": len(MODES)},
                "aggs": {
                    "took": {
                        "percentiles": {"field": "event.duration", "percents": [50]}
                    }
                },
            }
        },
    )


def read_measured(answer: Mapping[str, Any]) -> tuple[ModeFigures, ...]:
    """Read the answer; a way that nobody took is left out."""
    buckets = answer["aggregations"]["modes"]["buckets"]
    found = {
        bucket["key"]: ModeFigures(
            mode=bucket["key"],
            count=int(bucket["doc_count"]),
            # The median: one request that this machine held up says nothing of the way.
            median_ms=float(bucket["took"]["values"]["50.0"]) / 1e6,
        )
        for bucket in buckets
    }
    return tuple(found[mode] for mode in MODES if mode in found)


def ratios(figures: tuple[ModeFigures, ...]) -> dict[str, float]:
    """Return how many times as fast as the serial way each one is."""
    serial = next((one.per_s for one in figures if one.mode == MODES[0]), None)
    return {} if serial is None else {one.mode: one.per_s / serial for one in figures}


def orders_body(time_range: TimeRange) -> Body:
    """Build the question how many orders were accepted, and how many counted."""
    accepted = (
        {"term": {"url.path": "/orders"}},
        {"term": {"http.response.status_code": ACCEPTED}},
    )
    return _counting(
        time_range,
        aggs={
            "accepted": {"filter": all_of(*accepted)},
            "inventory": {
                "filter": {"term": {"service.name": "inventory"}},
                "aggs": {"outcomes": {"terms": {"field": "event.action"}}},
            },
        },
    )


def read_orders(answer: Mapping[str, Any]) -> Counts:
    """Read the answer."""
    found = answer["aggregations"]
    buckets = found["inventory"]["outcomes"]["buckets"]
    outcomes = {one["key"]: int(one["doc_count"]) for one in buckets}
    return Counts(
        accepted=int(found["accepted"]["doc_count"]),
        taken=outcomes.get("taken", 0),
        sold_out=outcomes.get("sold_out", 0),
        duplicate=outcomes.get("duplicate", 0),
    )


def troubles_body(time_range: TimeRange) -> Body:
    """Build the question which service logged errors when, and what was deployed."""
    newest = {"sort": [{"@timestamp": "desc"}], "_source": _DEPLOY_FIELDS}
    return _counting(
        time_range,
        aggs={
            "bad": {
                "filter": {
                    "bool": {
                        "should": [
                            {"terms": {"log.level": ["error", "warn", "warning"]}},
                            {"range": {"http.response.status_code": {"gte": 500}}},
                        ]
                    }
                },
                "aggs": {
                    "files": {
                        "terms": {"field": "log.file.path", "size": FILES_MAX},
                        "aggs": {
                            "times": {
                                "date_histogram": {
                                    "field": "@timestamp",
                                    "fixed_interval": f"{TROUBLES_INTERVAL_MS}ms",
                                    "min_doc_count": 1,
                                }
                            }
                        },
                    }
                },
            },
            "deploys": {
                "filter": {"term": {"event.action": "deployed"}},
                "aggs": {"newest": {"top_hits": {"size": DEPLOYS_MAX, **newest}}},
            },
            "reports": {
                "filter": {"term": {"service.name": "report"}},
                "aggs": {"last": {"max": {"field": "@timestamp"}}},
            },
        },
    )


_DEPLOY_FIELDS = ["service.name", "service.version"]


def read_troubles(answer: Mapping[str, Any]) -> Troubles:
    """Read the answer."""
    found = answer["aggregations"]
    points: dict[tuple[int, str], int] = {}
    for file in found["bad"]["files"]["buckets"]:
        for bucket in file["times"]["buckets"]:
            # A file that was turned over is the same service's.
            name = PurePosixPath(file["key"]).name.partition(".")[0]
            key = (int(bucket["key"]), name)
            points[key] = points.get(key, 0) + int(bucket["doc_count"])
    last = found["reports"]["last"].get("value")
    return Troubles(
        points=tuple((at_ms, name, n) for (at_ms, name), n in sorted(points.items())),
        deploys=tuple(
            _deploy(hit) for hit in found["deploys"]["newest"]["hits"]["hits"]
        ),
        report_at_ms=None if last is None else int(last),
    )


def findings(troubles: Troubles, *, now_ms: int) -> list[str]:
    """Say in sentences what is wrong, from what the logs hold."""
    said: list[str] = []
    totals: dict[str, int] = {}
    for _at_ms, name, count in troubles.points:
        totals[name] = totals.get(name, 0) + count
    for name, count in sorted(totals.items(), key=lambda item: -item[1]):
        events = "1 event" if count == 1 else f"{count:,} events"
        said.append(f"{name}: {events} of errors and warnings")
    worst = _worst_deploy(troubles)
    if worst is not None:
        said.append(
            f"most came while {worst.service} {worst.version} was in place: look at it"
        )
    if troubles.report_at_ms is not None:
        silent_ms = now_ms - troubles.report_at_ms
        if silent_ms > REPORT_SILENCE_MS:
            said.append(
                f"no report for {silent_ms // 1_000} s, which comes every minute"
            )
    return said


def filtered(time_range: TimeRange, *clauses: Body) -> Body:
    """Return what matches events of the shop in a time, of which each clause is true."""
    shops = {"term": {"tags": SHOP_DIR}}
    return all_of(range_clause(time_range), shops, *clauses)


def all_of(*clauses: Body) -> Body:
    """Return what matches where each clause is true."""
    return {"bool": {"filter": clauses}}


def _worst_deploy(troubles: Troubles) -> Deploy | None:
    """Return the version in whose time its own service erred most, if it did.

    What another service complains of meanwhile is no word against the version. Errors of
    the interval in which a version came are its own: they follow it.
    """
    deploys = sorted(troubles.deploys, key=lambda one: one.at_ms)
    counts = [0] * len(deploys)
    for at_ms, name, count in troubles.points:
        end_ms = at_ms + TROUBLES_INTERVAL_MS
        in_place = [
            number
            for number, one in enumerate(deploys)
            if one.service == name and one.at_ms < end_ms
        ]
        if in_place:
            counts[in_place[-1]] += count
    most = max(counts, default=0)
    return deploys[counts.index(most)] if most else None


def _deploy(hit: Mapping[str, Any]) -> Deploy:
    source = hit["_source"]
    return Deploy(
        at_ms=int(hit["sort"][0]) // NANOSECONDS_IN_MS,
        service=str(source.get("service.name", "")),
        version=str(source.get("service.version", "")),
    )


def _counting(time_range: TimeRange, *clauses: Body, aggs: Body) -> Body:
    return {
        "size": 0,
        "query": filtered(time_range, *clauses),
        "track_total_hits": False,
        "timeout": f"{TIMEOUT_S}s",
        "aggs": aggs,
    }

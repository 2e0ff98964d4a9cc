"""What is asked of Elasticsearch, as values: searches, histograms, rates and their answers.

No client and no page: the dashboard and `tailrace search` send these bodies and read the
answers with the same functions. Bodies are built as objects, so nothing that a person
types can leave the place it was typed for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from tailrace.answers import (
    Document,
    Row,
    SearchPage,
    field,
    flatten,
    read_page,
)
from tailrace.errors import QueryInvalid
from tailrace.index_templates import events_alias
from tailrace.lucene import explain_query_error, without_regex
from tailrace.moments import TimeRange, interval_ms_for, parse_moment

__all__ = [
    "AnyOf",
    "Body",
    "Document",
    "Filter",
    "Row",
    "SearchPage",
    "SearchRequest",
    "TimeRange",
    "events_alias",
    "explain_query_error",
    "field",
    "flatten",
    "histogram_body",
    "interval_ms_for",
    "matching",
    "newest_body",
    "next_request",
    "overview_body",
    "parse_moment",
    "rates_index",
    "read_page",
    "search_body",
    "surroundings_body",
]

Body: TypeAlias = dict[str, Any]
"""JSON for Elasticsearch."""

ROWS_MAX = 10_000
"""Elasticsearch's own `index.max_result_window`."""
TOTAL_COUNTED_MAX = 10_000
"""Beyond it only `more than` is said: counting all matches would delay the first row."""
TIMEOUT_S = 20
LEVELS_MAX = 12
DEFAULT_FIELDS = ("message", "error.message", "attributes")
"""What a word without a field is looked for in; of `attributes`, whole values."""
SORT: tuple[Body, ...] = (
    {
        "@timestamp": {
            "order": "desc",
            # Written as nanoseconds: the bare number that Elasticsearch would give is
            # read back as milliseconds when it is a cursor.
            "format": "strict_date_optional_time_nanos",
            "unmapped_type": "date_nanos",
        }
    },
    # Ties of one moment: lines of one file stay together, in the order of the file.
    {"tailrace.generation": {"order": "desc", "unmapped_type": "keyword"}},
    {"log.offset": {"order": "desc", "unmapped_type": "long"}},
)


@dataclass(frozen=True, slots=True)
class Filter:
    """One field that must have, or must not have, one value."""

    field: str
    value: str
    is_excluded: bool = False


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One field that must have, or must not have, one of some values."""

    field: str
    values: tuple[str, ...]
    """At most 65,536, as many as Elasticsearch takes."""
    is_excluded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What to look for: words, time, fields, how many, and after which row."""

    query: str = ""
    """Lucene syntax as a person types it; empty or `*` is everything."""
    since_ms: int
    until_ms: int
    filters: tuple[Filter, ...] = ()
    any_of: tuple[AnyOf, ...] = ()
    size_max: int = 100
    after: tuple[Any, ...] = ()
    """The cursor of the last row already shown (`SearchPage.next_after`)."""

    @property
    def time_range(self) -> TimeRange:
        """The range, checked."""
        return TimeRange(self.since_ms, self.until_ms)


def rates_index(namespace: str) -> str:
    """Return the index of events counted per minute."""
    return f"{namespace}-rates"


def next_request(request: SearchRequest, *, page: SearchPage) -> SearchRequest:
    """Return the request for the page after `page`."""
    return replace(request, after=page.next_after)


def search_body(request: SearchRequest) -> Body:
    """Build the search for the newest rows.

    Raises:
        QueryInvalid: the range holds nothing, or `size_max` is out of bounds.
    """
    if not 1 <= request.size_max <= ROWS_MAX:
        raise QueryInvalid(
            f"{request.size_max} rows cannot be asked for at once.",
            remedy=f"ask for 1 to {ROWS_MAX:,}, and for more page by page",
        )
    body: Body = {
        "size": request.size_max,
        "sort": list(SORT),
        "query": matching(request),
        # Later pages do not count again.
        "track_total_hits": False if request.after else TOTAL_COUNTED_MAX,
        "timeout": f"{TIMEOUT_S}s",
    }
    if request.after:
        body["search_after"] = list(request.after)
    return body


def reading_body(query: str, *, asked: Body, answer: Mapping[str, Any]) -> Body | None:
    """Build the question whether `query` can be read, or None where there is no doubt.

    To be asked after each search for rows: Elasticsearch does not read the words on a
    shard whose times lie outside the range, so that a broken query finds nothing, too.
    There is no doubt where rows were found, where none were asked for, where these were
    only those of a later page, and where the query says nothing.
    """
    is_first_page = bool(asked.get("size")) and "search_after" not in asked
    clause = words_clause(query) if is_first_page else None
    if clause is None or answer["hits"]["hits"]:
        return None
    return {
        "size": 0,
        "query": clause,
        "track_total_hits": False,
        "terminate_after": 1,
        "timeout": f"{TIMEOUT_S}s",
    }


def histogram_body(request: SearchRequest, *, buckets_max: int = 120) -> Body:
    """Build the count over time by level, in at most `buckets_max` buckets.

    Raises:
        QueryInvalid: the range holds nothing.
    """
    levels = {"terms": {"field": "log.level", "size": LEVELS_MAX}}
    timeline = _timeline(request.time_range, buckets_max=buckets_max)
    return {
        "size": 0,
        "query": matching(request),
        "track_total_hits": True,
        "timeout": f"{TIMEOUT_S}s",
        "aggs": {"timeline": {**timeline, "aggs": {"levels": levels}}},
    }


def overview_body(
    time_range: TimeRange, *, buckets_max: int = 120, series_max: int = 8
) -> Body:
    """Build the rates by dataset, host and level, from the counts by window; and latency.

    A document of the rates index holds the absolute count of one generation, so the sum
    over documents is exact however often anything was sent again.
    """
    counted = {"sum": {"field": "tailrace.rate.count"}}
    timeline = _timeline(time_range, buckets_max=buckets_max, narrowest_ms=60_000)
    with_count = {**timeline, "aggs": {"events": counted}}
    aggregations: Body = {"events": counted, "timeline": with_count}
    for name, field_name in (
        ("datasets", "event.dataset"),
        ("hosts", "host.name"),
        ("levels", "log.level"),
    ):
        aggregations[name] = {
            "terms": {
                "field": field_name,
                "size": series_max,
                "order": {"events": "desc"},
            },
            "aggs": {"events": counted, "timeline": with_count},
        }
    aggregations["latency"] = _latency(timeline, series_max=series_max)
    return {
        "size": 0,
        "query": {"bool": {"filter": [range_clause(time_range)]}},
        "track_total_hits": False,
        "timeout": f"{TIMEOUT_S}s",
        "aggs": aggregations,
    }


def _latency(timeline: Body, *, series_max: int) -> Body:
    """Build p95 of the slowest file of each dataset over time, the slowest first.

    Quantiles do not add up; the greatest of them is a bound of that of all files.
    """
    worst = {"worst": {"max": {"field": "tailrace.spread.p95"}}}
    return {
        "filter": {"term": {"tailrace.spread.field": {"value": "event.duration"}}},
        "aggs": {
            "datasets": {
                "terms": {
                    "field": "event.dataset",
                    "size": series_max,
                    "order": {"worst": "desc"},
                },
                "aggs": {**worst, "timeline": {**timeline, "aggs": worst}},
            }
        },
    }


def newest_body(*, now_ms: int) -> Body:
    """Build the search for the newest event that does not lie in the future."""
    return {
        "size": 1,
        "sort": list(SORT),
        "query": {"range": {"@timestamp": {"lte": now_ms, "format": "epoch_millis"}}},
        "_source": ["@timestamp", "event.created"],
        "track_total_hits": False,
        "timeout": "5s",
    }


def surroundings_body(
    *, generation: str, offset: int, size_max: int, is_before: bool
) -> Body:
    """Build the search for the lines next to one line in its own file."""
    side = {"lt": offset} if is_before else {"gt": offset}
    return {
        "size": size_max,
        "sort": [{"log.offset": {"order": "desc" if is_before else "asc"}}],
        "query": {
            "bool": {
                "filter": [
                    {"term": {"tailrace.generation": {"value": generation}}},
                    {"range": {"log.offset": side}},
                ]
            }
        },
        "track_total_hits": False,
        "timeout": "5s",
    }


def matching(request: SearchRequest) -> Body:
    """Build what a document must be like to be found by a request, without its size."""
    query: Body = {"filter": [range_clause(request.time_range)]}
    clause = words_clause(request.query)
    if clause is not None:
        query["filter"].append(clause)
    for one in request.filters:
        place = "must_not" if one.is_excluded else "filter"
        query.setdefault(place, []).append(_filter_clause(one))
    for some in request.any_of:
        place = "must_not" if some.is_excluded else "filter"
        query.setdefault(place, []).append({"terms": {some.field: list(some.values)}})
    return {"bool": query}


def words_clause(query: str) -> Body | None:
    """Build what the words of a person ask for; None where they ask for everything."""
    words = query.strip()
    if words in {"", "*", "*:*"}:
        return None
    return {
        "query_string": {
            "query": without_regex(words),
            "fields": list(DEFAULT_FIELDS),
            "default_operator": "AND",
            "analyze_wildcard": True,
            "allow_leading_wildcard": False,
            "lenient": True,
            "max_determinized_states": 1_000,
        }
    }


def _filter_clause(one: Filter) -> Body:
    if one.field in {"message", "error.message"}:
        return {"match_phrase": {one.field: {"query": one.value}}}
    return {"term": {one.field: {"value": one.value}}}


def range_clause(time_range: TimeRange) -> Body:
    """Build that an event is of a time, as it says itself."""
    bounds = {"gte": time_range.since_ms, "lt": time_range.until_ms}
    return {"range": {"@timestamp": {**bounds, "format": "epoch_millis"}}}


def _timeline(
    time_range: TimeRange, *, buckets_max: int, narrowest_ms: int = 1
) -> Body:
    interval_ms = max(
        interval_ms_for(time_range, buckets_max=buckets_max), narrowest_ms
    )
    return {
        "date_histogram": {
            "field": "@timestamp",
            "fixed_interval": f"{interval_ms}ms",
            "min_doc_count": 1,
        }
    }

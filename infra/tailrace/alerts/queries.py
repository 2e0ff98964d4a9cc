"""What the rules ask of Elasticsearch, as bodies, and how its answers are read. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

from tailrace.alerts.judging import Group
from tailrace.alerts.news import Sighting
from tailrace.alerts.records import harmless
from tailrace.alerts.rule_settings import RuleSettings
from tailrace.answers import Document
from tailrace.answers import field as field_of
from tailrace.ledger import SAMPLE_WEIGHT
from tailrace.query import (
    Body,
    SearchRequest,
    events_alias,
    matching,
    rates_index,
    words_clause,
)

Json: TypeAlias = Mapping[str, Any]

PAGE_MAX: Final = 10_000
TEMPLATES_MAX: Final = 10_000
"""Of one look; of more in it, those with the most events are seen first."""
DATASETS_MAX: Final = 1_000
TIMEOUT_S: Final = 10
WORDS_MAX: Final = 1_000
"""Files that are told of in one look."""
LOSS_TOLD_MS: Final = 86_400_000
"""A loss that was declared longer ago is no news."""
_FILE_FIELDS: Final = ["host.name", "log.file.path", "tailrace.generation"]
_AT: Final = "at"
_COUNTED: Final = "counted"
_LAST: Final = "last"
_TEMPLATE: Final = "tailrace.template.id"


def target_of(rule: RuleSettings, *, namespace: str) -> str:
    """Return which indices a rule is about."""
    if rule.source == "rates":
        return rates_index(namespace)
    return f"{namespace}-dead-*" if rule.source == "dead" else events_alias(namespace)


def counts_body(
    rule: RuleSettings,
    *,
    query: str,
    since_ms: int,
    until_ms: int,
    after: Json | None = None,
) -> Body:
    """Build the question how many events each group has in each bucket of `every_ms`."""
    at: Body = {
        "date_histogram": {
            "field": "@timestamp",
            "fixed_interval": f"{rule.every_ms}ms",
        }
    }
    paged = _paged(rule, more=[{_AT: at}], after=after)
    if rule.source == "rates":
        counted: Body = {"sum": {"field": "tailrace.rate.count"}}
        paged["aggs"] = {_COUNTED: counted}
    elif rule.source == "events":
        # One of a sample stands for others, which are nowhere.
        weight: Body = {"sum": {"field": SAMPLE_WEIGHT, "missing": 1}}
        paged["aggs"] = {_COUNTED: weight}
    return _asked(paged, rule, query=query, since_ms=since_ms, until_ms=until_ms)


def last_seen_body(
    rule: RuleSettings, *, since_ms: int, until_ms: int, after: Json | None = None
) -> Body:
    """Build the question when each group was there last, in a range of time."""
    paged = _paged(rule, more=[], after=after)
    paged["aggs"] = {_LAST: {"max": {"field": "@timestamp"}}}
    return _asked(paged, rule, query=rule.query, since_ms=since_ms, until_ms=until_ms)


def read_counts(
    answer: Json, rule: RuleSettings
) -> tuple[list[tuple[Group, int, int]], Json | None]:
    """Return group, start and count of each bucket, and where the next page begins."""
    buckets, after = _page_of(answer)
    cells = [
        (
            _group_of(rule, bucket),
            int(bucket["key"][_AT]),
            round(bucket[_COUNTED]["value"])
            if _COUNTED in bucket
            else int(bucket["doc_count"]),
        )
        for bucket in buckets
    ]
    return cells, after


def read_last_seen(
    answer: Json, rule: RuleSettings
) -> tuple[list[tuple[Group, int]], Json | None]:
    """Return when each group was there last, and where the next page begins."""
    buckets, after = _page_of(answer)
    found = [
        (_group_of(rule, bucket), int(bucket[_LAST]["value"] or 0))
        for bucket in buckets
    ]
    return found, after


def sightings_body(rule: RuleSettings, *, since_ms: int, until_ms: int) -> Body:
    """Build the question which templates came between two moments, by their arrival."""
    found: Body = {
        "terms": {"field": _TEMPLATE, "size": TEMPLATES_MAX},
        "aggs": {"first": {"min": {"field": "event.created"}}},
    }
    return {
        "size": 0,
        "track_total_hits": False,
        "timeout": f"{TIMEOUT_S}s",
        "query": _created(rule, since_ms=since_ms, until_ms=until_ms),
        "aggs": {"found": found},
    }


def read_sightings(answer: Json) -> dict[str, Sighting]:
    """Return the templates that were found, by their ids; without a sample."""
    return {
        str(bucket["key"]): Sighting(
            template_id=str(bucket["key"]),
            first_seen_ms=int(bucket["first"]["value"] or 0),
            count=int(bucket["doc_count"]),
        )
        for bucket in _buckets(answer, "found")
    }


def older_templates_body(ids: Collection[str], *, before_ms: int) -> Body:
    """Build the question of which of these templates there are older events."""
    return {
        "size": 0,
        "track_total_hits": False,
        "timeout": f"{TIMEOUT_S}s",
        "query": {
            "bool": {
                "filter": [{"terms": {_TEMPLATE: sorted(ids)}}, _before(before_ms)]
            }
        },
        "aggs": {"found": {"terms": {"field": _TEMPLATE, "size": len(ids)}}},
    }


def older_datasets_body(*, before_ms: int) -> Body:
    """Build the question of which datasets there are older events."""
    return {
        "size": 0,
        "track_total_hits": False,
        "timeout": f"{TIMEOUT_S}s",
        "query": _before(before_ms),
        "aggs": {"found": {"terms": {"field": "event.dataset", "size": DATASETS_MAX}}},
    }


def sample_body(rule: RuleSettings, template_id: str, *, since_ms: int) -> Body:
    """Build the search for the first event of a template."""
    query = _created(rule, since_ms=since_ms, until_ms=None)
    query["bool"]["filter"].append({"term": {_TEMPLATE: {"value": template_id}}})
    return {
        "size": 1,
        "sort": [{"event.created": "asc"}],
        "track_total_hits": False,
        "timeout": f"{TIMEOUT_S}s",
        "query": query,
        "_source": ["event.dataset", "host.name", "message"],
    }


def keys_of(answer: Json) -> set[str]:
    """Return the keys that an answer's buckets have."""
    return {str(bucket["key"]) for bucket in _buckets(answer, "found")}


def losses_body(*, now_ms: int) -> Body:
    """Build the search for what agents declared as lost, lately."""
    return _words(
        "agent",
        [
            {"range": {"tailrace.lost_bytes": {"gt": 0}}},
            {"range": {"@timestamp": {"gte": now_ms - LOSS_TOLD_MS}}},
        ],
        source=["tailrace.lost_bytes"],
    )


def holes_body() -> Body:
    """Build the search for the generations of which the stream has a gap."""
    return _words(
        "stream", [{"exists": {"field": "figures.gaps"}}], source=["figures.gaps"]
    )


def documents_of(answer: Json) -> list[Document]:
    """Return the documents that were found."""
    return [cast("Document", hit["_source"]) for hit in answer["hits"]["hits"]]


def sampled(sighting: Sighting, documents: Iterable[Document]) -> Sighting:
    """Return a sighting with what its first event says."""
    for document in documents:
        texts = [
            str(field_of(document, name) or "")
            for name in ("event.dataset", "host.name", "message")
        ]
        return Sighting(
            template_id=sighting.template_id,
            first_seen_ms=sighting.first_seen_ms,
            count=sighting.count,
            dataset=texts[0],
            host_name=texts[1],
            message=texts[2],
        )
    return sighting


def _words(hop: str, wanted: list[Body], *, source: list[str]) -> Body:
    return {
        "size": WORDS_MAX,
        "sort": [{"@timestamp": "desc"}],
        "track_total_hits": False,
        "timeout": f"{TIMEOUT_S}s",
        "query": {"bool": {"filter": [{"term": {"tailrace.hop": hop}}, *wanted]}},
        "_source": [*_FILE_FIELDS, *source],
    }


def _created(rule: RuleSettings, *, since_ms: int, until_ms: int | None) -> Body:
    """Build what events of a rule are like that arrived in a range of time."""
    bounds: Body = {"gte": since_ms, "format": "epoch_millis"}
    if until_ms is not None:
        bounds["lt"] = until_ms
    # Their own times may be any; when they arrived is what is asked.
    clauses: list[Body] = [{"range": {"event.created": bounds}}]
    words = words_clause(rule.query)
    if words is not None:
        clauses.append(words)
    return {"bool": {"filter": clauses}}


def _before(before_ms: int) -> Body:
    bounds = {"lt": before_ms, "format": "epoch_millis"}
    return {"bool": {"filter": [{"range": {"event.created": bounds}}]}}


def _paged(rule: RuleSettings, *, more: list[Body], after: Json | None) -> Body:
    sources: list[Body] = [
        {f"g{n}": {"terms": {"field": name, "missing_bucket": True}}}
        for n, name in enumerate(rule.group_by)
    ]
    composite: Body = {"size": PAGE_MAX, "sources": [*sources, *more]}
    if after is not None:
        composite["after"] = dict(after)
    return {"composite": composite}


def _asked(
    paged: Body, rule: RuleSettings, *, query: str, since_ms: int, until_ms: int
) -> Body:
    request = SearchRequest(query=query, since_ms=since_ms, until_ms=until_ms)
    wanted = matching(request)
    if rule.source == "rates":
        # The index tells more of a window than counts, which would be groups without
        # any event.
        wanted["bool"]["filter"].append({"exists": {"field": "tailrace.rate.count"}})
    return {
        "size": 0,
        "track_total_hits": False,
        "timeout": f"{TIMEOUT_S}s",
        "query": wanted,
        "aggs": {"page": paged},
    }


def _page_of(answer: Json) -> tuple[list[dict[str, Any]], Json | None]:
    buckets = _buckets(answer, "page")
    page = _aggregation(answer, "page")
    return buckets, page.get("after_key") if len(buckets) >= PAGE_MAX else None


def _buckets(answer: Json, name: str) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", _aggregation(answer, name).get("buckets", []))


def _aggregation(answer: Json, name: str) -> dict[str, Any]:
    # Without any index there is no answer to the aggregation.
    found = cast("dict[str, Any]", answer.get("aggregations") or {})
    return cast("dict[str, Any]", found.get(name, {}))


def _group_of(rule: RuleSettings, bucket: Mapping[str, Any]) -> Group:
    key = cast("dict[str, object]", bucket["key"])
    values = [key[f"g{n}"] for n in range(len(rule.group_by))]
    return tuple("" if value is None else harmless(str(value)) for value in values)

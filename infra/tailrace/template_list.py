"""Which templates there are: groups with their texts, counts and times. Pure.

A document of the index is of one id in one partition; Elasticsearch adds up those of an id,
and those of a group are added up here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, cast

from tailrace.answers import field
from tailrace.query import Body
from tailrace.template_aliases import TemplateGroups

Ask: TypeAlias = Callable[[Body], Mapping[str, Any]]

PAGE_MAX: Final = 1_000
"""Ids with what is known of each: each has up to 16 datasets, and buckets are limited."""
IDS_MAX: Final = 100_000
"""Looked at, in the order of ids; of more, the others are not listed."""
DATASETS_MAX: Final = 16
TIMEOUT_S: Final = 10
_ID: Final = "template.id"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTemplate:
    """A template with all its ids."""

    template_id: str
    """Stands for all of them."""
    ids: tuple[str, ...]
    """Those that were seen."""
    count: int
    first_seen_ms: int
    last_seen_ms: int
    datasets: tuple[str, ...]
    text: str = ""
    """With `<*>` for values; "" where it is not known yet."""


def counts_body(*, dataset: str = "", after: Mapping[str, Any] | None = None) -> Body:
    """Build the question what is known of each id, a page of them."""
    composite: Body = {
        "size": PAGE_MAX,
        "sources": [{"id": {"terms": {"field": _ID}}}],
    }
    if after is not None:
        composite["after"] = dict(after)
    clauses: list[Body] = [{"exists": {"field": "template.count"}}]
    if dataset:
        clauses.append({"term": {"event.dataset": {"value": dataset}}})
    return {
        "size": 0,
        "track_total_hits": False,
        "timeout": f"{TIMEOUT_S}s",
        "query": {"bool": {"filter": clauses}},
        "aggs": {
            "page": {
                "composite": composite,
                "aggs": {
                    "count": {"sum": {"field": "template.count"}},
                    "first": {"min": {"field": "template.first_seen"}},
                    "last": {"max": {"field": "template.last_seen"}},
                    "datasets": {
                        "terms": {"field": "event.dataset", "size": DATASETS_MAX}
                    },
                },
            }
        },
    }


def read_counts(
    answer: Mapping[str, Any],
) -> tuple[list[ListedTemplate], Mapping[str, Any] | None]:
    """Return what is known of each id, and behind what the next page begins, if any."""
    # Without an index there is no answer to the aggregation.
    aggregations = cast("Mapping[str, Any]", answer.get("aggregations") or {})
    page = cast("Mapping[str, Any]", aggregations.get("page", {}))
    buckets = cast("list[dict[str, Any]]", page.get("buckets", []))
    found = [
        ListedTemplate(
            template_id=bucket["key"]["id"],
            ids=(bucket["key"]["id"],),
            count=round(bucket["count"]["value"]),
            first_seen_ms=round(bucket["first"]["value"] or 0),
            last_seen_ms=round(bucket["last"]["value"] or 0),
            datasets=tuple(sorted(one["key"] for one in bucket["datasets"]["buckets"])),
        )
        for bucket in buckets
    ]
    return found, page.get("after_key") if len(buckets) >= PAGE_MAX else None


def grouped(
    templates: Iterable[ListedTemplate], groups: TemplateGroups
) -> list[ListedTemplate]:
    """Return one of each group, those with the most events first.

    Counts are added up, the earliest and the latest time are the group's.
    """
    together: dict[str, list[ListedTemplate]] = {}
    for one in templates:
        together.setdefault(groups.group_of(one.template_id), []).append(one)
    found = [
        ListedTemplate(
            template_id=template_id,
            ids=tuple(sorted(name for one in each for name in one.ids)),
            count=sum(one.count for one in each),
            first_seen_ms=min(one.first_seen_ms for one in each),
            last_seen_ms=max(one.last_seen_ms for one in each),
            datasets=tuple(sorted({name for one in each for name in one.datasets})),
            text=groups.text_of(template_id),
        )
        for template_id, each in together.items()
    ]
    return sorted(found, key=lambda one: (-one.count, one.template_id))


def texts_body(ids: Sequence[str]) -> Body:
    """Build the search for the texts of some ids, one document each."""
    return {
        "size": len(ids),
        "track_total_hits": False,
        "timeout": f"{TIMEOUT_S}s",
        "query": {
            "bool": {
                "filter": [
                    {"terms": {_ID: list(ids)}},
                    {"exists": {"field": "template.count"}},
                ]
            }
        },
        "collapse": {"field": _ID},
        "_source": [_ID, "template.text"],
    }


def read_texts(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of ids."""
    sources: Iterator[Mapping[str, Any]] = (
        hit["_source"] for hit in answer["hits"]["hits"]
    )
    return {str(field(one, _ID)): str(field(one, "template.text")) for one in sources}


def list_templates(
    ask: Ask, groups: TemplateGroups, *, dataset: str, size_max: int
) -> list[ListedTemplate]:
    """Return the templates of most events, `size_max` of them, of one dataset or of all.

    Raises:
        TailraceError: as `ask` does.
    """
    counted: list[ListedTemplate] = []
    after: Mapping[str, Any] | None = None
    while len(counted) < IDS_MAX:
        page, after = read_counts(ask(counts_body(dataset=dataset, after=after)))
        counted += page
        if after is None:
            break
    found = grouped(counted, groups)[:size_max]
    unnamed = [one.template_id for one in found if not one.text]
    texts = read_texts(ask(texts_body(unnamed))) if unnamed else {}
    return [_with_text(one, texts.get(one.template_id, "")) for one in found]


def _with_text(one: ListedTemplate, text: str) -> ListedTemplate:
    return one if one.text else replace(one, text=text)

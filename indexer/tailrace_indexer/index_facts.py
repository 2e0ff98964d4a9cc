"""What Elasticsearch says of indices that hold something: their sizes and their times."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import quote

from tailrace.elasticsearch import Elastic
from tailrace_indexer.retention import IndexFacts

INDICES_MAX = 10_000


def read_facts(elastic: Elastic, target: str) -> list[IndexFacts]:
    """Return every index behind an alias or a wildcard in which a document can be found.

    Raises:
        ServiceUnavailable: Elasticsearch does not answer, or refuses.
    """
    answer = elastic.request(
        "GET",
        f"/{quote(target, safe='*')}/_stats/store,docs?filter_path="
        "indices.*.total.store.size_in_bytes,indices.*.primaries.docs.count",
    )
    if answer.status == 404:
        return []  # Nothing was ever indexed.
    described = cast("dict[str, Any]", elastic.decoded(answer) or {})
    stats = cast("dict[str, Any]", described.get("indices", {}))
    times = _times(elastic, target)
    for name, found in stats.items():
        if name not in times and found["primaries"]["docs"]["count"]:
            # A replay hides all of it, and it takes its room all the same.
            times |= _times(elastic, name)
    return [
        IndexFacts(
            name=name,
            size_bytes=int(found["total"]["store"]["size_in_bytes"]),
            document_count=int(found["primaries"]["docs"]["count"]),
            earliest_ms=times[name][0],
            latest_ms=times[name][1],
            written_ms=times[name][2],
        )
        for name, found in stats.items()
        # An index of which no document can be found yet is being written.
        if name in times
    ]


def server_now_ms(elastic: Elastic) -> int:
    """Return what the nodes' clocks say, the one that is furthest behind.

    Raises:
        ServiceUnavailable: Elasticsearch does not answer, or refuses.
    """
    answer = elastic.ask("GET", "/_nodes/stats/fs?filter_path=nodes.*.timestamp")
    nodes = cast("dict[str, Any]", answer.get("nodes", {}))
    return min((int(node["timestamp"]) for node in nodes.values()), default=0)


def _times(elastic: Elastic, target: str) -> dict[str, tuple[int, int, int]]:
    by_index = {
        "terms": {"field": "_index", "size": INDICES_MAX},
        "aggs": {
            "earliest": {"min": {"field": "@timestamp"}},
            "latest": {"max": {"field": "@timestamp"}},
            "written": {"max": {"field": "event.created"}},
        },
    }
    found = elastic.search(target, body={"size": 0, "aggs": {"indices": by_index}})
    # Without any index there is no answer to the aggregation.
    aggregations = cast("dict[str, Any]", found.get("aggregations") or {})
    buckets = cast(
        "list[dict[str, Any]]", aggregations.get("indices", {}).get("buckets", [])
    )
    times: dict[str, tuple[int, int, int]] = {}
    for bucket in buckets:
        latest = int(bucket["latest"]["value"] or 0)
        earliest = int(bucket["earliest"]["value"] or 0)
        written = int(bucket["written"]["value"] or latest)
        times[bucket["key"]] = (earliest, latest, written)
    return times

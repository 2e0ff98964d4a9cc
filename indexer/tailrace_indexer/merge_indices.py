"""Closed days on a real Elasticsearch: how many segments they have, and how they are merged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

from tailrace.elasticsearch import Elastic
from tailrace.index_templates import events_alias
from tailrace_indexer.fence import Guard
from tailrace_indexer.index_facts import server_now_ms
from tailrace_indexer.merging import MergeFacts

MARK = "tailrace_merged"
"""In `_meta` of an index's mapping, which stays with it, and is nobody's field."""
STATS = (
    "/_stats/segments,indexing?filter_path=indices.*.primaries.segments.count,"
    "indices.*.primaries.indexing.index_total"
)


class ElasticMergeIndices:
    """The event indices of one namespace; what changes them asks the guard first."""

    def __init__(self, elastic: Elastic, *, namespace: str, guard: Guard) -> None:
        self._elastic = elastic
        self._alias = quote(events_alias(namespace))
        self._guard = guard

    def merge_facts(self) -> list[MergeFacts]:
        """Return every event index.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        stats = self._of_each(STATS).get("indices", {})
        settings = self._of_each(
            "/_settings?flat_settings=true"
            "&filter_path=*.settings.index%5C.number_of_shards"
        )
        marks = self._of_each(f"/_mapping?filter_path=*.mappings._meta.{MARK}")
        return [
            MergeFacts(
                name=name,
                shards=int(settings[name]["settings"]["index.number_of_shards"]),
                segments=int(found["primaries"]["segments"]["count"]),
                written_count=int(found["primaries"]["indexing"]["index_total"]),
                is_marked=name in marks,
            )
            for name, found in cast("dict[str, Any]", stats).items()
            # One that was made between two of these questions is no closed day.
            if name in settings
        ]

    def is_merging(self) -> bool:
        """Tell whether a forced merge is under way, whoever began it.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        found = self._elastic.ask(
            "GET",
            "/_tasks?actions=indices:admin/forcemerge*&filter_path=nodes.*.tasks.*.action",
        )
        return bool(found)

    def merge(self, index: str) -> None:
        """Begin to merge one into a segment a shard, and return at once.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        self._guard.require()
        self._elastic.ask(
            "POST",
            f"/{quote(index, safe='')}/_forcemerge"
            "?max_num_segments=1&wait_for_completion=false",
        )

    def mark(self, index: str) -> None:
        """Remember with the index that it was merged.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        self._guard.require()
        self._elastic.ask(
            "PUT", f"/{quote(index, safe='')}/_mapping", body={"_meta": {MARK: True}}
        )

    def server_now_ms(self) -> int:
        """Return what the nodes' clocks say, the one that is furthest behind.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        return server_now_ms(self._elastic)

    def _of_each(self, question: str) -> Mapping[str, Any]:
        answer = self._elastic.request("GET", f"/{self._alias}{question}")
        if answer.status == 404:
            return {}  # Nothing was ever indexed.
        return cast("dict[str, Any]", self._elastic.decoded(answer) or {})

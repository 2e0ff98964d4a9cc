"""What Elasticsearch says of the event indices, and how one of them is taken away."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, cast
from urllib.parse import quote

import orjson

from tailrace.audit.bodies import undelivered_filter
from tailrace.clock import Clock
from tailrace.elasticsearch import NDJSON, Elastic
from tailrace.index_templates import events_alias
from tailrace.ledger import WINDOW_EVENTS, RetentionLedger
from tailrace_indexer.fence import Guard
from tailrace_indexer.retention import IndexFacts

BUCKETS_MAX: Final = 5_000
"""Windows of events asked for at once; one index may hold any number of them."""


class EventIndices:
    """The event indices of one namespace; what changes them asks the guard first."""

    def __init__(
        self, elastic: Elastic, *, namespace: str, clock: Clock, guard: Guard
    ) -> None:
        self._elastic = elastic
        self._guard = guard
        self._alias = events_alias(namespace)
        self._ledger = f"{namespace}-ledger"
        self._dead = f"{namespace}-dead-*"
        self._clock = clock

    def facts(self) -> list[IndexFacts]:
        """Return every event index.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        alias = quote(self._alias)
        answer = self._elastic.request(
            "GET",
            f"/{alias}/_stats/store,docs?filter_path=indices.*.total.store.size_in_bytes"
            ",indices.*.primaries.docs.count",
        )
        if answer.status == 404:
            return []  # Nothing was ever indexed.
        described = cast("dict[str, Any]", self._elastic.decoded(answer) or {})
        stats = cast("dict[str, Any]", described.get("indices", {}))
        times = self._times()
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

    def free_bytes(self) -> int:
        """Return what the data folders of all nodes have left.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        answer = self._elastic.ask(
            "GET", "/_nodes/stats/fs?filter_path=nodes.*.fs.total.available_in_bytes"
        )
        nodes = cast("dict[str, Any]", answer.get("nodes", {}))
        return sum(
            int(node["fs"]["total"]["available_in_bytes"]) for node in nodes.values()
        )

    def counted(self, index: str) -> list[RetentionLedger]:
        """Return what an index holds of each generation, down to its last document.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        self._elastic.refresh(index)
        windows: dict[str, dict[str, tuple[int, int]]] = {}
        for bucket in self._windows(index):
            generation = str(bucket["key"]["generation"])
            number = int(bucket["key"]["window"]) // WINDOW_EVENTS
            held = int(bucket["doc_count"]), int(bucket["sum"]["value"])
            windows.setdefault(generation, {})[str(number)] = held
        now_ms = self._clock.now_ms()
        return [
            RetentionLedger(
                generation=generation,
                index=index,
                revision=sum(count for count, _ in held.values()),
                document_count=sum(count for count, _ in held.values()),
                windows=held,
                updated_at_ms=now_ms,
            )
            for generation, held in windows.items()
        ]

    def block(self, index: str) -> None:
        """Let an index take no document any more.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        self._guard.require()
        self._elastic.ask("PUT", f"/{quote(index, safe='')}/_block/write")

    def delete(self, index: str) -> None:
        """Delete an index; one that is not there is fine.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        self._guard.delete_index(index)

    def are_held(self, generations: Collection[str]) -> set[str]:
        """Return those of which an index still holds an event or a dead letter.

        A letter whose document was stored by a retry holds none: that document did.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        held: set[str] = set()
        asked = sorted(generations)
        for start in range(0, len(asked), BUCKETS_MAX):
            some = asked[start : start + BUCKETS_MAX]
            held |= self._held_of(some)
        return held

    def _held_of(self, generations: Sequence[str]) -> set[str]:
        by_generation = {"field": "tailrace.generation", "size": len(generations)}
        body: dict[str, Any] = {
            "size": 0,
            "query": {
                "bool": {
                    "filter": [
                        {"terms": {"tailrace.generation": list(generations)}},
                        undelivered_filter(),
                    ]
                }
            },
            "aggs": {"held": {"terms": by_generation}},
        }
        for place in (f"{self._alias},{self._dead}", self._dead):
            answer = self._elastic.look_up("POST", f"/{place}/_search", body=body)
            # The alias goes with the last event index; dead letters may be left.
            if answer.status != 404:
                break
        # Without any index there is no answer to the aggregation.
        found: dict[str, Any] = self._elastic.decoded(answer).get("aggregations") or {}
        buckets: list[dict[str, Any]] = found.get("held", {}).get("buckets", [])
        return {str(bucket["key"]) for bucket in buckets}

    def forget(self, keys: Collection[bytes]) -> bool:
        """Delete the ledger's documents of these keys; False where that is refused.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: Elasticsearch does not answer.
        """
        self._guard.require()
        lines = [
            orjson.dumps({"delete": {"_index": self._ledger, "_id": key.decode()}})
            for key in keys
        ]
        answer = self._elastic.request(
            "POST", "/_bulk", body=b"\n".join(lines) + b"\n", content_type=NDJSON
        )
        # One that is not there was never written, or is gone already.
        return answer.is_success

    def _windows(self, index: str) -> Iterator[dict[str, Any]]:
        sources = [
            {"generation": {"terms": {"field": "tailrace.generation"}}},
            {
                "window": {
                    "histogram": {"field": "event.sequence", "interval": WINDOW_EVENTS}
                }
            },
        ]
        composite: dict[str, Any] = {"size": BUCKETS_MAX, "sources": sources}
        while True:
            found = self._elastic.search(
                index,
                body={
                    "size": 0,
                    "aggs": {
                        "windows": {
                            "composite": composite,
                            "aggs": {"sum": {"sum": {"field": "event.sequence"}}},
                        }
                    },
                },
            )
            page = cast("dict[str, Any]", found["aggregations"]["windows"])
            yield from cast("list[dict[str, Any]]", page["buckets"])
            if "after_key" not in page:
                return
            composite["after"] = page["after_key"]

    def _times(self) -> dict[str, tuple[int, int, int]]:
        by_index = {
            "terms": {"field": "_index", "size": 10_000},
            "aggs": {
                "earliest": {"min": {"field": "@timestamp"}},
                "latest": {"max": {"field": "@timestamp"}},
                "written": {"max": {"field": "event.created"}},
            },
        }
        found = self._elastic.search(
            self._alias, body={"size": 0, "aggs": {"indices": by_index}}
        )
        buckets = cast(
            "list[dict[str, Any]]", found["aggregations"]["indices"]["buckets"]
        )
        times: dict[str, tuple[int, int, int]] = {}
        for bucket in buckets:
            latest = int(bucket["latest"]["value"] or 0)
            earliest = int(bucket["earliest"]["value"] or 0)
            written = int(bucket["written"]["value"] or latest)
            times[bucket["key"]] = (earliest, latest, written)
        return times

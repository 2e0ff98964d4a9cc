"""What Elasticsearch says of events' and letters' indices, and how one is taken away."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import quote

import orjson

from tailrace.audit.bodies import undelivered_filter
from tailrace.clock import Clock
from tailrace.elasticsearch import NDJSON, Elastic
from tailrace.index_templates import events_alias
from tailrace.ledger import WINDOW_EVENTS, RetentionLedger
from tailrace_indexer.fence import Guard
from tailrace_indexer.index_facts import read_facts, server_now_ms
from tailrace_indexer.letter_counts import letter_windows, letters_of
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
        return read_facts(self._elastic, self._alias)

    def letter_facts(self) -> list[IndexFacts]:
        """Return every index of dead letters.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        return read_facts(self._elastic, self._dead)

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

    def server_now_ms(self) -> int:
        """Return what the nodes' clocks say, the one that is furthest behind.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        return server_now_ms(self._elastic)

    def counted(self, index: str) -> list[RetentionLedger]:
        """Return what an index holds of each generation, down to its last document.

        What a replay hides in it counts where its later version stands: the alias shows
        each event once.
        Of an index of dead letters, what letters stand for that nobody has delivered.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        self._elastic.refresh(index)
        windows: Mapping[str, Mapping[str, tuple[int, int]]]
        if index.startswith(self._dead.removesuffix("*")):
            windows = letter_windows(letters_of(self._elastic, index))
        else:
            windows = self._event_windows(index)
        now_ms = self._clock.now_ms()
        return [
            RetentionLedger(
                generation=generation,
                index=index,
                revision=sum(count for count, _ in held.values()),
                document_count=sum(count for count, _ in held.values()),
                windows=dict(held),
                updated_at_ms=now_ms,
            )
            for generation, held in windows.items()
        ]

    def _event_windows(self, index: str) -> dict[str, dict[str, tuple[int, int]]]:
        windows: dict[str, dict[str, tuple[int, int]]] = {}
        for bucket in self._windows(index):
            generation = str(bucket["key"]["generation"])
            number = int(bucket["key"]["window"]) // WINDOW_EVENTS
            held = int(bucket["doc_count"]), int(bucket["sum"]["value"])
            windows.setdefault(generation, {})[str(number)] = held
        return windows

    def block(self, index: str) -> None:
        """Let an index take no document any more.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        self._guard.require()
        self._elastic.ask("PUT", f"/{quote(index, safe='')}/_block/write")

    def is_blocked(self, index: str) -> bool:
        """Return whether an index takes no document any more.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        name = "index.blocks.write"
        path = f"/{quote(index, safe='')}/_settings/{name}?flat_settings=true"
        answer = self._elastic.request("GET", path)
        if answer.status == 404:
            return False  # It is gone.
        described = cast("dict[str, Any]", self._elastic.decoded(answer) or {})
        settings = described.get(index, {}).get("settings", {})
        return settings.get(name) == "true"

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
                self._alias,
                body={
                    "size": 0,
                    "query": {"term": {"_index": {"value": index}}},
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

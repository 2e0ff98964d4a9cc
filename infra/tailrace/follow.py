"""How new documents are followed as they arrive: none twice, none left out.

Documents do not arrive in the order of their own times: a file that was found late brings
lines of last week. What does grow with arrival is the sequence number that Elasticsearch
gives each operation on a shard; our indices have one shard each. Operations that run at
the same time may become visible in another order than their numbers, so a look begins a
little before the last number seen, and what was shown already is left out by its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.query import TIMEOUT_S, Body

PAGE_ROWS = 1_000
OVERLAP_OPERATIONS = 500
"""Far more than operations that Elasticsearch runs on one shard at the same time."""
SETTLED_AFTER_MS = 5_000
"""From its number until it is visible an operation takes a refresh, one second."""


@dataclass(slots=True)
class Arrivals:
    """Up to which number each index was seen, and what was shown since."""

    settled: dict[str, int] = field(default_factory=dict[str, int])
    """Every number up to this one was seen, and is not looked at again."""
    shown_before: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Index and id of what was shown at the start, by another search."""
    _seen: dict[str, dict[int, int]] = field(default_factory=dict[str, dict[int, int]])
    """By index: numbers seen above the settled one, each with when that was."""

    def body(self, query: Body, *, after: Sequence[Any] = ()) -> Body:
        """Build the search for what `query` matches among what is not settled."""
        beyond: list[Body] = [
            {
                "bool": {
                    "filter": [
                        {"term": {"_index": index}},
                        {"range": {"_seq_no": {"gt": number}}},
                    ]
                }
            }
            for index, number in self.settled.items()
        ]
        beyond.append(
            {"bool": {"must_not": [{"terms": {"_index": list(self.settled)}}]}}
        )
        body: Body = {
            "size": PAGE_ROWS,
            "query": {
                "bool": {
                    "filter": [query],
                    "should": beyond,
                    "minimum_should_match": 1,
                }
            },
            "sort": [{"_seq_no": "asc"}, {"_index": "asc"}],
            "seq_no_primary_term": True,
            "track_total_hits": False,
            "timeout": f"{TIMEOUT_S}s",
        }
        if after:
            body["search_after"] = list(after)
        return body

    def start_near(self, maxima: Mapping[str, int]) -> None:
        """Begin a little before these numbers; `take` the first look to forget it."""
        for index, number in maxima.items():
            self.settled[index] = max(number - OVERLAP_OPERATIONS, -1)

    def take(
        self, hits: Sequence[Mapping[str, Any]], *, now_ms: int
    ) -> list[Mapping[str, Any]]:
        """Return the hits that were not shown yet, and remember them."""
        fresh: list[Mapping[str, Any]] = []
        for hit in hits:
            seen = self._seen.setdefault(hit["_index"], {})
            number = int(hit["_seq_no"])
            if number in seen or number <= self.settled.get(hit["_index"], -1):
                continue
            seen[number] = now_ms
            if (hit["_index"], hit["_id"]) not in self.shown_before:
                fresh.append(hit)
        return fresh

    def settle(self, *, now_ms: int) -> None:
        """Leave behind what was seen so long ago that nothing before it can come."""
        for index, seen in self._seen.items():
            old = [
                number
                for number, at_ms in seen.items()
                if now_ms - at_ms >= SETTLED_AFTER_MS
            ]
            if old:
                floor = max(old)
                self.settled[index] = max(floor, self.settled.get(index, -1))
                self._seen[index] = {n: at for n, at in seen.items() if n > floor}


MAXIMA_BODY: Body = {
    "size": 0,
    "timeout": f"{TIMEOUT_S}s",
    "track_total_hits": False,
    "aggs": {
        "indices": {
            "terms": {"field": "_index", "size": 10_000},
            "aggs": {"number": {"max": {"field": "_seq_no"}}},
        }
    },
}


def read_maxima(answer: Mapping[str, Any]) -> dict[str, int]:
    """Return the highest number of each index from the answer to `MAXIMA_BODY`."""
    return {
        bucket["key"]: int(bucket["number"]["value"])
        for bucket in answer["aggregations"]["indices"]["buckets"]
    }

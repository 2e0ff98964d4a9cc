"""What arrives is shown once, in whatever order it becomes visible."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tailrace.errors import CommandFailed
from tailrace.moments import LATEST_MS
from tailrace.query import Body, SearchRequest
from tailrace.search import Searcher

REQUEST = SearchRequest(since_ms=0, until_ms=LATEST_MS, size_max=3)


@dataclass(slots=True)
class UnorderedIndex:
    """Numbers documents in one order, and makes them visible in another."""

    hits: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    number: int = 0

    def reserve(self, count: int) -> list[int]:
        self.number += count
        return list(range(self.number - count, self.number))

    def show(self, number: int) -> None:
        self.hits.append(
            {
                "_index": "t-app-2026.11.24",
                "_id": f"id{number}",
                "_seq_no": number,
                "_source": {"message": str(number)},
                "sort": [number, "t-app-2026.11.24"],
            }
        )

    def ask(self, *, index: str, body: Body, query: str) -> Mapping[str, Any]:
        del index, query
        if "aggs" in body:
            top = max((hit["_seq_no"] for hit in self.hits), default=None)
            buckets = (
                []
                if top is None
                else [{"key": "t-app-2026.11.24", "number": {"value": float(top)}}]
            )
            return {"aggregations": {"indices": {"buckets": buckets}}}
        if "seq_no_primary_term" not in body:
            return {"hits": {"hits": self.hits[-body["size"] :]}}
        floors = {
            one["bool"]["filter"][0]["term"]["_index"]: one["bool"]["filter"][1][
                "range"
            ]["_seq_no"]["gt"]
            for one in body["query"]["bool"]["should"]
            if "filter" in one["bool"]
        }
        start = body.get("search_after", [-1])[0]
        found = sorted(
            (
                hit
                for hit in self.hits
                if hit["_seq_no"] > max(floors.get(hit["_index"], -1), start)
            ),
            key=lambda hit: hit["_seq_no"],
        )
        return {"hits": {"hits": found[: body["size"]]}}


@pytest.mark.parametrize("seed", range(50))
def test_each_arrival_is_shown_once_in_any_order(seed: int) -> None:
    chance = random.Random(seed)
    index = UnorderedIndex()
    for number in index.reserve(chance.randint(0, 2_000)):
        index.show(number)
    searcher = Searcher(index.ask, namespace="t")
    arrivals = searcher.arrivals(REQUEST, now_ms=0)
    shown: list[str] = []
    expected: set[str] = set()
    pending: list[int] = []

    for now_ms in range(500, 40_000, 500):
        pending += index.reserve(chance.randint(0, 40))
        chance.shuffle(pending)
        visible_count = chance.randint(0, len(pending))
        if now_ms % 2_000 == 0:
            # Nothing stays invisible for longer than a few refreshes.
            visible_count = len(pending)
        for number in pending[:visible_count]:
            index.show(number)
            expected.add(str(number))
        del pending[:visible_count]
        shown += [
            row.document["message"]
            for row in searcher.arrived(REQUEST, arrivals=arrivals, now_ms=now_ms)
        ]

    assert len(shown) == len(set(shown))
    assert set(shown) == expected


def test_many_arrivals_at_once_come_page_by_page() -> None:
    index = UnorderedIndex()
    searcher = Searcher(index.ask, namespace="t")
    arrivals = searcher.arrivals(REQUEST, now_ms=0)
    for number in index.reserve(3_500):
        index.show(number)

    rows = list(searcher.arrived(REQUEST, arrivals=arrivals, now_ms=500))

    assert len(rows) == 3_500


def test_what_was_shown_at_the_start_is_not_shown_again() -> None:
    index = UnorderedIndex()
    searcher = Searcher(index.ask, namespace="t")
    arrivals = searcher.arrivals(REQUEST, now_ms=0)
    for number in index.reserve(5):
        index.show(number)
    newest = searcher.newest(REQUEST)
    arrivals.shown_before.update((row.index, row.document_id) for row in newest)

    rows = list(searcher.arrived(REQUEST, arrivals=arrivals, now_ms=500))

    assert {row.document["message"] for row in newest} == {"2", "3", "4"}
    assert {row.document["message"] for row in rows} == {"0", "1"}


@pytest.mark.parametrize(
    "trouble", [{"timed_out": True}, {"_shards": {"total": 2, "failed": 1}}]
)
def test_x7_a_look_that_was_cut_off_leaves_nothing_out(trouble: Body) -> None:
    """However long looks stay partial: what one found is shown, the rest comes later."""
    whole = UnorderedIndex()
    searcher = Searcher(whole.ask, namespace="t")
    arrivals = searcher.arrivals(REQUEST, now_ms=0)
    for number in whole.reserve(30):
        whole.show(number)
    chance = random.Random(1)

    def cut_off(*, index: str, body: Body, query: str) -> Mapping[str, Any]:
        answer = whole.ask(index=index, body=body, query=query)
        found = answer["hits"]["hits"]
        return {"hits": {"hits": sorted(chance.sample(found, 3), key=place)}, **trouble}

    partial = Searcher(cut_off, namespace="t")
    shown: list[str] = []
    for now_ms in range(500, 8_000, 500):
        rows = partial.arrived(REQUEST, arrivals=arrivals, now_ms=now_ms)
        shown += [row.document["message"] for row in rows]
    assert 0 < len(shown) < 30
    for now_ms in (8_000, 20_000):
        rows = searcher.arrived(REQUEST, arrivals=arrivals, now_ms=now_ms)
        shown += [row.document["message"] for row in rows]
    assert sorted(shown, key=int) == [str(number) for number in range(30)]


def test_x7_a_beginning_that_was_cut_off_is_no_beginning() -> None:
    def cut_off(*, index: str, body: Body, query: str) -> Mapping[str, Any]:
        del index, body, query
        buckets: list[Any] = []
        return {"aggregations": {"indices": {"buckets": buckets}}, "timed_out": True}

    with pytest.raises(CommandFailed, match="in part only"):
        Searcher(cut_off, namespace="t").arrivals(REQUEST, now_ms=0)


def place(hit: Mapping[str, Any]) -> int:
    return int(hit["_seq_no"])

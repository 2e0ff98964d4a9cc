"""What an audit asks of Elasticsearch, and how the answers are read: values, no client.

Every question runs in a point in time, so that all of them are about the same documents.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import msgspec

from tailrace.audit.repeats import HOST, SENDERS_MAX
from tailrace.audit.windows import EXACT_MAX, WindowSum
from tailrace.digest import DELIVERED
from tailrace.query import Body

BUCKETS_PAGE: Final = 10_000
NUMBERS_PAGE: Final = 10_000
"""Elasticsearch's own `index.max_result_window`."""
DOCUMENTS_PAGE: Final = 2_000
"""Whole documents of about a kilobyte: some megabytes an answer."""
LETTERS_PAGE: Final = 50
"""A letter is a kilobyte or two, and may be ten megabytes."""
KEEP_ALIVE: Final = "5m"
RENEW_MS: Final = 60_000
"""A moment that was not asked for so long is asked for, lest it ends."""
RANGES_MAX: Final = 500
"""More spans of numbers than these are asked for as the one that covers them all."""
UNREACHED_NAMED_MAX: Final = 20
GENERATION: Final = "tailrace.generation"
SEQUENCE: Final = "event.sequence"
EVENT_COUNT: Final = "dead.event_count"
DEAD_REASON: Final = "dead.reason"
DEAD_ID: Final = "dead.id"


class _Stats(msgspec.Struct):
    count: int = 0
    """Of numbers, and not of documents."""
    min: float | None = None
    max: float | None = None
    sum: float = 0.0
    sum_of_squares: float | None = None


class _Sum(msgspec.Struct):
    value: float = 0.0


class _Key(msgspec.Struct):
    generation: str
    window: float


class _Bucket(msgspec.Struct):
    key: _Key
    doc_count: int
    numbers: _Stats
    events: _Sum | None = None


class _Windows(msgspec.Struct):
    buckets: list[_Bucket] = []
    after_key: dict[str, Any] | None = None


class _WindowAggregations(msgspec.Struct):
    windows: _Windows = msgspec.field(default_factory=_Windows)


class _IndexBucket(msgspec.Struct):
    key: str
    doc_count: int = 0
    generations: _Sum = msgspec.field(default_factory=_Sum)
    """Their values, where they were asked for."""


class _Indices(msgspec.Struct):
    buckets: list[_IndexBucket] = []


class _IndexAggregations(msgspec.Struct):
    indices: _Indices = msgspec.field(default_factory=_Indices)


class IndicesAnswer(msgspec.Struct):
    """Which indices hold something; no aggregation stands where there is no index."""

    aggregations: _IndexAggregations = msgspec.field(default_factory=_IndexAggregations)

    @property
    def names(self) -> frozenset[str]:
        """The indices' names."""
        return frozenset(each.key for each in self.aggregations.indices.buckets)

    def surplus(self) -> dict[str, int]:
        """Return by index how many more generations than documents were counted."""
        return {
            each.key: surplus
            for each in self.aggregations.indices.buckets
            if (surplus := int(each.generations.value) - each.doc_count) > 0
        }


class WindowsAnswer(msgspec.Struct):
    """One page of sums."""

    aggregations: _WindowAggregations = msgspec.field(
        default_factory=_WindowAggregations
    )

    @property
    def after(self) -> dict[str, Any] | None:
        """Where the next page begins; None after the last."""
        windows = self.aggregations.windows
        return windows.after_key if windows.buckets else None

    def sums(self, *, window_events: int) -> Iterator[tuple[str, int, WindowSum]]:
        """Yield generation, window and sum."""
        for bucket in self.aggregations.windows.buckets:
            found = bucket.numbers
            squares = found.sum_of_squares
            is_exact = squares is not None and squares < EXACT_MAX
            yield (
                bucket.key.generation,
                int(bucket.key.window) // window_events,
                WindowSum(
                    count=bucket.doc_count,
                    total=int(found.sum),
                    lowest=int(found.min or 0),
                    highest=int(found.max or 0),
                    squares=int(squares) if squares is not None and is_exact else None,
                    # A document of two numbers would hide one that is missing: the sums
                    # are of both, and as one document it fits a double to that.
                    is_single=found.count == bucket.doc_count
                    and (
                        bucket.events is None
                        or int(bucket.events.value) == bucket.doc_count
                    ),
                ),
            )


class Hit(msgspec.Struct, rename={"index": "_index", "id": "_id", "source": "_source"}):
    """One document: where it lies, the fields asked for, and its source as it stands."""

    index: str
    id: str
    source: msgspec.Raw = msgspec.Raw(b"{}")
    fields: dict[str, list[Any]] = {}
    sort: list[Any] = []

    def number(self, name: str, default: int = -1) -> int:
        """Return the first value of a field of whole numbers."""
        values = self.fields.get(name)
        return int(values[0]) if values else default

    @property
    def generation(self) -> str:
        """Return the generation, where it was asked for."""
        return self._text(GENERATION)

    @property
    def is_delivered(self) -> bool:
        """Whether it is a dead letter whose document was stored since."""
        return DELIVERED in self.fields

    @property
    def dead_reason(self) -> str:
        """Return why it is dead, where it is and that was asked for."""
        return self._text(DEAD_REASON)

    @property
    def dead_id(self) -> str:
        """Return a dead letter's own id, where that was asked for."""
        return self._text(DEAD_ID)

    def _text(self, name: str) -> str:
        values = self.fields.get(name)
        return str(values[0]) if values else ""


class _Total(msgspec.Struct):
    value: int = 0


class _Hits(msgspec.Struct):
    hits: list[Hit] = []
    total: _Total = msgspec.field(default_factory=_Total)
    """Where it was asked for."""


class HitsAnswer(msgspec.Struct):
    """One page of documents."""

    hits: _Hits = msgspec.field(default_factory=_Hits)


def windows_body(
    pit: str,
    *,
    filters: Sequence[Body],
    window_events: int,
    is_dead: bool,
    after: dict[str, Any] | None,
) -> Body:
    """Build the sums of event numbers by generation and window."""
    composite: Body = {
        "size": BUCKETS_PAGE,
        "sources": [
            {"generation": {"terms": {"field": GENERATION}}},
            {"window": {"histogram": {"field": SEQUENCE, "interval": window_events}}},
        ],
    }
    if after is not None:
        composite["after"] = after
    aggregations: Body = {"numbers": {"extended_stats": {"field": SEQUENCE}}}
    if is_dead:
        aggregations["events"] = {"sum": {"field": EVENT_COUNT}}
    return {
        **_common(pit, filters=filters),
        "size": 0,
        "aggs": {"windows": {"composite": composite, "aggs": aggregations}},
    }


def numbers_body(
    pit: str,
    *,
    filters: Sequence[Body],
    after: Sequence[Any],
    size: int = NUMBERS_PAGE,
    with_source: bool = False,
) -> Body:
    """Build one page of numbers, in the order in which the index has them."""
    fields = [GENERATION, SEQUENCE, EVENT_COUNT, DEAD_REASON, DEAD_ID, DELIVERED]
    body: Body = {
        **_common(pit, filters=filters),
        "size": size,
        "sort": [{"_shard_doc": "asc"}],
        "docvalue_fields": fields,
        "_source": with_source,
    }
    if after:
        body["search_after"] = list(after)
    return body


def named_body(
    pit: str, *, filters: Sequence[Body], numbers: Collection[int], size: int
) -> Body:
    """Build the search for the documents of some numbers, with their places and lines."""
    wanted: Body = {"terms": {SEQUENCE: sorted(numbers)}}
    return {
        **_common(pit, filters=[*filters, wanted]),
        "size": size,
        "sort": [{SEQUENCE: "asc"}],
        "docvalue_fields": [SEQUENCE],
        "_source": [
            "log.offset",
            "log.file.path",
            "host.name",
            "message",
            "event.original",
            "tailrace.original_base64",
            "tailrace.original_size_bytes",
        ],
    }


def holding_body(pit: str, indices: Collection[str]) -> Body:
    """Build the search that counts what lies in each of these indices."""
    return {
        **_common(pit, filters=[{"terms": {"_index": sorted(indices)}}]),
        "size": 0,
        "track_total_hits": False,
        "aggs": {"indices": {"terms": {"field": "_index", "size": BUCKETS_PAGE}}},
    }


def generations_body(pit: str) -> Body:
    """Build the count of documents and of their generations, by index."""
    return {
        **_common(pit, filters=[{"exists": {"field": GENERATION}}]),
        "size": 0,
        "aggs": {
            "indices": {
                "terms": {"field": "_index", "size": BUCKETS_PAGE},
                "aggs": {"generations": {"value_count": {"field": GENERATION}}},
            }
        },
    }


def unreached_body(pit: str) -> Body:
    """Build the search for documents of numbers that no file ever reaches."""
    return {
        **_common(pit, filters=[{"range": {SEQUENCE: {"gte": EXACT_MAX}}}]),
        "size": UNREACHED_NAMED_MAX,
        "docvalue_fields": [SEQUENCE],
        "_source": False,
        "track_total_hits": True,
    }


def unnumbered_body(pit: str) -> Body:
    """Build the search for documents that no number or no generation places."""
    unplaced: Body = {
        "bool": {
            "should": [
                {"bool": {"must_not": {"exists": {"field": SEQUENCE}}}},
                {"bool": {"must_not": {"exists": {"field": GENERATION}}}},
                {"range": {SEQUENCE: {"lt": 0}}},
            ],
            "minimum_should_match": 1,
        }
    }
    return {
        **_common(pit, filters=[unplaced]),
        "size": 3,
        "_source": False,
        "track_total_hits": True,
    }


def generations_filter(generations: Collection[str]) -> Body:
    """Build the clause for the documents of these generations."""
    return {"terms": {GENERATION: sorted(generations)}}


def undelivered_filter() -> Body:
    """Build the clause for dead letters whose documents nobody has stored since."""
    return {"bool": {"must_not": {"exists": {"field": DELIVERED}}}}


def numbers_filter(spans: Sequence[range]) -> Body:
    """Build the clause for numbers in one of the spans, or near them if they are many."""
    joined = joined_spans(spans)
    if len(joined) > RANGES_MAX:
        joined = [range(joined[0].start, joined[-1].stop)]
    ranges: list[Body] = [
        {"range": {SEQUENCE: {"gte": span.start, "lt": span.stop}}} for span in joined
    ]
    return {"bool": {"should": ranges, "minimum_should_match": 1}}


def joined_spans(spans: Sequence[range]) -> list[range]:
    """Return the spans, in order, with those that touch joined."""
    joined: list[range] = []
    for span in sorted(spans, key=lambda each: each.start):
        if joined and joined[-1].stop >= span.start:
            stop = max(joined[-1].stop, span.stop)
            joined[-1] = range(joined[-1].start, stop)
        else:
            joined.append(span)
    return joined


def _common(pit: str, *, filters: Sequence[Body]) -> Body:
    return {
        "pit": {"id": pit, "keep_alive": KEEP_ALIVE},
        "query": {"bool": {"filter": list(filters)}},
        "track_total_hits": False,
    }


def renewing_body(pit: str) -> Body:
    """Build the search that finds nothing and keeps a point in time."""
    return {**_common(pit, filters=()), "size": 0}


def senders_body(pit: str, hosts: Collection[str]) -> Body:
    """Build the search for the agents that first sent documents of these hosts."""
    return {
        "pit": {"id": pit, "keep_alive": KEEP_ALIVE},
        "query": {"bool": {"filter": [{"terms": {HOST: sorted(hosts)}}]}},
        "track_total_hits": False,
        "size": 0,
        "aggs": {
            "hosts": {
                "terms": {"field": HOST, "size": len(hosts)},
                "aggs": {
                    "agents": {
                        "terms": {
                            "field": "agent.id",
                            "size": SENDERS_MAX,
                            "order": {"first": "asc"},
                        },
                        "aggs": {"first": {"min": {"field": "event.created"}}},
                    }
                },
            }
        },
    }

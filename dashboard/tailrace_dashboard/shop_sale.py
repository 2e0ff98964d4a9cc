"""What the shop's logs say of a flash sale: by the client's, the web front's, the seller's.

The client is the load generator, which writes down what it was answered; that the web
front's access log says the same of the same requests, and that the seller sold no more than
there was, is to be seen here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tailrace.moments import TimeRange
from tailrace.query import TIMEOUT_S, Body
from tailrace.shop_link import SHOP_DIR
from tailrace.shop_loads import LOAD_AGENT
from tailrace_dashboard.shop import NANOSECONDS_IN_MS, all_of, filtered

ADMITTED, WAITING, SOLD_OUT = 202, 303, 410
"""What someone who asks for a ticket is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the services' logs say of one flash sale."""

    counts: Mapping[int, int]
    """By status, what the load generator's requests were answered."""
    points: tuple[tuple[int, int, int], ...] = ()
    """When (a second, in ms since 1970), which status, how often."""
    stock: int | None = None
    """What there was to sell."""
    sold: int = 0
    """What the seller behind the queue sold, to whoever it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """A flash sale, as the load generator counted its answers."""

    sale: str
    requests: int
    counts: Mapping[int, int]
    took_ms: float
    unanswered: int = 0
    """Requests whose connection broke: the shop may have counted them, or not."""

    @property
    def per_s(self) -> float:
        """Return the rate that was reached."""
        return self.requests * 1_000 / self.took_ms


def storms_body(time_range: TimeRange) -> Body:
    """Build the question for the newest flash sale's count by the client."""
    return {
        "size": 1,
        "sort": [{"@timestamp": "desc"}],
        "query": filtered(
            time_range,
            {"term": {"service.name": "load"}},
            {"term": {"event.action": "sale"}},
        ),
        "_source": ["attributes", "event.duration"],
        "timeout": f"{TIMEOUT_S}s",
    }


class _Stormed(msgspec.Struct):
    name: str
    requests: int
    answers: dict[str, int]
    unanswered: int = 0


def read_storm(answer: Mapping[str, Any]) -> Storm | None:
    """Read the answer; None where there was no flash sale."""
    hits = answer["hits"]["hits"]
    if not hits:
        return None
    source = hits[0]["_source"]
    said = msgspec.convert(source["attributes"], _Stormed, strict=False)
    return Storm(
        sale=said.name,
        requests=said.requests,
        counts={
            int(name.removeprefix("status_")): count
            for name, count in said.answers.items()
        },
        took_ms=max(float(source["event.duration"]) / NANOSECONDS_IN_MS, 1.0),
        unanswered=said.unanswered,
    )


def answers_body(sale: str) -> Body:
    """Build the question what the logs of front and seller say of one flash sale."""
    statuses = {"terms": {"field": "http.response.status_code", "size": 20}}
    asked = all_of(
        {"term": {"url.path": f"/sales/{sale}/tickets"}},
        {"term": {"user_agent.original": LOAD_AGENT}},
    )
    told = all_of(
        {"term": {"service.name": "seller"}}, {"term": {"attributes.sale": sale}}
    )
    return {
        "size": 0,
        "query": all_of(
            {"term": {"tags": SHOP_DIR}}, {"bool": {"should": [asked, told]}}
        ),
        "track_total_hits": False,
        "timeout": f"{TIMEOUT_S}s",
        "aggs": {
            "statuses": statuses,
            "seconds": {
                "date_histogram": {
                    "field": "@timestamp",
                    "fixed_interval": "1s",
                    "min_doc_count": 1,
                },
                "aggs": {"statuses": statuses},
            },
            "sold": {"filter": {"term": {"event.action": "taken"}}},
            "opened": {
                "filter": {"term": {"event.action": "opened"}},
                "aggs": {
                    "first": {"top_hits": {"size": 1, "_source": ["attributes.stock"]}}
                },
            },
        },
    }


def read_answers(answer: Mapping[str, Any]) -> Answers:
    """Read the answer."""
    found = answer["aggregations"]
    return Answers(
        counts={
            int(one["key"]): int(one["doc_count"])
            for one in found["statuses"]["buckets"]
        },
        points=tuple(
            (int(second["key"]), int(one["key"]), int(one["doc_count"]))
            for second in found["seconds"]["buckets"]
            for one in second["statuses"]["buckets"]
        ),
        stock=next(
            (
                int(hit["_source"]["attributes"]["stock"])
                for hit in found["opened"]["first"]["hits"]["hits"]
            ),
            None,
        ),
        sold=int(found["sold"]["doc_count"]),
    )

"""What Elasticsearch really holds, read to the last document and never by a count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from elasticsearch import Elasticsearch

PAGE_DOCUMENTS = 5_000
FIELDS = ["tailrace.generation", "log.offset", "message", "event.original"]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One document, by id, place and content."""

    document_id: str
    index: str
    generation: str
    offset: int
    line: str


def stored_events(client: Elasticsearch, *, index: str) -> Iterator[StoredEvent]:
    """Yield every document behind `index`, in a point in time after a refresh."""
    client.indices.refresh(index=index, ignore_unavailable=True)
    point = client.open_point_in_time(index=index, keep_alive="2m")["id"]
    after: list[Any] | None = None
    try:
        while True:
            page = client.search(
                size=PAGE_DOCUMENTS,
                pit={"id": point, "keep_alive": "2m"},
                sort=[{"_shard_doc": "asc"}],
                search_after=after,
                track_total_hits=False,
                source_includes=FIELDS,
            )["hits"]["hits"]
            if not page:
                return
            for hit in page:
                source = cast("dict[str, Any]", hit["_source"])
                yield StoredEvent(
                    document_id=hit["_id"],
                    index=hit["_index"],
                    generation=source["tailrace.generation"],
                    offset=int(source["log.offset"]),
                    line=source.get("event.original", source["message"]),
                )
            after = page[-1]["sort"]
    finally:
        client.close_point_in_time(id=point)


def stored_count(client: Elasticsearch, *, index: str) -> int:
    """Return how many documents a search would find now; 0 before the first index."""
    client.indices.refresh(index=index, ignore_unavailable=True, allow_no_indices=True)
    return int(
        client.count(index=index, ignore_unavailable=True, allow_no_indices=True)[
            "count"
        ]
    )

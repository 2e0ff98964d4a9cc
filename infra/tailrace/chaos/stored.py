"""What Elasticsearch really holds, read to the last document and never by a count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

from tailrace.answers import field
from tailrace.elasticsearch import WHOLE_SEARCH, Elastic

PAGE_DOCUMENTS = 5_000
KEEP_ALIVE = "2m"
FIELDS = (
    "tailrace.generation",
    "log.offset",
    "log.file.path",
    "event.sequence",
    "event.dataset",
    "host.name",
    "@timestamp",
    "message",
    "event.original",
)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One document, by id, place and content."""

    document_id: str
    index: str
    generation: str
    offset: int
    path: str
    number: int
    """Of the event in its generation, counted from 0."""
    line: bytes
    dataset: str
    host_name: str
    timestamp: str
    """As it stands in the document."""


def stored_events(elastic: Elastic, *, index: str) -> Iterator[StoredEvent]:
    """Yield every document behind `index`, in a point in time after a refresh.

    Raises:
        ServiceUnavailable: Elasticsearch does not answer, or refuses.
    """
    for hit in stored_hits(elastic, index=index, fields=FIELDS):
        source = cast("dict[str, Any]", hit["_source"])
        original = field(source, "event.original")
        line = original if isinstance(original, str) else field(source, "message")
        yield StoredEvent(
            document_id=str(hit["_id"]),
            index=str(hit["_index"]),
            generation=str(field(source, "tailrace.generation")),
            offset=int(cast("int", field(source, "log.offset"))),
            path=str(field(source, "log.file.path")),
            number=int(cast("int", field(source, "event.sequence"))),
            line=str(line).encode("utf-8", "surrogateescape"),
            dataset=str(field(source, "event.dataset")),
            host_name=str(field(source, "host.name")),
            timestamp=str(field(source, "@timestamp")),
        )


def stored_documents(elastic: Elastic, *, index: str) -> Iterator[dict[str, Any]]:
    """Yield the `_source` of every document behind `index`; none where no index is.

    Raises:
        ServiceUnavailable: Elasticsearch does not answer, or refuses.
    """
    for hit in stored_hits(elastic, index=index, fields=("*",)):
        yield hit["_source"]


def stored_hits(
    elastic: Elastic, *, index: str, fields: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """Yield every document behind `index` as a search gives it; none where no index is.

    Raises:
        ServiceUnavailable: Elasticsearch does not answer, or refuses.
    """
    elastic.refresh(index)
    path = f"/{quote(index, safe=',*')}/_pit?keep_alive={KEEP_ALIVE}"
    answer = elastic.look_up("POST", f"{path}&ignore_unavailable=true")
    if answer.status == 404:
        return
    point = elastic.decoded(answer)["id"]
    after: list[Any] | None = None
    try:
        while True:
            body: dict[str, Any] = {
                "size": PAGE_DOCUMENTS,
                "pit": {"id": point, "keep_alive": KEEP_ALIVE},
                "sort": [{"_shard_doc": "asc"}],
                "track_total_hits": False,
                "_source": list(fields),
            }
            if after is not None:
                body["search_after"] = after
            # A shard that does not answer must not pass for one that holds nothing.
            answer = elastic.look_up("POST", WHOLE_SEARCH, body=body)
            hits = elastic.decoded(answer)["hits"]["hits"]
            if not hits:
                return
            yield from hits
            after = hits[-1]["sort"]
    finally:
        elastic.ask("DELETE", "/_pit", body={"id": point})

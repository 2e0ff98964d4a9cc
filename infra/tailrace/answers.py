"""What Elasticsearch answered, as values: rows, their fields, and what was refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import msgspec

__all__ = [
    "Document",
    "Row",
    "SearchPage",
    "field",
    "flatten",
    "read_page",
]

Document: TypeAlias = Mapping[str, Any]
"""The `_source` of a hit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One document found."""

    document_id: str
    index: str
    document: Document
    cursor: tuple[Any, ...]
    ignored: tuple[str, ...] = ()
    """Fields of which Elasticsearch stored a value, and did not index it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """The rows of one answer, newest first."""

    rows: tuple[Row, ...]
    total_count: int
    is_total_exact: bool
    took_ms: int
    is_partial: bool
    """A shard failed or the time ran out: there may be more than these."""
    next_after: tuple[Any, ...]
    """Where the next page begins; empty when this was the last."""


class _Total(msgspec.Struct):
    value: int = 0
    relation: str = "eq"


class _Hit(
    msgspec.Struct,
    rename={
        "index": "_index",
        "id": "_id",
        "source": "_source",
        "ignored": "_ignored",
    },
):
    index: str
    id: str
    source: dict[str, Any] = {}
    sort: list[Any] = []
    ignored: list[str] = []


class _Hits(msgspec.Struct):
    hits: list[_Hit] = []
    total: _Total | None = None


class _Shards(msgspec.Struct):
    failed: int = 0


class _Answer(msgspec.Struct, rename={"shards": "_shards"}):
    took: int = 0
    timed_out: bool = False
    shards: _Shards = msgspec.field(default_factory=_Shards)
    hits: _Hits = msgspec.field(default_factory=_Hits)


def read_page(answer: Mapping[str, Any], *, size_max: int) -> SearchPage:
    """Read the answer to a search body; `size_max` is what was asked for."""
    parsed = msgspec.convert(answer, type=_Answer)
    rows = tuple(
        Row(
            document_id=hit.id,
            index=hit.index,
            document=hit.source,
            cursor=(*hit.sort,),
            ignored=(*hit.ignored,),
        )
        for hit in parsed.hits.hits
    )
    total = parsed.hits.total or _Total(value=len(rows), relation="gte")
    return SearchPage(
        rows=rows,
        total_count=total.value,
        is_total_exact=total.relation == "eq",
        took_ms=parsed.took,
        is_partial=parsed.timed_out or parsed.shards.failed > 0,
        next_after=rows[-1].cursor if len(rows) >= size_max else (),
    )


def is_partial(answer: Mapping[str, Any]) -> bool:
    """Return whether a shard failed or the time ran out, so that not all was looked at."""
    failed = answer.get("_shards", {}).get("failed", 0)
    return bool(answer.get("timed_out")) or failed > 0


def field(document: Document, name: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of `name`, whether its keys are dotted, nested or mixed."""
    if name in document:
        return document[name]
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        inner = document.get(".".join(parts[:count]))
        if isinstance(inner, Mapping):
            found = field(cast("Document", inner), ".".join(parts[count:]))
            if found is not None:
                return found
    return None


def flatten(document: Document, *, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every field by its dotted name, in the order of the document."""
    for key, value in document.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(cast("Document", value), prefix=f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

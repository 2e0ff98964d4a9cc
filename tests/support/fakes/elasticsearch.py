"""Elasticsearch in memory: indices made by order, documents by id, answers item by item.

It obeys the laws in `tests/laws/test_bulk_laws.py`, which the real one obeys, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from tailrace.elasticsearch import Answer


@dataclass(slots=True)
class MemoryElasticsearch:
    """Indices, documents by id, blocks; answers `_bulk` as Elasticsearch does."""

    indices: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=dict[str, dict[str, dict[str, Any]]]
    )
    sources: dict[str, dict[str, bytes]] = field(
        default_factory=dict[str, dict[str, bytes]]
    )
    """Each document byte for byte, as `_source` gives it."""
    blocked: set[str] = field(default_factory=set[str])
    requests: int = 0
    conflicts: Callable[[bytes], bool] = lambda _line: False
    """Which documents, beside one whose `host` is a text, no mapping takes."""
    refusal_of: Callable[[str], int] = lambda _index: 200
    """With which status an item is refused just now; 200 where it is not."""

    def bulk(self, body: bytes) -> Answer:
        self.requests += 1
        lines = body.split(b"\n")
        items: list[dict[str, Any]] = []
        for number in range(0, len(lines) - 1, 2):
            try:
                action = orjson.loads(lines[number])
            except ValueError:
                return error_answer(400, "illegal_argument_exception", "Malformed")
            ((verb, where),) = action.items()
            status, error = self._store(verb, where, lines[number + 1])
            item: dict[str, Any] = {"status": status}
            if error is not None:
                item["error"] = error
            items.append({verb: item})
        if not items:
            return error_answer(400, "parse_exception", "request body is required")
        has_errors = any("error" in next(iter(item.values())) for item in items)
        return Answer(200, orjson.dumps({"errors": has_errors, "items": items}))

    def create_index(self, name: str) -> None:
        self.indices.setdefault(name, {})
        self.sources.setdefault(name, {})

    def delete_index(self, name: str) -> None:
        """Take an index away; one that is not there is fine."""
        self.indices.pop(name, None)
        self.sources.pop(name, None)
        self.blocked.discard(name)

    def block(self, name: str) -> None:
        self.blocked.add(name)

    def unblock(self, name: str) -> None:
        self.blocked.discard(name)

    def documents(self, name: str) -> dict[str, dict[str, Any]]:
        return self.indices[name]

    def _store(
        self, verb: str, where: dict[str, Any], line: bytes
    ) -> tuple[int, dict[str, str] | None]:
        name = where["_index"]
        if (refusal := self._refusal(name)) is not None:
            return refusal
        try:
            document = cast("dict[str, Any]", orjson.loads(line))
        except ValueError:
            return 400, reason("document_parsing_exception", "failed to parse")
        if "host" in document or self.conflicts(line):
            return 400, reason("document_parsing_exception", "[host] as object")
        held = self.indices[name].get(where["_id"])
        if verb == "create" and held is not None:
            return 409, reason("version_conflict_engine_exception", "exists")
        version = where.get("version", 1)
        if verb == "index" and held is not None and held["version"] > version:
            return 409, reason("version_conflict_engine_exception", "older")
        self.indices[name][where["_id"]] = {"version": version, **document}
        self.sources[name][where["_id"]] = line
        return (201 if held is None else 200), None

    def _refusal(self, name: str) -> tuple[int, dict[str, str]] | None:
        """Return why the index takes nothing at all now, if that is so."""
        if name not in self.indices:
            return 404, reason("index_not_found_exception", f"no such index [{name}]")
        if name in self.blocked:
            return 403, reason(
                "cluster_block_exception", f"index [{name}] blocked by: [write (api)]"
            )
        status = self.refusal_of(name)
        if status == 200:
            return None
        return status, reason(*refusal_of(status, request=self.requests))


REFUSALS = {
    403: (
        ("security_exception", "action is unauthorized for user"),
        ("cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/write (api)]"),
    ),
    429: (("es_rejected_execution_exception", "queue capacity reached"),),
    503: (("unavailable_shards_exception", "primary shard is not active"),),
}
"""What Elasticsearch says, by status, when it is not the document's fault."""


def refusal_of(status: int, *, request: int) -> tuple[str, str]:
    """Return one of the things that it says with a status, by turns over requests."""
    said = REFUSALS[status]
    return said[request % len(said)]


def reason(kind: str, text: str) -> dict[str, str]:
    return {"type": kind, "reason": text}


def error_answer(status: int, kind: str, text: str) -> Answer:
    return Answer(status, orjson.dumps({"error": reason(kind, text), "status": status}))

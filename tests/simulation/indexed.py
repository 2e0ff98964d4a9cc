"""What the index holds, as events: documents and dead letters read to the last one."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64decode
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson

from tests.simulation.cluster import NAMESPACE

REVISED = ("rates", "ledger", "templates")
NO_EVENTS = (*REVISED, "dead", "alerts")


@dataclass(frozen=True, slots=True)
class Indexed:
    """One event as it came out: a document, or the dead letter of one."""

    host: str
    log: str
    generation: str
    offset: int
    stored: bytes
    """The event's bytes, or as many of them as were kept."""
    size_bytes: int
    """How long the event says it was."""
    checksum: int | None
    """As its id tells; None for what never had one."""
    dead_reason: str = ""
    minute: str = ""
    """Of the time in the line; empty where it has none."""
    level: str = ""
    template: str = ""
    at_ms: int = 0
    """Of its document, whether the line has a time or not."""

    def __str__(self) -> str:
        dead = f", dead of {self.dead_reason}" if self.dead_reason else ""
        shown = bytes(self.stored[:60])
        return f"{self.host}/{self.log} {self.generation[:6]}@{self.offset} {shown!r}{dead}"


def indexed_events(
    indices: Mapping[str, Mapping[str, dict[str, Any]]], *, namespace: str = NAMESPACE
) -> Iterator[Indexed]:
    """Yield every event of every index."""
    for index in sorted(indices):
        kind = index.removeprefix(f"{namespace}-").split("-")[0]
        for document_id, document in indices[index].items():
            if kind == "dead":
                yield from _dead_events(document)
            elif kind not in NO_EVENTS:
                yield _event(document_id, document)


def _event(document_id: str, document: dict[str, Any], *, dead: str = "") -> Indexed:
    text = document.get("event.original", document["message"])
    encoded = document.get("tailrace.original_base64")
    stored = b64decode(encoded) if encoded else text.encode()
    raw_id = urlsafe_b64decode(document_id)
    is_timed = "tailrace.time_source" not in document or (
        document["tailrace.time_source"] != "observed"
    )
    return Indexed(
        host=document["host.name"],
        log=log_of(document["log.file.path"]),
        generation=document["tailrace.generation"],
        offset=document["log.offset"],
        stored=stored,
        size_bytes=document.get("tailrace.original_size_bytes", len(stored)),
        checksum=int.from_bytes(raw_id[17:], "big"),
        dead_reason=dead,
        minute=document["@timestamp"][:16] if is_timed else "",
        level=document.get("log.level", ""),
        template=document.get("tailrace.template.id", ""),
        at_ms=int(datetime.fromisoformat(document["@timestamp"]).timestamp() * 1_000),
    )


def _dead_events(document: dict[str, Any]) -> Iterator[Indexed]:
    """Return the events that a dead letter holds: bulk lines, or bytes of a file."""
    # In its last form a dead letter has no original: it stands for nothing then.
    original = b64decode(document.get("dead.original_base64", ""))
    reason = document["dead.reason"]
    if original.startswith(b'{"create":'):
        action, line = original.split(b"\n")[:2]
        yield _event(
            orjson.loads(action)["create"]["_id"],
            cast("dict[str, Any]", orjson.loads(line)),
            dead=reason,
        )
        return
    yield Indexed(
        host=document.get("host.name", ""),
        log=log_of(document.get("log.file.path", "")),
        generation=document.get("tailrace.generation", ""),
        offset=document.get("log.offset", -1),
        stored=original,
        size_bytes=document.get("dead.truncated_size_bytes") or len(original),
        checksum=None,
        dead_reason=reason,
    )


def log_of(path: str) -> str:
    """Return which log a path belongs to, whatever its file is called now."""
    return path.rpartition("/")[2].partition(".log")[0]


Rates = dict[str, Counter[tuple[str, str]]]


def indexed_rates(indices: Mapping[str, Mapping[str, dict[str, Any]]]) -> Rates:
    """Return what was counted, by generation, minute and level, the parts added up."""
    found: Rates = defaultdict(Counter)
    for document in indices.get(f"{NAMESPACE}-rates", {}).values():
        window = (document["@timestamp"][:16], document.get("log.level", ""))
        count = document["tailrace.rate.count"]
        found[document["tailrace.generation"]][window] += count
    return found


@dataclass(frozen=True, slots=True)
class IndexedTemplate:
    """What the index tells of one template, its partitions and parts put together."""

    count: int
    first_ms: int
    texts: frozenset[str]


def indexed_templates(
    indices: Mapping[str, Mapping[str, dict[str, Any]]],
) -> dict[str, IndexedTemplate]:
    """Return what is told of each template, by its id."""
    found: dict[str, IndexedTemplate] = {}
    for document in indices.get(f"{NAMESPACE}-templates", {}).values():
        name = document["template.id"]
        first_ms = document["template.first_seen"]
        before = found.get(name) or IndexedTemplate(0, first_ms, frozenset())
        found[name] = IndexedTemplate(
            before.count + document["template.count"],
            min(before.first_ms, first_ms),
            before.texts | {document["template.text"]},
        )
    return found

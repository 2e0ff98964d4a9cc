"""The event indices of the memory's Elasticsearch, as retention sees them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tailrace.digest import DELIVERED
from tailrace.ledger import WINDOW_EVENTS, RetentionLedger
from tailrace_indexer.index_maker import kind_of
from tailrace_indexer.letter_counts import LetterSpan, letter_windows
from tailrace_indexer.retention import IndexFacts
from tests.support.fakes.elasticsearch import MemoryElasticsearch

DOCUMENT_BYTES = 1_000
"""What each document is said to take on the disk."""


@dataclass(slots=True)
class MemoryEventIndices:
    """What `tailrace_indexer.event_indices` asks of a real one."""

    elasticsearch: MemoryElasticsearch
    namespace: str
    now_ms: Callable[[], int]
    window_events: int = WINDOW_EVENTS

    def facts(self) -> list[IndexFacts]:
        """Return every event index that holds a document."""
        return self._facts("events")

    def letter_facts(self) -> list[IndexFacts]:
        """Return every index of dead letters that holds one."""
        return self._facts("dead")

    def server_now_ms(self) -> int:
        """Return the time of the one clock there is."""
        return self.now_ms()

    def _facts(self, kind: str) -> list[IndexFacts]:
        return [
            _facts(name, list(held.values()))
            for name, held in self.elasticsearch.indices.items()
            if held and kind_of(name, namespace=self.namespace) == kind
        ]

    def free_bytes(self) -> int:
        """Return room without end: a quota is given by its setting."""
        return 2**50

    def counted(self, index: str) -> list[RetentionLedger]:
        """Return what an index holds of each generation, by window."""
        windows = letter_windows(
            (
                LetterSpan(
                    document["tailrace.generation"],
                    document["event.sequence"],
                    document.get("dead.event_count", 1),
                )
                for document in self.elasticsearch.indices.get(index, {}).values()
                if "event.sequence" in document and DELIVERED not in document
            ),
            window_events=self.window_events,
        )
        return [
            RetentionLedger(
                generation=generation,
                index=index,
                revision=sum(count for count, _ in held.values()),
                document_count=sum(count for count, _ in held.values()),
                windows=held,
                updated_at_ms=self.now_ms(),
            )
            for generation, held in windows.items()
        ]

    def block(self, index: str) -> None:
        """Let an index take no document any more."""
        self.elasticsearch.block(index)

    def is_blocked(self, index: str) -> bool:
        """Return whether an index takes no document any more."""
        return index in self.elasticsearch.blocked

    def delete(self, index: str) -> None:
        """Delete an index; one that is not there is fine."""
        self.elasticsearch.delete_index(index)

    def are_held(self, generations: Collection[str]) -> set[str]:
        """Return those of which an index still holds an event or a dead letter."""
        return {
            document["tailrace.generation"]
            for name, held in self.elasticsearch.indices.items()
            if kind_of(name, namespace=self.namespace) in {"events", "dead"}
            for document in held.values()
            if document.get("tailrace.generation") in generations
            and document.get(DELIVERED) is None
        }

    def forget(self, keys: Collection[bytes]) -> bool:
        """Delete the ledger's documents of these keys."""
        name = f"{self.namespace}-ledger"
        for key in keys:
            self.elasticsearch.indices.get(name, {}).pop(key.decode(), None)
            self.elasticsearch.sources.get(name, {}).pop(key.decode(), None)
        return True


def _facts(name: str, documents: list[dict[str, Any]]) -> IndexFacts:
    times = [_ms(document["@timestamp"]) for document in documents]
    written = [
        _ms(document["event.created"])
        for document in documents
        if "event.created" in document
    ]
    return IndexFacts(
        name=name,
        size_bytes=DOCUMENT_BYTES * len(documents),
        document_count=len(documents),
        earliest_ms=min(times),
        latest_ms=max(times),
        written_ms=max(written, default=max(times)),
    )


def _ms(moment: str | int) -> int:
    if isinstance(moment, int):
        return moment
    return round(datetime.fromisoformat(moment).timestamp() * 1_000)

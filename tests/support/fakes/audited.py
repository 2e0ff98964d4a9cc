"""The memory's servers as an audit sees them: the ledger, the groups, and a snapshot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import (
    Callable,
    Collection,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import msgspec

from tailrace.audit import line
from tailrace.audit.bodies import UNREACHED_NAMED_MAX
from tailrace.audit.kafka import told_by
from tailrace.audit.lagging import Lagging, LaggingLetters
from tailrace.audit.repeats import SENDERS_MAX
from tailrace.audit.sources import (
    SnapshotLost,
    StoredDocument,
    StoredLetter,
    StoredPlace,
    Told,
    Unnumbered,
    Unreached,
)
from tailrace.audit.tally import Numbers
from tailrace.audit.windows import EXACT_MAX, Sums, WindowSum
from tailrace.digest import DELIVERED
from tailrace.kafka_consumer import Partition
from tailrace.ledger import INDEX_EXPIRED
from tailrace.ledger_topic import LedgerEntry, newest_of
from tailrace.partition_lag import PartitionLag, lag_of
from tailrace_indexer.index_maker import kind_of
from tests.support.fakes.elasticsearch import MemoryElasticsearch
from tests.support.fakes.kafka import MemoryGroup, MemoryKafka

GENERATION, SEQUENCE = "tailrace.generation", "event.sequence"


def do_nothing() -> None:
    """Let no time pass."""


def ledger_entries(
    kafka: MemoryKafka, partitions: Sequence[Partition]
) -> Iterator[LedgerEntry]:
    """Yield what stands in the partitions, each to its end."""
    for partition in partitions:
        for kept in kafka.read(partition, offset=0):
            record = kept.record
            yield LedgerEntry(record.key, record.value, partition.number, kept.offset)


@dataclass(slots=True)
class MemoryLagging:
    """Reads dead letters at the offsets that are asked for."""

    kafka: MemoryKafka
    topic: str

    def __call__(self, left: Mapping[int, range]) -> Lagging:
        """Return what the letters say."""
        letters = LaggingLetters()
        read_count = 0
        for number, span in left.items():
            partition = Partition(self.topic, number)
            for kept in self.kafka.read(partition, offset=span.start):
                if kept.offset in span:
                    letters.take(kept.record.value)
                    read_count += 1
        total = sum(len(span) for span in left.values())
        return letters.all(unread_count=total - read_count)


@dataclass(slots=True)
class MemoryAuditLedger:
    """Reads the ledger's partitions to their ends."""

    kafka: MemoryKafka
    partitions: Sequence[Partition]
    between: Callable[[], None] = do_nothing
    """Called after each reading: what others do before the next question."""

    def read(self) -> Told:
        """Return what is said of each generation, and what cannot be read."""
        newest = newest_of(ledger_entries(self.kafka, self.partitions))
        self.between()
        return told_by(newest)


@dataclass(slots=True)
class MemoryAdmin:
    """The part of `tailrace.kafka_admin.KafkaAdmin` that tells how far groups are."""

    kafka: MemoryKafka
    groups: dict[str, MemoryGroup]

    def end_offsets(self, topics: Collection[str]) -> dict[tuple[str, int], int]:
        """Return where each partition ends."""
        return {
            (place.topic, place.number): self.kafka.ends.get(place, 0)
            for place in self.kafka.partitions
            if place.topic in topics
        }

    def committed_offsets(self, group: str) -> dict[tuple[str, int], int]:
        """Return what a group reads next, where it has committed."""
        commits = self.groups[group].commits
        return {(place.topic, place.number): at for place, at in commits.items()}

    def group_lag(self, group: str, *, topics: Collection[str]) -> list[PartitionLag]:
        """Return how far a group is in each partition."""
        commits, oldest = self.committed_offsets(group), self.kafka.oldest
        return [
            lag_of(
                (topic, number),
                begin=oldest.get(Partition(topic, number), 0),
                committed=commits.get((topic, number)),
                end=end,
            )
            for (topic, number), end in self.end_offsets(topics).items()
        ]


@dataclass(slots=True)
class MemoryAuditIndex:
    """Takes snapshots; each question of one fails once an index of it is gone."""

    elasticsearch: MemoryElasticsearch
    namespace: str
    window_events: int
    between: Callable[[], None] = do_nothing
    """Called before each question: what others do meanwhile."""

    @contextmanager
    def snapshot(self) -> Generator[MemorySnapshot, None, None]:
        """Show all that is written by now."""
        held: dict[str, dict[str, dict[str, Any]]] = {"events": {}, "dead": {}}
        for name, documents in self.elasticsearch.indices.items():
            kind = kind_of(name, namespace=self.namespace)
            if kind in held:
                held[kind][name] = dict(documents)
        yield MemorySnapshot(
            self,
            events=held["events"],
            dead=held["dead"],
            sources={name: dict(s) for name, s in self.elasticsearch.sources.items()},
        )


@dataclass(frozen=True, slots=True)
class _Held:
    """One document that has a number."""

    index: str
    document_id: str
    generation: str
    number: int
    document: dict[str, Any]


@dataclass(slots=True)
class MemorySnapshot:
    """The documents of one moment."""

    index: MemoryAuditIndex
    events: dict[str, dict[str, dict[str, Any]]]
    dead: dict[str, dict[str, dict[str, Any]]]
    sources: dict[str, dict[str, bytes]]

    def holding(self, indices: Collection[str]) -> frozenset[str]:
        """Return those of these indices that hold something."""
        self._ask()
        return frozenset(name for name in indices if self.events.get(name))

    def sums(self, generations: Collection[str] | None) -> dict[str, Sums]:
        """Return the sums of every generation, or of those that are named."""
        self._ask()
        stored = self._windows(self.events, generations)
        undelivered = {
            name: {n: d for n, d in held.items() if d.get(DELIVERED) is None}
            for name, held in self.dead.items()
        }
        dead = self._windows(undelivered, generations)
        return {
            generation: Sums(
                stored={n: _sum(held) for n, held in stored[generation].items()},
                dead={
                    n: _sum(held, is_dead=True) for n, held in dead[generation].items()
                },
            )
            for generation in {*stored, *dead}
        }

    def numbers(self, generation: str, *, spans: Sequence[range]) -> Numbers:
        """Return every number in the spans, and maybe others, stored and dead."""
        self._ask()
        numbers = Numbers.of_windows(self.index.window_events)
        for held in self._held(self.events, [generation]):
            if any(held.number in span for span in spans):
                numbers.stored.add(held.number)
        within = range(
            min(span.start for span in spans), max(span.stop for span in spans)
        )
        for held in self._held(self.dead, [generation]):
            count = held.document.get("dead.event_count", 1)
            numbers.note_letter(
                held.index,
                held.document_id,
                dead_id=held.document.get("dead.id", ""),
                number=held.number,
            )
            if held.document.get(DELIVERED) is not None:
                numbers.delivered.add_span(held.number, count=count, within=within)
                continue
            numbers.dead.add_span(held.number, count=count, within=within)
            if held.document.get("dead.reason") == INDEX_EXPIRED:
                numbers.late.add_span(held.number, count=count, within=within)
        return numbers.without_delivered()

    def places(
        self, generation: str, *, numbers: Collection[int]
    ) -> Sequence[StoredPlace]:
        """Return where the stored documents of these numbers lie."""
        self._ask()
        found = [
            StoredPlace(
                number=held.number,
                document=f"{held.index}/{held.document_id}",
                offset=held.document["log.offset"],
                size_bytes=line.size_bytes(held.document, document_id=held.document_id),
                newline_bytes=line.newline_bytes(
                    held.document, document_id=held.document_id
                ),
                path=held.document.get("log.file.path", ""),
                host_name=held.document.get("host.name", ""),
            )
            for held in self._held(self.events, [generation])
            if held.number in numbers
        ]
        return sorted(found, key=lambda place: place.number)

    def unnumbered(self) -> Unnumbered:
        """Return the event documents that have no number, or no generation."""
        self._ask()
        named = [
            f"{name}/{document_id}"
            for name, documents in self.events.items()
            for document_id, document in documents.items()
            if document.get(SEQUENCE, -1) < 0 or GENERATION not in document
        ]
        return Unnumbered(count=len(named), named=tuple(named[:3]))

    def unnamed_letters(self) -> int:
        """Return how many dead letters name no event; as with `unreached`, no time passes."""
        self._look()
        letters = [letter for held in self.dead.values() for letter in held.values()]
        named = (each for each in letters if each.get(SEQUENCE, -1) >= 0)
        return len(letters) - sum(GENERATION in each for each in named)

    def ambiguous(self) -> dict[str, int]:
        """Return by index how many generations too many its event documents bear.

        As with `unreached`, no time passes.
        """
        self._look()
        surplus = {
            name: sum(max(0, len(_generations(d)) - 1) for d in documents.values())
            for name, documents in self.events.items()
        }
        return {name: count for name, count in surplus.items() if count}

    def unreached(self) -> Unreached:
        """Return the event documents of numbers that no file ever reaches.

        Nothing that others do meanwhile makes such a number right, so no time passes.
        """
        self._look()
        named = [
            (document[SEQUENCE], f"{name}/{document_id}")
            for name, documents in self.events.items()
            for document_id, document in documents.items()
            if document.get(SEQUENCE, -1) >= EXACT_MAX
        ]
        return Unreached(count=len(named), named=tuple(named[:UNREACHED_NAMED_MAX]))

    def senders(self, hosts: Collection[str]) -> dict[str, dict[str, int]]:
        """Return, by host, which agents first sent its event documents, and when.

        As with `unreached`, no time passes.
        """
        self._look()
        found: dict[str, dict[str, int]] = {}
        for documents in self.events.values():
            for document in documents.values():
                if document.get("host.name") in hosts:
                    first = found.setdefault(document["host.name"], {})
                    name, at_ms = document["agent.id"], _created_ms(document)
                    first[name] = min(first.get(name, at_ms), at_ms)
        return {
            host: dict(sorted(first.items(), key=lambda one: one[1])[:SENDERS_MAX])
            for host, first in found.items()
        }

    def documents(
        self, generations: Collection[str] | None
    ) -> Iterator[StoredDocument]:
        """Yield every document with a number: of all generations, or of those named."""
        self._ask()
        for held in self._held(self.events, generations):
            yield StoredDocument(
                index=held.index,
                document_id=held.document_id,
                generation=held.generation,
                number=held.number,
                source=msgspec.Raw(self.sources[held.index][held.document_id]),
            )

    def letters(self) -> Iterator[StoredLetter]:
        """Yield every dead letter."""
        self._ask()
        for name, letters in self.dead.items():
            for document_id in letters:
                source = msgspec.Raw(self.sources[name][document_id])
                yield StoredLetter(index=name, document_id=document_id, source=source)

    def _ask(self) -> None:
        self.index.between()
        self._look()

    def _look(self) -> None:
        there = self.index.elasticsearch.indices
        if any(name not in there for name in (*self.events, *self.dead)):
            raise SnapshotLost

    def _held(
        self,
        indices: dict[str, dict[str, dict[str, Any]]],
        generations: Collection[str] | None,
    ) -> Iterator[_Held]:
        for name, documents in indices.items():
            for document_id, document in documents.items():
                number = document.get(SEQUENCE)
                if number is None or number >= EXACT_MAX:
                    continue
                for generation in _generations(document):
                    if generations is None or generation in generations:
                        yield _Held(name, document_id, generation, number, document)

    def _windows(
        self,
        indices: dict[str, dict[str, dict[str, Any]]],
        generations: Collection[str] | None,
    ) -> defaultdict[str, dict[int, list[_Held]]]:
        windows: defaultdict[str, dict[int, list[_Held]]] = defaultdict(dict)
        for held in self._held(indices, generations):
            window = held.number // self.index.window_events
            windows[held.generation].setdefault(window, []).append(held)
        return windows


def _created_ms(document: dict[str, Any]) -> int:
    at = datetime.fromisoformat(document["event.created"])
    return round(at.timestamp() * 1_000)


def _generations(document: dict[str, Any]) -> list[str]:
    """Return what a document says it is of: one, none, or in a list several."""
    said = document.get(GENERATION)
    if said is None:
        return []
    if isinstance(said, list):
        return sorted({str(each) for each in cast("list[object]", said)})
    return [said]


def _sum(held: Sequence[_Held], *, is_dead: bool = False) -> WindowSum:
    numbers = [each.number for each in held]
    squares = sum(number * number for number in numbers)
    # A letter that does not say how many it speaks of is none of a single event.
    event_count = sum(each.document.get("dead.event_count", 0) for each in held)
    return WindowSum(
        count=len(numbers),
        total=sum(numbers),
        lowest=min(numbers),
        highest=max(numbers),
        squares=squares if squares < EXACT_MAX else None,
        is_single=not is_dead or event_count == len(held),
    )

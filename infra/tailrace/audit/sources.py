"""Whom an audit asks: the ledger, the groups' progress, and the index at one moment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.lagging import Lagging
from tailrace.audit.repeats import Senders
from tailrace.audit.tally import Numbers
from tailrace.audit.windows import Sums
from tailrace.ledger import AgentHeartbeat
from tailrace.ledger_topic import UnreadableEntry


class SnapshotLost(Exception):
    """An index of the snapshot is gone: retention took it while it was being read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the ledger says at one reading."""

    facts: Mapping[str, GenerationFacts] = field(
        default_factory=dict[str, GenerationFacts]
    )
    heartbeats: tuple[AgentHeartbeat, ...] = ()
    """The newest of each agent."""
    unreadable: tuple[UnreadableEntry, ...] = ()
    """Records that may say something else, for all that anybody can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What the groups had still to read, after a bounded wait for the dead letters."""

    dead_lag: Mapping[int, int] = field(default_factory=dict[int, int])
    """By partition, dead letters that the indexers have not committed."""
    lagging: Lagging = field(default_factory=Lagging)
    """What those dead letters say, read from Kafka."""
    raw_lag: Mapping[int, int] = field(default_factory=dict[int, int])
    docs_lag: Mapping[int, int] = field(default_factory=dict[int, int])


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlace:
    """Where one document lies, and where its event lies in the file."""

    number: int
    document: str
    """`<index>/<_id>`."""
    offset: int
    size_bytes: int | None
    """Of the event without its newline; None where the document does not tell."""
    newline_bytes: int | None = None
    """How long a newline of its file is; None where the document does not tell."""
    path: str = ""
    host_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """One document, with its source byte for byte."""

    index: str
    document_id: str
    generation: str
    number: int
    source: msgspec.Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLetter:
    """One dead letter's document, with its source as it stands."""

    index: str
    document_id: str
    source: msgspec.Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Unnumbered:
    """Documents that no number places; some are named."""

    count: int
    named: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreached:
    """Documents of event numbers so high that no file ever reaches them; some are named."""

    count: int
    named: tuple[tuple[int, str], ...]
    """Number and `<index>/<_id>`."""


class Ledger(Protocol):
    """Reads the ledger to the end it has now."""

    def read(self) -> Told:
        """Return what is said of each generation."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The partitions of which all that stood in Kafka at the question was taken in since."""

    documents: frozenset[int] = frozenset()
    """By the indexers: what any stream had told of by then is stored, or was dead."""
    all: frozenset[int] = frozenset()
    """By the streams first, and then by the indexers: the ledger was told of all of it."""


class Progress(Protocol):
    """Tells how far the groups have read."""

    def drained(self, *, wait_ms_max: int) -> Drained:
        """Wait until the dead letters written until now are indexed, at most so long.

        Those that are not by then are read from Kafka. So each is in what is returned or
        in a snapshot of the index that is taken afterwards, or in both.
        """
        ...

    def passed(self, *, wait_ms_max: int) -> Passed:
        """Wait until what was sent until now has come through, at most so long."""
        ...


class Snapshot(Protocol):
    """The index at one moment; each question may raise `SnapshotLost`."""

    def holding(self, indices: Collection[str]) -> frozenset[str]:
        """Return those of these indices that hold something."""
        ...

    def sums(self, generations: Collection[str] | None) -> dict[str, Sums]:
        """Return the sums of every generation, or of those that are named."""
        ...

    def numbers(self, generation: str, *, spans: Sequence[range]) -> Numbers:
        """Return every number in the spans, and maybe others, stored and dead."""
        ...

    def places(
        self, generation: str, *, numbers: Collection[int]
    ) -> Sequence[StoredPlace]:
        """Return where the stored documents of these numbers lie."""
        ...

    def unnumbered(self) -> Unnumbered:
        """Return the event documents that have no number, or no generation."""
        ...

    def unnamed_letters(self) -> int:
        """Return how many dead letters name no event, and so are in no sum."""
        ...

    def ambiguous(self) -> Mapping[str, int]:
        """Return by index how many generations too many its event documents bear."""
        ...

    def unreached(self) -> Unreached:
        """Return the event documents of numbers from `EXACT_MAX` on.

        Sums of doubles do not tell these apart, so no other question is about them.
        """
        ...

    def senders(self, hosts: Collection[str]) -> Senders:
        """Return, by host, which agents first sent its event documents, and when."""
        ...

    def documents(
        self, generations: Collection[str] | None
    ) -> Iterator[StoredDocument]:
        """Yield every document with a number: of all generations, or of those named."""
        ...

    def letters(self) -> Iterator[StoredLetter]:
        """Yield every dead letter."""
        ...


class Index(Protocol):
    """Takes snapshots of what Elasticsearch holds."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Show all that is written by now."""
        ...

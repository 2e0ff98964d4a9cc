"""How far a commit may go: the highest offset below which every document is done.

A record is open from its reading until each of its documents is stored or dead-lettered.
What is committed is the oldest open offset, or, where none is open, the one after the last
read: a commit never passes a document that is not done, whatever order they finish in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tailrace.kafka_consumer import Partition
from tailrace.ledger import IndexerLedger
from tailrace_indexer.pieces import Place
from tailrace_indexer.spans import NOTHING_TOLD, Span, Spans


@dataclass(slots=True)
class _Reading:
    """One ownership of one partition."""

    epoch: int
    open_documents: dict[int, int] = field(default_factory=dict[int, int])
    """By offset, ascending as they were read."""
    read_to: int = -1
    committed_to: int = -1
    spans: Spans = field(default_factory=Spans)

    def committable(self) -> int:
        return next(iter(self.open_documents), self.read_to)


class Offsets:
    """What is read, what is done and what is committed, by partition."""

    def __init__(self) -> None:
        self._epochs = 0
        self._readings: dict[Partition, _Reading] = {}

    @property
    def partitions(self) -> frozenset[Partition]:
        """The partitions that are ours."""
        return frozenset(self._readings)

    def gain(self, partitions: Iterable[Partition]) -> None:
        """Begin a new ownership; whatever an older one left open no longer counts."""
        for partition in partitions:
            self._epochs += 1
            self._readings[partition] = _Reading(self._epochs)

    def lose(self, partitions: Iterable[Partition]) -> None:
        """End an ownership: its open documents are the next owner's to do."""
        for partition in partitions:
            self._readings.pop(partition, None)

    def open(
        self,
        partition: Partition,
        *,
        offset: int,
        document_count: int,
        span: Span = NOTHING_TOLD,
    ) -> Place | None:
        """Note a record that was read; None where its partition is not ours.

        A record of no documents is done at once; its span counts all the same.
        """
        reading = self._readings.get(partition)
        if reading is None:
            return None
        if offset < reading.read_to:
            # Reading went back (a gap's end, a seek): what lies ahead comes again.
            self.gain([partition])
            reading = self._readings[partition]
        if reading.read_to < 0:
            reading.committed_to = offset  # It was read from there: that is committed.
        reading.read_to = offset + 1
        if document_count:
            reading.open_documents[offset] = document_count
        if span.is_telling:
            reading.spans.note(offset, span)
        return Place(partition, reading.epoch, offset)

    def close(self, place: Place, *, document_count: int) -> None:
        """Note documents that are done; those of an ownership that ended are ignored."""
        if not self.is_current(place):
            return
        open_documents = self._readings[place.partition].open_documents
        left = open_documents[place.offset] - document_count
        assert left >= 0, f"{place} closed more often than opened"
        if left:
            open_documents[place.offset] = left
        else:
            del open_documents[place.offset]

    def recount(self, place: Place, *, document_count: int) -> None:
        """Correct how many documents a record holds of which none is done yet."""
        if self.is_current(place):
            open_documents = self._readings[place.partition].open_documents
            open_documents[place.offset] = document_count

    def is_current(self, place: Place) -> bool:
        """Return whether the ownership in which `place` was read goes on."""
        reading = self._readings.get(place.partition)
        return reading is not None and reading.epoch == place.epoch

    def committable(self) -> dict[Partition, int]:
        """Return what may be committed beyond what is."""
        return {
            partition: reading.committable()
            for partition, reading in self._readings.items()
            if reading.committable() > reading.committed_to
        }

    def untold(
        self, next_offsets: Mapping[Partition, int], *, now_ms: int
    ) -> dict[Partition, list[IndexerLedger]]:
        """Return what the ledger must hold before `next_offsets` may be committed."""
        for reading in self._readings.values():
            # Also where a commit stands still: what is behind it is merged.
            reading.spans.pass_to(
                reading.committable(), is_open=reading.open_documents.__contains__
            )
        untold = {
            partition: self._readings[partition].spans.records(
                partition, next_offset=offset, now_ms=now_ms
            )
            for partition, offset in next_offsets.items()
        }
        return {partition: records for partition, records in untold.items() if records}

    def told(self, partitions: Iterable[Partition]) -> None:
        """Note that Kafka has what `untold` returned last of these partitions."""
        for partition in partitions:
            self._readings[partition].spans.told()

    def committed(self, next_offsets: Mapping[Partition, int]) -> None:
        """Note a commit that Kafka took."""
        for partition, offset in next_offsets.items():
            reading = self._readings.get(partition)
            if reading is not None:
                reading.committed_to = max(reading.committed_to, offset)

    def committed_offsets(self) -> dict[Partition, int]:
        """Return what was committed in this ownership."""
        return {
            partition: reading.committed_to
            for partition, reading in self._readings.items()
            if reading.committed_to >= 0
        }

    def open_count(self) -> int:
        """Return how many documents are read and not done."""
        return sum(sum(r.open_documents.values()) for r in self._readings.values())

    def kept_spans(self) -> int:
        """Return how many spans are in memory; see `tailrace_indexer.spans`."""
        return sum(reading.spans.kept_count for reading in self._readings.values())

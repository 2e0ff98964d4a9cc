"""What the commit protocol needs of the world: a source, a sink, places for dead letters and ledger.

The real ones are Kafka and Elasticsearch; the laws in `tests/laws` hold for them and for the
ones of the simulation alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from tailrace import wire
from tailrace.kafka_consumer import Partition, Polled
from tailrace.ledger import IndexerLedger
from tailrace_indexer.bulk import Bulk
from tailrace_indexer.outcomes import Verdict


class Source(Protocol):
    """Where records come from, and where what is done is noted."""

    def poll(self, *, wait_ms_max: int) -> Polled:
        """Return what came within `wait_ms_max`, and which partitions changed hands.

        Raises:
            ServiceUnavailable: the source does not answer; asking again is safe.
        """
        ...

    def commit(self, next_offsets: Mapping[Partition, int]) -> bool:
        """Store what is to be read next; False where it is no longer ours to say.

        Raises:
            ServiceUnavailable: the source does not answer; asking again is safe.
        """
        ...

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Bring nothing of `partitions` until they are resumed."""
        ...

    def resume(self, partitions: Sequence[Partition]) -> None:
        """Bring records of `partitions` again."""
        ...


@dataclass(frozen=True, slots=True)
class BulkAnswered:
    """A bulk to which an answer came."""

    bulk: Bulk
    took_ms: int
    body: bytes = b""
    refusal: Verdict | None = None
    """What an answer that is not a list of items means; None where it is one."""


@dataclass(frozen=True, slots=True)
class BulkLost:
    """A bulk to which no answer came; it may have been carried out all the same."""

    bulk: Bulk
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class IndexAnswered:
    """What became of the order to make an index: STORED where it is there now."""

    index: str
    verdict: Verdict


Finished: TypeAlias = BulkAnswered | BulkLost | IndexAnswered


class Sink(Protocol):
    """Takes bulks and orders for indices, and answers each of them later, once."""

    def submit(self, bulk: Bulk) -> None:
        """Send a bulk; returns at once."""
        ...

    def submit_index(self, index: str) -> None:
        """Have an index made, by our template; returns at once."""
        ...

    def finished(self, *, wait_ms_max: int) -> Sequence[Finished]:
        """Return what was answered since last asked; wait for a first one at most so."""
        ...


class DeadLetterSink(Protocol):
    """Where dead letters go."""

    def write(self, letters: Sequence[wire.DeadLetter]) -> bool:
        """Send them; True once Kafka has acknowledged every one, False to try again."""
        ...


class LedgerSink(Protocol):
    """Where the indexer says how far generations are stored."""

    def write(self, records: Sequence[IndexerLedger]) -> bool:
        """Send them; True once Kafka has acknowledged every one, False to try again."""
        ...

"""The memory's compacted topics, as the leader's mender sees them.

It obeys the laws in `tests/laws/test_compacted_laws.py`, which
`tailrace_indexer.compacted_topics` obeys on real brokers, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tailrace.kafka_consumer import Partition
from tailrace_indexer.mending import Place
from tests.support.fakes.kafka import MemoryKafka


@dataclass(slots=True)
class MemoryCompactedTopics:
    """Reads and writes the partitions that it is given."""

    kafka: MemoryKafka
    partitions: Sequence[Partition]

    def ends(self) -> Mapping[Place, int]:
        """Return where each partition ends now."""
        ends = self.kafka.ends
        return {(p.topic, p.number): ends.get(p, 0) for p in self.partitions}

    def records(
        self, place: Place, *, end: int
    ) -> Iterator[tuple[int, bytes | None, bytes | None]]:
        """Yield offset, key and value of what a partition holds before `end`."""
        for kept in self.kafka.read(Partition(*place), offset=0):
            if kept.offset < end:
                yield kept.offset, kept.record.key, kept.record.value

    def write(self, place: Place, records: Sequence[tuple[bytes, bytes]]) -> bool:
        """Append keys and values; this memory takes them all."""
        for key, value in records:
            self.kafka.write(Partition(*place), value, key=key)
        return True

"""Kafka as the place for the ledger: each record in its generation's partition, awaited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tailrace.ledger import LedgerRecord, ledger_key, ledger_partition
from tailrace.topics import LEDGER, STATE, partition_of
from tailrace.wire import encode
from tailrace_indexer.acked_writer import Writer, Writing


class KafkaLedger:
    """Writes what the indexer, or its retention, says of generations."""

    def __init__(self, writer: Writer, *, namespace: str) -> None:
        self._writer = writer
        self._topic = LEDGER.name(namespace)
        self._state = STATE.name(namespace)

    def write(self, records: Sequence[LedgerRecord]) -> bool:
        """Send them; True once Kafka has acknowledged every one, False to try again.

        None is near the topic's limit, so one that is refused as too large is a topic
        that was made too small by hand: it is tried again until that is put right.
        """
        return self._writer.write([self._writing(record) for record in records]) == []

    def bury(self, keys: Mapping[bytes, str]) -> bool:
        """Send a tombstone for each key, and for its generation's state in the stream.

        True once Kafka has acknowledged every one.
        """
        writings = [
            _tombstone(self._topic, key, generation=generation)
            for key, generation in keys.items()
        ]
        writings += [
            _tombstone(self._state, generation.encode(), generation=generation)
            for generation in sorted(set(keys.values()))
        ]
        return self._writer.write(writings) == []

    def _writing(self, record: LedgerRecord) -> Writing:
        return Writing(
            self._topic,
            encode(record),
            ledger_key(record),
            partition=ledger_partition(record),
        )


def _tombstone(topic: str, key: bytes, *, generation: str) -> Writing:
    return Writing(topic, None, key, partition=partition_of(generation.encode()))

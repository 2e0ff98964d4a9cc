"""Kafka as the place for floors: read whole, and raised with an acknowledgement."""

from __future__ import annotations

from tailrace.floor_topic import FloorReader
from tailrace.floors import Floors
from tailrace.ledger import FloorLedger, ledger_key
from tailrace.topics import FLOORS
from tailrace.wire import encode
from tailrace_indexer.acked_writer import Writer, Writing


class KafkaFloors:
    """What the leader's expiry reads and raises."""

    def __init__(self, reader: FloorReader, writer: Writer, *, namespace: str) -> None:
        self._reader = reader
        self._writer = writer
        self._topic = FLOORS.name(namespace)

    def read(self) -> Floors:
        """Return all floors as they are now.

        Raises:
            ServiceUnavailable: Kafka does not answer.
        """
        return self._reader.read()

    def raise_to(self, floor: FloorLedger) -> bool:
        """Store one; True once Kafka has acknowledged it."""
        writing = Writing(self._topic, encode(floor), ledger_key(floor), partition=0)
        return self._writer.write([writing]) == []

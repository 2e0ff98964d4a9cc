"""Where floors are kept: the compacted topic `<namespace>.floors`, one small partition.

A topic of its own, and not the ledger, because every stream worker reads all of it again
and again, and the ledger of ten thousand agents is no small thing to read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import kafka
from kafka.errors import KafkaError

from tailrace.errors import ServiceUnavailable, WireError
from tailrace.floors import Floors
from tailrace.kafka_opening import open_client
from tailrace.kafka_options import kafka_options, kafka_unavailable
from tailrace.kafka_probe import require_listener
from tailrace.ledger import FloorLedger, decode_ledger
from tailrace.settings import Connections
from tailrace.topics import FLOORS

POLL_MS = 500
READ_MS = 5_000
"""How often a worker reads the floors; see `FLOOR_READ_MS` of the indexer's expiry."""
TOLD_EVERY = 60_000 // READ_MS
"""Of readings that fail one after the other the first is told, and one a minute."""

# The stubs that type checkers bundle describe an older release.
_kafka = cast("Any", kafka)


class FloorReader:
    """Reads the floors, from where it read last; for one thread."""

    def __init__(self, connections: Connections, *, client_id: str) -> None:
        self._connections = connections
        self._client_id = client_id
        self._consumer: Any = None
        self._records: list[FloorLedger] = []

    def read(self) -> Floors:
        """Return all floors up to the topic's present end.

        Raises:
            ServiceUnavailable: Kafka does not answer.
        """
        try:
            return self._read()
        except (KafkaError, OSError) as error:
            self.close()
            raise kafka_unavailable(self._connections.kafka_bootstrap, error) from error

    def close(self) -> None:
        """Let go of the connection; the next reading makes another."""
        consumer, self._consumer = self._consumer, None
        self._records = []
        if consumer is not None:
            consumer.close(autocommit=False)

    def _read(self) -> Floors:
        topic = FLOORS.name(self._connections.namespace)
        where = _kafka.TopicPartition(topic, 0)
        if self._consumer is None:
            require_listener(self._connections.kafka_bootstrap)
            self._consumer = open_client(
                _kafka.KafkaConsumer,
                **kafka_options(self._connections, client_id=self._client_id),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
            )
            self._consumer.assign([where])
            self._consumer.seek_to_beginning(where)
        end = cast("dict[Any, int]", self._consumer.end_offsets([where]))[where]
        while (self._consumer.position(where) or 0) < end:
            polled = cast(
                "dict[Any, list[Any]]", self._consumer.poll(timeout_ms=POLL_MS)
            )
            for record in polled.get(where, ()):
                self._take(record.value)
        floors = Floors(self._records)
        self._records = list(floors.records.values())
        return floors

    def _take(self, value: bytes | None) -> None:
        if value is None:
            return
        try:
            record = decode_ledger(value)
        except WireError:
            return  # A floor that cannot be read expires nothing.
        if isinstance(record, FloorLedger):
            self._records.append(record)


class FloorWatch:
    """Keeps the newest floors at hand, read by a thread of its own every few seconds."""

    def __init__(
        self,
        reader: FloorReader,
        *,
        namespace: str,
        on_failure: Callable[[ServiceUnavailable], None],
    ) -> None:
        self._reader = reader
        self._namespace = namespace
        self._on_failure = on_failure
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="floors", daemon=True)
        self.floors = Floors()

    def start(self) -> None:
        """Read the floors once, and then again and again; a second start does nothing.

        Raises:
            ServiceUnavailable: Kafka does not answer; starting again is right.
        """
        if self._thread.is_alive():
            return
        self.floors = self._reader.read()
        self._thread.start()

    def is_expired(self, index: str) -> bool:
        """Tell whether an index lies below its floor, as far as is read."""
        return self.floors.is_expired(index, namespace=self._namespace)

    def close(self) -> None:
        """Read no more; the thread ends with its present reading."""
        self._stop.set()

    def _run(self) -> None:
        failures = 0
        while not self._stop.wait(READ_MS / 1_000):
            try:
                self.floors = self._reader.read()
                failures = 0
            except ServiceUnavailable as error:
                if failures % TOLD_EVERY == 0:
                    self._on_failure(error)
                failures += 1
        self._reader.close()

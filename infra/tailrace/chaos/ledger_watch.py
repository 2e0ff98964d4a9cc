"""What the topic of the ledger says now, read along while the run lasts."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from tailrace.errors import WireError
from tailrace.kafka_options import kafka_options
from tailrace.ledger import StreamLedger, decode_ledger
from tailrace.settings import Connections
from tailrace.topics import LEDGER
from tailrace.wire import AgentLedger

_POLL_MS = 500
_RETRY_S = 1.0
_CLOSE_S_MAX = 10.0


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """Sums over all generations; `streamed` is None while the stream tells nothing."""

    shipped: int
    streamed: int | None
    lost_bytes: int


def without_copies(records: Iterable[AgentLedger]) -> list[AgentLedger]:
    """Return the records without those of recognised copies.

    What copytruncate leaves behind is a generation of its own, which goes on counting
    where its original ended: head, tail and place are the same, and nothing was shipped.
    """
    found: dict[tuple[object, ...], AgentLedger] = {}
    for record in records:
        content = (record.head_hash, record.tail_hash, record.next_offset)
        found.setdefault((record.host_id, *content), record)
    return list(found.values())


class LedgerWatch:
    """The newest record of each generation; a thread reads, any thread may ask."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._agent: dict[str, AgentLedger] = {}
        self._stream: dict[str, StreamLedger] = {}
        self._thread = threading.Thread(
            target=self._run, name="ledger watch", daemon=True
        )

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._stop.set()
        self._thread.join(_CLOSE_S_MAX)

    def agent_records(self) -> list[AgentLedger]:
        """Return what the agents said of each generation."""
        with self._lock:
            return list(self._agent.values())

    def totals(self) -> LedgerTotals:
        """Return the sums as of now."""
        with self._lock:
            told = self._stream.values()
            own = without_copies(self._agent.values())
            return LedgerTotals(
                shipped=sum(record.next_event_number for record in own),
                streamed=sum(r.event_count for r in told) if told else None,
                lost_bytes=sum(
                    sum(r.lost_bytes.values()) for r in self._agent.values()
                ),
            )

    def _run(self) -> None:
        errors = cast("Any", importlib.import_module("kafka.errors"))
        while not self._stop.is_set():
            try:
                self._read()
            except (errors.KafkaError, OSError, AssertionError):
                # A broker that is away is what is being tested; the topic stays.
                self._stop.wait(_RETRY_S)

    def _read(self) -> None:
        kafka = cast("Any", importlib.import_module("kafka"))
        name = LEDGER.name(self._connections.namespace)
        consumer = kafka.KafkaConsumer(
            **kafka_options(self._connections, client_id="tailrace-chaos"),
            group_id=None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        try:
            places = [kafka.TopicPartition(name, n) for n in range(LEDGER.partitions)]
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            while not self._stop.is_set():
                for records in consumer.poll(timeout_ms=_POLL_MS).values():
                    for record in records:
                        self._take(record.value)
        finally:
            consumer.close()

    def _take(self, value: bytes | None) -> None:
        if value is None:
            return
        try:
            record = decode_ledger(value)
        except WireError:
            return
        with self._lock:
            match record:
                case AgentLedger():
                    before = self._agent.get(record.generation)
                    if before is None or record.revision >= before.revision:
                        self._agent[record.generation] = record
                case StreamLedger():
                    told = self._stream.get(record.generation)
                    if told is None or record.revision >= told.revision:
                        self._stream[record.generation] = record
                case _:
                    pass

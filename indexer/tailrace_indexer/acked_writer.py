"""Kafka as a place that says yes or no: records sent, and each acknowledgement awaited."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tailrace.errors import ServiceUnavailable
from tailrace.kafka_producer import FailureKind, OnDone, Producer, SendFailure
from tailrace.settings import Connections
from tailrace.topics import DEAD

WAIT_MS_MAX = 10_000
"""The loop polls for nothing meanwhile; the group waits three times as long."""
CLOSE_MS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Writing:
    """One record to be written."""

    topic: str
    value: bytes | None
    """None is a tombstone: its key is forgotten."""
    key: bytes | None
    partition: int | None = None
    """None leaves it to the key."""


class Writer(Protocol):
    """Who writes records and waits for the answer."""

    def write(self, writings: Sequence[Writing]) -> list[int] | None:
        """Send all; return the positions of those that are too large for their topic.

        An empty list says that Kafka has acknowledged every one. None says that something
        else failed: any of them may be stored or not, so that all are to be sent again.
        """
        ...


class GuardedWriter:
    """Writes where `require` allows it, asked before each writing."""

    def __init__(self, writer: Writer, *, require: Callable[[], None]) -> None:
        self._writer = writer
        self._require = require

    def write(self, writings: Sequence[Writing]) -> list[int] | None:
        """Write as the writer does, unless what `require` raises ends it."""
        self._require()
        return self._writer.write(writings)


class AckedWriter:
    """Writes through one producer, which is made anew after a failure.

    Every method belongs to one thread, so nothing else is on the producer's way while one
    writing waits.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._producer: Producer | None = None

    def write(self, writings: Sequence[Writing]) -> list[int] | None:
        """Send all; return the positions of those that are too large for their topic.

        An empty list says that Kafka has acknowledged every one. None says that something
        else failed: any of them may be stored or not, so that all are to be sent again.
        """
        try:
            too_large = self._write(writings)
        except ServiceUnavailable:
            too_large = None
        if too_large is None:
            self.close()
        return too_large

    def close(self) -> None:
        """Let go of the producer; the next writing makes another."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(wait_ms_max=CLOSE_MS_MAX)

    def _write(self, writings: Sequence[Writing]) -> list[int] | None:
        if self._producer is None:
            self._producer = Producer.connect(
                self._connections,
                client_id="tailrace-indexer-writer",
                # The largest of what goes through it.
                request_bytes_max=DEAD.message_bytes_max,
            )
        told = _Told(len(writings))
        for position, writing in enumerate(writings):
            self._producer.send(
                writing.topic,
                value=writing.value,
                key=writing.key,
                partition=writing.partition,
                on_done=told.teller(position),
            )
        if not self._producer.flush(wait_ms_max=WAIT_MS_MAX) or not told.is_complete:
            return None
        if any(kind is not FailureKind.TOO_LARGE for kind in told.failures.values()):
            return None
        return sorted(told.failures)


class _Told:
    """What the producer's thread said of each record."""

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._waiting = count
        self.failures: dict[int, FailureKind] = {}

    @property
    def is_complete(self) -> bool:
        with self._lock:
            return self._waiting == 0

    def teller(self, position: int) -> OnDone:
        def tell(failure: SendFailure | None) -> None:
            with self._lock:
                self._waiting -= 1
                if failure is not None:
                    self.failures[position] = failure.kind

        return tell

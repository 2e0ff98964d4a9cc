"""Kafka as the place for dead letters: each send awaited, a letter that is too large cut."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec

from tailrace import wire
from tailrace.errors import ServiceUnavailable
from tailrace.kafka_producer import FailureKind, OnDone, Producer, SendFailure
from tailrace.settings import Connections
from tailrace.topics import DEAD

WAIT_MS_MAX = 10_000
"""The loop polls for nothing meanwhile; the group waits three times as long."""
CUT_TO = 4
"""A letter that the topic does not take is cut to a quarter, and again if need be."""


class KafkaDeadLetters:
    """Writes dead letters, keyed by generation."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._topic = DEAD.name(connections.namespace)
        self._producer: Producer | None = None

    def write(self, letters: Sequence[wire.DeadLetter]) -> bool:
        """Send them; True once Kafka has acknowledged every one, False to try again."""
        try:
            return self._write(letters)
        except ServiceUnavailable:
            self.close()
            return False

    def close(self) -> None:
        """Let go of the producer; the next writing makes another."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(wait_ms_max=1_000)

    def _write(self, letters: Sequence[wire.DeadLetter]) -> bool:
        left = list(letters)
        while left:
            failures = self._send(left)
            if failures is None:
                self.close()
                return False
            left = [cut(letter) for letter in failures]
        return True

    def _send(self, letters: Sequence[wire.DeadLetter]) -> list[wire.DeadLetter] | None:
        """Send letters; return those that are too large, or None when one failed."""
        if self._producer is None:
            self._producer = Producer.connect(
                self._connections,
                client_id="tailrace-indexer-dead",
                request_bytes_max=DEAD.message_bytes_max,
            )
        told = _Told(len(letters))
        for number, letter in enumerate(letters):
            self._producer.send(
                self._topic,
                value=wire.encode(letter),
                key=letter.generation.encode() or None,
                on_done=told.teller(number),
            )
        if not self._producer.flush(wait_ms_max=WAIT_MS_MAX) or not told.is_complete:
            return None
        if any(kind is not FailureKind.TOO_LARGE for kind in told.failures.values()):
            return None
        return [letters[number] for number in sorted(told.failures)]


class _Told:
    """What the producer's thread said of each letter."""

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._waiting = count
        self.failures: dict[int, FailureKind] = {}

    @property
    def is_complete(self) -> bool:
        with self._lock:
            return self._waiting == 0

    def teller(self, number: int) -> OnDone:
        def tell(failure: SendFailure | None) -> None:
            with self._lock:
                self._waiting -= 1
                if failure is not None:
                    self.failures[number] = failure.kind

        return tell


def cut(letter: wire.DeadLetter) -> wire.DeadLetter:
    """Return a letter with a quarter of its bytes, and the true length noted."""
    true_size = letter.truncated_size_bytes or len(letter.original)
    return msgspec.structs.replace(
        letter,
        original=letter.original[: len(letter.original) // CUT_TO],
        truncated_size_bytes=true_size,
    )

"""A producer on the memory's Kafka: in order, later, and as unreliable as it is told.

It has the face of `tailrace.kafka_producer.Producer`, so the agent's real sink stands on
it. What is on its way when it is closed may still arrive, as with real brokers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tailrace.errors import ServiceUnavailable
from tailrace.kafka_consumer import Partition
from tailrace.kafka_producer import FailureKind, OnDone, SendFailure
from tailrace.topics import partition_of
from tests.support.fakes.kafka import MemoryKafka, TooLarge


class Fate(Enum):
    """What becomes of one record that was sent."""

    TAKEN = "stored, and acknowledged"
    ACK_LOST = "stored, and never acknowledged"
    REFUSED = "not stored"
    LATE = "on its way for longer than anybody waits, and stored then"


def always_taken(_topic: str) -> Fate:
    return Fate.TAKEN


def never(_store: Callable[[], object]) -> None:
    """Let what is late be lost."""


@dataclass(slots=True)
class _Sent:
    """One record on its way."""

    partition: Partition
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    on_done: OnDone


@dataclass(slots=True)
class MemoryProducer:
    """Sends when `arrive` is called, oldest first."""

    kafka: MemoryKafka
    fate_of: Callable[[str], Fate] = always_taken
    is_down: Callable[[], bool] = lambda: False
    on_sent: Callable[[MemoryProducer], None] = lambda producer: producer.arrive()
    """Told of each send, to see to it that the record arrives some time."""
    later: Callable[[Callable[[], object]], None] = never
    """Told what is to be done when a record that is late arrives at last."""
    is_closed: bool = False
    _on_way: deque[_Sent] = field(default_factory=deque[_Sent])

    def send(
        self,
        topic: str,
        *,
        value: bytes | None,
        key: bytes | None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        on_done: OnDone,
    ) -> None:
        """Hand a record over.

        Raises:
            ServiceUnavailable: there is no broker now.
        """
        if self.is_down():
            raise ServiceUnavailable("Kafka", address="memory", reason="it is down")
        if partition is None:
            partition = partition_of(key or b"")
        where = Partition(topic, partition)
        self._on_way.append(_Sent(where, key, value, headers, on_done))
        self.on_sent(self)

    def arrive(self) -> None:
        """Let the oldest record on its way reach the broker, if one still is."""
        if not self._on_way:
            return
        sent = self._on_way.popleft()
        fate = self.fate_of(sent.partition.topic)
        failure: SendFailure | None = None
        if fate is Fate.REFUSED:
            failure = SendFailure(FailureKind.PRODUCER, "the broker went away")
        elif fate is Fate.LATE:
            self.later(lambda: self._store(sent))
        else:
            failure = self._store(sent)
        if fate in (Fate.ACK_LOST, Fate.LATE) and failure is None:
            failure = SendFailure(FailureKind.PRODUCER, "no answer came in time")
        if not self.is_closed:
            sent.on_done(failure)

    def drop(self) -> None:
        """Lose all that is on its way."""
        self._on_way.clear()

    def flush(self, *, wait_ms_max: int) -> bool:
        del wait_ms_max
        return not self._on_way

    def close(self, *, wait_ms_max: int) -> None:
        """Say nothing more; what is on its way may still arrive."""
        del wait_ms_max
        self.is_closed = True

    def _store(self, sent: _Sent) -> SendFailure | None:
        try:
            self.kafka.write(
                sent.partition, sent.value, key=sent.key, headers=sent.headers
            )
        except TooLarge as error:
            return SendFailure(FailureKind.TOO_LARGE, str(error))
        return None

"""The sink of the real agent: outcomes come from the producer's thread by a queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tailrace.errors import ServiceUnavailable
from tailrace.kafka_producer import OnDone, Producer, SendFailure
from tailrace_agent.protocols import Outcome
from tailrace_agent.records import Outgoing

CLOSE_MS_MAX = 1_000


class KafkaSink:
    """Sends through one producer at a time, and forgets it after a failure.

    The queue of outcomes is bounded by the records in flight, which the agent bounds.
    """

    def __init__(
        self, connect: Callable[[], Producer], *, wake: Callable[[], None]
    ) -> None:
        self._connect = connect
        self._wake = wake
        self._producer: Producer | None = None
        self._done: deque[Outcome] = deque()

    def send(self, record: Outgoing, *, ticket: int) -> None:
        """Hand a record over; its outcome comes later, under its ticket.

        Raises:
            ServiceUnavailable: there is no producer now, or no broker for the topic.
        """
        if self._producer is None:
            raise ServiceUnavailable(
                "Kafka", address="the configured brokers", reason="not connected yet"
            )
        self._producer.send(
            record.topic,
            value=record.value,
            key=record.key,
            partition=record.partition,
            headers=record.headers,
            on_done=self._note(ticket, self._done),
        )

    def outcomes(self) -> list[Outcome]:
        """Return what became of records since the last call."""
        taken: list[Outcome] = []
        done = self._done
        while done:
            taken.append(done.popleft())
        return taken

    def renew(self) -> None:
        """Give the producer up for a new one; its late outcomes go nowhere.

        Raises:
            ServiceUnavailable: no broker answers.
        """
        self.close(wait_ms_max=0)
        self._producer = self._connect()

    def flush(self, *, wait_ms_max: int) -> bool:
        """Wait until all that was sent is done; return whether that was in time."""
        return self._producer is None or self._producer.flush(wait_ms_max=wait_ms_max)

    def close(self, *, wait_ms_max: int = CLOSE_MS_MAX) -> None:
        """Close the producer, and forget what it has not done."""
        # A queue of its own for each producer: an old one cannot speak into the new.
        self._done = deque()
        if self._producer is not None:
            producer, self._producer = self._producer, None
            producer.close(wait_ms_max=wait_ms_max)

    def _note(self, ticket: int, done: deque[Outcome]) -> OnDone:
        def note(failure: SendFailure | None) -> None:
            done.append(Outcome(ticket, failure))
            self._wake()

        return note

"""What was given to the sink and is not acknowledged: kept in order, to be sent again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tailrace.errors import ServiceUnavailable
from tailrace.kafka_producer import SendFailure
from tailrace_agent.positions import Position
from tailrace_agent.protocols import Sink
from tailrace_agent.records import Outgoing


@dataclass(slots=True)
class Sent:
    """One record on its way."""

    ticket: int
    record: Outgoing
    generation: str
    """Empty for a heartbeat, which is of none."""
    after: Position | None
    """The position that its acknowledgement proves; None for what is no chunk."""
    size_bytes: int = 0
    event_count: int = 0
    is_done: bool = False
    refusal: str = ""
    """Why its topic never takes it, where it was given up for that."""


class Outbox:
    """Sends records, and again all that has no outcome when the sink was renewed.

    What is held is bounded by the caller, who asks `in_flight_bytes` before it reads, by
    one ledger record at a time for each change, and by one heartbeat.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._sent: dict[int, Sent] = {}
        self._reports: dict[int, None] = {}
        """The tickets among them that are no chunks, ascending."""
        self._beat_ticket = -1
        self.next_ticket = 0
        """Every record sent before now has a lower one."""
        self.in_flight_bytes = 0
        self.broken: str | None = None
        """Why nothing can be sent now; `recover` ends it."""

    @property
    def in_flight_records(self) -> int:
        """How many records have no acknowledgement yet."""
        return len(self._sent)

    def send(
        self,
        record: Outgoing,
        *,
        generation: str,
        after: Position | None = None,
        size_bytes: int = 0,
        event_count: int = 0,
    ) -> Sent:
        """Send a record; where that is not possible now, `recover` does it in its turn."""
        sent = Sent(
            self.next_ticket, record, generation, after, size_bytes, event_count
        )
        self.next_ticket += 1
        self._sent[sent.ticket] = sent
        if after is None:
            self._reports[sent.ticket] = None
        self.in_flight_bytes += size_bytes
        self.send_again(sent)
        return sent

    def send_again(self, sent: Sent) -> None:
        """Send what its record is now, under the ticket that it has."""
        if self.broken is not None:
            return
        try:
            self._sink.send(sent.record, ticket=sent.ticket)
        except ServiceUnavailable as error:
            self.broken = f"{error}; {error.remedy}"

    def beat(self, record: Outgoing) -> None:
        """Send a heartbeat; one that still waits for Kafka is replaced by it."""
        waiting = self._sent.get(self._beat_ticket)
        if waiting is not None:
            # If it comes to sending again, the newest is sent; else the next one follows.
            waiting.record = record
            return
        self._beat_ticket = self.send(record, generation="").ticket

    def forget_beat(self) -> None:
        """Wait for no heartbeat any more: a stop is not worth it."""
        self._sent.pop(self._beat_ticket, None)
        self._reports.pop(self._beat_ticket, None)

    def is_heartbeat(self, sent: Sent) -> bool:
        """Whether a record is the heartbeat on its way."""
        return sent.ticket == self._beat_ticket

    def are_reports_done(self, *, before_ticket: int) -> bool:
        """Whether Kafka has every record, chunks apart, with a lower ticket than this."""
        return next(iter(self._reports), before_ticket) >= before_ticket

    def outcomes(self) -> Iterator[tuple[Sent, SendFailure | None]]:
        """Yield what became of records since the last call."""
        for outcome in self._sink.outcomes():
            sent = self._sent.get(outcome.ticket)
            if sent is not None:  # Else a producer that was given up speaks late.
                yield sent, outcome.failure

    def follow_up(self, sent: Sent) -> bool:
        """Send what is to follow a record in its place; False where nothing is."""
        if sent.record.then is None:
            return False
        sent.record = sent.record.then
        self.send_again(sent)
        return True

    def acknowledged(self, sent: Sent) -> None:
        """Keep a record no longer."""
        del self._sent[sent.ticket]
        self._reports.pop(sent.ticket, None)
        self.in_flight_bytes -= sent.size_bytes
        sent.is_done = True

    def recover(self) -> bool:
        """Renew the sink and send again what has no acknowledgement; say if it worked."""
        if self.broken is None:
            return True
        try:
            self._sink.renew()
            for sent in list(self._sent.values()):
                self._sink.send(sent.record, ticket=sent.ticket)
        except ServiceUnavailable as error:
            self.broken = f"{error}; {error.remedy}"
            return False
        self.broken = None
        return True

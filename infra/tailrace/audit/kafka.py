"""What an audit learns from Kafka: the ledger's newest words, and how far the groups are.

Dead letters that are not indexed yet are read themselves, so that they excuse what they name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from tailrace.audit.facts import facts_of
from tailrace.audit.lagging import Lagging, LaggingLetters
from tailrace.audit.sources import Drained, Passed, Told
from tailrace.clock import Clock
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_spans import read_spans
from tailrace.ledger import LedgerRecord
from tailrace.ledger_topic import Newest, newest_of, read_ledger_topic
from tailrace.settings import Connections
from tailrace.topics import DEAD, DOCS, RAW, Topic

CLIENT_ID = "tailrace-audit"
LAG_POLL_MS = 250


class KafkaLedger:
    """Reads `tailrace.ledger` to its end."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def read(self) -> Told:
        """Return what is said of each generation, and what cannot be read.

        Raises:
            ServiceUnavailable: Kafka does not answer, or there is no ledger.
        """
        newest = self._newest()
        return Told(
            facts=facts_of(newest.records.values()),
            unreadable=tuple(newest.unreadable),
        )

    def records(self) -> Collection[LedgerRecord]:
        """Return the newest record of each key.

        Raises:
            ServiceUnavailable: Kafka does not answer, or there is no ledger.
        """
        return self._newest().records.values()

    def _newest(self) -> Newest:
        return newest_of(
            read_ledger_topic(
                self._connections, client_id=CLIENT_ID, is_stopping=lambda: False
            )
        )


ReadLagging = Callable[[Mapping[int, range]], Lagging]
"""Reads spans of offsets of `tailrace.dead`, by partition."""


class KafkaProgress:
    """Compares what the stream and the indexers have committed with what there is."""

    def __init__(
        self,
        admin: KafkaAdmin,
        *,
        namespace: str,
        clock: Clock,
        read_lagging: ReadLagging,
    ) -> None:
        self._admin = admin
        self._namespace = namespace
        self._clock = clock
        self._read_lagging = read_lagging

    def drained(self, *, wait_ms_max: int) -> Drained:
        """Wait until the dead letters written until now are indexed, at most so long.

        Those that are not by then are read.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        indexer = f"{self._namespace}-indexer"
        deadline_ms = self._clock.monotonic_ms() + wait_ms_max
        dead = DEAD.name(self._namespace)
        ends = self._admin.end_offsets([dead])
        while True:
            left = self._left(indexer, topic=DEAD, ends=ends)
            if not any(left.values()) or self._clock.monotonic_ms() >= deadline_ms:
                break
            self._clock.sleep_ms(LAG_POLL_MS)
        unread = {partition: span for partition, span in left.items() if span}
        return Drained(
            dead_lag={partition: len(span) for partition, span in left.items()},
            lagging=self._read_lagging(unread) if unread else Lagging(),
            raw_lag=self._lags(f"{self._namespace}-stream", topic=RAW),
            docs_lag=self._lags(indexer, topic=DOCS),
        )

    def passed(self, *, wait_ms_max: int) -> Passed:
        """Return the partitions of which all that was sent until now has come through.

        Raw records first: what they gave stands among the documents once they are
        committed. Waits for either, at most so long.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        deadline_ms = self._clock.monotonic_ms() + wait_ms_max
        streams = self._committed("stream", topic=RAW, deadline_ms=deadline_ms)
        # One stream that stands still leaves no time of its own to the indexers.
        deadline_ms = self._clock.monotonic_ms() + wait_ms_max
        documents = self._committed("indexer", topic=DOCS, deadline_ms=deadline_ms)
        return Passed(documents=documents, all=streams & documents)

    def _committed(
        self, role: str, *, topic: Topic, deadline_ms: int
    ) -> frozenset[int]:
        ends = self._admin.end_offsets([topic.name(self._namespace)])
        while True:
            left = self._left(f"{self._namespace}-{role}", topic=topic, ends=ends)
            if not any(left.values()) or self._clock.monotonic_ms() >= deadline_ms:
                return frozenset(p for p, span in left.items() if not span)
            self._clock.sleep_ms(LAG_POLL_MS)

    def _lags(self, group: str, *, topic: Topic) -> dict[int, int]:
        """Return by partition how many records are left to read."""
        left = self._left(group, topic=topic, ends={})
        return {partition: len(span) for partition, span in left.items()}

    def _left(
        self, group: str, *, topic: Topic, ends: Mapping[tuple[str, int], int]
    ) -> dict[int, range]:
        """Return by partition the offsets left to read, up to `ends` where it has them."""
        name = topic.name(self._namespace)
        return {
            lag.partition: range(
                lag.next_offset,
                ends.get((lag.topic, lag.partition), lag.end_offset),
            )
            for lag in self._admin.group_lag(group, topics=[name])
        }


class KafkaLagging:
    """Reads the dead letters that the indexers have not committed."""

    def __init__(self, connections: Connections, *, clock: Clock) -> None:
        self._connections = connections
        self._clock = clock

    def __call__(self, left: Mapping[int, range]) -> Lagging:
        """Return what the letters at these offsets say, by partition, within the limits.

        Raises:
            ServiceUnavailable: Kafka does not answer.
        """
        letters = LaggingLetters()
        read_count = read_spans(
            self._connections,
            client_id=CLIENT_ID,
            topic=DEAD.name(self._connections.namespace),
            spans=left,
            take=letters.take,
            clock=self._clock,
        )
        total = sum(len(span) for span in left.values())
        return letters.all(unread_count=total - read_count)


def progress_of(
    admin: KafkaAdmin, *, connections: Connections, clock: Clock
) -> KafkaProgress:
    """Return the progress of the groups of one namespace."""
    return KafkaProgress(
        admin,
        namespace=connections.namespace,
        clock=clock,
        read_lagging=KafkaLagging(connections, clock=clock),
    )

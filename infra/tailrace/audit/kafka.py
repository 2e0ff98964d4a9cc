"""What an audit learns from Kafka: the ledger's newest words, and how far the groups are.

Dead letters that are not indexed yet are read themselves, so that they excuse what they name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from tailrace.audit.facts import facts_of
from tailrace.audit.lagging import Lagging, LaggingLetters
from tailrace.audit.silent import heartbeats_in
from tailrace.audit.sources import Drained, Passed, Told
from tailrace.clock import Clock
from tailrace.commits import await_commits, left_to_read
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_spans import read_spans
from tailrace.ledger import LedgerRecord
from tailrace.ledger_topic import Newest, newest_of, read_ledger_topic
from tailrace.settings import Connections
from tailrace.topics import DEAD, DOCS, RAW, Topic

CLIENT_ID = "tailrace-audit"


def told_by(newest: Newest) -> Told:
    """Return what an audit takes from the newest records of the ledger."""
    return Told(
        facts=facts_of(newest.records.values()),
        heartbeats=heartbeats_in(newest.records.values()),
        unreadable=tuple(newest.unreadable),
    )


class KafkaLedger:
    """Reads `tailrace.ledger` to its end."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def read(self) -> Told:
        """Return what is said of each generation, and what cannot be read.

        Raises:
            ServiceUnavailable: Kafka does not answer, or there is no ledger.
        """
        return told_by(self._newest())

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
        left = await_commits(
            self._admin,
            indexer,
            topic=DEAD.name(self._namespace),
            clock=self._clock,
            wait_ms_max=wait_ms_max,
        )
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
        # One stream that stands still leaves its time to the indexers all the same.
        streams = self._committed("stream", topic=RAW, wait_ms_max=wait_ms_max)
        documents = self._committed("indexer", topic=DOCS, wait_ms_max=wait_ms_max)
        return Passed(documents=documents, all=streams & documents)

    def _committed(
        self, role: str, *, topic: Topic, wait_ms_max: int
    ) -> frozenset[int]:
        left = await_commits(
            self._admin,
            f"{self._namespace}-{role}",
            topic=topic.name(self._namespace),
            clock=self._clock,
            wait_ms_max=wait_ms_max,
        )
        return frozenset(partition for partition, span in left.items() if not span)

    def _lags(self, group: str, *, topic: Topic) -> dict[int, int]:
        """Return by partition how many records are left to read."""
        name = topic.name(self._namespace)
        left = left_to_read(self._admin, group, topic=name, ends={})
        return {partition: len(span) for partition, span in left.items()}


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

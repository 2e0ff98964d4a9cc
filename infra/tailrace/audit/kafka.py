"""What an audit learns from Kafka: the ledger's newest words, and how far the groups are."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tailrace.audit.facts import GenerationFacts, facts_of
from tailrace.audit.sources import Drained
from tailrace.clock import Clock
from tailrace.kafka_admin import KafkaAdmin
from tailrace.ledger import LedgerRecord
from tailrace.ledger_topic import newest_records, read_ledger_topic
from tailrace.settings import Connections
from tailrace.topics import DEAD, DOCS, RAW, Topic

CLIENT_ID = "tailrace-audit"
LAG_POLL_MS = 250


class KafkaLedger:
    """Reads `tailrace.ledger` to its end."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def read(self) -> dict[str, GenerationFacts]:
        """Return what is said of each generation.

        Raises:
            ServiceUnavailable: Kafka does not answer, or there is no ledger.
        """
        return facts_of(self.records())

    def records(self) -> Collection[LedgerRecord]:
        """Return the newest record of each key.

        Raises:
            ServiceUnavailable: Kafka does not answer, or there is no ledger.
        """
        records = read_ledger_topic(
            self._connections, client_id=CLIENT_ID, is_stopping=lambda: False
        )
        return newest_records(records).values()


class KafkaProgress:
    """Compares what the stream and the indexers have committed with what there is."""

    def __init__(self, admin: KafkaAdmin, *, namespace: str, clock: Clock) -> None:
        self._admin = admin
        self._namespace = namespace
        self._clock = clock

    def drained(self, *, wait_ms_max: int) -> Drained:
        """Wait until the dead letters written until now are indexed, at most so long.

        Raises:
            ServiceUnavailable: the brokers do not answer.
        """
        indexer = f"{self._namespace}-indexer"
        deadline_ms = self._clock.monotonic_ms() + wait_ms_max
        dead = DEAD.name(self._namespace)
        ends = self._admin.end_offsets([dead])
        while True:
            lags = self._lags(indexer, topic=DEAD, ends=ends)
            if not any(lags.values()) or self._clock.monotonic_ms() >= deadline_ms:
                break
            self._clock.sleep_ms(LAG_POLL_MS)
        return Drained(
            dead_lag=lags,
            raw_lag=self._lags(f"{self._namespace}-stream", topic=RAW),
            docs_lag=self._lags(indexer, topic=DOCS),
        )

    def _lags(
        self,
        group: str,
        *,
        topic: Topic,
        ends: Mapping[tuple[str, int], int] | None = None,
    ) -> dict[int, int]:
        """Return by partition what is left to read, up to `ends` where they are given."""
        return {
            lag.partition: max(
                (ends or {}).get((lag.topic, lag.partition), lag.end_offset)
                - lag.next_offset,
                0,
            )
            for lag in self._admin.group_lag(
                group, topics=[topic.name(self._namespace)]
            )
        }

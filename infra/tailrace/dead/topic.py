"""The topic of documents, to which dead letters go back, and what becomes of them there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tailrace.clock import Clock
from tailrace.commits import await_commits
from tailrace.dead.letters import UNREADABLE
from tailrace.dead.plan import Resend
from tailrace.errors import ServiceUnavailable
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_producer import FailureKind, OnDone, Producer, SendFailure
from tailrace.kafka_spans import read_spans
from tailrace.settings import Connections
from tailrace.topics import DEAD, DOCS
from tailrace.wire import ORIGIN_HEADER

CLIENT_ID: Final = "tailrace-dead"
FLUSH_MS_MAX: Final = 150_000
"""Longer than the client itself tries to deliver a record."""
CLOSE_MS_MAX: Final = 5_000

Ends = Mapping[tuple[str, int], int]


class _Refusal(msgspec.Struct, frozen=True):
    dead_id: str
    detail: str = ""


_refusal = msgspec.json.Decoder(_Refusal)


class KafkaDocuments:
    """Sends documents, and asks how far the indexers are."""

    def __init__(
        self, connections: Connections, *, admin: KafkaAdmin, clock: Clock
    ) -> None:
        self._connections = connections
        self._admin = admin
        self._clock = clock
        self._docs = DOCS.name(connections.namespace)
        self._dead = DEAD.name(connections.namespace)
        self._dead_before: Ends = {}

    def send(self, resends: Sequence[Resend]) -> Mapping[str, str]:
        """Send records; return by dead id why one is too large. The rest is acknowledged.

        Raises:
            ServiceUnavailable: Kafka did not acknowledge all of them; it may have some.
        """
        self._dead_before = self._admin.end_offsets([self._dead])
        producer = Producer.connect(
            self._connections,
            client_id=CLIENT_ID,
            request_bytes_max=DOCS.message_bytes_max,
        )
        told: dict[str, SendFailure | None] = {}
        try:
            for each in resends:
                producer.send(
                    self._docs,
                    value=each.value,
                    key=each.key,
                    partition=each.partition,
                    headers=[(ORIGIN_HEADER, each.header)],
                    on_done=_teller(told, each.dead_id),
                )
            producer.flush(wait_ms_max=FLUSH_MS_MAX)
        finally:
            producer.close(wait_ms_max=CLOSE_MS_MAX)
        return self._too_large(told, asked_count=len(resends))

    def _too_large(
        self, told: Mapping[str, SendFailure | None], *, asked_count: int
    ) -> Mapping[str, str]:
        failed = {dead_id: each for dead_id, each in told.items() if each is not None}
        large = {
            dead_id: each.detail
            for dead_id, each in failed.items()
            if each.kind is FailureKind.TOO_LARGE
        }
        lost = [each for dead_id, each in failed.items() if dead_id not in large]
        if lost or len(told) < asked_count:
            why = lost[0].detail if lost else "it did not acknowledge them in time"
            raise ServiceUnavailable(
                "Kafka",
                address=self._connections.kafka_bootstrap,
                reason=f"not all documents were taken: {why}",
                remedy="run the same command again: what was taken is stored once",
            )
        return large

    def passed(self, *, wait_ms_max: int) -> frozenset[int]:
        """Return the partitions that the indexers have committed past all that was sent.

        Raises:
            ServiceUnavailable: Kafka does not answer.
        """
        left = await_commits(
            self._admin,
            f"{self._connections.namespace}-indexer",
            topic=self._docs,
            clock=self._clock,
            wait_ms_max=wait_ms_max,
        )
        return frozenset(partition for partition, span in left.items() if not span)

    def refused(self) -> Mapping[str, str]:
        """Return by dead id what letters that came since the sending say.

        Raises:
            ServiceUnavailable: Kafka does not answer.
        """
        found: dict[str, str] = {}

        def take(value: bytes | None) -> None:
            try:
                letter = _refusal.decode(value or b"")
            except UNREADABLE:
                return
            found[letter.dead_id] = letter.detail

        ends = self._admin.end_offsets([self._dead])
        spans = {
            number: range(self._dead_before.get((topic, number), 0), end)
            for (topic, number), end in ends.items()
        }
        read_spans(
            self._connections,
            client_id=CLIENT_ID,
            topic=self._dead,
            spans={number: span for number, span in spans.items() if span},
            take=take,
            clock=self._clock,
        )
        return found


def _teller(told: dict[str, SendFailure | None], dead_id: str) -> OnDone:
    def tell(failure: SendFailure | None) -> None:
        told[dead_id] = failure

    return tell

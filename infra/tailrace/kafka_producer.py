"""The typed face of kafka-python's producer: durable or failed, never in between.

Every record is acknowledged by all in-sync replicas or its callback is told why not. The
library has no types; its objects stay in this file.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from tailrace.errors import TopicMissing
from tailrace.kafka_opening import open_client
from tailrace.kafka_options import (
    kafka_unavailable,
    reason_of,
    record_client_options,
)
from tailrace.kafka_probe import require_listener
from tailrace.settings import Connections
from tailrace.topics import KIBIBYTE, RAW

BATCH_BYTES = 256 * KIBIBYTE
"""Small records of one partition share a batch; a larger record is its own batch."""
LINGER_MS = 5
METADATA_MS_MAX = 5_000
REQUEST_MS_MAX = 30_000
DELIVERY_MS_MAX = 120_000
FORCED_CLOSE_MS_MAX = 5_000


class FailureKind(Enum):
    """What a failed send means for what comes after it."""

    TOO_LARGE = "the record is larger than the topic takes; no retry can help"
    PRODUCER = "this producer's order is broken; a new one has to send again"


@dataclass(frozen=True, slots=True)
class SendFailure:
    """Why a record was not acknowledged."""

    kind: FailureKind
    detail: str


OnDone = Callable[[SendFailure | None], None]
"""Called once a record, in the producer's thread: put it on a queue and return."""


class Producer:
    """An idempotent producer: acks=all, lz4, order kept within a partition.

    After a failure of kind `PRODUCER` it is to be closed and replaced: what follows in
    the same partition may have been stored although the failed record was not.
    """

    def __init__(self, client: object, *, brokers: str) -> None:
        self._client = cast("Any", client)
        self._brokers = brokers

    @classmethod
    def connect(
        cls,
        connections: Connections,
        *,
        client_id: str,
        request_bytes_max: int = RAW.message_bytes_max,
    ) -> Producer:
        """Return a producer whose brokers have answered.

        Raises:
            ServiceUnavailable: no broker answered within
                `kafka_options.BOOTSTRAP_MS_MAX`.
        """
        from kafka import KafkaProducer
        from kafka.errors import KafkaError

        require_listener(connections.kafka_bootstrap)

        # It repeats every tenth of a second what our errors say once, and finds each
        # compression of a large batch remarkable.
        for name in ("kafka.cluster", "kafka.net.selector"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            client = open_client(
                cast("Any", KafkaProducer),
                **record_client_options(connections, client_id=client_id),
                acks="all",
                enable_idempotence=True,
                compression_type="lz4",
                batch_size=BATCH_BYTES,
                linger_ms=LINGER_MS,
                # It counts bytes before compression.
                max_request_size=request_bytes_max,
                max_in_flight_requests_per_connection=5,
                max_block_ms=METADATA_MS_MAX,
                request_timeout_ms=REQUEST_MS_MAX,
                delivery_timeout_ms=DELIVERY_MS_MAX,
            )
        except (KafkaError, OSError) as error:
            raise kafka_unavailable(connections.kafka_bootstrap, error) from error
        return cls(client, brokers=connections.kafka_bootstrap)

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
        """Hand a record over; `on_done` is told when it is durable, or why it is not.

        A record that is too large for the client is reported by `on_done`, too.

        Raises:
            TopicMissing: the brokers do not know the topic, or not this partition.
            ServiceUnavailable: no broker tells where the topic is.
        """
        from kafka.errors import KafkaError, MessageSizeTooLargeError

        refreshed_at = self._refreshed_at()
        try:
            future = self._client.send(
                topic,
                value=value,
                key=key,
                partition=partition,
                headers=list(headers),
            )
        except MessageSizeTooLargeError as error:
            on_done(SendFailure(FailureKind.TOO_LARGE, reason_of(error)))
            return
        except (KafkaError, ValueError, AssertionError) as error:
            # The brokers were asked anew, and still know of no such topic.
            has_answered = self._refreshed_at() != refreshed_at
            if has_answered or isinstance(error, ValueError):
                raise TopicMissing(topic, brokers=self._brokers) from error
            raise kafka_unavailable(self._brokers, error) from error

        def succeeded(_metadata: object) -> None:
            on_done(None)

        def failed(error: BaseException) -> None:
            on_done(failure_of(error))

        future.add_callback(succeeded)
        future.add_errback(failed)

    def flush(self, *, wait_ms_max: int) -> bool:
        """Wait until all that was sent is done; return whether that was in time."""
        from kafka.errors import KafkaTimeoutError

        try:
            self._client.flush(timeout=wait_ms_max / 1_000)
        except KafkaTimeoutError:
            return False
        return True

    def close(self, *, wait_ms_max: int) -> None:
        """Close it; what is not done by then fails, and its callbacks are told.

        What is on its way to a broker at that moment may still be stored.
        """
        from kafka.errors import KafkaTimeoutError

        if not self.flush(wait_ms_max=wait_ms_max):
            # The library's own close leaves its thread running when records remain.
            self._client._sender.force_close()  # noqa: SLF001
        with contextlib.suppress(KafkaTimeoutError):
            self._client.close(timeout=FORCED_CLOSE_MS_MAX / 1_000)

    def _refreshed_at(self) -> object:
        """Return when brokers last told which topics there are; the library hides it."""
        return self._client._metadata._last_successful_refresh_ms  # noqa: SLF001


def failure_of(error: BaseException) -> SendFailure:
    """Return what a failed send means."""
    from kafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

    too_large = (MessageSizeTooLargeError, RecordListTooLargeError)
    kind = FailureKind.TOO_LARGE if isinstance(error, too_large) else None
    return SendFailure(kind or FailureKind.PRODUCER, reason_of(error))

"""Ledger, floors, state and templates as the leader's mender reads and writes them in Kafka."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, cast

import kafka
from kafka.errors import KafkaError, KafkaTimeoutError

from tailrace.kafka_opening import open_client
from tailrace.kafka_options import kafka_unavailable, record_client_options
from tailrace.settings import Connections
from tailrace.topics import FLOORS, LEDGER, STATE, TEMPLATES
from tailrace_indexer.acked_writer import Writer, Writing
from tailrace_indexer.mending import Place

CLIENT_ID = "tailrace-indexer-mender"
POLL_MS = 500
STALLED_POLLS_MAX = 60
"""Half a minute without a record and without an end: the brokers are not well."""
MENDED = (LEDGER, FLOORS, STATE, TEMPLATES)

# The stubs that type checkers bundle describe an older release.
_kafka = cast("Any", kafka)


class KafkaCompactedTopics:
    """Reads with one consumer, for as long as it is open; for one thread."""

    def __init__(
        self,
        connections: Connections,
        writer: Writer,
        *,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._connections = connections
        self._writer = writer
        self._is_stopping = is_stopping
        self._client: Any = None

    def close(self) -> None:
        """Let go of the consumer; using this again opens another."""
        if self._client is not None:
            self._client.close(autocommit=False)
            self._client = None

    def ends(self) -> Mapping[Place, int]:
        """Return where each partition ends now.

        Raises:
            ServiceUnavailable: Kafka does not answer.
        """
        with self._consumer() as consumer:
            places = [
                _kafka.TopicPartition(name, number)
                for name, count in self._counts().items()
                for number in range(count)
            ]
            ends = cast("dict[Any, int]", consumer.end_offsets(places))
            return {(at.topic, at.partition): end for at, end in ends.items()}

    def records(
        self, place: Place, *, end: int
    ) -> Iterator[tuple[int, bytes | None, bytes | None]]:
        """Yield offset, key and value of what a partition holds before `end`.

        Raises:
            ServiceUnavailable: Kafka does not answer, or stopped answering, or this
                process is stopping: what was read is not all there is.
        """
        with self._consumer() as consumer:
            where = _kafka.TopicPartition(*place)
            consumer.assign([where])
            consumer.seek_to_beginning(where)
            stalled_polls = 0
            while (consumer.position(where) or 0) < end:
                if self._is_stopping() or stalled_polls > STALLED_POLLS_MAX:
                    raise KafkaTimeoutError(f"{place} was not read to its end")
                polled = cast("dict[Any, list[Any]]", consumer.poll(timeout_ms=POLL_MS))
                stalled_polls = 0 if polled else stalled_polls + 1
                for record in polled.get(where, ()):
                    if record.offset < end:
                        yield record.offset, record.key, record.value

    def write(self, place: Place, records: Sequence[tuple[bytes, bytes]]) -> bool:
        """Append keys and values; True once Kafka has acknowledged every one."""
        topic, partition = place
        writings = [
            Writing(topic, value, key, partition=partition) for key, value in records
        ]
        return self._writer.write(writings) == []

    def _counts(self) -> dict[str, int]:
        namespace = self._connections.namespace
        return {topic.name(namespace): topic.partitions for topic in MENDED}

    @contextlib.contextmanager
    def _consumer(self) -> Generator[Any]:
        try:
            if self._client is None:
                self._client = open_client(
                    _kafka.KafkaConsumer,
                    **record_client_options(self._connections, client_id=CLIENT_ID),
                    group_id=None,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                )
            yield self._client
        except (KafkaError, OSError) as error:
            # Whatever state it is in, the next look begins with a new one.
            self.close()
            address = self._connections.kafka_bootstrap
            raise kafka_unavailable(address, error) from error

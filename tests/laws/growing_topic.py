"""A topic of real brokers that is read again and again, each record fetched once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from tailrace.kafka_options import record_client_options
from tailrace.settings import Connections
from tailrace.topics import Topic
from tailrace.wire import ORIGIN_HEADER
from tailrace_stream.records import Outgoing
from tests.stream.builders import NAMESPACE

POLL_MS = 500


@dataclass(slots=True)
class GrowingTopic:
    """Everything that was written to a topic since the reader was told to forget."""

    connections: Connections
    topic: Topic
    _places: list[TopicPartition] = field(init=False)
    _consumer: KafkaConsumer = field(init=False)
    _records: list[Outgoing] = field(default_factory=list[Outgoing])

    def __post_init__(self) -> None:
        name = self.topic.name(self.connections.namespace)
        self._places = [
            TopicPartition(name, number) for number in range(self.topic.partitions)
        ]
        options = record_client_options(self.connections, client_id="laws-reader")
        self._consumer = KafkaConsumer(
            **options,
            group_id=None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        self._consumer.assign(self._places)
        self._consumer.seek_to_beginning(*self._places)

    def read(self) -> list[Outgoing]:
        """Return what stands there, partition by partition, by the names of the tests."""
        consumer = self._consumer
        ends = consumer.end_offsets(self._places)
        while any((consumer.position(p) or 0) < ends[p] for p in self._places):
            polled = cast("dict[Any, list[Any]]", consumer.poll(timeout_ms=POLL_MS))
            for record in (r for records in polled.values() for r in records):
                # Empty is not absent: nothing that is sent here is a tombstone.
                assert record.value is not None
                self._records.append(self._as_sent(record))
        return sorted(self._records, key=lambda record: record.partition)

    def forget(self) -> None:
        """Leave behind what stands there now."""
        self.read()
        self._records.clear()

    def close(self) -> None:
        self._consumer.close()

    def _as_sent(self, record: Any) -> Outgoing:  # noqa: ANN401 - the library's record
        headers = dict(cast("list[tuple[str, bytes]]", record.headers or []))
        return Outgoing(
            topic=self.topic.name(NAMESPACE),
            partition=record.partition,
            key=record.key or b"",
            value=record.value,
            header=headers.get(ORIGIN_HEADER, b""),
        )

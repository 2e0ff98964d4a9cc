"""What lies in a topic: read whole, to count what was shipped and to send it again.

A thin face of kafka-python's consumer, whose objects stay in this file.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import msgspec

from tailrace.errors import CommandFailed
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_options import kafka_options
from tailrace.ledger_topic import newest_of, read_ledger_topic
from tailrace.settings import Connections
from tailrace.topics import Topic
from tailrace.wire import AgentLedger, Origin, decode, header_of


class _Counted(msgspec.Struct):
    """What origins of chunks and of documents have in common."""

    event_count: int


class Arrival(NamedTuple):
    """One chunk: of which file, with how many events, and when the broker had it."""

    path: str
    event_count: int
    appended_at_ms: int


POLL_MS = 1_000
EMPTY_POLLS_MAX = 20
FETCH_BYTES = 16 * 1_024 * 1_024


def values_of(connections: Connections, topic: Topic) -> Iterator[bytes]:
    """Yield the value of every record that the topic holds now."""
    for record in _records(connections, topic):
        yield record.value


def events_in(connections: Connections, topic: Topic) -> int:
    """Return how many events the records of the topic say that they hold."""
    total = 0
    for record in _records(connections, topic):
        header = header_of(cast("list[tuple[str, bytes]]", record.headers))
        assert header is not None, "a record of ours has its origin"
        total += decode(header, as_type=_Counted).event_count
    return total


def arrivals(connections: Connections, topic: Topic) -> Iterator[Arrival]:
    """Yield what every chunk of the topic says of itself."""
    for record in _records(connections, topic):
        header = header_of(cast("list[tuple[str, bytes]]", record.headers))
        assert header is not None, "a record of ours has its origin"
        origin = decode(header, as_type=Origin)
        yield Arrival(origin.path, origin.event_count, record.timestamp)


def events_acknowledged(connections: Connections) -> int:
    """Return how many events the ledger says that Kafka took, retention or not."""
    entries = read_ledger_topic(
        connections, client_id="tailrace-bench", is_stopping=lambda: False
    )
    newest = newest_of(entries).records.values()
    return sum(r.next_event_number for r in newest if isinstance(r, AgentLedger))


def _records(connections: Connections, topic: Topic) -> Iterator[Any]:
    kafka = cast("Any", importlib.import_module("kafka"))
    name = topic.name(connections.namespace)
    with KafkaAdmin(connections) as admin:
        ends = {place: end for place, end in admin.end_offsets([name]).items() if end}
    consumer = kafka.KafkaConsumer(
        **kafka_options(connections, client_id="tailrace-bench"),
        group_id=None,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    try:
        places = {kafka.TopicPartition(*place): end for place, end in ends.items()}
        consumer.assign(list(places))
        empty_polls = 0
        while any(consumer.position(place) < end for place, end in places.items()):
            found = consumer.poll(timeout_ms=POLL_MS)
            empty_polls = 0 if found else empty_polls + 1
            if empty_polls > EMPTY_POLLS_MAX:
                raise CommandFailed(
                    f"Kafka gives no more records of {name}, although there are some.",
                    remedy="see the broker's log",
                )
            for records in found.values():
                yield from records
    finally:
        consumer.close()

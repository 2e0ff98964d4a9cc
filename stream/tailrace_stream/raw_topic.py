"""Whether the raw topic has a record from an offset on: asked of the brokers themselves.

Offsets alone do not tell. Where a transaction ended its marker has one, which no reader is
ever given, and so had what compaction or retention took. Asked with a client of its own,
because the position of Faust's says what it has fetched, and not what it has handed over.
"""

from __future__ import annotations

from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from tailrace.kafka_opening import open_client
from tailrace.kafka_options import record_client_options
from tailrace.settings import Connections
from tailrace.topics import RAW

POLL_MS = 500
POLLS_MAX = 20
FETCH_BYTES_MAX = 64 * 1_024
"""One record is enough; a larger one comes all the same."""


class RawTopicUnread(Exception):
    """The brokers did not answer."""


def has_raw_record(
    connections: Connections, *, partition: int, next_offset: int
) -> bool:
    """Return whether a partition has a record from an offset on; blocks.

    Raises:
        RawTopicUnread: the brokers did not answer; try again.
    """
    where = TopicPartition(RAW.name(connections.namespace), partition)
    try:
        consumer = open_client(
            KafkaConsumer,
            **record_client_options(connections, client_id="tailrace-stream-raw"),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES_MAX,
        )
        try:
            consumer.assign([where])
            consumer.seek(where, next_offset)
            end = consumer.end_offsets([where])[where]
            for _ in range(POLLS_MAX):
                if (consumer.position(where) or 0) >= end:
                    return False
                if consumer.poll(timeout_ms=POLL_MS, max_records=1):
                    return True
        finally:
            consumer.close()
    except KafkaError as error:
        raise RawTopicUnread(repr(error)) from error
    raise RawTopicUnread(f"its end was not reached in {POLLS_MAX} polls")

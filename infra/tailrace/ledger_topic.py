"""How the ledger is read from Kafka: its topic, from the beginning to the end it has now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from tailrace.errors import TopicMissing, WireError
from tailrace.kafka_options import kafka_unavailable, record_client_options
from tailrace.kafka_producer import require_listener
from tailrace.ledger import LedgerRecord, decode_ledger
from tailrace.settings import Connections
from tailrace.topics import LEDGER

POLL_MS = 500
STALLED_POLLS_MAX = 60
"""Half a minute without a record and without an end: the brokers are not well."""


def newest_records(
    records: Iterable[tuple[bytes | None, bytes | None]],
) -> dict[bytes, LedgerRecord]:
    """Return the newest record of each key: the one with the greatest revision.

    A key without a value is a tombstone: what it spoke of has expired. A record that
    cannot be read is passed over, as the others still tell their part.
    """
    newest: dict[bytes, LedgerRecord] = {}
    for key, value in records:
        if key is None:
            continue
        if value is None:
            newest.pop(key, None)
            continue
        with contextlib.suppress(WireError):
            record = decode_ledger(value)
            known = newest.get(key)
            if known is None or record.revision >= known.revision:
                newest[key] = record
    return newest


def read_ledger_topic(
    connections: Connections, *, client_id: str, is_stopping: Callable[[], bool]
) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Yield each record's key and value, up to the end that the topic has now.

    It ends early, without an error, once `is_stopping` says so.

    Raises:
        ServiceUnavailable: Kafka does not answer, or stopped answering.
        TopicMissing: there is no ledger, so `tailrace provision` has not run.
    """
    import kafka
    from kafka.errors import KafkaError

    # The stubs that type checkers bundle describe an older release.
    library = cast("Any", kafka)
    topic = LEDGER.name(connections.namespace)
    require_listener(connections.kafka_bootstrap)
    try:
        consumer = library.KafkaConsumer(
            **record_client_options(connections, client_id=client_id),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
    except (KafkaError, OSError) as error:
        raise kafka_unavailable(connections.kafka_bootstrap, error) from error
    try:
        numbers = cast("set[int] | None", consumer.partitions_for_topic(topic))
        if not numbers:
            raise TopicMissing(topic, brokers=connections.kafka_bootstrap)
        partitions = [library.TopicPartition(topic, n) for n in sorted(numbers)]
        consumer.assign(partitions)
        ends = cast("dict[Any, int]", consumer.end_offsets(partitions))
        consumer.seek_to_beginning(*partitions)
        yield from _read_to(consumer, ends, is_stopping=is_stopping)
    except (KafkaError, OSError) as error:
        raise kafka_unavailable(connections.kafka_bootstrap, error) from error
    finally:
        consumer.close(autocommit=False)


def _read_to(
    consumer: Any,  # noqa: ANN401 - the library has no types
    ends: dict[Any, int],
    *,
    is_stopping: Callable[[], bool],
) -> Iterator[tuple[bytes | None, bytes | None]]:
    from kafka.errors import KafkaTimeoutError

    stalled_polls = 0
    while any(consumer.position(p) < end for p, end in ends.items()):
        if is_stopping():
            return
        batches = cast("dict[Any, list[Any]]", consumer.poll(timeout_ms=POLL_MS))
        stalled_polls = 0 if batches else stalled_polls + 1
        if stalled_polls > STALLED_POLLS_MAX:
            raise KafkaTimeoutError("the ledger could not be read to its end")
        for records in batches.values():
            for record in records:
                yield record.key, record.value

"""The checkpoint's second home: what Kafka holds of this host's generations."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, cast

from tailrace.errors import TopicMissing, WireError
from tailrace.kafka_options import kafka_unavailable, record_client_options
from tailrace.kafka_producer import require_listener
from tailrace.settings import Connections
from tailrace.topics import LEDGER
from tailrace.wire import AgentLedger, decode

KEY_PREFIX = b"agent|"
POLL_MS = 500
STALLED_POLLS_MAX = 60
"""Half a minute without a record and without an end: the brokers are not well."""


def newest_of_host(
    records: Iterable[tuple[bytes | None, bytes | None]], *, host_id: str
) -> dict[str, AgentLedger]:
    """Return the newest record of each of the host's generations, by generation.

    A key without a value is a tombstone: its generation has expired. A record that
    cannot be read is passed over: the others still help.
    """
    newest: dict[str, AgentLedger] = {}
    for key, value in records:
        if key is None or not key.startswith(KEY_PREFIX):
            continue
        generation = key.removeprefix(KEY_PREFIX).decode("ascii", "replace")
        if value is None:
            newest.pop(generation, None)
            continue
        with contextlib.suppress(WireError):
            record = decode(value, as_type=AgentLedger)
            known = newest.get(generation)
            is_newer = known is None or record.revision >= known.revision
            if record.host_id == host_id and is_newer:
                newest[generation] = record
    return newest


def read_ledger(
    connections: Connections, *, host_id: str, is_stopping: Callable[[], bool]
) -> dict[str, AgentLedger]:
    """Read the ledger to the end that it has now.

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
            **record_client_options(connections, client_id="tailrace-agent-restore"),
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
        read = _read_to(consumer, ends, is_stopping=is_stopping)
        return newest_of_host(read, host_id=host_id)
    except (KafkaError, OSError) as error:
        raise kafka_unavailable(connections.kafka_bootstrap, error) from error
    finally:
        consumer.close(autocommit=False)


def _read_to(
    consumer: Any,  # noqa: ANN401 - the library has no types
    ends: dict[Any, int],
    *,
    is_stopping: Callable[[], bool],
) -> Iterable[tuple[bytes | None, bytes | None]]:
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

"""How the ledger is read from Kafka: its topic, from the beginning to the end it has now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from tailrace.errors import TopicMissing, WireError
from tailrace.kafka_reader import topic_reader
from tailrace.ledger import LedgerRecord, decode_ledger
from tailrace.log import FilteringBoundLogger
from tailrace.settings import Connections
from tailrace.topics import LEDGER

POLL_MS = 500
STALLED_POLLS_MAX = 60
"""Half a minute without a record and without an end: the brokers are not well."""


class LedgerEntry(NamedTuple):
    """One record of the topic, as it stands there."""

    key: bytes | None
    value: bytes | None
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class UnreadableEntry:
    """A record that cannot be read, and is the last of its key."""

    key: bytes | None
    partition: int
    offset: int
    reason: str


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest record of each key, and the keys whose last record nobody can read."""

    records: Mapping[bytes, LedgerRecord]
    unreadable: Sequence[UnreadableEntry]


def newest_of(entries: Iterable[LedgerEntry]) -> Newest:
    """Return the newest record of each key: the one with the greatest revision.

    A key without a value is a tombstone: what it spoke of has expired. A record that
    cannot be read is told of, unless a later one of its key can: figures are absolute, so
    that one says all, and compaction takes the other away.
    """
    newest: dict[bytes, LedgerRecord] = {}
    unreadable: dict[bytes | None, UnreadableEntry] = {}
    for key, value, partition, offset in entries:
        if key is None:
            reason = "a record without a key is nobody's word"
            unreadable[key] = UnreadableEntry(key, partition, offset, reason)
            continue
        if value is None:
            newest.pop(key, None)
            unreadable.pop(key, None)
            continue
        try:
            record = decode_ledger(value)
        except WireError as error:
            found = UnreadableEntry(key, partition, offset, str(error))
            unreadable[key] = found
            continue
        unreadable.pop(key, None)
        known = newest.get(key)
        if known is None or record.revision >= known.revision:
            newest[key] = record
    return Newest(newest, tuple(unreadable.values()))


def newest_records(
    entries: Iterable[LedgerEntry], *, log: FilteringBoundLogger
) -> Mapping[bytes, LedgerRecord]:
    """Return the newest record of each key; those that cannot be read are passed over.

    The others still tell their part; how many were passed over is logged.
    """
    found = newest_of(entries)
    if found.unreadable:
        log.warning("ledger_records_passed_over", records=len(found.unreadable))
    return found.records


def read_ledger_topic(
    connections: Connections,
    *,
    client_id: str,
    is_stopping: Callable[[], bool],
    begin: Mapping[int, int] | None = None,
) -> Iterator[LedgerEntry]:
    """Yield each record, up to the end that the topic has now.

    With `begin` only of the partitions named there, from these offsets on. It ends early,
    without an error, once `is_stopping` says so.

    Raises:
        ServiceUnavailable: Kafka does not answer, or stopped answering.
        TopicMissing: there is no ledger, so `tailrace provision` has not run.
    """
    import kafka

    # The stubs that type checkers bundle describe an older release.
    library = cast("Any", kafka)
    topic = LEDGER.name(connections.namespace)
    with topic_reader(connections, client_id=client_id) as consumer:
        numbers = cast("set[int] | None", consumer.partitions_for_topic(topic))
        if not numbers:
            raise TopicMissing(topic, brokers=connections.kafka_bootstrap)
        wanted = sorted(numbers if begin is None else numbers & begin.keys())
        partitions = [library.TopicPartition(topic, n) for n in wanted]
        consumer.assign(partitions)
        ends = cast("dict[Any, int]", consumer.end_offsets(partitions))
        if begin is None:
            consumer.seek_to_beginning(*partitions)
        else:
            for place in partitions:
                consumer.seek(place, begin[place.partition])
        yield from _read_to(consumer, ends, is_stopping=is_stopping)


def _read_to(
    consumer: Any,  # noqa: ANN401 - the library has no types
    ends: dict[Any, int],
    *,
    is_stopping: Callable[[], bool],
) -> Iterator[LedgerEntry]:
    from kafka.errors import KafkaTimeoutError

    stalled_polls = 0
    while any(consumer.position(p) < end for p, end in ends.items()):
        if is_stopping():
            return
        batches = cast("dict[Any, list[Any]]", consumer.poll(timeout_ms=POLL_MS))
        stalled_polls = 0 if batches else stalled_polls + 1
        if stalled_polls > STALLED_POLLS_MAX:
            raise KafkaTimeoutError("the ledger could not be read to its end")
        for place, records in batches.items():
            for record in records:
                yield LedgerEntry(
                    record.key, record.value, place.partition, record.offset
                )

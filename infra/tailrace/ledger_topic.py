"""How the ledger is read from Kafka: its topic, from the beginning to the end it has now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tailrace.errors import WireError
from tailrace.kafka_reader import TopicEntry, read_topic
from tailrace.ledger import LedgerRecord, decode_ledger
from tailrace.log import FilteringBoundLogger
from tailrace.settings import Connections
from tailrace.topics import LEDGER

LedgerEntry = TopicEntry


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
    since_ms: int | None = None,
) -> Iterator[LedgerEntry]:
    """Yield each record, up to the end that the topic has now; see `read_topic`.

    Raises:
        ServiceUnavailable: Kafka does not answer, or stopped answering.
        TopicMissing: there is no ledger, so `tailrace provision` has not run.
    """
    return read_topic(
        connections,
        LEDGER,
        client_id=client_id,
        is_stopping=is_stopping,
        begin=begin,
        since_ms=since_ms,
    )

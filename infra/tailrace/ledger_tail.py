"""What stands in the ledger's topic and not yet in its index: the words of the latest moments.

The index is filled by the indexers. While they stand still, or are behind, it shows what each
hop said before that; the words since wait in Kafka, and tell what was sent and read meanwhile,
and which agents live. Pure, but for `read_tail`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tailrace.answers import Document
from tailrace.answers import field as field_of
from tailrace.clock import Clock
from tailrace.heartbeat_claims import BEFORE, HEARTBEAT, number_in
from tailrace.ledger import IndexerLedger, LedgerRecord
from tailrace.ledger_answer import read_answer
from tailrace.ledger_document import ledger_document
from tailrace.topics import LEDGER

if TYPE_CHECKING:
    from tailrace.kafka_admin import KafkaAdmin
    from tailrace.partition_lag import PartitionLag
    from tailrace.settings import Connections

FRESH_MS: Final = 2_000
"""What the indexers take in is found after about so long: an index with a younger word is
not behind."""
FOUND_AFTER_MS: Final = 1_500
"""What is indexed is found after a second, the refresh interval of our indices."""
TAIL_RECORDS_MAX: Final = 20_000
"""The newest so many are read: those of some ten minutes of a hundred busy files."""
READ_WAIT_MS_MAX: Final = 3_000
"""A person waits. What was read by then is newer than the index, and used."""

_Key: TypeAlias = tuple[object, object, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTail:
    """Words that the indexers have not committed, each hop's newest of a file."""

    documents: Sequence[Document] = ()
    """As they would stand in the index."""
    is_whole: bool = True
    """Whether there are no others."""

    def of_hosts(self, hosts: Collection[str]) -> LedgerTail:
        """Return what is said of these hosts; of all where none is named."""
        if not hosts:
            return self
        return LedgerTail(
            documents=[
                one for one in self.documents if field_of(one, "host.name") in hosts
            ],
            is_whole=self.is_whole,
        )


def is_index_old(answer: Mapping[str, Any], *, now_ms: int) -> bool:
    """Return whether the newest word in the index is so old that others may wait."""
    indexed_at_ms = read_answer(answer).indexed_at_ms
    return indexed_at_ms is not None and now_ms - indexed_at_ms > FRESH_MS


def tail_of(
    records: Iterable[LedgerRecord], *, now_ms: int, is_whole: bool
) -> LedgerTail:
    """Return the words that a statement about `now_ms` may go by.

    An indexer's word of just now is left out: what it calls stored may not be found yet.
    """
    documents = [
        ledger_document(record)
        for record in records
        if not isinstance(record, IndexerLedger)
        or record.updated_at_ms <= now_ms - FOUND_AFTER_MS
    ]
    return LedgerTail(documents=documents, is_whole=is_whole)


def with_tail(documents: Iterable[Document], tail: LedgerTail) -> list[Document]:
    """Return the words of the index, and in place of each a later one of its key in the tail.

    The index may hold a later one, as what is indexed is committed a moment after. Where the
    tail is not whole, a heartbeat in it tells who lives, and claims no more than the index's.
    """
    newest: dict[_Key, Document] = {}
    others: list[Document] = []
    for document in documents:
        key = _key_of(document)
        if key is None:
            others.append(document)
        elif _is_later(document, newest.get(key)):
            newest[key] = document
    for document in tail.documents:
        key = _key_of(document)
        if key is None or not _is_later(document, newest.get(key)):
            continue
        if key[0] == HEARTBEAT and key in newest:
            claims = {} if tail.is_whole else _claims(newest[key])
            newest[key] = {**document, BEFORE: newest[key], **claims}
        elif key[0] != HEARTBEAT or tail.is_whole:
            newest[key] = document
    return [*others, *newest.values()]


def _claims(heartbeat: Document) -> dict[str, Any]:
    names = (
        "tailrace.swept_at_ms",
        "figures.told_at_ms",
        "figures.swept_before_ms",
        "figures.told_before_ms",
    )
    return {name: field_of(heartbeat, name) for name in names}


def _is_later(document: Document, known: Document | None) -> bool:
    return known is None or number_in(document, "@timestamp") >= number_in(
        known, "@timestamp"
    )


def _key_of(document: Document) -> _Key | None:
    hop = field_of(document, "tailrace.hop")
    match hop:
        case "heartbeat":
            return hop, field_of(document, "agent.id"), field_of(document, "host.name")
        case "agent" | "stream" | "indexer":
            return hop, field_of(document, "tailrace.generation"), None
        case _:
            return None


def beginnings(
    lags: Iterable[PartitionLag], *, records_max: int = TAIL_RECORDS_MAX
) -> tuple[dict[int, int], bool]:
    """Return by partition from where to read, and whether nothing is passed over.

    Where more waits than `records_max`, each partition gives the newest of its share.
    """
    waiting = [lag for lag in lags if lag.lag_records]
    share = records_max // max(len(waiting), 1)
    begin = {
        lag.partition: max(lag.next_offset, lag.end_offset - share) for lag in waiting
    }
    return begin, all(begin[lag.partition] == lag.next_offset for lag in waiting)


def read_tail(
    connections: Connections,
    admin: KafkaAdmin,
    *,
    client_id: str,
    now_ms: int,
    clock: Clock,
) -> LedgerTail:
    """Read what the indexers have not committed of the ledger, for `READ_WAIT_MS_MAX`.

    It is for a statement about `now_ms`, when the index was asked. Where they have committed all, nothing but that is asked.

    Raises:
        ServiceUnavailable: Kafka does not answer, or stopped answering.
        TopicMissing: the ledger went in this moment.
    """
    from tailrace.ledger_topic import newest_of, read_ledger_topic

    namespace = connections.namespace
    lags = admin.group_lag(f"{namespace}-indexer", topics=[LEDGER.name(namespace)])
    begin, is_whole = beginnings(lags)
    if not begin:
        return LedgerTail()
    deadline_ms = clock.monotonic_ms() + READ_WAIT_MS_MAX
    is_late = False

    def is_stopping() -> bool:
        nonlocal is_late
        is_late = clock.monotonic_ms() >= deadline_ms
        return is_late

    found = newest_of(
        read_ledger_topic(
            connections, client_id=client_id, is_stopping=is_stopping, begin=begin
        )
    )
    return tail_of(
        found.records.values(), now_ms=now_ms, is_whole=is_whole and not is_late
    )

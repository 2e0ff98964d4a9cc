"""What stands in the ledger's topic and not yet in its index: the words of the latest moments.

The index is filled by the indexers. While they stand still, or are behind, it shows what each
hop said before that; the words since wait in Kafka, and tell what was sent and read meanwhile,
and which agents live. Pure, but for `read_tail`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tailrace.answers import Document
from tailrace.answers import field as field_of
from tailrace.clock import Clock
from tailrace.heartbeat_claims import BEFORE, HEARTBEAT, number_in
from tailrace.ledger import LedgerRecord
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
    """Words that the index lacked when it was asked first."""

    documents: Sequence[Document] = ()
    """As they would stand in the index."""
    is_whole: bool = True
    """Whether there are no others."""
    read_at_ms: int = 0
    """When that was known: who lives is judged by then."""

    def of_hosts(self, hosts: Collection[str]) -> LedgerTail:
        """Return what is said of these hosts; of all where none is named."""
        if not hosts:
            return self
        return LedgerTail(
            documents=[
                one for one in self.documents if field_of(one, "host.name") in hosts
            ],
            is_whole=self.is_whole,
            read_at_ms=self.read_at_ms,
        )


NO_TAIL: Final = LedgerTail()
"""Where the index holds all."""


def is_index_old(answer: Mapping[str, Any], *, now_ms: int) -> bool:
    """Return whether the newest word in the index is so old that others may wait."""
    indexed_at_ms = read_answer(answer).indexed_at_ms
    return indexed_at_ms is not None and now_ms - indexed_at_ms > FRESH_MS


def promised(documents: Iterable[Document], *, now_ms: int) -> list[Document]:
    """Return the words that a statement about `now_ms` may go by, in their order.

    An indexer's word of just before it, or later, is left out: what it calls stored may not
    be found yet, or not have been when the rows were asked for.
    """
    return [
        one
        for one in documents
        if field_of(one, "tailrace.hop") != "indexer"
        or number_in(one, "@timestamp") <= now_ms - FOUND_AFTER_MS
    ]


def with_tail(documents: Iterable[Document], tail: LedgerTail) -> list[Document]:
    """Return the words of the index, and in place of each a later one of its key in the tail.

    The index may hold a later one, as what is indexed is committed a moment after.
    """
    if not tail.documents:
        return list(documents)
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
        is_beat = key[0] == HEARTBEAT and key in newest
        newest[key] = {**document, BEFORE: newest[key]} if is_beat else document
    return [*others, *newest.values()]


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


def take_tail(
    *,
    ask_lags: Callable[[], Iterable[PartitionLag]],
    ask_index: Callable[[], Mapping[str, Any]],
    read: Callable[[Mapping[int, int], Callable[[], bool]], Iterable[LedgerRecord]],
    now_ms: int,
    clock: Clock,
) -> LedgerTail:
    """Return what the index lacked at `now_ms`: its words of since then, and those in Kafka.

    The order leaves no gap between both. What the indexers have committed is in the index,
    and found after `FOUND_AFTER_MS`, when it is asked again; what they had not is read from
    Kafka. The other way round a word that was committed in between would be in neither.
    `read` returns the records from these offsets on, until it is to stop.
    """
    begin, is_whole = beginnings(ask_lags())
    if not begin:
        return LedgerTail(read_at_ms=clock.now_ms())
    clock.sleep_ms(FOUND_AFTER_MS)
    indexed = read_answer(ask_index())
    deadline_ms = clock.monotonic_ms() + READ_WAIT_MS_MAX
    is_late = False

    def is_stopping() -> bool:
        nonlocal is_late
        is_late = clock.monotonic_ms() >= deadline_ms
        return is_late

    records = tuple(read(begin, is_stopping))
    return LedgerTail(
        documents=promised(
            [*indexed.documents, *map(ledger_document, records)], now_ms=now_ms
        ),
        is_whole=is_whole and not is_late and not indexed.is_partial,
        read_at_ms=clock.now_ms(),
    )


def read_tail(
    connections: Connections,
    admin: KafkaAdmin,
    *,
    client_id: str,
    ask_index: Callable[[], Mapping[str, Any]],
    now_ms: int,
    clock: Clock,
) -> LedgerTail:
    """Take the tail from Kafka, of which it reads for `READ_WAIT_MS_MAX`.

    It is for a statement about `now_ms`, when the index was asked for the first time;
    `ask_index` asks it again. Where the indexers have committed all, only that is asked.

    Raises:
        ServiceUnavailable: a server does not answer, or stopped answering.
        TopicMissing: the ledger went in this moment.
    """
    from tailrace.ledger_topic import newest_of, read_ledger_topic

    namespace = connections.namespace

    def read(
        begin: Mapping[int, int], is_stopping: Callable[[], bool]
    ) -> Iterable[LedgerRecord]:
        entries = read_ledger_topic(
            connections, client_id=client_id, is_stopping=is_stopping, begin=begin
        )
        return newest_of(entries).records.values()

    return take_tail(
        ask_lags=lambda: admin.group_lag(
            f"{namespace}-indexer", topics=[LEDGER.name(namespace)]
        ),
        ask_index=ask_index,
        read=read,
        now_ms=now_ms,
        clock=clock,
    )

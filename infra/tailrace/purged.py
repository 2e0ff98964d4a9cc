"""Which of the events that seem to wait in Kafka are no longer there: nobody will read them.

What one hop sent and the next, which has nothing more to read, does not know of was taken
by Kafka's retention, or with its topic. The audit calls it *stranded*; here it is told from
what waits, so that a statement of completeness does not promise it. Pure, but for `look`.

1. The ledger's words: what each hop owes, where its sender has said nothing new for long.
2. Kafka: which partitions their readers have read to the end, and whether the words about
   that are indexed, too. A hop's word is in the ledger before it commits.
3. The ledger's words again, once what was indexed can be found: what is owed still is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tailrace.answers import Document
from tailrace.answers import field as field_of
from tailrace.clock import Clock
from tailrace.errors import TailraceError
from tailrace.heartbeat_claims import number_in
from tailrace.ledger_parts import FOREIGN_AGENT, words_in
from tailrace.ledger_tail import FOUND_AFTER_MS
from tailrace.topics import DOCS, LEDGER, RAW, Topic, partition_of

if TYPE_CHECKING:
    from tailrace.kafka_admin import KafkaAdmin

QUIET_MS_MIN: Final = 10_000
"""A younger word's events are on their way: only old ones are worth a second look."""
READ_WAIT_MS_MAX: Final = 1_000
"""Where lines flow, a reader has always something left: what stood there is waited for."""

Answer: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadToEnd:
    """Partitions of which all was read, and all that was said of it is indexed."""

    raw: frozenset[int]
    """By the stream."""
    docs: frozenset[int]
    """By the indexer."""


NOTHING_READ: Final = ReadToEnd(raw=frozenset(), docs=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The next event number of a generation that each hop knows of."""

    agent: int = 0
    stream: int = 0
    indexer: int = 0


def look(
    answer: Answer,
    *,
    ask_kafka: Callable[[], ReadToEnd],
    ask_again: Callable[[], Answer],
    clock: Clock,
    missing: Answer | None = None,
) -> dict[str, int]:
    """Return by generation how many of the events that `answer` shows waiting are gone.

    Kafka is asked only where something has waited for long, and the ledger again, after
    `FOUND_AFTER_MS`, only where all of it was read. Where either does not answer, nothing
    is called gone. `missing` are the words that `answer` lacks, where they were asked for.
    """
    words = words_in(answer, missing=missing)
    waiting = {
        generation: heard
        for generation, heard in waiting_in(
            words.documents, now_ms=clock.now_ms()
        ).items()
        if generation not in words.left_out
    }
    if not waiting:
        return {}
    try:
        owed = owed_of(waiting, read=ask_kafka())
        if not owed:
            return {}
        clock.sleep_ms(FOUND_AFTER_MS)
        again = words_in(ask_again())
    except (TailraceError, TimeoutError):
        return {}
    heard = heard_in(again.documents)
    return {
        generation: count
        for generation, hops in owed.items()
        # A word that was not read this time says nothing.
        if generation in heard and generation not in again.left_out
        if (count := _still_owed(hops, heard=heard[generation]))
    }


def read_to_end(admin: KafkaAdmin, *, namespace: str, clock: Clock) -> ReadToEnd:
    """Ask Kafka of which partitions all that stands there now has been read.

    Takes at most three times `READ_WAIT_MS_MAX`, beside the questions themselves.

    Raises:
        ServiceUnavailable: the brokers do not answer.
    """
    from tailrace.commits import await_commits

    def read(role: str, topic: Topic) -> frozenset[int]:
        left = await_commits(
            admin,
            f"{namespace}-{role}",
            topic=topic.name(namespace),
            clock=clock,
            wait_ms_max=READ_WAIT_MS_MAX,
        )
        return frozenset(partition for partition, span in left.items() if not span)

    raw, docs = read("stream", RAW), read("indexer", DOCS)
    # The ledger last: it then holds what was said of all that was read before.
    told = read("indexer", LEDGER)
    return ReadToEnd(raw=raw & told, docs=docs & told)


def waiting_in(documents: Iterable[Document], *, now_ms: int) -> dict[str, Heard]:
    """Return the files of our agents of which something has waited for long."""
    documents = tuple(documents)
    fresh = {
        field_of(document, "tailrace.generation")
        for document in documents
        if now_ms - number_in(document, "@timestamp") < QUIET_MS_MIN
    }
    return {
        generation: heard
        for generation, heard in heard_in(documents).items()
        if generation not in fresh and max(heard.agent, heard.stream) > heard.indexer
    }


def heard_in(documents: Iterable[Document]) -> dict[str, Heard]:
    """Return what each hop knows of, by the generations of our agents; the later words win."""
    numbers: dict[str, dict[str, int]] = {}
    for document in documents:
        hop = field_of(document, "tailrace.hop")
        generation = field_of(document, "tailrace.generation")
        if not isinstance(generation, str) or hop not in {"agent", "stream", "indexer"}:
            continue
        if field_of(document, "agent.id") != FOREIGN_AGENT:
            number = number_in(document, "tailrace.next_event_number")
            numbers.setdefault(generation, {})[str(hop)] = number
    return {
        generation: Heard(
            agent=heard.get("agent", 0),
            # What the indexer knows of came by the stream, whose word may not be read.
            stream=max(heard.get("stream", 0), heard.get("indexer", 0)),
            indexer=heard.get("indexer", 0),
        )
        for generation, heard in numbers.items()
    }


def owed_of(waiting: Mapping[str, Heard], *, read: ReadToEnd) -> dict[str, Heard]:
    """Return what the readers were sent, and owe, of which nothing is left to be read.

    `stream` and `indexer` are the numbers up to which each owes; 0 where it owes nothing.
    """
    owed: dict[str, Heard] = {}
    for generation, heard in waiting.items():
        partition = partition_of(generation.encode())
        is_raw_read, is_docs_read = partition in read.raw, partition in read.docs
        stream = heard.agent if is_raw_read and heard.agent > heard.stream else 0
        indexer = heard.stream if is_docs_read and heard.stream > heard.indexer else 0
        if stream or indexer:
            owed[generation] = Heard(stream=stream, indexer=indexer)
    return owed


def _still_owed(owed: Heard, *, heard: Heard) -> int:
    by_stream = max(owed.stream - heard.stream, 0) if owed.stream else 0
    by_indexer = max(owed.indexer - heard.indexer, 0) if owed.indexer else 0
    return by_stream + by_indexer

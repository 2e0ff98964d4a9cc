"""The words that the ledger's index lacks, and what is said of those that wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from tailrace.completeness import Completeness
from tailrace.completeness_answer import read_completeness
from tailrace.completeness_text import statement
from tailrace.ledger import IndexerLedger, StreamLedger
from tailrace.ledger_document import ledger_document
from tailrace.ledger_parts import words_in
from tailrace.ledger_tail import (
    FOUND_AFTER_MS,
    FRESH_MS,
    LedgerTail,
    beginnings,
    is_index_old,
    promised,
    take_tail,
    with_tail,
)
from tailrace.partition_lag import PartitionLag
from tailrace.topics import partition_of
from tests.indexer.doubles import ManualClock
from tests.infra.test_completeness import LATER_MS, NOW_MS, heartbeat, word

SILENT_MS = 40_000


def answered(
    *documents: dict[str, Any], newest_ms: int = NOW_MS, total: int | None = None
) -> dict[str, Any]:
    hits = [{"_source": each} for each in documents]
    count = len(hits) if total is None else total
    return {
        "hits": {"hits": hits, "total": {"value": count}},
        "aggregations": {"indexed": {"present": {"at": {"value": float(newest_ms)}}}},
    }


def told(answer: dict[str, Any], tail: LedgerTail | None) -> Completeness:
    return read_completeness(answer, now_ms=NOW_MS, until_ms=LATER_MS, tail=tail)


def ago(document: dict[str, Any], said_ago_ms: int) -> dict[str, Any]:
    return {**document, "@timestamp": NOW_MS - said_ago_ms}


def standing(*more: dict[str, Any]) -> dict[str, Any]:
    """Return what the index holds once nothing has come into it for `SILENT_MS`."""
    return answered(
        heartbeat("web-1", swept_ago_ms=SILENT_MS, said_ago_ms=SILENT_MS),
        *(ago(one, SILENT_MS) for one in more),
        newest_ms=NOW_MS - SILENT_MS,
    )


def lag(partition: int, *, next_offset: int, end_offset: int) -> PartitionLag:
    return PartitionLag(
        topic="t.ledger",
        partition=partition,
        next_offset=next_offset,
        end_offset=end_offset,
        has_committed=True,
    )


def test_an_index_with_a_young_word_is_not_asked_about_in_kafka() -> None:
    assert not is_index_old(answered(newest_ms=NOW_MS - FRESH_MS), now_ms=NOW_MS)
    assert is_index_old(answered(newest_ms=NOW_MS - FRESH_MS - 1), now_ms=NOW_MS)
    assert is_index_old(answered(newest_ms=0), now_ms=NOW_MS), "nothing is indexed yet"


def test_p9_what_waits_is_counted_by_the_words_in_kafka() -> None:
    """The index knows of ten lines that were sent, and Kafka of 75,010."""
    index = standing(word("agent", number=10), word("indexer", number=10))
    sent = word(
        "agent", number=75_010, next_offset=900, seen_size_bytes=950, lost_bytes=0
    )
    tail = LedgerTail(documents=[sent, heartbeat("web-1", swept_ago_ms=500)])

    text = statement(told(index, tail))

    assert "; 75,000 lines in Kafka; 50 bytes not yet read;" in text
    assert text.endswith(
        "nothing told since 10:12:40 UTC is indexed: the indexers stand still or are"
        " behind"
    )
    assert "silent" not in text
    assert "by then" not in text
    before = statement(told(index, None))
    assert "lines in Kafka" not in before
    assert "the indexers stand still, or the agent does" in before


def test_p9_with_nothing_left_in_kafka_the_agents_are_the_silent_ones() -> None:
    text = statement(told(standing(), LedgerTail()))

    assert text.endswith("1 agent silent")
    assert "indexed" not in text


def test_p9_the_later_word_of_a_key_counts_wherever_it_stands() -> None:
    """What was indexed is committed a moment after, so the tail may be the older one."""
    older, newer = ago(word("agent", number=7), 900), word("agent", number=9)

    assert with_tail([older], LedgerTail(documents=[newer])) == [newer]
    assert with_tail([newer], LedgerTail(documents=[older])) == [newer]
    other = word("agent", number=1, generation="g2")
    assert with_tail([older], LedgerTail(documents=[other])) == [older, other]


def test_p9_a_tail_that_was_not_read_whole_claims_nothing_new() -> None:
    """A later word would vouch for those before it, of which some were passed over."""
    named = {str(partition_of(b"g1")): NOW_MS - 6_500}
    beat = heartbeat("web-1", swept_ago_ms=6_000, said_ago_ms=5_500)
    read = {**ago(word("agent", number=7), 30_000), "agent.id": "agent-web-1"}
    index = answered(
        {**beat, "figures": {"told_at_ms": named}},
        read,
        word("indexer", number=7),
        newest_ms=NOW_MS - 5_500,
    )
    documents = [
        {**word("agent", number=9), "agent.id": "agent-web-1"},
        heartbeat("web-1", swept_ago_ms=500),
        heartbeat("web-2", swept_ago_ms=500),
    ]
    alone = told(index, None)

    whole = told(index, LedgerTail(documents=documents, read_at_ms=NOW_MS))
    part = told(
        index, LedgerTail(documents=documents, is_whole=False, read_at_ms=NOW_MS)
    )

    assert whole.waiting_events == part.waiting_events == 2
    assert not whole.is_partial
    assert part.is_partial
    moments = {host.host_name: host.complete_to_ms for host in part.hosts}
    assert alone.complete_to_ms is not None
    assert alone.complete_to_ms < NOW_MS - 30_000
    assert moments == {"web-1": alone.complete_to_ms, "web-2": None}


def test_who_lives_is_judged_by_when_the_tail_was_read() -> None:
    """The rows took six seconds: its heartbeat is no word from the future."""
    beat = heartbeat("web-1", swept_ago_ms=-6_000, said_ago_ms=-6_000)
    tail = LedgerTail(documents=[beat], read_at_ms=NOW_MS + 6_500)

    stated = told(standing(), tail)

    assert (stated.ahead_agents, stated.silent_agents) == (0, 0)
    assert stated.complete_to_ms == NOW_MS, "of what came later the rows show nothing"


def test_p9_what_an_earlier_heartbeat_claims_holds_though_a_later_one_does_not_yet() -> (
    None
):
    """Else the moment up to which all is there would go back when the later one comes."""
    index = answered(
        heartbeat("web-1", swept_ago_ms=6_000, said_ago_ms=5_000),
        {**ago(word("agent", number=0), 90_000), "agent.id": "agent-web-1"},
        newest_ms=NOW_MS - 5_000,
    )
    named = {str(partition_of(b"g1")): NOW_MS - 600}
    unheard = {
        **heartbeat("web-1", swept_ago_ms=700),
        "figures": {"told_at_ms": named},
    }

    stated = told(index, LedgerTail(documents=[unheard]))

    assert stated.complete_to_ms == NOW_MS - 6_000


def test_p9_of_a_file_that_the_index_was_not_asked_about_nothing_waits() -> None:
    """More is in the index than was read: maybe the indexer's word about it, too."""
    index = answered(word("agent", number=4), word("indexer", number=4), total=5_001)
    tail = LedgerTail(documents=[word("agent", number=9_000, generation="g2")])

    missing = answered()

    assert words_in(index, missing=missing, tail=tail).left_out == {"g2"}
    assert words_in(index, tail=tail).left_out == {"g2"}
    assert told(index, tail).waiting_events == 0


def test_p9_what_the_indexer_has_just_stored_is_not_promised() -> None:
    """It may not be found yet, and the rows may have been asked for before it was."""
    parsed = word("stream", number=7)
    stored = word("indexer", number=7)
    for ago_ms in (-500, 0, FOUND_AFTER_MS - 1):
        assert promised([parsed, ago(stored, ago_ms)], now_ms=NOW_MS) == [parsed]

    old = ago(stored, FOUND_AFTER_MS)
    assert promised([parsed, old], now_ms=NOW_MS) == [parsed, old]


class Indexer:
    """Takes in and commits a word of the topic whenever anything is asked."""

    def __init__(self, *words: IndexerLedger | StreamLedger) -> None:
        self.words = words
        self.committed = 0
        self.read_from: list[int] = []

    def lags(self) -> list[PartitionLag]:
        self.committed += 1
        return [lag(3, next_offset=self.committed - 1, end_offset=len(self.words))]

    def index(self) -> dict[str, Any]:
        self.committed += 1
        return answered(*map(ledger_document, self.words[: self.committed - 1]))

    def read(
        self, begin: Mapping[int, int], _is_stopping: Callable[[], bool]
    ) -> Iterable[IndexerLedger | StreamLedger]:
        self.read_from.append(begin[3])
        return self.words[begin[3] :]

    def tail(self) -> LedgerTail:
        return take_tail(
            ask_lags=self.lags,
            ask_index=self.index,
            read=self.read,
            now_ms=NOW_MS,
            clock=ManualClock(),
        )


def parsed_word(generation: str) -> StreamLedger:
    return StreamLedger(
        generation=generation,
        agent_id="a",
        host_name="web-1",
        path="/a.log",
        revision=1,
        dataset="generic",
        first_event_number=0,
        next_event_number=7,
        next_offset=9,
        event_count=7,
        document_count=7,
        observed_at_ms=NOW_MS,
        raw_partition=3,
        raw_next_offset=1,
        updated_at_ms=NOW_MS,
    )


@pytest.mark.parametrize("committed", range(5))
def test_p9_no_word_falls_between_the_index_and_the_topic(committed: int) -> None:
    """Whatever the indexer commits between the questions is in one answer or the other."""
    names = [f"g{number}" for number in range(4)]
    indexer = Indexer(*map(parsed_word, names))
    indexer.committed = committed

    tail = indexer.tail()

    told_of = {one["tailrace.generation"] for one in tail.documents}
    if committed == len(names):
        assert told_of == set(), "there was nothing to be read"
    else:
        assert told_of == set(names)
        assert indexer.read_from == [committed]
    assert tail.is_whole
    assert tail.read_at_ms > 0


def test_of_a_long_tail_each_partition_gives_its_newest_records() -> None:
    lags = [
        lag(0, next_offset=5, end_offset=5),
        lag(1, next_offset=100, end_offset=140),
        lag(2, next_offset=0, end_offset=1_000),
    ]

    assert beginnings(lags, records_max=2_000) == ({1: 100, 2: 0}, True)
    assert beginnings(lags, records_max=200) == ({1: 100, 2: 900}, False)
    assert beginnings(lags[:1]) == ({}, True)


def test_a_dashboard_that_asks_for_some_hosts_hears_of_these_alone() -> None:
    tail = LedgerTail(
        documents=[heartbeat("a", swept_ago_ms=1), heartbeat("b", swept_ago_ms=1)]
    )

    assert [one["host.name"] for one in tail.of_hosts(["b"]).documents] == ["b"]
    assert tail.of_hosts(()) == tail

"""Where not every word of the ledger was read, no file counts as waiting for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tailrace.cli import app
from tailrace.completeness import FOREIGN_AGENT, Completeness, missing_body
from tailrace.completeness_answer import read_completeness
from tailrace.completeness_text import statement
from tailrace.topics import partition_of
from tests.infra.test_completeness import LATER_MS, NOW_MS, heartbeat, word
from tests.support.saying import Said, in_turn, saying

BEAT = heartbeat("web-1", swept_ago_ms=1_000, said_ago_ms=500)


def answered(*documents: dict[str, Any], total: int | None = None) -> dict[str, Any]:
    hits = [{"_source": each} for each in documents]
    count = len(hits) if total is None else total
    newest = {"indexed": {"present": {"at": {"value": float(NOW_MS)}}}}
    return {
        "hits": {"hits": hits, "total": {"value": count}},
        "aggregations": newest,
    }


def told(answer: dict[str, Any], missing: dict[str, Any] | None = None) -> Completeness:
    return read_completeness(answer, missing=missing, now_ms=NOW_MS, until_ms=LATER_MS)


def test_a_file_whose_indexers_word_was_not_read_is_not_said_to_wait() -> None:
    """The agent's word was among the newest, and the indexer's just not."""
    stated = told(answered(BEAT, word("agent", number=6_511), total=5_001))

    assert stated.waiting_events == 0
    assert stated.complete_to_ms == NOW_MS - 1_000
    assert statement(stated).endswith(
        "from a part of the ledger only, the newest of it"
    )
    unread = word("agent", number=7, next_offset=10, seen_size_bytes=60)
    assert told(answered(BEAT, unread, total=5_001)).complete_to_ms == NOW_MS - 1_000


def test_a_file_of_which_both_words_were_read_waits_as_ever() -> None:
    lagging = (
        word("agent", number=9),
        word("indexer", number=4, observed_ago_ms=60_000),
    )

    stated = told(answered(BEAT, *lagging, total=5_001))

    assert missing_body(answered(BEAT, *lagging, total=5_001)) is None
    assert stated.waiting_events == 5
    assert stated.complete_to_ms == NOW_MS - 60_000


def test_the_words_that_are_missing_are_asked_for_by_name() -> None:
    documents = (
        BEAT,
        word("agent", number=3, generation="b"),
        word("stream", number=3, generation="a"),
        word("agent", number=3, generation="whole"),
        word("indexer", number=2, generation="whole"),
        {**word("stream", number=3, generation="f"), "agent.id": FOREIGN_AGENT},
    )

    assert missing_body(answered(*documents)) is None
    body = missing_body(answered(*documents, total=7))

    assert body is not None
    assert body["query"]["bool"]["filter"] == [
        {"terms": {"tailrace.hop": ["stream", "indexer"]}},
        {"terms": {"tailrace.generation": ["a", "b"]}},
    ]
    assert body["size"] == 10_000
    assert "tailrace.next_event_number" in body["_source"]


def test_what_was_asked_for_and_is_not_there_waits() -> None:
    """Then the indexer has never spoken of it, and nothing of it is stored."""
    first = answered(
        BEAT,
        word("agent", number=5, generation="a"),
        word("agent", number=7, generation="b"),
        total=5_001,
    )
    stored = word("indexer", number=4, generation="a", observed_ago_ms=9_000)

    assert told(first, answered(stored)).waiting_events == 1 + 7
    # A part of that answer says nothing of the other file.
    part = told(first, answered(stored, total=2))
    assert part.waiting_events == 1
    assert part.complete_to_ms == NOW_MS - 9_000


def test_a_record_that_is_older_than_all_that_was_read_is_missed_by_nobody() -> None:
    partition = str(partition_of(b"g1"))
    beat = {**BEAT, "figures": {"told_at_ms": {partition: NOW_MS - 60_000}}}
    others = word("indexer", number=0, generation="other")

    def complete_to_ms(read_ago_ms: int, *, total: int) -> int | None:
        newest = {**others, "@timestamp": NOW_MS - read_ago_ms}
        return told(answered(beat, newest, total=total)).complete_to_ms

    assert complete_to_ms(60_000, total=5_001) == NOW_MS - 1_000
    # It would have been read, if it were there.
    assert complete_to_ms(60_001, total=5_001) == 0
    assert complete_to_ms(60_000, total=2) == 0


def test_tailrace_search_asks_once_more_for_what_a_part_of_the_ledger_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_DATA_DIR", str(tmp_path))
    first = answered(BEAT, word("agent", number=9), total=5_001)
    missing = answered(word("indexer", number=7, observed_ago_ms=9_000))
    replies = (Said(200, first), Said(200, missing), Said(200, answered()))
    with saying(in_turn(*replies)) as server:
        monkeypatch.setenv("TAILRACE_ELASTICSEARCH_URL", server.url)
        result = CliRunner().invoke(app, ["search", "x"])

    assert "2 lines in Kafka" in result.stderr
    assert "from a part of the ledger only" in result.stderr

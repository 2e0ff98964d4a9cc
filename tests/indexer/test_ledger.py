"""The ledger's word: after what it speaks of, before the commit, and never lowered."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tailrace.kafka_consumer import Partition
from tailrace.ledger import AgentHeartbeat, IndexerLedger, StreamLedger, ledger_key
from tailrace.ledger_document import ledger_document
from tailrace.wire import encode
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.flow import DeliveryPolicy
from tailrace_indexer.offsets import Offsets
from tailrace_indexer.spans import Span, Spans
from tailrace_indexer.telling import RETRY_MS_MAX, Telling
from tests.indexer.builders import (
    DOCS,
    GENERATION,
    Bench,
    document,
    documents,
    header,
)
from tests.indexer.doubles import ManualClock, MemoryLedger, SilentSink

OTHER = "ffeeddccbbaa99887766554433221100"
LEDGER = Partition("t.ledger", 0)
RATES = Partition("t.rates", 0)


class Crash(Exception):
    """The process ends here."""


def write_events(bench: Bench, first: int, count: int, *, name: str = "line") -> None:
    lines = [f"{name} {number}" for number in range(first, first + count)]
    body = documents(lines, first=first)
    bench.kafka.write(DOCS, body, headers=header(first=first, count=count))


def event_numbers(records: Sequence[IndexerLedger]) -> list[int]:
    return [record.next_event_number for record in records]


def test_one_record_a_generation_tells_how_far_it_is_stored() -> None:
    bench = Bench()
    for first in range(0, 12, 4):
        write_events(bench, first, 4)
    other = header(first=0, count=2, generation=OTHER, observed_at_ms=9)
    bench.kafka.write(DOCS, documents(["a", "b"], first=900), headers=other)

    bench.run()

    assert bench.kafka.commits[DOCS] == 4
    told = bench.ledger.concluded()
    assert (told[GENERATION].next_event_number, told[GENERATION].next_offset) == (
        12,
        120,
    )
    assert told[GENERATION].revision == 12
    assert told[GENERATION].docs_next_offset == 4
    assert (told[OTHER].next_event_number, told[OTHER].observed_at_ms) == (2, 9)
    assert (told[OTHER].agent_id, told[OTHER].host_name) == ("agent-1", "web-1")
    # A record a generation and commit, and not one for each docs record.
    assert bench.ledger.writings == len(bench.ledger.records) / 2 == 1


def test_nothing_is_told_of_documents_that_are_not_stored() -> None:
    bench = Bench(sink_of=SilentSink)
    write_events(bench, 0, 4)

    bench.run()

    assert bench.ledger.records == []


def test_what_lies_behind_a_document_that_waits_is_not_told() -> None:
    """One held document keeps the prefix short, whatever is stored after it."""
    bench = Bench(policy=DeliveryPolicy(commit_ms=100))
    held = "t-other-2026.11.24"
    bench.elasticsearch.create_index(held)
    bench.elasticsearch.block(held)
    write_events(bench, 0, 2)
    line = document("held", offset=20, index=held)
    bench.kafka.write(DOCS, line, headers=header(first=2, count=1))
    write_events(bench, 3, 5)

    bench.run()
    assert len(bench.stored()) == 7
    assert event_numbers(bench.ledger.records) == [2]

    bench.elasticsearch.unblock(held)
    bench.run()
    assert event_numbers(bench.ledger.records) == [2, 8]


@pytest.mark.parametrize("value", [b"", None])
def test_events_without_a_document_count_as_soon_as_they_are_read(
    value: bytes | None,
) -> None:
    bench = Bench()
    write_events(bench, 0, 2)
    bench.kafka.write(DOCS, value, headers=header(first=2, count=3, documents=0))

    bench.run()

    assert bench.kafka.commits[DOCS] == 2
    assert bench.ledger.concluded()[GENERATION].next_event_number == 5


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("tailrace", b"not json"),),
        (("tailrace", b'{"generation": 7}'),),
        (("tailrace", b'{"generation": "g", "event_count": -4}'),),
    ],
)
def test_a_record_whose_header_says_nothing_is_indexed_and_tells_nothing(
    headers: tuple[tuple[str, bytes], ...],
) -> None:
    bench = Bench()
    bench.kafka.write(DOCS, documents(["a", "b"]), headers=headers)
    bench.kafka.write(DOCS, None, headers=header(first=0, count=3, documents=3))

    bench.run()

    assert bench.stored() == ["a", "b"]
    assert bench.kafka.commits[DOCS] == 2
    assert bench.ledger.records == []


def test_rates_bear_the_same_header_and_tell_nothing() -> None:
    bench = Bench(partitions=(DOCS, RATES))
    bench.kafka.write(RATES, documents(["a"]), headers=header(first=0, count=3))

    bench.run()

    assert bench.kafka.commits[RATES] == 1
    assert bench.ledger.records == []


def test_a_dead_letter_counts_once_kafka_has_it() -> None:
    bench = Bench(policy=DeliveryPolicy(commit_ms=100))
    bench.dead_letters.refusals_left = 4
    sequence: dict[str, Any] = {"event.sequence": 0}
    bad = document("bad", offset=0, host="a string", **sequence)
    bench.kafka.write(DOCS, bad, headers=header(first=0, count=1))
    bench.step(10, wait_ms=200)
    assert bench.ledger.records == []

    bench.run()

    assert event_numbers(bench.ledger.records) == [1]
    (letter,) = bench.dead_letters.letters
    assert (letter.first_event_number, letter.event_count) == (0, 1)


def test_a_record_of_no_lines_dies_with_all_the_events_it_was_to_hold() -> None:
    bench = Bench()
    bench.kafka.write(DOCS, b"no lines", headers=header(first=4, count=3))

    bench.run()

    (letter,) = bench.dead_letters.letters
    assert letter.generation == GENERATION
    assert (letter.first_event_number, letter.event_count) == (4, 3)
    assert event_numbers(bench.ledger.records) == [7]


def test_the_commit_never_overtakes_the_ledger() -> None:
    """While Kafka takes no ledger record its partition waits; all else goes on."""
    bench = Bench(partitions=(DOCS, RATES), policy=DeliveryPolicy(commit_ms=100))
    bench.ledger.refusals_left = 4
    write_events(bench, 0, 4)
    bench.kafka.write(RATES, documents(["r"], first=50))

    bench.step(12, wait_ms=200)
    write_events(bench, 4, 2)
    bench.step(6, wait_ms=200)

    assert bench.ledger.refusals_left
    assert len(bench.stored()) == 7
    assert DOCS not in bench.kafka.commits
    assert bench.kafka.commits[RATES] == 1
    assert bench.alarms.on == {"ledger": "unreachable"}

    bench.run()
    assert event_numbers(bench.ledger.records) == [6]
    assert bench.kafka.commits[DOCS] == 2
    assert bench.alarms.on == {}


@pytest.mark.parametrize("point", ["I4", "I6"])
@pytest.mark.parametrize("pass_number", [1, 2, 3])
def test_a_crash_on_either_side_of_the_ledgers_word_leaves_the_same_figures(
    point: str, pass_number: int
) -> None:
    passes_left = pass_number

    def crash(name: str) -> None:
        nonlocal passes_left
        if name == point:
            passes_left -= 1
            if passes_left == 0:
                assert_committed_is_told(bench)
                raise Crash(name)

    bench = Bench(at_point=crash, policy=DeliveryPolicy(commit_ms=100))
    for first in range(0, 40, 4):
        write_events(bench, first, 4)

    with pytest.raises(Crash):
        bench.run()
    told_before = bench.ledger.concluded()
    bench.restart()
    bench.step(1)
    for generation, record in told_before.items():
        assert bench.ledger.concluded()[generation].revision >= record.revision
    bench.run()

    assert len(bench.stored()) == 40
    told = bench.ledger.concluded()[GENERATION]
    assert (told.next_event_number, told.next_offset) == (40, 400)
    assert bench.kafka.commits[DOCS] == 10


def assert_committed_is_told(bench: Bench) -> None:
    """Each docs record holds four events: so many are behind the commit."""
    told = bench.ledger.concluded().get(GENERATION)
    behind = 4 * bench.kafka.commits.get(DOCS, 0)
    assert (told.next_event_number if told else 0) >= behind


@pytest.mark.parametrize("seed", range(150))
def test_whatever_crashes_or_changes_hands_no_word_is_early_and_none_is_lost(
    seed: int,
) -> None:
    """At every commit all before it is told, and nothing told is not in the index."""
    chance = random.Random(seed)

    def maybe(name: str) -> None:
        assert_committed_is_told(bench)
        if chance.random() < 0.05:
            raise Crash(name)

    bench = Bench(at_point=maybe, policy=DeliveryPolicy(commit_ms=100))
    count = 0
    for _ in range(300):
        if count < 60 and chance.random() < 0.4:
            write_events(bench, count, 4)
            count += 4
        bench.ledger.refusals_left = int(chance.random() < 0.2)
        try:
            bench.step(1, wait_ms=chance.choice((0, 50, 400)))
        except Crash:
            bench.restart()
        assert_committed_is_told(bench)
        told = bench.ledger.concluded().get(GENERATION)
        stored = set(bench.stored())
        reached = told.next_event_number if told else 0
        assert {f"line {number}" for number in range(reached)} <= stored
    bench.at_point = lambda _name: None
    bench.restart()
    bench.run()

    assert bench.ledger.concluded()[GENERATION].next_event_number == count
    assert bench.kafka.commits[DOCS] == count / 4


def test_a_span_that_is_sent_again_lowers_nothing() -> None:
    bench = Bench(policy=DeliveryPolicy(commit_ms=100))
    write_events(bench, 0, 8)
    bench.run()
    write_events(bench, 0, 4)
    bench.run()

    assert event_numbers(bench.ledger.records) == [8]
    assert bench.kafka.commits[DOCS] == 2


def test_what_fills_a_hole_is_told_of_no_second_time() -> None:
    """An indexer that started since would say less, and compaction would keep that."""
    bench = Bench(policy=DeliveryPolicy(commit_ms=100))
    write_events(bench, 0, 8)
    bench.run()
    bench.restart()
    lines = [f"line {number}" for number in range(4)]
    bench.kafka.write(
        DOCS, documents(lines), headers=header(first=0, count=4, is_repeat=True)
    )
    bench.run()

    assert event_numbers(bench.ledger.records) == [8]
    assert bench.kafka.commits[DOCS] == 2


def test_behind_a_commit_that_stands_still_spans_take_no_more_room() -> None:
    spans = Spans()
    for number in range(1_000):
        spans.note(number, span(number, 1))
        if number % 10 == 0:
            spans.pass_to(0, is_open=lambda offset: offset == 0)
            assert spans.kept_count == 1
    assert spans.records(DOCS, next_offset=0, now_ms=0) == []

    spans.pass_to(1_000, is_open=lambda _offset: False)
    (record,) = spans.records(DOCS, next_offset=1_000, now_ms=0)
    assert record.next_event_number == 1_000


def test_also_where_nothing_is_committed_what_was_read_is_merged() -> None:
    bench = Bench(policy=DeliveryPolicy(commit_ms=100))
    held = "t-other-2026.11.24"
    bench.elasticsearch.create_index(held)
    bench.elasticsearch.block(held)
    line = document("held", offset=0, index=held)
    bench.kafka.write(DOCS, line, headers=header(first=0, count=1))
    for number in range(1, 200):
        write_events(bench, number, 1)

    bench.run()

    assert len(bench.stored()) == 199
    assert bench.delivery.offsets.kept_spans() == 1


def test_an_ownership_that_ended_tells_nothing_any_more() -> None:
    offsets = Offsets()
    offsets.gain([DOCS])
    offsets.open(DOCS, offset=0, document_count=0, span=span(0, 5))
    offsets.gain([DOCS])
    offsets.open(DOCS, offset=0, document_count=0)

    assert offsets.untold(offsets.committable(), now_ms=0) == {}


def test_a_record_of_many_generations_is_told_in_bounded_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tailrace_indexer.spans.TOLD_GENERATIONS_MAX", 10)
    spans = Spans()
    for number in range(30):
        spans.note(number, span(0, 1, generation=f"g{number}"))
    spans.pass_to(30, is_open=lambda _offset: False)
    assert len(spans.records(DOCS, next_offset=30, now_ms=0)) == 30
    spans.told()

    assert spans.kept_count == 10
    assert spans.records(DOCS, next_offset=30, now_ms=0) == []


def span(first: int, count: int, *, generation: str = GENERATION) -> Span:
    return Span(
        generation=generation,
        first_event_number=first,
        event_count=count,
        next_offset=(first + count) * 10,
    )


def test_a_ledger_that_stays_away_is_asked_ever_more_rarely() -> None:
    clock, sink = ManualClock(), MemoryLedger(refusals_left=1_000)
    telling = Telling(sink, clock=clock, alarms=Alarms())
    record = told_record(1)
    for _ in range(3_600):
        assert not telling.tell([record])
        clock.at_ms += 100
    assert sink.writings <= 6 + 360_000 // RETRY_MS_MAX

    sink.refusals_left = 0
    clock.at_ms += RETRY_MS_MAX
    assert telling.tell([record])
    assert telling.tell([record])


def told_record(next_event_number: int) -> IndexerLedger:
    return IndexerLedger(
        generation=GENERATION,
        revision=next_event_number,
        agent_id="a",
        host_name="h",
        path="/p",
        next_offset=10 * next_event_number,
        next_event_number=next_event_number,
        observed_at_ms=1,
        docs_partition=0,
        docs_next_offset=1,
        updated_at_ms=2,
    )


def ledger_index(bench: Bench) -> Mapping[str, Mapping[str, object]]:
    return bench.elasticsearch.documents("t-ledger")


def test_the_ledger_becomes_one_document_a_key_and_the_greatest_revision_stays() -> (
    None
):
    bench = Bench(partitions=(LEDGER,))
    for number in (5, 9, 7):
        bench.kafka.write(LEDGER, encode(told_record(number)))
    heartbeat = AgentHeartbeat(
        agent_id="a",
        host_id="i",
        host_name="h",
        swept_at_ms=3,
        files=2,
        unread_bytes=1,
        lost_bytes=4,
        interval_ms=5_000,
        updated_at_ms=8,
    )
    bench.kafka.write(LEDGER, encode(heartbeat))
    # A key whose value is gone takes no document away, for that is no right of ours.
    bench.kafka.write(LEDGER, None)

    bench.run()

    held = ledger_index(bench)
    key = ledger_key(told_record(1)).decode()
    assert set(held) == {key, "heartbeat|a"}
    assert held[key]["version"] == held[key]["tailrace.next_event_number"] == 9
    assert held["heartbeat|a"]["tailrace.lost_bytes"] == 4
    assert bench.kafka.commits[LEDGER] == 5
    assert bench.dead_letters.letters == []


def test_a_ledger_record_that_cannot_be_read_is_a_dead_letter_of_no_event() -> None:
    bench = Bench(partitions=(LEDGER,))
    bench.kafka.write(LEDGER, b'{"hop":"indexer"}')
    bench.kafka.write(LEDGER, encode(told_record(3)))

    bench.run()

    (letter,) = bench.dead_letters.letters
    assert (letter.reason, letter.event_count) == ("ledger_unreadable", 0)
    assert letter.original == b'{"hop":"indexer"}'
    assert len(ledger_index(bench)) == 1
    assert bench.kafka.commits[LEDGER] == 2


def test_the_numbers_of_dropped_events_are_not_in_the_index_of_the_ledger() -> None:
    told = StreamLedger(
        generation="g",
        revision=3,
        agent_id="a",
        host_name="h",
        path="/p",
        dataset="generic",
        first_event_number=0,
        next_event_number=3,
        next_offset=30,
        event_count=3,
        document_count=1,
        dropped={"expired": 2},
        dropped_spans={"expired": ((0, 2),)},
        observed_at_ms=1,
        raw_partition=0,
        raw_next_offset=1,
        updated_at_ms=2,
    )

    figures = ledger_document(told)["figures"]

    assert figures["dropped"] == {"expired": 2}
    assert "dropped_spans" not in figures

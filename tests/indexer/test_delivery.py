"""The commit protocol: nothing lost, nothing twice, whatever the sink does."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable

import pytest

from tailrace import wire
from tailrace_indexer.flow import DeliveryPolicy
from tailrace_indexer.holds import PROBE_BYTES
from tests.indexer.builders import (
    DEAD,
    DOCS,
    INDEX,
    Bench,
    document,
    documents,
)
from tests.indexer.doubles import (
    BackpressuredSink,
    ExpiredSink,
    ImmediateSink,
    RefusingSink,
    ShardLimitSink,
    SilentSink,
    TimingOutAfterStoringSink,
)
from tests.support.fakes.elasticsearch import MemoryElasticsearch

LINES = [f"line {number:03}" for number in range(20)]


def written(bench: Bench, lines: list[str] = LINES, *, size: int = 4) -> None:
    for first in range(0, len(lines), size):
        body = documents(lines[first : first + size], first=first)
        bench.kafka.write(DOCS, body)


class Crash(Exception):
    """The process ends here."""


class CrashingPoints:
    """Crashes at the `pass_number`-th passing of a kill point."""

    def __init__(self, name: str, pass_number: int) -> None:
        self.name = name
        self.passes_left = pass_number

    def __call__(self, name: str) -> None:
        if name == self.name:
            self.passes_left -= 1
            if self.passes_left == 0:
                raise Crash(name)


def test_what_is_read_is_stored_and_then_committed() -> None:
    bench = Bench()
    written(bench)

    bench.run()

    assert bench.stored() == LINES
    assert bench.kafka.commits[DOCS] == 5


def test_nothing_is_committed_before_its_answer_is_there() -> None:
    bench = Bench(sink_of=SilentSink)
    written(bench)

    bench.run()

    assert bench.stored()
    assert DOCS not in bench.kafka.commits


@pytest.mark.parametrize("point", ["I1", "I2", "I3", "I4", "I5"])
@pytest.mark.parametrize("pass_number", [1, 2])
def test_p1_a_crash_at_any_point_loses_nothing_and_repeats_nothing(
    point: str, pass_number: int
) -> None:
    crash = CrashingPoints(point, pass_number)
    bench = Bench(
        at_point=crash,
        has_index=False,
        policy=DeliveryPolicy(ready_bytes_max=1_000, commit_ms=200),
    )
    struck = 0

    def run() -> None:
        nonlocal struck
        try:
            bench.run(steps=60)
        except Crash:
            struck += 1
            bench.restart()
            bench.run(steps=60)

    written(bench)
    bench.kafka.write(DOCS, document("bad one", offset=900, host="a string"))
    run()
    written(bench, ["late 1", "late 2"])
    bench.kafka.write(DOCS, document("bad two", offset=901, host="a string"))
    run()

    assert struck == 1, f"{point} was never passed {pass_number} times"
    assert bench.stored() == sorted([*LINES, "late 1", "late 2"])
    assert len({letter.dead_id for letter in bench.dead_letters.letters}) == 2
    assert bench.kafka.commits[DOCS] == 8


def test_e5_a_line_that_is_read_again_later_has_the_same_dead_letter() -> None:
    """Its document tells of another moment of reading; its name must not (seed 1)."""
    bench = Bench()
    for second in (1, 2):
        line = document("bad", offset=900, host="a string", second=second)
        bench.kafka.write(DOCS, line)
    bench.run()
    letters = bench.dead_letters.letters
    assert len(letters) == 2
    assert len({letter.dead_id for letter in letters}) == 1
    assert letters[0].original != letters[1].original


def test_e8_an_answer_that_is_lost_after_storing_counts_once() -> None:
    bench = Bench(sink_of=TimingOutAfterStoringSink)
    written(bench)

    bench.run()

    assert bench.stored() == LINES
    assert bench.delivery.figures.already_there > 0
    assert bench.kafka.commits[DOCS] == 5


def test_e2_documents_that_are_rejected_are_sent_again_and_only_they() -> None:
    bench = Bench(sink_of=BackpressuredSink)
    written(bench)

    bench.run()

    assert bench.stored() == LINES
    assert bench.delivery.figures.already_there == 0
    assert bench.kafka.commits[DOCS] == 5


def test_e2_while_all_is_refused_reading_pauses_and_polling_goes_on() -> None:
    bench = Bench(sink_of=RefusingSink, policy=DeliveryPolicy(ready_bytes_max=2_000))
    written(bench, [f"line {number:05}" for number in range(400)])

    bench.run()

    assert bench.member.paused == {DOCS, DEAD}
    assert bench.member.positions[DOCS] < 100
    assert bench.member.polls == 200
    assert DOCS not in bench.kafka.commits
    assert "Elasticsearch" in bench.alarms.on

    sink = bench.sink
    assert isinstance(sink, RefusingSink)
    sink.refuses = lambda _bulk: False
    bench.run(steps=600)

    assert len(bench.stored()) == 400
    assert not bench.alarms.on
    assert not bench.member.paused


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "security_exception"),
        (403, "security_exception"),
        (404, "unknown"),
        (405, "unknown"),
        (503, "unavailable"),
    ],
)
def test_e3_e4_e11_a_refused_request_makes_no_dead_letter(
    status: int, kind: str
) -> None:
    def refusing(elasticsearch: MemoryElasticsearch) -> RefusingSink:
        return RefusingSink(elasticsearch, status=status, kind=kind)

    bench = Bench(sink_of=refusing)
    written(bench)
    bench.run()

    assert not bench.dead_letters.letters
    sink = bench.sink
    assert isinstance(sink, RefusingSink)
    sink.refuses = lambda _bulk: False
    bench.run()

    assert bench.stored() == LINES
    assert not bench.dead_letters.letters


def test_a_request_refused_as_invalid_spares_documents_that_are_sound() -> None:
    """A proxy that answers 400 to everything must not bury a million good lines."""

    def refusing(elasticsearch: MemoryElasticsearch) -> RefusingSink:
        return RefusingSink(
            elasticsearch, status=400, kind="illegal_argument_exception"
        )

    bench = Bench(sink_of=refusing)
    written(bench)
    bench.run()

    assert not bench.dead_letters.letters
    assert "Elasticsearch" in bench.alarms.on


def taking_at_most(size_bytes: int) -> Callable[[MemoryElasticsearch], RefusingSink]:
    """Return what makes a server that finds a larger request too large."""

    def refusing(elasticsearch: MemoryElasticsearch) -> RefusingSink:
        return RefusingSink(
            elasticsearch, status=413, refuses=lambda bulk: bulk.size_bytes > size_bytes
        )

    return refusing


def test_e7_a_request_that_is_too_large_is_divided() -> None:
    bench = Bench(sink_of=taking_at_most(100_000))
    lines = [f"{line} {'.' * 40_000}" for line in LINES]
    written(bench, lines)
    huge = "x" * 200_000
    bench.kafka.write(DOCS, documents([huge, "small"], first=500))
    bench.run()

    assert bench.stored() == sorted([*lines, "small"])
    (letter,) = bench.dead_letters.letters
    assert letter.reason == "too_large"
    assert huge.encode() in letter.original
    assert bench.kafka.commits[DOCS] == 6


def test_e7_what_was_too_large_once_is_not_sent_as_large_again() -> None:
    """Records are as large as the stream makes them, and are cut for such a server."""
    bench = Bench(sink_of=taking_at_most(1_000_000))
    lines = [f"line {number:04} {'.' * 10_000}" for number in range(1_000)]
    written(bench, lines, size=250)
    bench.run()

    sink = bench.sink
    assert isinstance(sink, RefusingSink)
    assert bench.stored() == lines
    refused = [bulk for bulk in sink.bulks if sink.refuses(bulk)]
    assert 0 < len(refused) <= 8, [bulk.size_bytes for bulk in sink.bulks]
    told = [n.detail for n in bench.alarms.take(now_ms=0) if n.kind == "happened"]
    assert told
    assert "http.max_content_length" in told[-1]


def test_e7_a_server_that_finds_everything_too_large_makes_no_dead_letter() -> None:
    """A proxy that was told a wrong limit must not bury a million good lines."""
    bench = Bench(sink_of=taking_at_most(100))
    written(bench)
    bench.run()

    assert not bench.dead_letters.letters
    assert not bench.stored()
    assert DOCS not in bench.kafka.commits
    assert "Elasticsearch" in bench.alarms.on


def test_e7_one_document_that_no_shard_takes_leaves_those_beside_it_alone() -> None:
    """Elasticsearch refuses all that goes to a shard with it, each by 429 and for ever."""
    bench = Bench(sink_of=ShardLimitSink)
    huge = "x" * 200_000
    texts = [*LINES[:7], huge, *LINES[7:]]
    bench.kafka.write(DOCS, documents(texts))
    bench.run()

    assert bench.stored() == LINES
    (letter,) = bench.dead_letters.letters
    assert letter.reason == "too_large"
    assert huge.encode() in letter.original
    assert bench.kafka.commits[DOCS] == 1
    assert not bench.alarms.on


def test_e5_a_mapping_conflict_is_a_dead_letter_with_its_bytes() -> None:
    bench = Bench()
    bad = document("bad", offset=2, host="a string")
    bench.kafka.write(DOCS, documents(["a", "b"]) + bad + documents(["c"], first=3))

    bench.run()

    assert bench.stored() == ["a", "b", "c"]
    (letter,) = bench.dead_letters.letters
    assert letter.original == bad
    assert letter.reason == "mapping_conflict"
    assert (letter.first_offset, letter.dataset) == (2, "app.log")
    assert bench.kafka.commits[DOCS] == 1


def test_nothing_is_committed_past_a_dead_letter_that_kafka_does_not_take() -> None:
    bench = Bench()
    bench.dead_letters.refusals_left = 10_000
    bench.kafka.write(DOCS, document("bad", offset=2, host="a string"))
    written(bench)

    bench.run()

    assert bench.kafka.commits.get(DOCS, 0) == 0
    assert bench.stored() == LINES
    assert "dead letters" in bench.alarms.on

    bench.dead_letters.refusals_left = 0
    bench.run()

    assert bench.kafka.commits[DOCS] == 6
    assert len(bench.dead_letters.letters) == 1


def test_e4_a_blocked_index_is_held_while_others_go_on() -> None:
    other = "t-other-2026.11.24"
    bench = Bench()
    bench.elasticsearch.create_index(other)
    bench.elasticsearch.block(INDEX)
    mixed = documents(["a", "b"]) + documents(["x", "y"], index=other)
    bench.kafka.write(DOCS, mixed)
    bench.kafka.write(DOCS, documents(["z"], first=7, index=other))

    bench.run()

    assert bench.stored(other) == ["x", "y", "z"]
    assert bench.kafka.commits.get(DOCS, 0) == 0
    assert bench.alarms.on == {f"index {INDEX}": "blocked"}
    assert not bench.dead_letters.letters

    bench.elasticsearch.unblock(INDEX)
    bench.run()

    assert bench.stored() == ["a", "b"]
    assert bench.kafka.commits[DOCS] == 2
    assert not bench.alarms.on


def test_a_held_index_is_not_asked_with_everything_again_and_again() -> None:
    bench = Bench()
    bench.elasticsearch.block(INDEX)
    written(bench)
    bench.run(steps=300, wait_ms=100)
    requests_after_30_s = bench.elasticsearch.requests

    assert requests_after_30_s < 12


def test_e4_a_held_index_is_felt_out_with_little_however_large_a_record_is() -> None:
    bench = Bench()
    bench.elasticsearch.block(INDEX)
    lines = [f"line {number:04} {'.' * 10_000}" for number in range(100)]
    written(bench, lines, size=100)
    bench.run()

    assert isinstance(bench.sink, ImmediateSink)
    first, *probes = bench.sink.bulks
    assert first.size_bytes > 1_000_000
    assert len(probes) > 3
    assert max(bulk.size_bytes for bulk in probes) <= PROBE_BYTES
    bench.elasticsearch.unblock(INDEX)
    bench.run()
    assert bench.stored() == lines
    assert bench.kafka.commits[DOCS] == 1


def test_p3_held_documents_have_a_bound_and_only_their_partitions_pause() -> None:
    bench = Bench(policy=DeliveryPolicy(held_bytes_max=10_000))
    bench.elasticsearch.block(INDEX)
    written(bench, [f"line {number:05}" for number in range(400)])

    bench.run()

    assert bench.member.paused == {DOCS}
    assert bench.delivery.holds.size_bytes < 20_000
    bench.elasticsearch.unblock(INDEX)
    bench.run(steps=600)
    assert len(bench.stored()) == 400


def may_not(elasticsearch: MemoryElasticsearch) -> ImmediateSink:
    """Return a sink of one who has no right to make an index."""
    return ImmediateSink(elasticsearch, makes_indices=False)


def test_e10_a_missing_index_is_made_and_what_waited_is_stored() -> None:
    bench = Bench(has_index=False)
    written(bench)

    bench.run()

    assert bench.stored() == LINES
    assert not bench.dead_letters.letters


def test_e10_what_goes_to_an_index_not_seen_yet_waits_until_it_is_made() -> None:
    bench = Bench(has_index=False)
    written(bench)

    bench.run()

    assert bench.stored() == LINES
    # Nothing was sent only to be refused.
    assert bench.delivery.figures.retried == 0
    assert bench.delivery.figures.bulks == 1


def test_e10_an_index_that_goes_away_is_made_again_and_that_is_no_alarm() -> None:
    """It was seen once, so only the answer to a bulk tells that it is gone."""
    bench = Bench()
    written(bench, LINES[:10])
    bench.run()
    bench.elasticsearch.delete_index(INDEX)
    bench.alarms.take(now_ms=0)
    for number, line in enumerate(LINES[10:], start=10):
        bench.kafka.write(DOCS, documents([line], first=number))

    bench.run()

    assert bench.stored() == LINES[10:]
    assert bench.delivery.figures.retried > 0
    assert bench.alarms.take(now_ms=0) == []


def test_e10_an_index_that_is_there_takes_what_one_without_the_right_to_make_it_sends() -> (
    None
):
    bench = Bench(sink_of=may_not)
    written(bench)

    bench.run()

    assert bench.stored() == LINES
    assert not bench.alarms.on


def test_k8_kafka_is_asked_rarely_while_there_is_no_room_for_more() -> None:
    bench = Bench(sink_of=SilentSink)
    written(bench, ["x" * 1_000_000 for _ in range(20)])
    bench.step(40)
    asked_before = bench.member.polls

    bench.step(100, wait_ms=100)

    # Ten seconds: for the membership, once each.
    assert 9 <= bench.member.polls - asked_before <= 11


def test_e10_an_index_that_may_not_be_made_holds_with_an_alarm() -> None:
    bench = Bench(has_index=False, sink_of=may_not)
    written(bench)
    bench.run()

    assert f"index {INDEX}" in bench.alarms.on
    assert not bench.dead_letters.letters
    assert bench.kafka.commits.get(DOCS, 0) == 0
    sink = bench.sink
    assert isinstance(sink, ImmediateSink)
    sink.makes_indices = True
    bench.run()

    assert bench.stored() == LINES


def test_k9_p9_what_finishes_after_the_partition_is_lost_is_not_committed() -> None:
    bench = Bench()
    written(bench)
    bench.step()
    bench.kafka.join()

    bench.run()

    # The other member owns the documents' partition or this one does; never both.
    owned = bench.member.owned
    assert bench.kafka.commits.get(DOCS, 0) == (5 if DOCS in owned else 0)


def test_p9_a_partition_that_comes_back_is_read_again_from_its_commit() -> None:
    """Whatever was in memory when it was lost is read again, and none of it skipped."""
    bench = Bench(sink_of=RefusingSink)
    written(bench)
    bench.run(steps=10)
    other = bench.kafka.join()
    bench.run(steps=10)
    bench.kafka.leave(other)
    sink = bench.sink
    assert isinstance(sink, RefusingSink)
    sink.refuses = lambda _bulk: False

    bench.run()

    assert bench.stored() == LINES
    assert bench.kafka.commits[DOCS] == 5


def test_k10_what_retention_took_is_told_and_reading_goes_on() -> None:
    bench = Bench()
    written(bench)
    bench.kafka.commits[DOCS] = 1
    bench.kafka.delete_before(DOCS, 3)
    bench.restart()

    bench.run()

    assert bench.stored() == LINES[12:]
    assert bench.delivery.figures.missed_records == 2
    (notice,) = [n for n in bench.alarms.take(now_ms=0) if n.kind == "happened"]
    assert notice.reason == "records_missed"


def test_a_dead_letter_becomes_a_document() -> None:
    bench = Bench()
    letter = wire.DeadLetter(
        dead_id="d1",
        stage="stream",
        reason="origin_unreadable",
        detail="no header",
        original=b"\xff\x00 raw",
        died_at_ms=1_795_480_000_000,
        topic="t.raw",
        partition=1,
        offset=7,
    )
    bench.kafka.write(DEAD, wire.encode(letter))
    bench.kafka.write(DEAD, wire.encode(letter))

    bench.run()

    ((_, held),) = bench.elasticsearch.documents("t-dead-2026.11.24").items()
    assert b64decode(held["dead.original_base64"]) == letter.original
    assert held["message"] == "\\xff\\x00 raw"
    assert bench.kafka.commits[DEAD] == 2


def test_e9_a_dead_letter_whose_day_is_gone_is_kept_whole_in_the_present_days_index() -> (
    None
):
    """Retention took that day; what comes too late for it is no letter less."""
    bench = Bench(sink_of=lambda memory: ExpiredSink(memory, expired="t-dead-2025"))
    letter = wire.DeadLetter(
        dead_id="d1",
        stage="stream",
        reason="r",
        detail="d",
        original=b"line",
        died_at_ms=1_764_000_000_000,
        topic="t.raw",
        partition=1,
        offset=7,
    )
    bench.kafka.write(DEAD, wire.encode(letter))

    bench.run()

    assert set(bench.elasticsearch.indices) == {INDEX, "t-dead-2026.11.24"}
    ((_, held),) = bench.elasticsearch.documents("t-dead-2026.11.24").items()
    assert b64decode(held["dead.original_base64"]) == letter.original
    assert (held["dead.id"], held["@timestamp"]) == ("d1", letter.died_at_ms)
    assert bench.kafka.commits[DEAD] == 1
    assert bench.delivery.figures.refused == 0


def test_a_dead_letter_that_is_refused_is_stored_in_a_form_that_fits() -> None:
    """And never becomes a dead letter again, which would go round for ever."""

    bench = Bench(sink_of=taking_at_most(70_000))
    letter = wire.DeadLetter(
        dead_id="d1",
        stage="stream",
        reason="r",
        detail="d",
        original=b"\x1b[31m" * 20_000,
        died_at_ms=1_795_480_000_000,
        topic="t.raw",
        partition=1,
        offset=7,
    )
    bench.kafka.write(DEAD, wire.encode(letter))

    bench.run()

    assert not bench.dead_letters.letters
    assert bench.kafka.commits[DEAD] == 1
    dead = bench.elasticsearch.documents("t-dead-2026.11.24")
    (stored,) = dead.values()
    assert (stored["dead.id"], stored["dead.reason"]) == ("d1", "refused")
    assert bench.delivery.figures.refused == 0


@pytest.mark.parametrize(
    "value",
    [b"not bulk lines\n", b'{"create":{"_index":"t-x-2026.11.24"}}', b"\xff" * 40],
)
def test_a_record_that_holds_no_bulk_lines_is_one_dead_letter(value: bytes) -> None:
    bench = Bench()
    bench.kafka.write(DOCS, value)
    written(bench)

    bench.run()

    assert [letter.original for letter in bench.dead_letters.letters] == [value]
    assert bench.stored() == LINES
    assert bench.kafka.commits[DOCS] == 6


def test_one_broken_document_amid_a_record_is_the_only_dead_letter() -> None:
    """Elasticsearch answers 400 to the whole request; the others are found and stored."""
    broken = b'{"create":{"_index":broken\n{"message":"x"}\n'
    bench = Bench()
    bench.kafka.write(DOCS, documents(["a", "b"]) + broken + documents(["c"], first=3))

    bench.run()

    assert bench.stored() == ["a", "b", "c"]
    assert [letter.original for letter in bench.dead_letters.letters] == [broken]
    assert bench.kafka.commits[DOCS] == 1


@pytest.mark.parametrize("counted", [1, 3, 5, 90])
def test_a_header_that_counts_wrong_loses_nothing(counted: int) -> None:
    header = json.dumps({"document_count": counted}).encode()
    bench = Bench()
    bad = document("bad", offset=70, host="a string")
    body = documents(["a", "b", "c"]) + bad
    bench.kafka.write(DOCS, body, headers=[("tailrace", header)])

    bench.run()

    assert bench.stored() == ["a", "b", "c"]
    assert [letter.original for letter in bench.dead_letters.letters] == [bad]
    assert bench.kafka.commits[DOCS] == 1


@pytest.mark.parametrize("counted", [None, 4, 1, 90])
def test_each_document_that_came_too_late_for_its_index_has_a_letter_of_its_own(
    counted: int | None,
) -> None:
    """Whole records wait for an index; one letter of several events names none of them."""
    headers = [("tailrace", json.dumps({"document_count": counted}).encode())]
    bench = Bench(sink_of=ExpiredSink, has_index=False)
    for first in (0, 4):
        body = documents(["a", "b", "c", "d"], first=first)
        bench.kafka.write(DOCS, body, headers=headers if counted else ())

    bench.run()

    letters = bench.dead_letters.letters
    assert [letter.reason for letter in letters] == ["index_expired"] * 8
    assert [letter.original.count(b"\n") for letter in letters] == [2] * 8
    assert len({(letter.dead_id, letter.first_offset) for letter in letters}) == 8
    assert bench.kafka.commits[DOCS] == 2


def test_a_line_that_names_its_own_index_does_not_hide_a_wrong_count() -> None:
    """The record waits whole, since its index stands in it as often as its header says."""
    headers = [("tailrace", json.dumps({"document_count": 3}).encode())]
    bench = Bench(sink_of=ExpiredSink, has_index=False)
    echo = document("b", offset=1, labels={"_index": INDEX})
    bench.kafka.write(DOCS, documents(["a"]) + echo, headers=headers)

    bench.run()

    assert len(bench.dead_letters.letters) == 2
    assert bench.kafka.commits[DOCS] == 1


def test_k11_a_record_without_a_value_asks_for_nothing() -> None:
    bench = Bench()
    bench.kafka.write(DOCS, None)
    written(bench)

    bench.run()

    assert bench.kafka.commits[DOCS] == 6
    assert bench.stored() == LINES


def test_a_dead_letter_refused_in_every_form_is_told_and_counted_once() -> None:
    bench = Bench()
    bench.elasticsearch.conflicts = lambda _line: True
    bench.kafka.write(DEAD, b"no dead letter at all \x1b[31m")

    bench.run()

    assert not bench.dead_letters.letters
    assert bench.delivery.figures.refused == 1
    assert bench.kafka.commits[DEAD] == 1
    told = [n for n in bench.alarms.take(now_ms=0) if n.kind == "happened"]
    assert [notice.reason for notice in told] == ["mapping_conflict"]

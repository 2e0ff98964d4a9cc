"""Slicing, contiguous commits, pace, retention, quota: functions of values."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.kafka_consumer import Gap, Partition
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.bulk import AnswerUnreadable, Bulk, judge_answer
from tailrace_indexer.flow import tell_gap
from tailrace_indexer.index_maker import kind_of
from tailrace_indexer.offsets import Offsets
from tailrace_indexer.outcomes import Outcome
from tailrace_indexer.pace import Pace, PacePolicy
from tailrace_indexer.pieces import (
    Piece,
    Place,
    count_documents,
    document_lines,
    halves,
    id_of,
    index_of,
    is_bulk_document,
    parts,
)
from tailrace_indexer.ready import Ready
from tailrace_indexer.retention import IndexFacts, expired, quota_of
from tests.indexer.builders import INDEX, document, documents, line_id

PARTITION = Partition("t.docs", 0)
PLACE = Place(PARTITION, 1, 0)
GIBIBYTE = 1024**3


@given(st.lists(st.text(max_size=40), min_size=1, max_size=20))
def test_cutting_a_body_into_documents_loses_no_byte(texts: list[str]) -> None:
    body = documents(texts)
    cut = list(document_lines(body))

    assert b"".join(cut) == body
    assert len(cut) == count_documents(body) == len(texts)
    ids = [id_of(Piece(PLACE, each, 1)) for each in cut]
    assert ids == [line_id(text, number) for number, text in enumerate(texts)]


@given(st.binary(max_size=200))
def test_whatever_the_bytes_are_as_many_pieces_are_cut_as_counted(body: bytes) -> None:
    body += b"\n"
    assert len(list(document_lines(body))) == count_documents(body)


@given(st.integers(2, 30))
def test_halves_hold_what_the_whole_held(count: int) -> None:
    piece = Piece(PLACE, documents([f"x{n}" for n in range(count)]), count)
    first, second = halves(piece)

    assert first.body + second.body == piece.body
    assert first.document_count + second.document_count == count
    assert abs(first.document_count - second.document_count) <= 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"create":{"_index":"a","_id":"b"}}\nnot json\n',
        b'{"create":{"_index":"a","_id":"b"}}\n[1]\n',
        b'{"create":{"_id":"b"}}\n{}\n',
        b'{"delete":{"_index":"a","_id":"b"}}\n{}\n',
        b'{"create":{"_index":"a","_id":"b"}}\n{"a":1}\n{}\n',
        b"\xff\xfe\n{}\n",
    ],
)
def test_a_document_that_elasticsearch_cannot_read_is_known(body: bytes) -> None:
    assert not is_bulk_document(Piece(PLACE, body, 1))
    assert is_bulk_document(Piece(PLACE, document("x", offset=1), 1))


def test_an_answer_of_another_length_than_the_bulk_is_not_believed() -> None:
    bulk = Bulk(1, [Piece(PLACE, documents(["a", "b"]), 2)])

    with pytest.raises(AnswerUnreadable):
        judge_answer(bulk, b'{"errors":true,"items":[{"create":{"status":201}}]}')
    with pytest.raises(AnswerUnreadable):
        judge_answer(bulk, b"<html>welcome</html>")


def test_each_document_gets_the_verdict_of_its_own_item() -> None:
    first = Piece(PLACE, documents(["a", "b"]), 2)
    second = Piece(Place(PARTITION, 1, 1), documents(["c", "d"], first=2), 2)
    answer = (
        b'{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":201}},'
        b'{"create":{"status":429,"error":{"type":"x","reason":"y"}}},'
        b'{"create":{"status":409,"error":{"type":"x","reason":"y"}}}]}'
    )
    judged = judge_answer(Bulk(1, [first, second]), answer)

    assert [(each.piece.body, each.verdict.outcome) for each in judged] == [
        (first.body, Outcome.STORED),
        (document("c", offset=2), Outcome.RETRY),
        (document("d", offset=3), Outcome.STORED),
    ]
    assert index_of(judged[1].piece) == INDEX


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_k9_a_commit_never_passes_a_document_that_is_not_done(
    counts: list[int], chance: random.Random
) -> None:
    offsets = Offsets()
    offsets.gain([PARTITION])
    places: list[Place] = []
    for offset, count in enumerate(counts):
        place = offsets.open(PARTITION, offset=offset, document_count=count)
        assert place is not None
        places.extend([place] * count)
    left = dict(enumerate(counts))
    chance.shuffle(places)
    for place in places:
        committable = offsets.committable().get(PARTITION, 0)
        assert all(left[offset] == 0 for offset in range(committable))
        assert committable == len(counts) or left[committable] > 0
        offsets.close(place, document_count=1)
        left[place.offset] -= 1

    assert offsets.committable() == {PARTITION: len(counts)}
    offsets.committed({PARTITION: len(counts)})
    assert not offsets.committable()


def test_what_finishes_for_an_ownership_that_ended_counts_nothing() -> None:
    offsets = Offsets()
    offsets.gain([PARTITION])
    old = offsets.open(PARTITION, offset=0, document_count=1)
    assert old is not None
    offsets.lose([PARTITION])
    offsets.gain([PARTITION])
    offsets.open(PARTITION, offset=0, document_count=1)
    offsets.close(old, document_count=1)

    assert not offsets.committable()
    assert offsets.open_count() == 1


def test_reading_that_goes_back_forgets_what_lay_ahead() -> None:
    offsets = Offsets()
    offsets.gain([PARTITION])
    ahead = offsets.open(PARTITION, offset=9, document_count=1)
    assert ahead is not None
    offsets.open(PARTITION, offset=3, document_count=1)
    offsets.close(ahead, document_count=1)

    assert not offsets.committable()


def test_e2_pace_halves_when_refused_and_grows_while_it_goes_well() -> None:
    policy = PacePolicy()
    pace = Pace(policy, chance=random.Random(1))
    waits = [pace.refused(now_ms=0) for _ in range(12)]

    assert all(wait <= policy.wait_ms_max for wait in waits)
    assert max(waits) > policy.wait_ms_max // 2
    assert waits[0] < waits[3] < waits[6], "longer after each refusal"
    assert len(set(waits[-4:])) == 4, "several indexers do not come back at once"
    assert pace.bulk_bytes == policy.bulk_bytes_min
    assert pace.in_flight_max == 1
    assert not pace.may_send(now_ms=0, in_flight=0)
    assert pace.may_send(now_ms=policy.wait_ms_max, in_flight=0)
    for _ in range(40):
        pace.taken(took_ms=100)

    assert pace.bulk_bytes == policy.bulk_bytes_max
    assert pace.in_flight_max == policy.in_flight_max
    assert pace.may_send(now_ms=0, in_flight=policy.in_flight_max - 1)
    assert not pace.may_send(now_ms=0, in_flight=policy.in_flight_max)


def test_e7_pace_keeps_below_what_was_too_large_and_asks_again_seldom() -> None:
    """A limit that is raised again is found, at the price of a refusal in hundreds."""
    policy = PacePolicy()
    pace = Pace(policy, chance=random.Random(1))
    limit = 1_000_000
    refused = 0

    def send(count: int) -> None:
        nonlocal refused
        for _bulk in range(count):
            if pace.bulk_bytes > limit:
                refused += 1
                pace.too_large(size_bytes=pace.bulk_bytes)
            else:
                pace.taken(took_ms=100)

    send(20)
    assert limit // 2 <= pace.bulk_bytes <= limit
    assert refused <= 3, "each halves it"
    refused = 0
    send(10_000)
    assert 0 < refused <= 10_000 // policy.bound_bulks // 4
    assert pace.bulk_bytes > limit // 3
    limit = policy.bulk_bytes_max
    send(10_000)
    assert pace.bulk_bytes == policy.bulk_bytes_max
    pace.too_large(size_bytes=10)
    assert pace.bulk_bytes == policy.bound_bytes_min


@given(
    st.lists(st.text(max_size=60), min_size=1, max_size=20),
    st.integers(min_value=1, max_value=3_000),
)
def test_e7_parts_are_whole_documents_and_no_larger_than_asked(
    texts: list[str], bytes_max: int
) -> None:
    body = documents(texts)
    cut = parts(Piece(PLACE, body, len(texts)), bytes_max=bytes_max)

    assert b"".join(part.body for part in cut) == body
    assert sum(part.document_count for part in cut) == len(texts)
    for part in cut:
        assert part.document_count == count_documents(part.body) > 0
        assert part.size_bytes <= bytes_max or part.document_count == 1
    for one, other in pairwise(cut):
        following = next(document_lines(other.body))
        assert one.size_bytes + len(following) > bytes_max, "as few as possible"


def test_a_piece_that_its_header_counts_wrong_is_not_cut() -> None:
    piece = Piece(PLACE, documents(["a", "b", "c"]), 2)

    assert parts(piece, bytes_max=100) == [piece]


def test_what_is_left_of_a_piece_is_sent_next_and_its_size_is_known() -> None:
    ready = Ready()
    first = Piece(PLACE, documents(["a", "b", "c"]), 3)
    second = Piece(PLACE, documents(["d"], first=3), 1)
    ready.add(first)
    ready.add(second)
    one = len(documents(["a"]))
    taken: list[Piece] = []
    while ready:
        waiting = ready.size_bytes
        bulk = ready.take(bytes_max=2 * one, is_current=lambda _piece: True)
        assert waiting - ready.size_bytes == sum(each.size_bytes for each in bulk)
        taken += bulk

    assert [piece.document_count for piece in taken] == [2, 1, 1]
    assert b"".join(piece.body for piece in taken) == first.body + second.body


def index_facts(name: str, *, latest: int, written: int, size: int = 10) -> IndexFacts:
    return IndexFacts(
        name=name,
        size_bytes=size,
        document_count=1,
        earliest_ms=0,
        latest_ms=latest,
        written_ms=written,
    )


def test_the_oldest_events_go_first_and_never_what_was_written_last() -> None:
    imported = index_facts("imported", latest=1, written=100)
    old = index_facts("old", latest=2, written=2)
    new = index_facts("new", latest=50, written=50)

    assert expired([new, imported, old], quota_bytes=25) == [old]
    assert expired([new, imported, old], quota_bytes=1) == [old, new]
    assert expired([new, imported, old], quota_bytes=30) == []
    assert expired([new, imported, old], quota_bytes=None) == []
    assert expired([imported], quota_bytes=0) == []


def test_the_quota_is_set_or_a_share_of_what_is_free() -> None:
    assert quota_of(-1, used_bytes=1, free_bytes=1) is None
    assert quota_of(7, used_bytes=1, free_bytes=1) == 7
    assert quota_of(0, used_bytes=0, free_bytes=1_000 * GIBIBYTE) == 10 * GIBIBYTE
    assert quota_of(0, used_bytes=GIBIBYTE, free_bytes=4 * GIBIBYTE) == 2 * GIBIBYTE


@pytest.mark.parametrize(
    ("index", "kind"),
    [
        ("t-nginx.access-2026.11.24", "events"),
        ("t-nginx.access-2026.11-r2", "events"),
        ("t-rates", "rates"),
        ("t-dead-2026.11.24", "dead"),
        ("t-alerts-2026.11.24", "alerts"),
        ("t-ledger", "ledger"),
        ("t-events", None),
        ("other-nginx.access-2026.11.24", None),
        ("tt-nginx.access-2026.11.24", None),
    ],
)
def test_e10_only_our_indices_are_made(index: str, kind: str | None) -> None:
    assert kind_of(index, namespace="t") == kind


def test_k10_k12_retention_is_told_from_a_topic_that_was_made_anew() -> None:
    """Both leave nothing at the place to read; how much is gone is known of one."""
    alarms = Alarms()
    partition = Partition("t.docs", 3)
    assert tell_gap(Gap(partition, missed_from=5, resumed_at=9), alarms=alarms) == 4
    assert tell_gap(Gap(partition, missed_from=500, resumed_at=0), alarms=alarms) == 0
    taken, anew = alarms.take(now_ms=0)
    assert (taken.reason, taken.subject) == ("records_missed", "t.docs partition 3")
    assert "offsets 5 to 9" in taken.detail
    assert anew.reason == "topic_made_anew"
    assert "from offset 500" in anew.detail

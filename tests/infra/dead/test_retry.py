"""Dead letters that are retried are stored once, whatever kills the retry, or refuses it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tailrace.dead.fixes import parse_fix
from tailrace.dead.shown import retried_json, retried_lines
from tailrace.kill_points import armed
from tests.indexer.builders import INDEX
from tests.infra.dead.builders import bulk_lines
from tests.infra.dead.place import Killed, KillsAt, Place, users

POINTS = ["D2", "D4"]
MOVE = parse_fix("move:user.id")


@pytest.fixture
def place() -> Place:
    return Place()


def test_e5_what_was_mended_is_stored_and_no_more_dead(place: Place) -> None:
    died = place.write(*users(3), bulk_lines("fine", offset=900))
    assert len(died) == 3

    done = place.retry(MOVE)

    assert done.is_whole
    assert sorted(done.stored) == sorted(each.dead_id for each in died)
    assert place.lines() == ["fine", "user 0", "user 1", "user 2"]
    assert set(place.stored.marks.values()) == {"move:user.id"}
    assert place.letters() == []
    held = place.bench.elasticsearch.indices[INDEX]
    attributes = [each.get("attributes") for each in held.values()]
    assert {"user.id": "u-1"} in attributes


def test_e5_once_the_cause_is_gone_documents_are_stored_as_they_were(
    place: Place,
) -> None:
    died = place.write(*users(3))
    place.takes_words = True

    done = place.retry()

    assert done.is_whole
    sources = place.bench.elasticsearch.sources[INDEX].values()
    originals = [each.original for each in died]
    assert sorted(sources) == sorted(each.split(b"\n")[1] for each in originals)
    assert set(place.stored.marks.values()) == {""}


def test_e5_what_is_refused_again_stays_dead_and_says_why(place: Place) -> None:
    died = place.write(*users(2))

    done = place.retry()

    assert not done.is_whole
    assert set(done.refused) == {each.dead_id for each in died}
    assert all("document_parsing_exception" in text for text in done.refused.values())
    assert place.lines() == []
    assert {each.dead_id for each in place.letters()} == {e.dead_id for e in died}
    assert "2 refused again" in "\n".join(retried_lines(done))

    assert place.retry(MOVE).is_whole
    assert place.lines() == ["user 0", "user 1"]


@pytest.mark.parametrize("point", POINTS)
def test_e5_a_retry_that_was_killed_is_run_again_and_doubles_nothing(
    place: Place, point: str
) -> None:
    """Whether it was killed after the sending, or before it marked what is stored."""
    place.write(*users(4))
    with armed(KillsAt(point)), pytest.raises(Killed):
        place.retry(MOVE)
    assert len(place.letters()) == 4

    place.bench.run()
    done = place.retry(MOVE)

    assert done.is_whole
    assert done.sent_count == 0
    assert place.lines() == [f"user {n}" for n in range(4)]
    assert len(place.documents.sent) == 4
    assert place.letters() == []


def test_e5_killed_before_the_indexer_came_it_sends_again_and_stores_once(
    place: Place,
) -> None:
    place.write(*users(3))
    with armed(KillsAt("D2")), pytest.raises(Killed):
        place.retry(MOVE)

    done = place.retry(MOVE)

    assert done.is_whole
    assert len(place.documents.sent) == 6
    assert place.lines() == ["user 0", "user 1", "user 2"]
    assert place.bench.delivery.figures.already_there == 3


def test_e5_while_the_indexers_are_away_letters_stay_open_and_documents_wait(
    place: Place,
) -> None:
    place.write(*users(2))
    place.documents.is_indexer_away = True

    done = place.retry(MOVE)

    assert len(done.waiting) == 2
    assert place.stored.marks == {}
    assert "2 wait in Kafka" in "\n".join(retried_lines(done))

    place.documents.is_indexer_away = False
    place.bench.run()
    again = place.retry(MOVE)
    assert again.is_whole
    assert place.lines() == ["user 0", "user 1"]


def test_e7_what_the_topic_does_not_take_is_told_and_the_rest_is_stored(
    place: Place,
) -> None:
    large = bulk_lines("large", offset=500, fields={"user.id": "u-" + "x" * 20_000})
    died = place.write(*users(2), large)

    done = place.retry(MOVE)

    assert done.refused == {died[2].dead_id: "too large"}
    assert place.lines() == ["user 0", "user 1"]
    assert [each.dead_id for each in place.letters()] == [died[2].dead_id]


def test_e5_a_letter_of_two_days_is_sent_once_as_it_was_at_first(place: Place) -> None:
    (first,) = place.write(*users(1))
    (second,) = place.write(
        bulk_lines("user 0", fields={"user.id": "u-0", "labels": {"is": "younger"}})
    )[1:]
    assert second.dead_id == first.dead_id

    done = place.retry(MOVE, letters=[first, second])

    assert done.stored == [first.dead_id]
    assert [b"younger" in each.value for each in place.documents.sent] == [False]


def test_e5_two_letters_of_one_document_are_both_marked(place: Place) -> None:
    (first,) = place.write(*users(1))
    other = replace(first, dead_id="ab" * 16)

    done = place.retry(MOVE, letters=[first, other])

    assert sorted(done.stored) == sorted([first.dead_id, other.dead_id])
    assert set(place.stored.marks) == {first.dead_id, other.dead_id}
    assert len(place.documents.sent) == 1


def test_e5_no_ledger_is_told_of_what_is_sent_again(place: Place) -> None:
    """It would be told less than before, and compaction keeps the newest."""
    place.write(*users(3))
    before = len(place.bench.ledger.records)

    place.retry(MOVE)
    place.bench.delivery.commit()

    assert len(place.bench.ledger.records) == before


def test_what_cannot_be_sent_is_told_with_its_reason(place: Place) -> None:
    (letter,) = place.write(*users(1))
    line = replace(letter, topic="t.raw", stage="stream")

    done = place.retry(letters=[line])

    assert [each.dead_id for each in done.unfit] == [letter.dead_id]
    assert "died at the stream" in retried_json(done)
    assert place.documents.sent == []

"""What a retry delivered and was lost since is delivered again, or an open letter."""

from __future__ import annotations

import pytest

from tailrace.dead.fixes import parse_fix
from tailrace.dead.letters import Letter
from tailrace.dead.lost import Redelivered, Redelivering
from tailrace.kill_points import armed
from tests.indexer.builders import INDEX
from tests.infra.dead.builders import bulk_lines
from tests.infra.dead.place import Killed, KillsAt, Place, users

GENERATION = "00112233445566778899aabbccddeeff"
MOVE = parse_fix("move:user.id")


@pytest.fixture
def place() -> Place:
    return Place()


def delivered(place: Place, count: int = 3) -> list[Letter]:
    """Return the letters of events that died, were mended and stored."""
    died = place.write(*users(count))
    assert place.retry(MOVE).is_whole
    return died


def lose(place: Place, *texts: str) -> None:
    held = place.bench.elasticsearch.indices[INDEX]
    for name in [n for n, each in held.items() if each["message"] in texts]:
        del held[name]


def redeliver(place: Place, *numbers: int) -> list[Redelivered]:
    redelivering = Redelivering(letters=place.stored, retrying=place.retrying())
    return redelivering.redeliver({GENERATION: numbers} if numbers else {})


def test_e5_a_mended_document_that_is_lost_is_delivered_again_as_it_was_mended(
    place: Place,
) -> None:
    died = delivered(place)
    lose(place, "user 0", "user 2")

    done = redeliver(place, 0, 2)

    assert place.lines() == ["user 0", "user 1", "user 2"]
    assert {each.letter.dead_id for each in done} == {died[0].dead_id, died[2].dead_id}
    assert all(each.sentence().startswith("delivered again: ") for each in done)
    assert "/var/log/app.log, event 2 at offset 20" in done[1].sentence()
    assert "mended by move:user.id" in done[1].sentence()
    assert set(place.stored.marks.values()) == {"move:user.id"}
    assert len(place.stored.marks) == 3
    assert place.letters() == []


def test_e5_one_that_is_refused_now_is_an_open_letter_again(place: Place) -> None:
    died = delivered(place)
    lose(place, "user 1")
    place.bench.elasticsearch.conflicts = lambda _line: True

    (one,) = redeliver(place, 1)

    assert one.sentence().startswith("not delivered again: ")
    assert "document_parsing_exception" in one.sentence()
    assert {each.dead_id for each in place.letters()} == {died[1].dead_id}
    assert died[1].dead_id not in place.stored.marks

    # Retried once the cause is gone, it is there once, and so are the others.
    place.bench.elasticsearch.conflicts = lambda _line: False
    assert place.retry(letters=[died[1]]).is_whole
    assert place.lines() == ["user 0", "user 1", "user 2"]
    assert len(place.stored.marks) == 3


def test_e5_while_the_indexers_are_away_it_is_open_and_said_to_be_on_its_way(
    place: Place,
) -> None:
    delivered(place)
    lose(place, "user 1")
    place.documents.is_indexer_away = True

    (one,) = redeliver(place, 1)

    assert "not stored yet" in one.sentence()
    assert len(place.letters()) == 1
    place.documents.is_indexer_away = False
    assert place.retry(MOVE).is_whole
    assert place.lines() == ["user 0", "user 1", "user 2"]


def test_e5_what_is_stored_or_was_never_delivered_is_left_as_it_is(
    place: Place,
) -> None:
    """Another may have stored it since the audit looked; an open letter is dead anyhow."""
    delivered(place, 2)
    place.write(bulk_lines("new", offset=900, fields={"user.id": "x"}))
    lose(place, "user 1")
    sent_before = len(place.documents.sent)

    assert redeliver(place, 0, 90) == []
    assert redeliver(place) == []
    assert len(place.documents.sent) == sent_before
    assert len(place.stored.marks) == 2


@pytest.mark.parametrize("point", ["D2", "D4"])
def test_e5_a_repair_that_is_killed_leaves_an_open_letter_that_is_stored_once(
    place: Place, point: str
) -> None:
    died = delivered(place)
    lose(place, "user 1")

    with armed(KillsAt(point)), pytest.raises(Killed):
        redeliver(place, 1)

    assert {each.dead_id for each in place.letters()} == {died[1].dead_id}
    assert place.retry(MOVE).is_whole
    assert place.lines() == ["user 0", "user 1", "user 2"]
    assert place.letters() == []

"""What a replay publishes is seen once, at every moment, whatever kills it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import orjson
import pytest

from tailrace.digest import is_unaltered
from tailrace.errors import CommandFailed
from tailrace.floors import DAY_FORMAT, Floors, span_of
from tailrace.kill_points import armed
from tailrace.ledger import FloorLedger
from tailrace.replay.made import MadeDocument
from tailrace.replay.marked import marked_source
from tests.infra.dead.test_retry import Killed, KillsAt
from tests.infra.replay.builders import (
    DAY,
    NEXT_DAY,
    MemoryRevisions,
    made,
    publish,
    remade,
    shadow,
)

NUMBERS = range(6)


def memory_with_old() -> MemoryRevisions:
    memory = MemoryRevisions()
    memory.store(*(made(n, user="old") for n in NUMBERS))
    return memory


def some(user: str, *numbers: int, index: str = DAY) -> list[MadeDocument]:
    return [made(n, user=user, index=index) for n in numbers]


def users(memory: MemoryRevisions) -> list[str]:
    found = memory.messages()
    return [found[made(n).document_id] for n in NUMBERS]


@dataclass(slots=True)
class DiesAfter:
    """Ends the process after so many writes."""

    writes_left: int

    def __call__(self) -> None:
        self.writes_left -= 1
        if self.writes_left == 0:
            raise Killed


def test_e9_what_changed_replaces_what_was_stored_and_the_rest_stays() -> None:
    memory = memory_with_old()

    _, done = publish(
        memory,
        remade(*some("old", 0, 1), *some("new", 2, 3), *some("new", 4, index=NEXT_DAY)),
    )

    assert (done.revision, done.published_count) == (1, 3)
    assert users(memory) == ["old", "old", "new", "new", "new", "old"]
    assert set(memory.indices) == {DAY, f"{DAY}-r1", f"{NEXT_DAY}-r1"}
    assert set(memory.seen().values()) == {1}


def test_e9_a_second_run_finds_nothing_to_do() -> None:
    memory = memory_with_old()
    publish(memory, remade(*some("new", 1, 2)))
    before = {name: dict(held) for name, held in memory.indices.items()}

    tally, done = publish(memory, remade(*some("new", 1, 2)))

    assert tally.of("app").fates == {"same": 2}
    assert (done.revision, done.published_count) == (0, 0)
    assert {name: dict(held) for name, held in memory.indices.items()} == before
    assert memory.swap_count == 1


def test_e9_a_chunk_that_is_sent_again_meets_its_id_where_it_was() -> None:
    memory = memory_with_old()
    publish(memory, remade(*some("new", 1, 2)))

    memory.store(*some("old", *NUMBERS))

    assert set(memory.seen().values()) == {1}
    assert users(memory)[1:3] == ["new", "new"]


def test_e9_each_event_is_seen_once_after_each_step_and_whatever_kills_it() -> None:
    """Killed after each write in turn, while it changes others than the next run does."""
    counting = memory_with_old()
    publish(counting, remade(*some("lost", 0, 1, 2, index=NEXT_DAY)))
    steps = counting.write_count
    assert steps > 8
    for step in range(1, steps + 1):
        memory = memory_with_old()
        once: Counter[str] = memory.seen()
        dies = DiesAfter(step)

        def after_each(
            memory: MemoryRevisions = memory,
            once: Counter[str] = once,
            dies: DiesAfter = dies,
        ) -> None:
            assert memory.seen() == once
            # So an audit with --deep is right at each moment, too.
            assert all(is_unaltered(source) for _, _, source in memory.visible())
            dies()

        memory.after_each = after_each
        with pytest.raises(Killed):
            publish(memory, remade(*some("lost", 0, 1, 2, index=NEXT_DAY)))
        # Of the first run all is to be seen, or nothing.
        first = set(users(memory)[:3])
        assert first in ({"old"}, {"lost"})

        _, done = publish(memory, remade(*some("new", 1, 4)))

        assert done.published_count == 2
        (kept,) = first
        assert users(memory) == [kept, "new", kept, "old", "new", "old"]
        assert memory.seen() == once
        assert memory.standing().drafts == ()


@pytest.mark.parametrize("point", ["R2", "R3", "R4"])
def test_e9_killed_before_the_swap_nothing_has_changed_and_its_number_is_gone(
    point: str,
) -> None:
    memory = memory_with_old()
    with armed(KillsAt(point)), pytest.raises(Killed):
        publish(memory, remade(*some("lost", 0, 1)))
    assert users(memory) == ["old"] * 6

    _, done = publish(memory, remade(*some("new", 1)))

    assert done.revision == 2
    assert users(memory) == ["old", "new", *["old"] * 4]


def test_e9_a_replay_of_a_replay_hides_what_the_first_one_showed() -> None:
    memory = memory_with_old()
    publish(memory, remade(*some("new", 1, 2)))

    _, done = publish(memory, remade(*some("newer", 2, 3)))

    assert done.revision == 2
    assert users(memory) == ["old", "new", "newer", "newer", "old", "old"]
    assert set(memory.seen().values()) == {1}


def test_e9_an_event_that_is_stored_twice_is_seen_once_afterwards() -> None:
    memory = memory_with_old()
    memory.store(*some("old", 1, index=NEXT_DAY))
    assert memory.seen()[made(1).document_id] == 2

    publish(memory, remade(*some("new", 1)))

    assert set(memory.seen().values()) == {1}


def test_e9_a_document_that_is_refused_hides_nothing() -> None:
    memory = memory_with_old()
    memory.refuses = lambda each: each.number == 1

    _, done = publish(memory, remade(*some("new", 0, 1)))

    assert not done.is_whole
    assert list(done.refused) == [made(1).document_id]
    assert users(memory) == ["new", *["old"] * 5]


def test_e9_where_all_is_refused_nothing_is_left_behind() -> None:
    memory = memory_with_old()
    memory.refuses = lambda _each: True

    _, done = publish(memory, remade(*some("new", 0, 1)))

    assert (done.revision, len(done.refused)) == (0, 2)
    assert set(memory.indices) == {DAY}
    assert memory.swap_count == 0


def test_e9_what_is_not_as_it_was_written_is_not_put_in_force() -> None:
    """Another's document in the draft would be seen twice, a lost mark too."""
    memory = memory_with_old()

    def intrude() -> None:
        draft = memory.indices.get(f"{DAY}-r1")
        if draft:
            draft.setdefault("other", next(iter(draft.values())))

    memory.after_each = intrude
    with pytest.raises(CommandFailed, match="2 of 1 documents and 1 of 1 marks"):
        publish(memory, remade(*some("new", 0)))

    assert users(memory) == ["old"] * 6
    assert memory.swap_count == 0


def test_e9_what_retention_takes_away_is_not_put_in_force() -> None:
    """It is counted as expired, and would be stored as well."""
    memory = memory_with_old()
    span = span_of(DAY, namespace="t")
    assert span is not None
    assert DAY.endswith("2026.11.24"), DAY_FORMAT
    floor = FloorLedger(
        dataset="app", period="day", floor_ms=span.end_ms, updated_at_ms=1
    )

    with pytest.raises(CommandFailed, match="retention takes one of the indices"):
        publish(memory, remade(*some("new", 0)), floors=Floors([floor]))

    assert users(memory) == ["old"] * 6


def test_e9_an_index_that_is_gone_stops_it() -> None:
    memory = memory_with_old()

    def expire() -> None:
        if memory.write_count > 3:
            memory.aliases.pop(DAY, None)

    memory.after_each = expire
    with pytest.raises(CommandFailed, match="is gone"):
        publish(memory, remade(*some("new", 0)))
    assert memory.swap_count == 0


def test_e9_who_may_not_be_alone_any_more_puts_nothing_in_force() -> None:
    memory = memory_with_old()

    with pytest.raises(CommandFailed, match="session in ZooKeeper was lost"):
        publish(memory, remade(*some("new", 0)), is_alone=lambda: False)

    assert users(memory) == ["old"] * 6


def test_e9_a_mark_does_not_make_good_what_somebody_altered() -> None:
    (former,) = memory_with_old().versions([made(1).document_id]).values()
    altered = replace(former[0], is_unaltered=False)

    assert is_unaltered(marked_source(former[0], revision=3))
    assert not is_unaltered(marked_source(altered, revision=3))
    fields = orjson.loads(marked_source(altered, revision=3))
    assert fields.pop("tailrace.revised_by") == 3
    assert fields == orjson.loads(made(1, user="old").source)


def test_e9_shadow_writes_nothing() -> None:
    memory = memory_with_old()

    tally, _ = shadow(memory, remade(*some("new", 0, 1)))

    assert tally.of("app").fates == {"changed": 2}
    assert memory.write_count == 0

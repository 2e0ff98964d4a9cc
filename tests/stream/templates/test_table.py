"""What is told of a partition's templates, when, and that no figure is ever worse for it."""

from __future__ import annotations

from random import Random

import pytest

from tailrace.template_records import DATASETS_MAX, TemplateRecord, template_key
from tailrace.wire import encode
from tailrace_stream.templates.sightings import Sighting
from tailrace_stream.templates.table import HOUR_MS, TableLimits, TemplateTable

TELL_MS = 1_000
LIMITS = TableLimits(templates_max=4, opened_per_hour_max=100, tell_ms=TELL_MS)


def table_of(
    *known: TemplateRecord, limits: TableLimits = LIMITS, topic: str = "t"
) -> TemplateTable:
    return TemplateTable(
        [encode(one) for one in known], raw_topic_id=topic, partition=3, limits=limits
    )


def sighting(name: str, *, count: int = 1, first: int = 50, last: int = 60) -> Sighting:
    return Sighting(name, f"text of {name}", count, first, last)


def seen(
    table: TemplateTable,
    *sightings: Sighting,
    offset: int,
    now_ms: int = 0,
    dataset: str = "app",
) -> list[TemplateRecord]:
    told, passed_over = table.see(
        sightings, offset=offset, dataset=dataset, now_ms=now_ms
    )
    assert passed_over == 0
    return told


def test_a_template_is_told_at_first_sight_and_then_once_in_a_while() -> None:
    table = table_of()
    (first,) = seen(table, sighting("a", count=2), offset=5, now_ms=0)
    assert (first.template_id, first.text, first.count) == ("a", "text of a", 2)
    assert (first.first_seen_ms, first.last_seen_ms) == (50, 60)
    assert (first.partition, first.part, first.datasets) == (3, 5, ("app",))
    assert seen(table, sighting("a", last=70), offset=6, now_ms=TELL_MS - 1) == []
    (later,) = seen(table, sighting("a", last=80), offset=7, now_ms=TELL_MS)
    assert (later.count, later.last_seen_ms, later.first_seen_ms) == (4, 80, 50)
    assert template_key(later) == template_key(first)
    assert later.revision > first.revision


def test_a_clock_that_was_put_back_keeps_nothing_untold() -> None:
    table = table_of()
    seen(table, sighting("a"), offset=0, now_ms=HOUR_MS)
    assert seen(table, sighting("a"), offset=1, now_ms=HOUR_MS - 1)


def test_a_template_that_is_older_than_was_known_is_told_at_once() -> None:
    """The time first seen is durable before the events that show it are acknowledged."""
    table = table_of()
    seen(table, sighting("a", first=50), offset=0)
    (told,) = seen(table, sighting("a", first=49, last=49), offset=1)
    assert (told.first_seen_ms, told.last_seen_ms) == (49, 60)


def test_a_dataset_that_is_new_is_told_at_once_and_only_so_many_are_named() -> None:
    table = table_of()
    seen(table, sighting("a"), offset=0)
    (told,) = seen(table, sighting("a"), offset=1, dataset="other")
    assert told.datasets == ("app", "other")
    for n in range(DATASETS_MAX * 2):
        seen(table, sighting("a"), offset=2 + n, dataset=f"d{n}")
    (last,) = seen(table, sighting("a"), offset=99, now_ms=TELL_MS)
    assert len(last.datasets) == DATASETS_MAX


def test_another_life_goes_on_where_the_last_one_was_told() -> None:
    told = seen(table_of(), sighting("a", count=7, first=10, last=90), offset=5)
    (again,) = seen(table_of(*told), sighting("a", count=1), offset=6)
    assert template_key(again) == template_key(told[0])
    assert (again.count, again.first_seen_ms, again.last_seen_ms) == (8, 10, 90)
    assert again.revision > told[0].revision


def test_s2_a_record_that_is_read_again_is_counted_once() -> None:
    """S2: a crash behind the telling and before the state makes its events new again."""
    told = seen(table_of(), sighting("a", count=7), offset=5)
    table = table_of(*told)
    assert seen(table, sighting("a", count=7), offset=5) == []
    assert seen(table, sighting("a", count=2), offset=4) == []
    (later,) = seen(table, sighting("a", count=1), offset=6)
    assert later.count == 8


@pytest.mark.parametrize("seed", range(20))
def test_s2_figures_are_right_whatever_crashes(seed: int) -> None:
    """S2: first seen is exact, no event counts twice, and two workers name one record."""
    chance = Random(seed)
    sightings = [
        sighting("a", count=chance.randrange(1, 4), first=(at := 100 + n), last=at + 3)
        for n in range(30)
    ]
    chance.shuffle(sightings)
    stored: dict[bytes, TemplateRecord] = {}
    earliest = 10_000
    committed = 0
    while committed < len(sightings):
        table = table_of(*stored.values())
        for offset in range(committed, len(sightings)):
            told = seen(table, sightings[offset], offset=offset, now_ms=offset * 100)
            for record in told:
                before = stored.get(template_key(record))
                if before is None or before.revision <= record.revision:
                    stored[template_key(record)] = record
            earliest = min(earliest, sightings[offset].first_ms)
            assert min(one.first_seen_ms for one in stored.values()) == earliest
            if chance.random() < 0.3:
                committed = offset + 1
            if chance.random() < 0.2:
                break
        else:
            committed = len(sightings)
    (record,) = stored.values()
    assert record.count <= sum(one.new_count for one in sightings)
    assert record.first_seen_ms == 100


def test_what_is_not_told_yet_is_told_in_an_orderly_end() -> None:
    table = table_of()
    seen(table, sighting("a"), sighting("b"), offset=0)
    seen(table, sighting("b", count=5), offset=1)
    (rest,) = table.untold()
    assert (rest.template_id, rest.count) == ("b", 6)
    assert table.untold() == []


def test_when_it_is_full_what_was_not_seen_for_longest_is_told_and_forgotten() -> None:
    table = table_of()
    for n, name in enumerate("abcd"):
        seen(table, sighting(name), offset=n)
    seen(table, sighting("b", count=9), offset=4)
    seen(table, sighting("a"), offset=5)
    # c, which was told, and d go first; what was known of b is not lost with it.
    for n, name in enumerate("ef"):
        assert [
            one.template_id for one in seen(table, sighting(name), offset=6 + n)
        ] == [name]
    told = seen(table, sighting("g"), offset=8)
    assert [(one.template_id, one.count) for one in told] == [("g", 1), ("b", 10)]
    assert len(table) == 4


def test_what_was_forgotten_goes_on_in_a_part_of_its_own() -> None:
    """Its first record is never overwritten by one that knows less."""
    table = table_of()
    (first,) = seen(table, sighting("a", first=1, count=100), offset=0)
    for n, name in enumerate("bcde"):
        seen(table, sighting(name), offset=1 + n)
    (again,) = seen(table, sighting("a", first=77), offset=9)
    assert again.count == 1
    assert template_key(again) != template_key(first)
    # Read back, the newest part goes on, in whatever order they were written.
    for known in ((first, again), (again, first)):
        (later,) = seen(table_of(*known), sighting("a"), offset=10)
        assert template_key(later) == template_key(again)


def test_only_so_many_are_opened_in_an_hour_and_the_rest_when_they_come_again() -> None:
    limits = TableLimits(templates_max=10, opened_per_hour_max=2, tell_ms=TELL_MS)
    table = table_of(limits=limits)
    sightings = [sighting(name) for name in "abc"]
    told, passed_over = table.see(sightings, offset=0, dataset="app", now_ms=0)
    assert [one.template_id for one in told] == ["a", "b"]
    assert passed_over == 1
    told, passed_over = table.see(sightings, offset=1, dataset="app", now_ms=HOUR_MS)
    assert {one.template_id for one in told} == {"a", "b", "c"}
    assert passed_over == 0


def test_what_is_read_back_is_bounded_and_the_newest_stay() -> None:
    known: list[TemplateRecord] = []
    for n, name in enumerate("abcdefgh"):
        known += seen(table_of(), sighting(name), offset=n)
    table = table_of(*known)
    assert len(table) == LIMITS.templates_max
    (told,) = seen(table, sighting("h"), offset=20)
    assert told.count == 2


def test_records_of_a_former_raw_topic_are_left_as_they_are() -> None:
    """Its offsets began at 0 again, so nobody could tell what was counted."""
    (told,) = seen(table_of(topic="old"), sighting("a", count=9), offset=1_000)
    (again,) = seen(table_of(told, topic="new"), sighting("a"), offset=0)
    assert again.count == 1
    assert template_key(again) != template_key(told)


def test_x4_a_record_that_cannot_be_read_stops_nobody() -> None:
    table = TemplateTable(
        [b"{", b'{"wire_version":99}'], raw_topic_id="t", partition=3, limits=LIMITS
    )
    assert len(table) == 0

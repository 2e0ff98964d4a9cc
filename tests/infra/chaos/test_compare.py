"""The oracle sees each way in which what is stored can differ from what was written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import crc32c
import pytest

from tailrace.chaos.compare import Comparison, Gathered, compare
from tailrace.chaos.lines import REPEATED_EVERY, REPEATED_LINE, LineMaker
from tailrace.chaos.record import Entry, Record, WrittenLife, read_record, written_lives
from tailrace.chaos.stored import StoredEvent
from tailrace.identity import document_id

MAKER = LineMaker(seed=3, start_ms=1_700_000_000_000, lines_per_s=100)
GENERATIONS = ("0a" * 16, "0b" * 16)
ENTRIES = (
    Entry(life=1, path="/l/app0.log", first_offset=0, first_number=1, count=12),
    Entry(life=2, path="/l/app1.log", first_offset=0, first_number=13, count=9),
)


def lives() -> list[WrittenLife]:
    return written_lives(ENTRIES, maker=MAKER)


def event(number: int, *, offset: int, generation: str, place: int) -> StoredEvent:
    """Return line `number` of all as event `place` of its file."""
    line = MAKER.line(number)
    return StoredEvent(
        document_id=document_id(
            generation=generation,
            born_at_ms=1_700_000_000_000,
            offset=offset,
            checksum=crc32c.crc32c(line),
        ),
        index="n-generic-2023.11.14",
        generation=generation,
        offset=offset,
        path="/l/app.log",
        number=place,
        line=line,
    )


def stored() -> list[StoredEvent]:
    """Every line of both lives, as it should be stored."""
    events: list[StoredEvent] = []
    for entry, generation in zip(ENTRIES, GENERATIONS, strict=True):
        offset = 0
        for place in range(entry.count):
            number = entry.first_number + place
            events.append(
                event(number, offset=offset, generation=generation, place=place)
            )
            offset += len(MAKER.line(number)) + 1
    return events


def verdict(events: list[StoredEvent], *, readers: int = 1) -> Comparison:
    gathered = Gathered()
    for one in events:
        gathered.add(one)
    return compare(lives(), gathered, readers=lambda _path: readers)


def test_what_is_stored_as_it_was_written_is_exact_in_any_order() -> None:
    found = verdict(stored()[::-1])
    assert found.is_exact
    assert (found.written, found.stored, found.examples) == (21, 21, ())


@pytest.mark.parametrize("index", [0, 9, 20])
def test_one_missing_document_is_seen_and_named(index: int) -> None:
    events = stored()
    gone = events.pop(index)
    found = verdict(events)
    assert (found.missing, found.doubled, found.altered) == (1, 0, 0)
    assert f"offset {gone.offset}, is missing" in found.examples[0]


def test_one_document_more_with_another_id_in_the_same_place_is_seen() -> None:
    events = stored()
    again = dataclasses.replace(events[4], index="n-generic-2023.11.15")
    found = verdict([*events, again])
    assert (found.missing, found.doubled) == (0, 1)
    assert any("bears the number 4" in example for example in found.examples)


def test_a_file_stored_under_a_second_generation_is_seen_as_doubled() -> None:
    copies = [
        event(13 + n, offset=one.offset, generation="0c" * 16, place=n)
        for n, one in enumerate(stored()[12:])
    ]
    found = verdict([*stored(), *copies])
    assert (found.missing, found.doubled, found.altered) == (0, 9, 0)


def test_an_altered_line_is_seen_although_its_id_is_right() -> None:
    events = stored()
    events[2] = dataclasses.replace(events[2], line=events[2].line + b"!")
    found = verdict(events)
    assert (found.missing, found.doubled, found.altered) == (1, 1, 1)
    assert "another content" in found.examples[0]


def test_a_line_with_a_sound_id_in_another_place_is_seen() -> None:
    """Order within a file: the line of one place may not stand in another."""
    events = stored()
    moved = event(2, offset=events[2].offset, generation=GENERATIONS[0], place=2)
    events[2] = moved
    found = verdict(events)
    assert (found.missing, found.doubled, found.altered) == (1, 1, 0)


def test_events_out_of_order_are_seen_although_each_is_there() -> None:
    events = stored()
    events[3], events[4] = (
        dataclasses.replace(events[3], number=4),
        dataclasses.replace(events[4], number=3),
    )
    found = verdict(events)
    assert (found.missing, found.doubled, found.altered) == (0, 0, 0)
    assert found.disordered == 1
    assert not found.is_exact


def test_a_file_that_two_hosts_read_must_be_there_for_each() -> None:
    found = verdict(stored(), readers=2)
    assert (found.written, found.missing) == (42, 21)
    second = [
        event(
            n + 1,
            offset=one.offset,
            generation="1" + one.generation[1:],
            place=one.number,
        )
        for n, one in enumerate(stored())
    ]
    assert verdict([*stored(), *second], readers=2).is_exact


def test_the_record_gives_back_what_was_appended(tmp_path: Path) -> None:
    with Record(tmp_path / "written.ndjson") as record:
        for entry in ENTRIES:
            record.append(entry)
    assert tuple(read_record(tmp_path / "written.ndjson")) == ENTRIES


def test_a_record_with_a_hole_is_refused() -> None:
    hole = Entry(life=1, path="/l/app0.log", first_offset=7, first_number=1, count=1)
    with pytest.raises(ValueError, match="begins at 7"):
        written_lives([hole], maker=MAKER)


def test_lines_are_a_function_of_their_number_and_some_are_equal() -> None:
    again = LineMaker(seed=3, start_ms=MAKER.start_ms, lines_per_s=100)
    assert [MAKER.line(n) for n in range(50)] == [again.line(n) for n in range(50)]
    assert MAKER.line(REPEATED_EVERY) == MAKER.line(2 * REPEATED_EVERY) == REPEATED_LINE
    assert len({MAKER.line(n) for n in range(1, REPEATED_EVERY)}) == REPEATED_EVERY - 1
    other = LineMaker(seed=4, start_ms=MAKER.start_ms, lines_per_s=100)
    assert other.line(1) != MAKER.line(1)

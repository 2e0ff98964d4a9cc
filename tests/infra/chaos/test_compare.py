"""The oracle sees each way in which what is stored can differ from what was written."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import crc32c
import msgspec
import pytest

from tailrace.chaos.compare import Comparison, Gathered, compare, misdated
from tailrace.chaos.lines import (
    REPEATED_EVERY,
    REPEATED_LINE,
    LineMaker,
    stamped_at,
)
from tailrace.chaos.record import Entry, Record, WrittenLife, read_record, written_lives
from tailrace.chaos.stored import StoredEvent
from tailrace.identity import document_id
from tailrace_agent.config import SourceSettings
from tailrace_agent.open_file import open_file
from tailrace_agent.preview import preview
from tailrace_agent.rules import rules_of_user
from tailrace_stream.chunk import process_chunk
from tailrace_stream.parse_file import origin_of

MAKER = LineMaker(seed=3, start_ms=1_700_000_000_000, lines_per_s=100)
GENERATIONS = ("0a" * 16, "0b" * 16)
ENTRIES = (
    Entry(life=1, path="/l/app0.log", first_offset=0, first_number=1, count=12),
    Entry(life=2, path="/l/app1.log", first_offset=0, first_number=13, count=9),
)


def lives() -> list[WrittenLife]:
    return written_lives(ENTRIES, maker=MAKER)


def timestamp_of(line: bytes) -> str:
    at = stamped_at(line) or datetime(2023, 11, 14, tzinfo=UTC)
    return at.isoformat().replace("+00:00", "Z")


def event(
    number: int,
    *,
    offset: int,
    generation: str,
    place: int,
    path: str = "/l/app0.log",
    host: str = "h1",
) -> StoredEvent:
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
        path=path,
        number=place,
        line=line,
        dataset="generic",
        host_name=host,
        timestamp=timestamp_of(line),
    )


def stored() -> list[StoredEvent]:
    """Every line of both lives, as it should be stored."""
    events: list[StoredEvent] = []
    for entry, generation in zip(ENTRIES, GENERATIONS, strict=True):
        offset = 0
        for place in range(entry.count):
            number = entry.first_number + place
            events.append(
                event(
                    number,
                    offset=offset,
                    generation=generation,
                    place=place,
                    path=entry.path,
                )
            )
            offset += len(MAKER.line(number)) + 1
    return events


def verdict(
    events: list[StoredEvent], *, hosts: tuple[str, ...] = ("h1",)
) -> Comparison:
    gathered = Gathered()
    for one in events:
        gathered.add(one)
    return compare(lives(), gathered, hosts=lambda _path: hosts)


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
    found = verdict(stored(), hosts=("h1", "h2"))
    assert (found.written, found.missing) == (42, 21)
    second = [
        event(
            n + 1,
            offset=one.offset,
            generation="1" + one.generation[1:],
            place=one.number,
            path=one.path,
            host="h2",
        )
        for n, one in enumerate(stored())
    ]
    assert verdict([*stored(), *second], hosts=("h1", "h2")).is_exact
    swapped = [
        dataclasses.replace(one, host_name="h1" if one.host_name == "h2" else "h2")
        if one.number == 3
        else one
        for one in (*stored(), *second)
    ]
    found = verdict(swapped, hosts=("h1", "h2"))
    assert (found.missing, found.doubled, found.misplaced) == (0, 0, 4)


@pytest.mark.parametrize(
    "changes",
    [
        {"host_name": "h3"},
        {"path": "/l/app1.log"},
        {"path": "/l/app0.log.2"},
        {"path": "None"},
    ],
)
def test_a_line_of_another_host_or_file_is_seen(changes: dict[str, str]) -> None:
    events = stored()
    events[4] = dataclasses.replace(events[4], **changes)
    found = verdict(events)
    assert (found.missing, found.doubled, found.altered) == (0, 0, 0)
    assert found.misplaced == 1
    assert not found.is_exact
    assert "not said to be of /l/app0.log on h1" in found.examples[0]


@pytest.mark.parametrize("path", ["/l/app0.log.1", "/l/app0-1.moved"])
def test_a_line_may_name_each_path_that_its_life_had(path: str) -> None:
    events = [
        dataclasses.replace(one, path=path) if 3 < place < 9 else one
        for place, one in enumerate(stored())
    ]
    assert verdict(events).is_exact


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"timestamp": "2023-11-14T22:13:20.041Z"}, "its line's another"),
        ({"timestamp": "None"}, "its @timestamp is 'None'"),
        ({"index": "n-generic-2023.11.15"}, "another day or dataset"),
        ({"index": "n-other-2023.11.14"}, "another day or dataset"),
    ],
)
def test_another_time_or_index_than_the_line_has_is_seen(
    changes: dict[str, str], said: str
) -> None:
    events = stored()
    events[4] = dataclasses.replace(events[4], **changes)
    found = verdict(events)
    assert (found.missing, found.doubled, found.altered) == (0, 0, 1)
    assert said in found.examples[0]


@pytest.mark.parametrize("first", [1, REPEATED_EVERY])
def test_what_agent_and_stream_make_of_lines_has_their_times_and_indices(
    tmp_path: Path, first: int
) -> None:
    """Also where the parser is chosen by a line that bears no time."""
    path = tmp_path / "app0.log"
    path.write_bytes(b"".join(MAKER.line(n) + b"\n" for n in range(first, first + 30)))
    source = SourceSettings(name="chaos", paths=(f"{path}",), time_zone="UTC")
    opened = open_file(path, rules=rules_of_user())
    seen = preview(
        opened,
        path=str(path),
        source=source,
        host_time_zone="Asia/Tokyo",
        now_ms=MAKER.start_ms,
    )
    (chunk,) = seen.chunks
    opened.close()
    origin = msgspec.structs.replace(
        origin_of(str(path), placement=seen.placement, now_ms=MAKER.start_ms),
        generation=GENERATIONS[0],
        born_at_ms=MAKER.start_ms,
        size_bytes=chunk.size_bytes,
        event_count=chunk.event_count,
        framing=chunk.framing,
    )
    (piece,) = process_chunk(chunk.value, origin=origin, namespace="n").pieces
    lines = piece.body.splitlines()
    judged = [
        misdated(
            dataclasses.replace(
                stored()[0],
                index=msgspec.json.decode(action)["create"]["_index"],
                line=document["message"].encode(),
                dataset=document["event.dataset"],
                timestamp=document["@timestamp"],
            )
        )
        for action, document in zip(
            lines[::2], map(msgspec.json.decode, lines[1::2]), strict=True
        )
    ]
    assert judged == [None] * 30


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

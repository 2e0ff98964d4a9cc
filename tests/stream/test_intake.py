"""Whose record is it, and what of a record that nobody can read."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tailrace.capped_records import REFUSED_HEADER
from tailrace.wire import DeadLetter, encode
from tailrace_stream.intake import Chunk, read_record
from tailrace_stream.records import RawRecord
from tailrace_stream.work import parse_record, work_of
from tests.stream.builders import (
    ACCESS_LINE,
    GENERATION,
    NAMESPACE,
    SEEN_AT_MS,
    chunk_record,
    origin,
    placement,
    raw_record,
    stored_of,
)


def read(record: RawRecord) -> Chunk | DeadLetter | None:
    return read_record(record, topic_id="id-1", died_at_ms=1)


def letter_of(record: RawRecord) -> DeadLetter:
    letter = read(record)
    assert isinstance(letter, DeadLetter)
    return letter


@pytest.mark.parametrize("header", [b"", b"{}", b"\xff", b'{"wire_version":99}', b"[]"])
def test_k11_an_unreadable_origin_is_a_dead_letter_with_the_bytes(
    header: bytes,
) -> None:
    letter = letter_of(raw_record(b"abc", header=header, offset=9))
    assert letter.reason == "origin_unreadable"
    assert letter.original == b"abc"
    assert (letter.topic, letter.partition, letter.offset) == ("tailrace.raw", 3, 9)
    assert letter == letter_of(raw_record(b"abc", header=header, offset=9))


def test_x9_what_was_not_unpacked_is_a_dead_letter_with_its_packed_bytes() -> None:
    record = replace(
        raw_record(b"packed", offset=9),
        key=None,
        headers=((REFUSED_HEADER, b"too much"),),
    )
    letter = letter_of(record)
    assert letter.reason == "unpacked_too_large"
    assert letter.detail == "too much"
    assert letter.original == b"packed"
    assert (letter.topic, letter.partition, letter.offset) == ("tailrace.raw", 3, 9)


@pytest.mark.parametrize(
    "changes",
    [
        {"generation": "short"},
        {"generation": "Z" * 32},
        {"first_offset": -1},
        {"first_event_number": -1},
        {"first_event_number": 2**60},
        {"event_count": -1},
        {"born_at_ms": 2**60},
        {"observed_at_ms": -1},
        {"placement": placement(dataset="../x")},
        {"placement": placement(dataset="UPPER")},
        {"placement": placement(dataset="")},
        {"placement": placement(index="../x")},
        {"placement": placement(index="a-b")},
        {"placement": placement(index="dead")},
        {"placement": placement(index="x" * 101)},
    ],
)
def test_an_origin_that_could_name_no_document_is_refused(
    changes: dict[str, object],
) -> None:
    made = msgspec.structs.replace(origin(b"a\n"), **changes)
    assert letter_of(raw_record(b"a\n", header=encode(made))).reason == (
        "origin_unreadable"
    )


@pytest.mark.parametrize(
    ("key", "generation"),
    [(GENERATION.encode(), GENERATION), (b"k", ""), (b"\xff" * 32, ""), (None, "")],
)
def test_a_dead_letter_tells_whose_it_is_where_the_key_does(
    key: bytes | None, generation: str
) -> None:
    letter = letter_of(replace(raw_record(b"abc", header=b"{"), key=key))
    assert letter.generation == generation
    assert letter.first_event_number == -1


def test_k11_a_table_that_does_not_fit_is_a_dead_letter() -> None:
    made = origin(b"zz", framing="mapped")
    parsed = parse_record(
        chunk_record(b"zz", made=made), topic_id="t", namespace=NAMESPACE, now_ms=1
    )
    assert parsed.dead is not None
    assert parsed.dead.reason == "framing_unreadable"


def test_a_record_without_a_value_asks_for_nothing_and_is_counted() -> None:
    parsed = parse_record(raw_record(None), topic_id="t", namespace=NAMESPACE, now_ms=1)
    work = work_of(parsed, state=None, namespace=NAMESPACE, now_ms=1)
    assert work.outputs == ()
    assert work.counts == {"empty_records": 1}


def foreign(
    value: bytes, *, offset: int = 0, topic_id: str = "id-1"
) -> tuple[str, str]:
    parsed = parse_record(
        raw_record(value, offset=offset),
        topic_id=topic_id,
        namespace=NAMESPACE,
        now_ms=SEEN_AT_MS,
    )
    work = work_of(parsed, state=None, namespace=NAMESPACE, now_ms=SEEN_AT_MS)
    (one,) = stored_of(work.outputs[0].value)
    return one.document_id, one.index


def test_another_collectors_record_is_one_event_named_by_its_place_in_kafka() -> None:
    parsed = parse_record(
        raw_record(b'{"message":"a\\nb","level":"WARN"}\n', offset=12),
        topic_id="id-1",
        namespace=NAMESPACE,
        now_ms=SEEN_AT_MS,
    )
    work = work_of(parsed, state=None, namespace=NAMESPACE, now_ms=SEEN_AT_MS)
    (one,) = stored_of(work.outputs[0].value)
    assert one.document["message"] == "a\nb"
    assert one.document["log.level"] == "warn"
    assert one.document["log.offset"] == 12
    assert one.index == "tailrace-generic-2026.11.24"


def test_k12_equal_foreign_records_in_other_places_are_other_documents() -> None:
    """K12: a topic made anew under the same name starts other ids, not the same."""
    names = {
        foreign(b"x"),
        foreign(b"x", offset=1),
        foreign(b"x", topic_id="id-2"),
        foreign(b"y"),
    }
    assert len(names) == 4
    assert foreign(b"x") == foreign(b"x")


def test_a_chunk_of_ours_comes_with_its_own_origin() -> None:
    made = origin(ACCESS_LINE)
    chunk = read(chunk_record(ACCESS_LINE, made=made))
    assert isinstance(chunk, Chunk)
    assert chunk.origin == made

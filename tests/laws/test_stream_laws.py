"""Laws of a chunk: every line once, in its place, whatever its bytes and boundaries."""

from __future__ import annotations

from base64 import b64decode
from itertools import pairwise
from typing import Any

import crc32c
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.detect import PARSERS
from tailrace.framing import FLAG_CUT, MappedEvent, encode_mapped
from tailrace.identity import document_id
from tailrace.topics import DOCS
from tailrace.wire import DocumentsOrigin, Placement, decode
from tailrace_stream.chunk import process_chunk
from tailrace_stream.work import parse_record, work_of
from tests.stream.builders import (
    ACCESS_LINE,
    BORN_AT_MS,
    GENERATION,
    NAMESPACE,
    SEEN_AT_MS,
    Stored,
    chunk_record,
    origin,
    placement,
    processed,
    stored,
    stored_of,
)
from tests.stream.poison import poison_at

REAL = [
    ACCESS_LINE,
    b"Nov 24 01:02:03 web1 sshd[1]: x",
    b'{"time":"2026-11-24T01:02:03Z","msg":"a","level":"INFO","k":{"n":[1,null]}}',
    b'{"msg":"\\ud800"}',
    b'a=1 b="2\\"" level=warn',
    b"[2026-11-24 01:02:03,456] INFO x (kafka.S)",
    b'weird ,"user.name":null, here\r',
    b"\xff\xfe bytes\r",
    b"",
    b"\r",
    b"tab\tand \x00 nul \x1b[31m \xe2\x80\xa8 end",
]
LINES = st.lists(
    st.sampled_from(REAL)
    | st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"")),
    max_size=12,
)
PLACEMENTS = st.builds(
    placement,
    parser=st.sampled_from([*sorted(PARSERS), "from.the.future"]),
    dataset=st.just("x"),
    time_rule=st.sampled_from(["event", "generation"]),
    time_zone=st.sampled_from(["UTC", "America/Sao_Paulo", "No/Where"]),
)


def process(
    value: bytes,
    placed: Placement,
    *,
    first_offset: int = 0,
    first_event_number: int = 0,
) -> list[Stored]:
    done = processed(
        value,
        placed=placed,
        first_offset=first_offset,
        first_event_number=first_event_number,
    )
    assert not done.dead
    return stored(done)


def text_of(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace").removesuffix("\r")


def is_text(line: bytes) -> bool:
    """Return whether text alone proves what the line was."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def line_of(document: dict[str, Any]) -> str:
    return document.get("event.original", document["message"])


@settings(max_examples=150, deadline=None)
@given(LINES, PLACEMENTS, st.integers(0, 2**45), st.integers(0, 2**45), st.booleans())
def test_f31_f33_every_line_is_one_document_in_its_place(
    lines: list[bytes],
    placed: Placement,
    first_offset: int,
    number: int,
    ends: bool,
) -> None:
    value = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    expected = value.split(b"\n")
    if not expected[-1]:
        expected.pop()
    found = process(value, placed, first_offset=first_offset, first_event_number=number)
    assert len(found) == len(expected)
    offset = first_offset
    for position, (line, one) in enumerate(zip(expected, found, strict=True)):
        assert one.document["event.sequence"] == number + position
        assert one.document["log.offset"] == offset
        assert line_of(one.document) == text_of(line)
        assert one.document_id == document_id(
            generation=GENERATION,
            born_at_ms=BORN_AT_MS,
            offset=offset,
            checksum=crc32c.crc32c(line),
        )
        assert one.index.startswith(f"{NAMESPACE}-x-20")
        broken = one.document.get("tailrace.original_base64")
        assert (line if broken is None else b64decode(broken)) == line
        assert (broken is None) == is_text(line)
        assert None not in one.document.values()
        offset += len(line) + 1


@settings(max_examples=100, deadline=None)
@given(LINES, PLACEMENTS, st.integers(0, 12))
def test_other_chunk_boundaries_give_the_same_documents(
    lines: list[bytes], placed: Placement, cut: int
) -> None:
    """Ids, indices and every field: nothing depends on a line's neighbours."""
    whole = b"".join(line + b"\n" for line in lines)
    first = b"".join(line + b"\n" for line in lines[:cut])
    rest = whole[len(first) :]
    later = process(
        rest,
        placed,
        first_offset=len(first),
        first_event_number=min(cut, len(lines)),
    )
    assert process(first, placed) + later == process(whole, placed)


@settings(max_examples=60, deadline=None)
@given(LINES, PLACEMENTS)
def test_stored_bytes_behind_a_table_are_the_same_events(
    lines: list[bytes], placed: Placement
) -> None:
    newline = b"".join(line + b"\n" for line in lines)
    offset, rows = 0, list[MappedEvent]()
    for line in lines:
        rows.append(MappedEvent(offset, len(line), crc32c.crc32c(line), line))
        offset += len(line) + 1
    mapped = encode_mapped(rows)
    made = origin(mapped, placed=placed, framing="mapped")
    done = process_chunk(mapped, origin=made, namespace=NAMESPACE)
    assert stored(done) == process(newline, placed)


def test_f27_a_cut_event_tells_its_true_length_and_keeps_its_own_checksum() -> None:
    whole = b"x" * 5_000
    row = MappedEvent(7, len(whole), crc32c.crc32c(whole), whole[:10], FLAG_CUT)
    value = encode_mapped([row, MappedEvent(6_000, 1, 0, b"y")])
    made = msgspec.structs.replace(origin(value, framing="mapped"), tags=("t",))
    cut, other = stored(process_chunk(value, origin=made, namespace=NAMESPACE))
    assert cut.document["message"] == "x" * 10
    assert cut.document["tailrace.original_size_bytes"] == 5_000
    assert cut.document["tags"] == ["t", "cut"]
    assert other.document["tags"] == ["t"]
    assert "tailrace.original_size_bytes" not in other.document
    assert cut.document_id == document_id(
        generation=GENERATION,
        born_at_ms=BORN_AT_MS,
        offset=7,
        checksum=crc32c.crc32c(whole),
    )


@settings(max_examples=40, deadline=None)
@given(LINES, st.sets(st.integers(0, 11)))
def test_a_line_that_makes_a_parser_raise_costs_that_line_alone(
    lines: list[bytes], poisoned: set[int]
) -> None:
    """K11, S1: the good lines beside it are documents, it is a dead letter."""
    marked = [
        b"POISON " + line if row in poisoned else line.replace(b"POISON", b"")
        for row, line in enumerate(lines)
    ]
    value = b"".join(line + b"\n" for line in marked)
    with pytest.MonkeyPatch.context() as patched:
        poison_at(patched)
        done = process_chunk(value, origin=origin(value), namespace=NAMESPACE)
    dead = sorted(event.offset for event in done.dead)
    alive = [one.document["log.offset"] for one in stored(done)]
    assert len(dead) == len([row for row in poisoned if row < len(lines)])
    assert sorted(dead + alive) == done.offsets.tolist()
    assert {event.reason for event in done.dead} <= {"parser_raised"}
    numbers = [one.document["event.sequence"] for one in stored(done)]
    assert sorted(numbers + [e.position for e in done.dead]) == list(range(len(lines)))
    for event in done.dead:
        assert done.offsets[event.position] == event.offset
        end = event.offset + len(event.original)
        assert value[event.offset : end + 1] == event.original + b"\n"


@settings(max_examples=60, deadline=None)
@given(LINES, st.integers(200, 3_000))
def test_records_are_no_larger_than_allowed_and_span_the_chunk(
    lines: list[bytes], bytes_max: int
) -> None:
    """K5: what fits no record is dead, the pieces of all others follow one another."""
    value = b"".join(line + b"\n" for line in lines)
    done = process_chunk(
        value, origin=origin(value), namespace=NAMESPACE, piece_bytes_max=bytes_max
    )
    assert all(len(piece.body) <= bytes_max for piece in done.pieces)
    found = [one for piece in done.pieces for one in stored_of(piece.body)]
    assert len(found) == sum(piece.document_count for piece in done.pieces)
    assert len(found) + len(done.dead) == len(lines)
    assert {event.reason for event in done.dead} <= {"document_too_large"}
    numbers: list[int] = []
    for piece in done.pieces:
        span = range(piece.first_event, piece.first_event + piece.event_count)
        numbers += span
        for one in stored_of(piece.body):
            assert one.document["event.sequence"] in span
            assert piece.first_offset <= one.document["log.offset"]
    assert numbers == list(range(len(lines)))


def test_a_large_chunk_becomes_records_whose_spans_meet() -> None:
    value = (ACCESS_LINE + b"\n") * 6_000
    made = origin(value, placed=placement("access", dataset="nginx.access"))
    record = chunk_record(value, made=made)
    parsed = parse_record(record, topic_id="t", namespace=NAMESPACE, now_ms=SEEN_AT_MS)
    work = work_of(parsed, state=None, namespace=NAMESPACE, now_ms=SEEN_AT_MS)
    docs = [o for o in work.outputs if o.topic == DOCS.name(NAMESPACE)]
    spans = [decode(o.header, as_type=DocumentsOrigin) for o in docs]
    assert len(spans) > 1
    assert sum(span.event_count for span in spans) == 6_000
    assert spans[0].first_offset == 0
    assert spans[-1].next_offset == len(value)
    for before, after in pairwise(spans):
        assert before.next_offset == after.first_offset
        assert (
            before.first_event_number + before.event_count == after.first_event_number
        )

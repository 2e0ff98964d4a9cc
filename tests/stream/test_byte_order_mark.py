"""F32: the mark that a file begins with is in no field, and names are as without it."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Any

import crc32c
import pytest

from tailrace.framing import MappedEvent, encode_mapped
from tailrace.identity import document_id
from tailrace_stream.chunk import process_chunk
from tailrace_stream.events import read_events
from tests.stream.builders import (
    ACCESS_LINE,
    BORN_AT_MS,
    GENERATION,
    NAMESPACE,
    origin,
    placement,
    processed,
    stored,
)

MARK = "\ufeff"
SYSLOG_LINE = b"<34>Nov 24 01:02:03 web1 su: failed"


def first_of(value: bytes, *, parser: str, first_offset: int = 0) -> dict[str, Any]:
    made = processed(value, placed=placement(parser), first_offset=first_offset)
    return stored(made)[0].document


@pytest.mark.parametrize(
    ("line", "parser", "field", "expected"),
    [
        (ACCESS_LINE, "access", "source.ip", "203.0.113.7"),
        (ACCESS_LINE, "auto", "source.ip", "203.0.113.7"),
        (SYSLOG_LINE, "syslog", "log.level", "critical"),
        (b'{"msg":"hi","level":"INFO"}', "json", "log.level", "info"),
        (b"level=info msg=hi", "logfmt", "log.level", "info"),
        (b"2026-11-24 01:02:03 INFO hi", "log4j", "log.level", "info"),
        (b"words", "plain", "message", "words"),
        (b"", "plain", "message", ""),
        (b"\xff words", "plain", "message", r"\xff words"),
    ],
)
def test_a_marked_line_says_what_it_says_without(
    line: bytes, parser: str, field: str, expected: str
) -> None:
    second = b"\n" + ACCESS_LINE + b"\n"
    marked = first_of(BOM_UTF8 + line + second, parser=parser)
    plain = first_of(line + second, parser=parser)
    assert marked[field] == expected
    written = plain.pop("event.original", plain["message"])
    assert marked.pop("event.original") == MARK + written
    for document in (marked, plain):
        document.pop("tailrace.original_base64", None)
    assert marked == plain


def test_the_id_is_that_of_the_bytes_as_they_are() -> None:
    line = BOM_UTF8 + ACCESS_LINE
    one, two = stored(processed(line + b"\n" + ACCESS_LINE + b"\n"))
    assert [one.document_id, two.document_id] == [
        document_id(
            generation=GENERATION,
            born_at_ms=BORN_AT_MS,
            offset=offset,
            checksum=crc32c.crc32c(content),
        )
        for offset, content in ((0, line), (len(line) + 1, ACCESS_LINE))
    ]
    assert "event.original" not in two.document


@pytest.mark.parametrize("at", [0, 50])
def test_a_mark_is_one_only_where_the_file_begins(at: int) -> None:
    """Files that were joined have one in their middle, which is text of that line."""
    marked = (BOM_UTF8 + b"a\n") * 2
    found = stored(processed(marked, placed=placement("plain"), first_offset=at))
    messages = [one.document["message"] for one in found]
    assert messages == ["a" if at == 0 else MARK + "a", MARK + "a"]


def test_a_line_that_was_cut_loses_its_mark_alike() -> None:
    content = BOM_UTF8 + b"cut"
    value = encode_mapped([MappedEvent(0, 9_999, crc32c.crc32c(content), content, 1)])
    made = origin(value, placed=placement("plain"), framing="mapped")
    (one,) = stored(process_chunk(value, origin=made, namespace=NAMESPACE))
    assert one.document["message"] == "cut"
    assert one.document["event.original"] == MARK + "cut"


def test_only_the_first_part_of_a_chunk_has_the_mark() -> None:
    value = BOM_UTF8 + b"a\nb\n"
    events = read_events(value, origin=origin(value))
    parts = [events.part(0, 1), events.part(1, 2)]
    assert [part.lines().to_list() for part in parts] == [[MARK + "a"], ["b"]]
    assert [part.text.to_list() for part in parts] == [["a"], ["b"]]

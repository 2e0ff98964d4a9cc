"""An event of several lines is one document, whole, under the id of its bytes."""

from __future__ import annotations

import crc32c
import msgspec
import pytest

from tailrace.framing import FLAG_SPLIT, MappedEvent, encode_mapped
from tailrace.identity import document_id
from tailrace.wire import Table
from tailrace_stream.chunk import process_chunk
from tests.stream.builders import (
    BORN_AT_MS,
    GENERATION,
    NAMESPACE,
    origin,
    placement,
    stored,
)

EVENTS = [
    b"2026-11-24 01:02:03,100 INFO [main] app.Main - started",
    (
        b"2026-11-24 01:02:04,200 ERROR [main] app.Main - failed\r\n"
        b'java.lang.Error: "x"\r\n\tat a.B.c(B.java:1)\r'
    ),
]


@pytest.mark.parametrize("parser", ["log4j", "auto"])
@pytest.mark.parametrize("flags", [0, FLAG_SPLIT])
def test_a_trace_is_the_message_of_one_document(parser: str, flags: int) -> None:
    rows: list[MappedEvent] = []
    offset = 100
    for event in EVENTS:
        rows.append(MappedEvent(offset, len(event), crc32c.crc32c(event), event, flags))
        offset += len(event) + 1
    value = encode_mapped(rows)
    made = process_chunk(
        value,
        origin=origin(
            value, first_offset=100, placed=placement(parser), framing="mapped"
        ),
        namespace=NAMESPACE,
    )
    first, second = stored(made)
    assert first.document["message"] == "started"
    assert second.document["log.level"] == "error"
    assert second.document["message"].startswith("failed\r\njava.lang.Error")
    assert second.document["message"].endswith("(B.java:1)")
    assert second.document["event.original"] == EVENTS[1].decode().removesuffix("\r")
    assert second.document["log.offset"] == rows[1].offset
    assert second.document["@timestamp"].startswith("2026-11-24T01:02:04.2")
    assert second.document_id == document_id(
        born_at_ms=BORN_AT_MS,
        generation=GENERATION,
        offset=rows[1].offset,
        checksum=rows[1].checksum,
    )


def test_a_cell_of_separated_values_holds_the_newlines_of_its_event() -> None:
    """As `multiline = { start = '^\\d{4}-' }` makes one of the lines of such a row."""
    event = b'2026-11-24T01:02:03Z,"web ""1""\nand 2",200'
    value = encode_mapped([MappedEvent(0, len(event), crc32c.crc32c(event), event, 0)])
    table = Table(columns=("time", "host", "status"), separator=",")
    placed = msgspec.structs.replace(placement("csv"), table=table)
    made = process_chunk(
        value,
        origin=origin(value, placed=placed, framing="mapped"),
        namespace=NAMESPACE,
    )
    (found,) = stored(made)
    document = found.document
    assert document["host.hostname"] == 'web "1"\nand 2'
    assert document["attributes"] == {"status": "200"}
    assert "error.message" not in document

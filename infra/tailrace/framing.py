"""How a chunk's value holds its events: as they stand in the file, or behind a table.

`newline`: the value is the file's bytes. Each `\\n` ends an event; a last event without one
was flushed before its newline came. `mapped`, where the stored bytes are not the file's: a
table first, little endian, one row an event, then the stored bytes one after another.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec

from tailrace.errors import WireError

COUNT = struct.Struct("<I")
ROW = struct.Struct("<QQIII4x")
"""Offset, original size, stored size, CRC-32C of the original bytes, flags: 32 bytes."""
FLAG_CUT = 1
"""The stored bytes are the beginning only; the original size tells the true length."""
FLAG_UNTERMINATED = 2
"""No newline had followed when the event was flushed."""
FLAG_SPLIT = 4
"""A limit ended an event of several lines: the next one may go on with its lines."""
FLAG_REDACTED = 8
"""Something was taken out of the stored bytes before they left their host."""
FLAG_CONVERTED = 16
"""The stored bytes say in text what the original bytes say in another form."""


class MappedEvent(msgspec.Struct, frozen=True):
    """One event whose stored bytes are not, or not all, of the file's."""

    offset: int
    """File offset of its first byte."""
    original_size_bytes: int
    """Its length in the file, without the newline that ended its last line."""
    checksum: int
    """CRC-32C of its original bytes, without that newline."""
    stored: bytes
    flags: int = 0


def encode_mapped(events: Sequence[MappedEvent]) -> bytes:
    """Return a chunk's value with framing `mapped`."""
    rows = [
        ROW.pack(e.offset, e.original_size_bytes, len(e.stored), e.checksum, e.flags)
        for e in events
    ]
    return b"".join((COUNT.pack(len(events)), *rows, *(e.stored for e in events)))


def decode_mapped(value: bytes) -> list[MappedEvent]:
    """Read a chunk's value with framing `mapped`.

    Raises:
        WireError: the table does not fit the bytes.
    """
    position = table_end(value)
    events: list[MappedEvent] = []
    for row in ROW.iter_unpack(value[COUNT.size : position]):
        offset, original_size, stored_size, checksum, flags = row
        stored = value[position : position + stored_size]
        events.append(MappedEvent(offset, original_size, checksum, stored, flags))
        position += stored_size
    check_end(value, position)
    return events


def table_end(value: bytes) -> int:
    """Return where the table of a mapped chunk ends and the stored bytes begin.

    Raises:
        WireError: there is no room for it.
    """
    if len(value) < COUNT.size:
        raise WireError(f"a mapped chunk of {len(value)} bytes has no table")
    (count,) = COUNT.unpack_from(value)
    position = COUNT.size + count * ROW.size
    if len(value) < position:
        raise WireError(
            f"a mapped chunk of {len(value)} bytes has no room for {count} rows"
        )
    return position


def check_end(value: bytes, end: int) -> None:
    """Check that the stored bytes end with the chunk.

    Raises:
        WireError: the table does not fit the bytes.
    """
    if end != len(value):
        raise WireError(f"a mapped chunk holds {len(value)} bytes, its table {end}")

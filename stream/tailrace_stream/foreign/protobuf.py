"""Protocol Buffers on the wire, as far as OTLP needs them: a message as numbered fields.

A reader of its own and no library: it needs no generated code, and takes slices of the
bytes as they are, of which an event's checksum is made.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_VARINT_BYTES_MAX = 10

Value = int | bytes
"""Of a varint or a fixed number the unsigned bits; else the bytes."""


class ProtobufError(ValueError):
    """The bytes are no message."""


def fields_in(message: bytes) -> Iterator[tuple[int, int, Value]]:
    """Yield number, wire type and value of each field, in their order.

    Raises:
        ProtobufError: the bytes end within a field, or are none.
    """
    at, size = 0, len(message)
    while at < size:
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise ProtobufError("a field has the number 0")
        if kind == VARINT:
            value, at = _varint(message, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            length, at = _varint(message, at)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise ProtobufError(f"a field has the wire type {kind}")
        end = at + length
        if end > size:
            raise ProtobufError(f"a field ends {end - size} bytes behind the message")
        piece = message[at:end]
        yield number, kind, piece if kind == BYTES else int.from_bytes(piece, "little")
        at = end


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for position in range(_VARINT_BYTES_MAX):
        if at + position >= len(message):
            break
        byte = message[at + position]
        value |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + position + 1
    raise ProtobufError("a number does not end")


def bytes_of(kind: int, value: Value) -> bytes:
    """Return the bytes of a field that holds some.

    Raises:
        ProtobufError: it holds a number.
    """
    if kind != BYTES or not isinstance(value, bytes):
        raise ProtobufError(f"bytes have the wire type {kind}")
    return value


def text_of(kind: int, value: Value) -> str:
    """Return the text of a field; what is not UTF-8 in it is written as `\\xNN`.

    Raises:
        ProtobufError: it holds a number.
    """
    return bytes_of(kind, value).decode("utf-8", "backslashreplace")


def number_of(kind: int, value: Value, *, as_kind: int) -> int:
    """Return the number of a field.

    Raises:
        ProtobufError: it is written otherwise.
    """
    if kind != as_kind or not isinstance(value, int):
        raise ProtobufError(f"a number has the wire type {kind}")
    return value

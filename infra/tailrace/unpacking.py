"""Unpack what somebody else packed, to a limit: a small record may unpack to a huge one.

What a batch of records says of its own size is not believed: each codec writes into a
bounded buffer, and is asked for more only while there is room. That its content is whole
is held as the codecs themselves do.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from typing import Any, cast

import zstandard

# It has no types.
_lz4_frame = cast("Any", importlib.import_module("lz4.frame"))

STEP_BYTES = 4 * 1_024 * 1_024
"""So much at a time is unpacked where nothing says how much there is."""
WINDOW_BYTES_MAX = 32 * 1_024 * 1_024
"""How far back zstd may refer, which it holds in memory: what level 19 needs, thrice."""
_GZIP_WINDOW = 31
_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16
_WINDOW_REFUSED = "requires too much memory"
_VARINT_BYTES_MAX = 5


class UnpackedTooLarge(Exception):
    """Packed bytes hold more than may be unpacked; nothing of that was kept."""

    def __init__(self, payload: bytes, *, limit_bytes: int) -> None:
        super().__init__(
            f"{len(payload)} packed bytes unpack to more than {limit_bytes}"
        )
        self.payload = payload
        """The bytes as they were packed."""


def unpack_gzip(payload: bytes, *, bytes_max: int) -> bytes:
    """Return the content of all gzip members.

    Raises:
        UnpackedTooLarge: there is more of it.
        ValueError: it is no gzip, or not all of it is there.
    """
    pieces: list[bytes] = []
    room, rest = bytes_max + 1, bytes(payload)
    while rest:
        inflating = zlib.decompressobj(_GZIP_WINDOW)
        try:
            piece = inflating.decompress(rest, room)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        pieces.append(piece)
        room -= len(piece)
        if room <= 0:
            raise UnpackedTooLarge(bytes(payload), limit_bytes=bytes_max)
        if not inflating.eof:
            raise ValueError("the gzip stream ends before its end")
        rest = inflating.unused_data
    return b"".join(pieces)


def unpack_lz4(payload: bytes, *, bytes_max: int) -> bytes:
    """Return the content of one lz4 frame.

    Raises:
        UnpackedTooLarge: there is more of it.
        RuntimeError: it is no lz4 frame.
        ValueError: not all of it is there.
    """
    frame = _lz4_frame.LZ4FrameDecompressor()
    pieces: list[bytes] = []
    size_bytes, rest = 0, bytes(payload)
    while not frame.eof:
        room = min(bytes_max + 1 - size_bytes, max(STEP_BYTES, 4 * len(payload)))
        piece = cast("bytes", frame.decompress(rest, max_length=room))
        rest = b""
        pieces.append(piece)
        size_bytes += len(piece)
        if size_bytes > bytes_max:
            raise UnpackedTooLarge(bytes(payload), limit_bytes=bytes_max)
        if not piece and not frame.eof and frame.needs_input:
            raise ValueError("the lz4 frame ends before its end")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def unpack_zstd(payload: bytes, *, bytes_max: int) -> bytes:
    """Return the content of all zstd frames.

    Raises:
        UnpackedTooLarge: there is more of it, or to unpack it takes too much memory.
        ValueError: it is no zstd frame. Of one that ends too early what is there is
            returned: the checksum of its batch was compared before.
    """
    packed = bytes(payload)
    pieces: list[bytes] = []
    size_bytes = 0
    unpacking = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX)
    try:
        with unpacking.stream_reader(packed, read_across_frames=True) as reader:
            while piece := reader.read(min(STEP_BYTES, bytes_max + 1 - size_bytes)):
                pieces.append(piece)
                size_bytes += len(piece)
                if size_bytes > bytes_max:
                    raise UnpackedTooLarge(packed, limit_bytes=bytes_max)
    except zstandard.ZstdError as error:
        if _WINDOW_REFUSED in str(error):
            raise UnpackedTooLarge(packed, limit_bytes=bytes_max) from error
        raise ValueError(str(error)) from error
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def unpack_snappy(
    payload: bytes, *, bytes_max: int, unpack: Callable[[bytes], bytes]
) -> bytes:
    """Return what `unpack` makes of it, which holds to the sizes that snappy begins with.

    Raises:
        UnpackedTooLarge: they are more.
        ValueError: there is no such size.
    """
    if snappy_size(bytes(payload)) > bytes_max:
        raise UnpackedTooLarge(bytes(payload), limit_bytes=bytes_max)
    return unpack(payload)


def snappy_size(payload: bytes) -> int:
    """Return how many bytes snappy says that it unpacks to, in blocks or without.

    Raises:
        ValueError: there is no such size.
    """
    if not payload.startswith(_XERIAL_MAGIC):
        return _varint(payload)
    total, cursor = 0, _XERIAL_HEADER_BYTES
    while cursor < len(payload):
        length = int.from_bytes(payload[cursor : cursor + 4], "big", signed=True)
        block = payload[cursor + 4 : cursor + 4 + length]
        if length <= 0:
            raise ValueError(f"a snappy block has the length {length}")
        total += _varint(block)
        cursor += 4 + length
    return total


def _varint(data: bytes) -> int:
    value = 0
    for index, byte in enumerate(data[:_VARINT_BYTES_MAX]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value
    raise ValueError("snappy begins with no size")

"""How compressed bytes become the bytes of a log: a little in, a bounded piece out."""

from __future__ import annotations

import zlib
from typing import Protocol

from tailrace.errors import TailraceError

GZIP_SUFFIX = ".gz"
ZSTD_SUFFIX = ".zst"
SUFFIXES = (GZIP_SUFFIX, ZSTD_SUFFIX)
MAGIC = {GZIP_SUFFIX: b"\x1f\x8b", ZSTD_SUFFIX: b"\x28\xb5\x2f\xfd"}
MAGIC_BYTES_MAX = 4
PIECE_BYTES_MAX = 256 * 1_024
"""The most that one step of gzip gives."""
ZSTD_FEED_BYTES = 1_024
"""One step of zstd: at its worst, 256 blocks of 128 KiB come from so much."""
ZSTD_WINDOW_BYTES_MAX = 32 * 1_024 * 1_024
_GZIP_BITS = 31


class ArchiveDamaged(TailraceError):
    """The compressed bytes are not what a compressor writes."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The archive cannot be read on: {why}",
            remedy="what stood before is kept; restore the archive from a backup",
        )


class Inflater(Protocol):
    """One stream of an archive."""

    def step(self, compressed: bytes) -> tuple[bytes, bytes]:
        """Return a piece of content, and what is left of `compressed` to be given again.

        Raises:
            ArchiveDamaged: no compressor wrote this.
        """
        ...

    @property
    def is_ended(self) -> bool:
        """Return whether the stream is complete; another one may follow."""
        ...


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=_GZIP_BITS)

    def step(self, compressed: bytes) -> tuple[bytes, bytes]:
        try:
            piece = self._stream.decompress(compressed, PIECE_BYTES_MAX)
        except zlib.error as error:
            raise ArchiveDamaged(str(error)) from error
        return piece, self._stream.unconsumed_tail or self._stream.unused_data

    @property
    def is_ended(self) -> bool:
        return self._stream.eof


class _Zstd:
    def __init__(self) -> None:
        # The one place that needs the package: agents without `.zst` start without it.
        import zstandard

        self._error = zstandard.ZstdError
        self._stream = zstandard.ZstdDecompressor(
            max_window_size=ZSTD_WINDOW_BYTES_MAX
        ).decompressobj()

    def step(self, compressed: bytes) -> tuple[bytes, bytes]:
        taken, rest = compressed[:ZSTD_FEED_BYTES], compressed[ZSTD_FEED_BYTES:]
        try:
            piece = self._stream.decompress(taken)
        except self._error as error:
            raise ArchiveDamaged(str(error)) from error
        return piece, self._stream.unused_data + rest

    @property
    def is_ended(self) -> bool:
        return self._stream.eof


def inflater(suffix: str) -> Inflater:
    """Return what reads one stream of an archive with this suffix."""
    return _Gzip() if suffix == GZIP_SUFFIX else _Zstd()


def suffix_of(path: str) -> str | None:
    """Return the suffix by which a name says that it is an archive of one log."""
    return next((suffix for suffix in SUFFIXES if path.endswith(suffix)), None)

"""Which compressor wrote a file, by its first bytes: no line of a log begins like these."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BYTES = 10
"""So many of the first bytes are enough."""


@dataclass(frozen=True, slots=True)
class ArchiveKind:
    """What wrote an archive, and the usual command that writes out what is in it."""

    name: str
    command: str
    magic: bytes


KINDS = (
    ArchiveKind("gzip", "zcat", b"\x1f\x8b"),
    ArchiveKind("zstd", "zstdcat", b"\x28\xb5\x2f\xfd"),
    ArchiveKind("xz", "xzcat", b"\xfd7zXZ\x00"),
    ArchiveKind("lz4", "lz4cat", b"\x04\x22\x4d\x18"),
    ArchiveKind("bzip2", "bzcat", b"BZh"),
)
_BZIP2_BLOCK = b"1AY&SY"
"""Stands behind bzip2's magic, which by itself are letters, and a digit."""


def archive_kind(head: bytes) -> ArchiveKind | None:
    """Return what wrote a file that begins with `head`; None where it is no archive."""
    for kind in KINDS:
        is_letters = kind.magic.isalpha()
        if head.startswith(kind.magic) and (
            not is_letters or head[4:10] == _BZIP2_BLOCK
        ):
            return kind
    return None

"""Which bytes of its file a document holds, and whether it stands under the right id.

A document has the line as text: without its newline, without a carriage return before it,
and in base64 where it was no text. Its file may have been UTF-8 or UTF-16. The checksum in
the `_id` is of the bytes themselves, so it tells which of the few readings is the true one.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass

import crc32c

from tailrace.answers import Document, field
from tailrace.digest import is_unaltered
from tailrace.identity import ID_BYTES, birth_second


@dataclass(frozen=True, slots=True, kw_only=True)
class IdParts:
    """What a document's `_id` says."""

    birth_second: int
    offset: int
    generation_start: str
    checksum: int


def read_id(document_id: str) -> IdParts | None:
    """Return the parts of an `_id` of ours; None where it is none."""
    try:
        raw = urlsafe_b64decode(document_id)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != ID_BYTES:
        return None
    return IdParts(
        birth_second=int.from_bytes(raw[0:4], "big"),
        offset=int.from_bytes(raw[4:10], "big"),
        generation_start=raw[10:17].hex(),
        checksum=int.from_bytes(raw[17:21], "big"),
    )


def original_line(document: Document, *, checksum: int) -> bytes | None:
    """Return the event's bytes as they stood in the file, without the newline.

    None where the document does not hold them all, or none that fit the checksum.
    """
    for line in _readings(document):
        if crc32c.crc32c(line) == checksum:
            return line
    return None


def is_stored_otherwise(document: Document) -> bool:
    """Tell whether the document holds the line other than it was: cut, or redacted."""
    return field(document, "tailrace.original_size_bytes") is not None


def size_bytes(document: Document, *, document_id: str) -> int | None:
    """Return how long the event is in its file, without the newline that ended it."""
    whole = field(document, "tailrace.original_size_bytes")
    if isinstance(whole, int):
        return whole
    parts = read_id(document_id)
    if parts is None:
        return None
    line = original_line(document, checksum=parts.checksum)
    return None if line is None else len(line)


def newline_bytes(document: Document, *, document_id: str) -> int | None:
    """Return how long a newline is in the event's file, which its encoding tells."""
    parts = read_id(document_id)
    if parts is None:
        return None
    line = original_line(document, checksum=parts.checksum)
    text = _text(document)
    if not line or text is None:
        return None  # Of an empty line every encoding has the same bytes.
    plain = text.encode("utf-8", "surrogatepass")
    return 1 if line in (plain, plain + b"\r") else 2


def alteration(
    source: bytes,
    document: Document,
    *,
    document_id: str,
    born_at_ms: int | None,
) -> str | None:
    """Return what is wrong with a document, or None where it is as it was indexed.

    `source` is its bytes, `document` the same decoded; `born_at_ms` is the generation's
    birth, where the ledger has it.
    """
    if not is_unaltered(source):
        return "it does not fit its digest"
    parts = read_id(document_id)
    if parts is None:
        return "its _id is none of ours"
    if parts.offset != field(document, "log.offset"):
        return "its _id is of another offset"
    generation = str(field(document, "tailrace.generation"))
    if not generation.startswith(parts.generation_start):
        return "its _id is of another generation"
    if born_at_ms is not None and birth_second(born_at_ms) != parts.birth_second:
        return "its _id is of another birth"
    is_as_written = not is_stored_otherwise(document)
    if is_as_written and original_line(document, checksum=parts.checksum) is None:
        return "its _id is of another line"
    return None


def _readings(document: Document) -> Iterator[bytes]:
    encoded = field(document, "tailrace.original_base64")
    if isinstance(encoded, str):
        try:
            stored = b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return
        yield stored
        try:
            text = stored.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return
        yield from _written(text, ends=("",))
    elif (text := _text(document)) is not None:
        yield from _written(text, ends=("", "\r"))


def _text(document: Document) -> str | None:
    text = field(document, "event.original")
    if not isinstance(text, str):
        text = field(document, "message")
    return text if isinstance(text, str) else None


def _written(text: str, *, ends: tuple[str, ...]) -> Iterator[bytes]:
    """Yield the bytes that a file may have had for a text, the likeliest first."""
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        for end in ends:
            yield (text + end).encode(encoding, "surrogatepass")

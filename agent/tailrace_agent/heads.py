"""How a file begins: by its head a file is known again, and its copies are told from it."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from tailrace.wire import AgentLedger, Mark
from tailrace_agent.positions import Source, Tail, tail_of

HEAD_BYTES = 1_024
LINE_ENDS_MAX = 16
"""More lines than an application writes while its file is copied, and few bytes."""


class Head(NamedTuple):
    """How a file begins: by it its copies are known, and what was written over it is not."""

    size_bytes: int
    hash: str
    line_ends: tuple[tuple[int, str], ...]
    """Where its last lines end, and the hash of all before each: a copy ends where the
    application had written to, which is where a line ends."""


def begins_with_hole(source: Source) -> bool:
    """Return whether a file begins with a NUL, which its writer may fill.

    Raises:
        OSError: the file cannot be read.
    """
    first = bytearray(1)
    return source.read_into((memoryview(first),), offset=0) == 1 and not first[0]


def head_of(source: Source, *, size_max: int = HEAD_BYTES) -> tuple[int, str]:
    """Return how many bytes the head has, at most `HEAD_BYTES`, and their hash.

    Raises:
        OSError: the file cannot be read.
    """
    head = memoryview(bytearray(min(size_max, HEAD_BYTES)))
    size = source.read_into((head,), offset=0)
    return size, _head_hash(head[:size])


def read_head(source: Source) -> Head:
    """Return how a file begins now.

    Raises:
        OSError: the file cannot be read.
    """
    return _head(_first_bytes(source))


def grown_head(source: Source, size_bytes: int, head_hash: str) -> Head | None:
    """Return how a file begins now; None where that is not how it began, by this hash.

    Both are told of one reading: a file that is emptied between two would give its next
    life's head, or none at all, to a life of which copies are known by it.

    Raises:
        OSError: the file cannot be read.
    """
    content = _first_bytes(source)
    begun = content[:size_bytes]
    is_as_before = (len(begun), _head_hash(begun)) == (size_bytes, head_hash)
    return _head(content) if is_as_before else None


def shortened_head(
    source: Source, record: AgentLedger, *, offset: int, tail: Tail
) -> Head | None:
    """Return how a file begins that was cut off behind a place within its head.

    None where the place is behind the head or at its beginning, where the file holds all
    of the head, or where something else stands before the place. Of one reading, too.

    Raises:
        OSError: the file cannot be read.
    """
    if not 0 < offset < record.head_size_bytes:
        return None
    content = _first_bytes(source)
    is_cut = offset <= len(content) < record.head_size_bytes
    before = content[offset - tail.size_bytes : offset]
    stands = not tail.size_bytes or tail_of(before) == tail
    return _head(content) if is_cut and stands else None


def copied_head(source: Source, record: AgentLedger) -> Head | None:
    """Return how a copy begins that ends within the head; None where it is none any more.

    Raises:
        OSError: the file cannot be read.
    """
    content = _first_bytes(source)
    return _head(content) if _ends_at_place(content, record) else None


def is_head_of(content: bytes | memoryview, record: AgentLedger) -> bool:
    """Return whether a file's first bytes, as they were read, are of its generation.

    Of a copy that holds less than its head, they end where one of its lines did.
    """
    size = record.head_size_bytes
    if len(content) >= size:
        return _head_hash(content[:size]) == record.head_hash
    return record.held_by is not None and _ends_at_place(content, record)


def known_places(record: AgentLedger) -> tuple[Mark, ...]:
    """Return the places, beside its head and its position, that a life is known by."""
    return record.marks if record.copied is None else (*record.marks, record.copied)


def _ends_at_place(content: bytes | memoryview, record: AgentLedger) -> bool:
    """Return whether all of a small file stands before a place that its life is known by."""
    if (len(content), _short_hash(content)) in record.head_line_ends:
        return True
    return bytes(content[-1:]) == b"\n" and any(
        place.offset == place.tail_size_bytes == len(content)
        and tail_of(content).hash == place.tail_hash
        for place in known_places(record)
    )


def _first_bytes(source: Source) -> bytes:
    buffer = memoryview(bytearray(HEAD_BYTES))
    return bytes(buffer[: source.read_into((buffer,), offset=0)])


def _head(content: bytes) -> Head:
    if not content.startswith(b"\0"):
        # Room that its writer took beforehand, as one that maps its file does, is filled.
        content = content.rstrip(b"\0")
    ends: list[int] = []
    end = content.rfind(b"\n") + 1
    while end and len(ends) < LINE_ENDS_MAX:
        ends.append(end)
        end = content.rfind(b"\n", 0, end - 1) + 1
    return Head(
        len(content),
        _head_hash(content),
        tuple((end, _short_hash(content[:end])) for end in reversed(ends)),
    )


def ends_in_head(source: Source, record: AgentLedger, *, size_bytes: int) -> bool:
    """Return whether a file shorter than the head is, to its end, the head's beginning.

    Raises:
        OSError: the file cannot be read.
    """
    for end, known_hash in record.head_line_ends:
        if end == size_bytes:
            begun = memoryview(bytearray(end))
            size = source.read_into((begun,), offset=0)
            return size == end and _short_hash(begun) == known_hash
    return False


def has_head(source: Source, record: AgentLedger) -> bool:
    """Return whether the file begins as the generation of `record` did.

    Raises:
        OSError: the file cannot be read.
    """
    return begins_with(source, record.head_size_bytes, record.head_hash)


def begins_with(source: Source, size_bytes: int, head_hash: str) -> bool:
    """Return whether a file's first bytes are so many, and have this hash.

    Raises:
        OSError: the file cannot be read.
    """
    return head_of(source, size_max=size_bytes) == (size_bytes, head_hash)


def _head_hash(content: bytes | memoryview) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _short_hash(content: bytes | memoryview) -> str:
    return hashlib.blake2b(content, digest_size=6).hexdigest()

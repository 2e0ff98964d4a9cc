"""How like a file is to a generation, by content: its head, its last place, those between."""

from __future__ import annotations

from tailrace.wire import AgentLedger, Mark
from tailrace_agent.heads import HEAD_BYTES, ends_in_head, has_head, known_places
from tailrace_agent.positions import Source, Tail, stands_before, tail_at


def begins_alike(file: Source, record: AgentLedger, *, size_bytes: int) -> bool:
    """Return whether a file of this size begins as the generation did.

    A shorter one that ends where one of its lines did, or where a place is remembered, may
    be a copy from before it grew.

    Raises:
        OSError: the file cannot be read.
    """
    size = record.head_size_bytes
    if size and size_bytes >= size:
        return has_head(file, record)
    return ends_in_head(file, record, size_bytes=size_bytes) or (
        any(
            mark.offset == size_bytes == mark.tail_size_bytes and stands_at(file, mark)
            for mark in known_places(record)
        )
        and ends_with_line(file, size_bytes=size_bytes)
    )


def holds(file: Source, record: AgentLedger, *, size_bytes: int) -> bool:
    """Return whether what was read last of the generation stands here, too.

    Raises:
        OSError: the file cannot be read.
    """
    if size_bytes < record.next_offset:
        return False
    tail = Tail(record.tail_size_bytes, record.tail_hash)
    return stands_before(file, record.next_offset, tail)


def is_shorter_copy(file: Source, record: AgentLedger, *, size_bytes: int) -> bool:
    """Return whether the file ends before the position, and is a copy up to there.

    The original grew, and was read, between its copy and its truncation. Many a file may
    begin with the same few lines: within the head it must be known to the last byte.
    """
    if size_bytes >= record.next_offset:
        return False
    marked_bytes = _marked_bytes(file, record, size_bytes=size_bytes)
    return marked_bytes >= min(HEAD_BYTES, size_bytes)


def _marked_bytes(file: Source, record: AgentLedger, *, size_bytes: int) -> int:
    """Return the furthest remembered place of a generation that is the file's, too."""
    places = [
        mark.offset
        for mark in known_places(record)
        if mark.offset <= size_bytes and stands_at(file, mark)
    ]
    if ends_in_head(file, record, size_bytes=size_bytes):
        return size_bytes
    return max(places, default=0)


def ends_with_line(file: Source, *, size_bytes: int) -> bool:
    """Return whether a file of this size ends where a line does.

    A half of one is how many a line begins: small, it tells of no life.

    Raises:
        OSError: the file cannot be read.
    """
    last = bytearray(1)
    read = file.read_into((memoryview(last),), offset=size_bytes - 1)
    return read == 1 and last.endswith(b"\n")


def stands_at(file: Source, mark: Mark) -> bool:
    """Return whether a file has, at a remembered place, what stood before it.

    Raises:
        OSError: the file cannot be read.
    """
    tail = Tail(mark.tail_size_bytes, mark.tail_hash)
    return tail_at(file, mark.offset, mark.tail_size_bytes) == tail


def known_alike_bytes(file: Source, record: AgentLedger, *, size_bytes: int) -> int:
    """Return up to where a file is known to be like a generation that it begins like.

    Where it has another line than was read last of that, it is no copy: 0.
    """
    if holds(file, record, size_bytes=size_bytes):
        return max(min(record.head_size_bytes, size_bytes), record.next_offset)
    if size_bytes >= record.next_offset:
        return 0
    marked_bytes = _marked_bytes(file, record, size_bytes=size_bytes)
    return max(min(record.head_size_bytes, size_bytes), marked_bytes)


def is_in_archive(file: Source, record: AgentLedger, *, size_bytes: int) -> bool:
    """Return whether what was read of an archive holds the file, or may yet.

    The archive itself is not asked: to look back would inflate it once more.
    """
    if record.next_offset < size_bytes:
        return not record.is_closed
    if record.next_offset == size_bytes:
        return holds(file, record, size_bytes=size_bytes)
    return is_shorter_copy(file, record, size_bytes=size_bytes)

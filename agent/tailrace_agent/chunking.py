"""Where a file's bytes are cut into chunks: at event boundaries, however they are read.

Only the position decides what an event is, never the size of a read: a boundary is a
newline, the end of a hole at the head of the file, or a cut that the checkpoint knows.
So the same bytes give the same events with the same offsets whatever the chunks are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

from crc32c import crc32c

from tailrace.framing import FLAG_CUT, FLAG_UNTERMINATED, MappedEvent, encode_mapped
from tailrace.wire import Cut

TAIL_BYTES = 1_024
"""How much of what stands before a position is remembered to know the place again."""
SCAN_BYTES_MAX = 8 * 1_024 * 1_024
"""How far one call looks for the end of a too long event: other files want a turn."""
HOLE_BYTES_MIN = 512
"""Fewer NULs at the head of a file that was never truncated are taken for content."""
_NEWLINE = b"\n"
_RETURN = b"\r"


@dataclass(frozen=True, slots=True)
class Tail:
    """The bytes directly before a position, as their length and hash."""

    size_bytes: int
    hash: str


NO_TAIL = Tail(0, "")


@dataclass(frozen=True, slots=True)
class Position:
    """Where reading goes on: always the start of an event."""

    offset: int
    event_number: int
    tail: Tail


START = Position(0, 0, NO_TAIL)


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a chunk and an event may be."""

    chunk_bytes: int
    event_bytes_max: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole events of one file, and where it goes on after them."""

    first_offset: int
    size_bytes: int
    skipped_before_bytes: int
    first_event_number: int
    event_count: int
    framing: Literal["newline", "mapped"]
    value: bytes
    after: Position
    cut: Cut | None = None
    """The boundary made by time at its end; to be on disk before the chunk is sent."""


class Reading(Enum):
    """Why there is no chunk."""

    EMPTY = "nothing stands after the position"
    PARTIAL = "the last line has no newline yet"
    MORE = "a very long event is being passed; ask again"
    REWRITTEN = "what stands before the position is not what stood there"


class Source(Protocol):
    """A file that can be read at any place."""

    def read_into(self, buffers: Sequence[memoryview], *, offset: int) -> int:
        """Fill the buffers one after another from `offset`; return the bytes read.

        Raises:
            OSError: the file cannot be read.
        """
        ...

    def data_offset(self) -> int:
        """Return where the first bytes are that take room on the disk.

        Raises:
            OSError: the file cannot be read.
        """
        ...


def tail_of(data: bytes | bytearray | memoryview) -> Tail:
    """Return the tail that `data`, at most `TAIL_BYTES`, is."""
    return Tail(len(data), hashlib.blake2b(data, digest_size=8).hexdigest())


@dataclass(slots=True)
class LongEvent:
    """An event beyond the limit that is being passed, in bounded memory."""

    offset: int
    stored: bytes
    checksum: int
    next_offset: int
    """Everything before it is in the checksum."""


class Chunker:
    """Reads chunks of any file into its own buffers, so that memory is bounded.

    One serves all files of a thread; it remembers nothing of them between two calls.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._tail = memoryview(bytearray(TAIL_BYTES))
        self._buffer = bytearray(limits.chunk_bytes)
        self._data = memoryview(self._buffer)

    def next_chunk(
        self,
        source: Source,
        *,
        position: Position,
        cuts: Sequence[Cut] = (),
        hole_bytes_min: int = HOLE_BYTES_MIN,
        is_flushing: bool = False,
    ) -> Chunk | LongEvent | Reading:
        """Return the next chunk at `position`, or why there is none.

        `cuts` are those known from an earlier reading; `is_flushing` takes a last line
        that has no newline; so many NULs at the head of the file or more are a hole. A
        `LongEvent` is handed to `pass_event` until it ends.

        Raises:
            OSError: the file cannot be read.
        """
        offset = position.offset
        cut = next((cut for cut in cuts if cut.next_offset > offset), None)
        tail = self._tail[: position.tail.size_bytes]
        room = self._room(offset, cut)
        size = source.read_into((tail, self._data[:room]), offset=offset - len(tail))
        size -= len(tail)
        if size < 0 or (tail and tail_of(tail) != position.tail):
            return Reading.REWRITTEN
        if not size:
            return Reading.EMPTY
        start = offset + self._newline_of_cut(size, offset=offset, cuts=cuts)
        if not offset and not self._buffer[0]:
            start = self._end_of_hole(source, hole_bytes_min)
        if start > offset:
            room = self._room(start, cut)
            size = source.read_into((self._data[:room],), offset=start)
            if not size:
                # Only a hole, or the newline of a flushed line: events are yet to come.
                return Reading.EMPTY
        end = self._buffer.rfind(_NEWLINE, 0, size) + 1
        is_whole = is_flushing or (cut is not None and start + size == cut.next_offset)
        if not end and size == self.limits.chunk_bytes:
            return self._long(source, position, start=start, cut=cut, flush=is_flushing)
        if not end and not is_whole:
            return Reading.PARTIAL
        value = bytes(self._data[: end or size])
        return self._chunk(source, value, position=position, start=start)

    def is_unchanged(self, source: Source, *, position: Position) -> bool:
        """Return whether before `position` stands what stood there, as far as is known.

        Raises:
            OSError: the file cannot be read.
        """
        tail = self._tail[: position.tail.size_bytes]
        read = source.read_into((tail,), offset=position.offset - len(tail))
        return not tail or tail_of(tail[:read]) == position.tail

    def pass_event(
        self,
        source: Source,
        event: LongEvent,
        *,
        position: Position,
        cuts: Sequence[Cut] = (),
        is_flushing: bool = False,
    ) -> Chunk | Reading:
        """Look for the end of a too long event, and return it cut when it is found.

        Raises:
            OSError: the file cannot be read.
        """
        stop = next((c.next_offset for c in cuts if c.next_offset > event.offset), None)
        looked_bytes = 0
        while looked_bytes < SCAN_BYTES_MAX:
            room = self.limits.chunk_bytes
            if stop is not None:
                room = min(room, stop - event.next_offset)
            size = source.read_into((self._data[:room],), offset=event.next_offset)
            end = self._buffer.find(_NEWLINE, 0, size)
            piece = self._data[: size if end < 0 else end]
            event.checksum = crc32c(piece, event.checksum)
            event.next_offset += len(piece)
            if end >= 0:
                return self._cut_event(source, event, position, terminator_bytes=1)
            if event.next_offset == stop or (not size and is_flushing):
                return self._cut_event(source, event, position, terminator_bytes=0)
            if not size:
                return Reading.PARTIAL
            looked_bytes += size
        return Reading.MORE

    def _room(self, start: int, cut: Cut | None) -> int:
        room = self.limits.chunk_bytes
        return room if cut is None else min(room, cut.next_offset - start)

    def _newline_of_cut(self, size: int, *, offset: int, cuts: Sequence[Cut]) -> int:
        """Return how long the newline is of a line that was flushed without it."""
        if not any(cut.next_offset == offset for cut in cuts):
            return 0
        if self._buffer.startswith(b"\r\n", 0, size):
            return 2
        # A carriage return alone waits for what follows it.
        is_newline = self._buffer[0] == _NEWLINE[0]
        return int(is_newline or (self._buffer[0] == _RETURN[0] and size == 1))

    def _end_of_hole(self, source: Source, hole_bytes_min: int) -> int:
        """Return where the NULs at the head of a file end, if they are a hole.

        A writer that does not append leaves one when its file was truncated.
        """
        data_offset = source.data_offset()
        offset = data_offset
        while size := source.read_into((self._data,), offset=offset):
            rest = self._buffer[:size].lstrip(b"\0")
            offset += size - len(rest)
            if rest:
                return offset if data_offset or offset >= hole_bytes_min else 0
        return offset

    def _long(
        self,
        source: Source,
        position: Position,
        *,
        start: int,
        cut: Cut | None,
        flush: bool,
    ) -> Chunk | LongEvent | Reading:
        """Read an event that does not fit a chunk but may be within the limit."""
        room = self.limits.event_bytes_max + 1
        if cut is not None:
            room = min(room, cut.next_offset - start)
        event = bytearray(room)
        size = source.read_into((memoryview(event),), offset=start)
        end = event.rfind(_NEWLINE, 0, size) + 1
        is_whole = flush or (cut is not None and start + size == cut.next_offset)
        if not end and size > self.limits.event_bytes_max:
            stored = bytes(event[: self.limits.event_bytes_max])
            return LongEvent(start, stored, crc32c(stored), start + len(stored))
        if not end and not is_whole:
            return Reading.PARTIAL
        value = bytes(event[: end or size])
        return self._chunk(source, value, position=position, start=start)

    def _chunk(
        self, source: Source, value: bytes, *, position: Position, start: int
    ) -> Chunk:
        is_ended = value.endswith(_NEWLINE)
        event_count = value.count(_NEWLINE) + (not is_ended)
        next_offset = start + len(value)
        cut = Cut(offset=start, next_offset=next_offset, reason="flushed")
        return Chunk(
            first_offset=start,
            size_bytes=len(value),
            skipped_before_bytes=start - position.offset,
            first_event_number=position.event_number,
            event_count=event_count,
            framing="newline",
            value=value,
            after=Position(
                next_offset,
                position.event_number + event_count,
                self._tail_before(source, next_offset, ending=value),
            ),
            cut=None if is_ended else cut,
        )

    def _cut_event(
        self,
        source: Source,
        event: LongEvent,
        position: Position,
        *,
        terminator_bytes: Literal[0, 1],
    ) -> Chunk:
        """Return the chunk of a too long event: its beginning, and its true length."""
        end = event.next_offset
        next_offset = end + terminator_bytes
        flags = FLAG_CUT if terminator_bytes else FLAG_CUT | FLAG_UNTERMINATED
        mapped = MappedEvent(
            event.offset, end - event.offset, event.checksum, event.stored, flags
        )
        return Chunk(
            first_offset=event.offset,
            size_bytes=next_offset - event.offset,
            skipped_before_bytes=event.offset - position.offset,
            first_event_number=position.event_number,
            event_count=1,
            framing="mapped",
            value=encode_mapped([mapped]),
            after=Position(
                next_offset,
                position.event_number + 1,
                self._tail_before(source, next_offset, ending=b""),
            ),
            cut=None
            if terminator_bytes
            else Cut(offset=event.offset, next_offset=next_offset, reason="flushed"),
        )

    def _tail_before(self, source: Source, offset: int, *, ending: bytes) -> Tail:
        """Return the tail before `offset`, where `ending` stands directly before it."""
        if len(ending) >= TAIL_BYTES:
            return tail_of(ending[-TAIL_BYTES:])
        size = min(TAIL_BYTES, offset)
        tail = self._tail[:size]
        read = source.read_into((tail,), offset=offset - size)
        # A file that is rewritten right now is known by what was really taken from it.
        if read == size and bytes(tail).endswith(ending):
            return tail_of(tail)
        return tail_of(ending)

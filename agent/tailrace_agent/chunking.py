"""Where a file's bytes are cut into chunks: at event boundaries, however they are read.

Only the position decides what an event is, never the size of a read: a boundary is a
newline, the end of a run of NULs that stands where an event would begin, or a cut that
the checkpoint knows. So the same bytes give the same events with the same offsets
whatever the chunks are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crc32c import crc32c

from tailrace.framing import FLAG_CUT, FLAG_UNTERMINATED, MappedEvent, encode_mapped
from tailrace.wire import Cut
from tailrace_agent.forms import PLAIN, Form
from tailrace_agent.nuls import HOLE_BYTES_MIN, before_nuls, behind_nuls
from tailrace_agent.positions import (
    TAIL_BYTES,
    Chunk,
    Position,
    Reading,
    Source,
    Tail,
    tail_of,
)

SCAN_BYTES_MAX = 8 * 1_024 * 1_024
"""How far one call looks for the end of a too long event: other files want a turn."""
MAPPED_EVENTS_MAX = 65_536
"""Rows of one chunk's table, 2 MiB: a chunk of blank lines must fit its topic."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a chunk and an event may be."""

    chunk_bytes: int
    event_bytes_max: int


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
        form: Form = PLAIN,
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
        room = self._room(offset, cut, form)
        size = source.read_into((tail, self._data[:room]), offset=offset - len(tail))
        size -= len(tail)
        if size < 0 or (tail and tail_of(tail) != position.tail):
            return Reading.REWRITTEN
        size -= size % form.unit_bytes
        if not size:
            return Reading.EMPTY
        start = self._start(source, size, offset, cuts, form, hole_bytes_min)
        if start > offset:
            room = self._room(start, cut, form)
            size = source.read_into((self._data[:room],), offset=start)
            size -= size % form.unit_bytes
            if not size:
                # Only NULs, or the newline of a flushed line: events are yet to come.
                return Reading.EMPTY
        is_full = size == self._room(start, None, form)
        if form.unit_bytes == 1:
            size = before_nuls(self._buffer, size)
        end = form.end_of_last(self._buffer, size)
        is_whole = is_flushing or (cut is not None and start + size == cut.next_offset)
        if not end and is_full:
            return self._long(source, position, start, cut, form, flush=is_flushing)
        if not end and not is_whole:
            return Reading.PARTIAL
        value = bytes(self._data[: end or size])
        return self._chunk(source, value, position=position, start=start, form=form)

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
        form: Form = PLAIN,
        is_flushing: bool = False,
        is_fixed: bool = False,
    ) -> Chunk | Reading:
        """Look for the end of a too long event, and return it cut when it is found.

        What is before is looked at again, unless it `is_fixed`: an archive's content
        does not change, and to look back would inflate it once more.

        Raises:
            OSError: the file cannot be read.
        """
        if not is_fixed and not self._still_stands(source, event, position):
            return Reading.REWRITTEN
        cut = next((c for c in cuts if c.next_offset > event.offset), None)
        looked_bytes = 0
        while looked_bytes < SCAN_BYTES_MAX:
            room = self._room(event.next_offset, cut, form)
            size = source.read_into((self._data[:room],), offset=event.next_offset)
            size -= size % form.unit_bytes
            end = form.find(self._buffer, size)
            piece = self._data[: size if end < 0 else end]
            event.checksum = crc32c(piece, event.checksum)
            event.next_offset += len(piece)
            if end >= 0:
                return self._cut_event(source, event, position, form, is_ended=True)
            is_cut = cut is not None and event.next_offset == cut.next_offset
            if is_cut or (not size and is_flushing):
                return self._cut_event(source, event, position, form, is_ended=False)
            if not size:
                return Reading.PARTIAL
            looked_bytes += size
        return Reading.MORE

    def _still_stands(
        self, source: Source, event: LongEvent, position: Position
    ) -> bool:
        """Return whether the file still holds what was read of an event, and before it.

        Were it emptied meanwhile, the event would end somewhere in its next life, and the
        lines before that place would never be read.
        """
        tail = self._tail[: position.tail.size_bytes]
        begin = self._data[: min(TAIL_BYTES, len(event.stored))]
        before = position.offset - len(tail)
        if tail and source.read_into((tail,), offset=before) < len(tail):
            return False
        if tail and tail_of(tail) != position.tail:
            return False
        size = source.read_into((begin,), offset=event.offset)
        if size < len(begin) or bytes(begin) != event.stored[: len(begin)]:
            return False
        return source.read_into((self._data[:1],), offset=event.next_offset - 1) == 1

    def _room(self, start: int, cut: Cut | None, form: Form) -> int:
        room = self.limits.chunk_bytes - self.limits.chunk_bytes % form.unit_bytes
        return room if cut is None else min(room, cut.next_offset - start)

    def _start(
        self,
        source: Source,
        size: int,
        offset: int,
        cuts: Sequence[Cut],
        form: Form,
        hole_bytes_min: int,
    ) -> int:
        """Return where the first event begins, behind all that is none."""
        skipped = self._newline_of_cut(size, offset=offset, cuts=cuts, form=form)
        if not offset and self._buffer.startswith(form.mark, 0, size):
            skipped = len(form.mark)
        start = offset + skipped
        if skipped == size or self._buffer[skipped]:
            return start
        # A writer that does not append leaves a hole when its file was truncated, and
        # a loss of power a block that was never written.
        minimum = HOLE_BYTES_MIN if offset else hole_bytes_min
        rest = self._buffer[skipped:size].lstrip(b"\0")
        if not rest:
            return behind_nuls(source, start, minimum, form.unit_bytes)
        run = size - skipped - len(rest)
        run -= run % form.unit_bytes
        return start + run if run >= minimum else start

    def _newline_of_cut(
        self, size: int, *, offset: int, cuts: Sequence[Cut], form: Form
    ) -> int:
        """Return how long the newline is of a line that was flushed without it."""
        if not any(cut.next_offset == offset for cut in cuts):
            return 0
        unit_bytes = form.unit_bytes
        if self._buffer.startswith(form.carriage_return + form.newline, 0, size):
            return 2 * unit_bytes
        if self._buffer.startswith(form.newline, 0, size):
            return unit_bytes
        # A carriage return alone waits for what follows it.
        is_return = self._buffer.startswith(form.carriage_return, 0, size)
        return unit_bytes if is_return and size == unit_bytes else 0

    def _long(
        self,
        source: Source,
        position: Position,
        start: int,
        cut: Cut | None,
        form: Form,
        *,
        flush: bool,
    ) -> Chunk | LongEvent | Reading:
        """Read an event that does not fit a chunk but may be within the limit."""
        limit = self.limits.event_bytes_max
        limit -= limit % form.unit_bytes
        room = limit + form.unit_bytes
        if cut is not None:
            room = min(room, cut.next_offset - start)
        event = bytearray(room)
        size = source.read_into((memoryview(event),), offset=start)
        size -= size % form.unit_bytes
        is_full = size > limit
        if form.unit_bytes == 1:
            size = before_nuls(event, size)
        end = form.end_of_last(event, size)
        is_whole = flush or (cut is not None and start + size == cut.next_offset)
        if not end and is_full:
            stored = bytes(event[:limit])
            return LongEvent(start, stored, crc32c(stored), start + len(stored))
        if not end and not is_whole:
            return Reading.PARTIAL
        value = bytes(event[: end or size])
        return self._chunk(source, value, position=position, start=start, form=form)

    def _chunk(
        self,
        source: Source,
        value: bytes,
        *,
        position: Position,
        start: int,
        form: Form,
    ) -> Chunk:
        is_ended = value.endswith(form.newline)
        stored = value
        if form.is_mapped:
            flags = 0 if is_ended else FLAG_UNTERMINATED
            events = form.mapped(value, offset=start, flags=flags)
            if len(events) > MAPPED_EVENTS_MAX:
                value = value[: events[MAPPED_EVENTS_MAX].offset - start]
                del events[MAPPED_EVENTS_MAX:]
                is_ended = True
            stored, event_count = encode_mapped(events), len(events)
        else:
            event_count = value.count(form.newline) + (not is_ended)
        next_offset = start + len(value)
        cut = Cut(offset=start, next_offset=next_offset, reason="flushed")
        return Chunk(
            first_offset=start,
            size_bytes=len(value),
            skipped_before_bytes=start - position.offset,
            first_event_number=position.event_number,
            event_count=event_count,
            framing="mapped" if form.is_mapped else "newline",
            value=stored,
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
        form: Form,
        *,
        is_ended: bool,
    ) -> Chunk:
        """Return the chunk of a too long event: its beginning, and its true length."""
        end = event.next_offset
        next_offset = end + form.unit_bytes * is_ended
        flags = FLAG_CUT if is_ended else FLAG_CUT | FLAG_UNTERMINATED
        stored = form.stored(event.stored)
        mapped = MappedEvent(
            event.offset, end - event.offset, event.checksum, stored, flags
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
            if is_ended
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

"""Where a file's bytes are cut into chunks: at event boundaries, however they are read.

Only the position decides what an event is, never the size of a read: a boundary is a
newline (with a rule for events of several lines, one behind which such an event ends), the
end of a run of NULs that stands where an event would begin, or a cut that the checkpoint
knows. So the same bytes give the same events with the same offsets
whatever the chunks are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crc32c import crc32c

from tailrace.multiline.streams import StreamsJoiner
from tailrace.wire import Cut
from tailrace_agent.building import LongEvent, chunk_of, cut_event_of
from tailrace_agent.forms import PLAIN, Form
from tailrace_agent.heads import HEAD_BYTES
from tailrace_agent.nuls import HOLE_BYTES_MIN, behind_nuls
from tailrace_agent.positions import (
    TAIL_BYTES,
    Chunk,
    OpenEvent,
    Position,
    Reading,
    Source,
    tail_of,
)
from tailrace_agent.taking import BUSY, AtRest, Taken, take

SCAN_BYTES_MAX = 1_024 * 1_024
"""How far one call looks for the end of a too long event: other files want a turn, and
what they read in one is a chunk, which is no more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a chunk and an event may be."""

    chunk_bytes: int
    event_bytes_max: int


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
        is_settled: bool = False,
        is_stale: bool = False,
        held: OpenEvent | None = None,
        value_bytes_max: int | None = None,
        is_own: Callable[[memoryview], bool] = lambda _: True,
    ) -> Chunk | LongEvent | OpenEvent | Reading:
        """Return the next chunk at `position`, or why there is none.

        Its value has at most `value_bytes_max`, or is that of one event.
        `cuts` are those known from an earlier reading; `is_flushing` takes a last line
        that has no newline, `is_settled` an event of whole lines that might go on, and
        `is_stale` such a one while another stream of the file goes on; so
        many NULs at the head of the file or more are a hole. A `LongEvent` is handed to
        `pass_event` until it ends; an `OpenEvent` is `held` at the next call, which
        tells whether it still stands. `is_own` tells it of a file's first bytes.

        Raises:
            OSError: the file cannot be read.
        """
        offset = position.offset
        cut = next((cut for cut in cuts if cut.next_offset > offset), None)
        tail = self._tail[: position.tail.size_bytes]
        room = self._room(offset, cut, form)
        size = source.read_into((tail, self._data[:room]), offset=offset - len(tail))
        size -= len(tail)
        is_other = not offset and self._is_other(is_own, size=size, room=room)
        if size < 0 or is_other or (tail and tail_of(tail) != position.tail):
            return Reading.REWRITTEN
        size -= size % form.unit_bytes
        nothing = Reading.EMPTY if held is None else Reading.REWRITTEN
        if not size:
            return nothing
        if bytes(tail[-form.unit_bytes :]) == form.newline:
            cuts = ()  # Made behind a whole line: a newline here is a line of its own.
        start = self._start(source, size, offset, cuts, form, hole_bytes_min)
        if start > offset:
            room = self._room(start, cut, form)
            size = source.read_into((self._data[:room],), offset=start)
            size -= size % form.unit_bytes
            if not size:
                # Only NULs, or the newline of a flushed line: events are yet to come.
                return nothing
        if held is not None and not (
            start == held.offset and self._holds(held, size=size, room=room)
        ):
            return Reading.REWRITTEN
        at_rest = AtRest(is_flushing, is_settled, is_stale)
        found = self._take(source, start, size, cut, form, at_rest, held=held)
        if not isinstance(found, tuple):
            return found
        buffer, taken = found
        return chunk_of(
            source,
            buffer,
            taken,
            position=position,
            start=start,
            form=form,
            held=held,
            value_bytes_max=value_bytes_max,
        )

    def _take(
        self,
        source: Source,
        start: int,
        size: int,
        cut: Cut | None,
        form: Form,
        at_rest: AtRest,
        *,
        held: OpenEvent | None,
    ) -> tuple[bytearray, Taken] | LongEvent | Reading:
        """Return the events that were read, and where they stand."""
        is_full = size == self._room(start, None, form)
        taken = take(
            form,
            self._buffer,
            size,
            # Where there is more than was read, no time has passed over its end.
            at_rest=BUSY if is_full else at_rest,
            cut_bytes=cut.next_offset - start if cut and not is_full else None,
        )
        if not taken.size_bytes and is_full:
            return self._long(source, start, cut, form, at_rest, held=held)
        return self._buffer, taken

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
            passed, is_ended = event.end_in(self._buffer, size, form=form)
            is_cut = cut is not None and event.next_offset + size == cut.next_offset
            is_last = not is_ended and (is_cut or (not passed and is_flushing))
            if is_last:
                passed = size  # What would wait for more is the event's, too.
            event.checksum = crc32c(self._data[:passed], event.checksum)
            event.next_offset += passed
            if is_ended or is_last:
                return cut_event_of(source, event, position, form, is_ended=is_ended)
            if not passed:
                return Reading.PARTIAL
            looked_bytes += passed
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

    def _is_other(
        self, is_own: Callable[[memoryview], bool], *, size: int, room: int
    ) -> bool:
        """Return whether a file begins otherwise; a reading up to a cut may not tell."""
        return size > 0 and room >= HEAD_BYTES and not is_own(self._data[:size])

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

    def _holds(self, held: OpenEvent, *, size: int, room: int) -> bool:
        """Return whether the buffer begins with `held`, as far as it has room.

        A cut may end it before all that is held: the younger event is left whole.
        """
        return self._buffer.startswith(held.value[:room], 0, size)

    def _long(
        self,
        source: Source,
        start: int,
        cut: Cut | None,
        form: Form,
        at_rest: AtRest,
        *,
        held: OpenEvent | None,
    ) -> tuple[bytearray, Taken] | LongEvent | Reading:
        """Read an event that does not fit a chunk but may be within the limit."""
        limit = self.limits.event_bytes_max
        if form.joiner is not None:
            # Whatever the limit is now, the generation's own decides of several lines.
            limit = max(limit, form.joiner.rule.max_bytes)
        if isinstance(form.joiner, StreamsJoiner):
            limit = max(limit, form.joiner.bounds.knot_bytes_max)
        limit -= limit % form.unit_bytes
        room = limit + form.unit_bytes
        if cut is not None:
            room = min(room, cut.next_offset - start)
        event = bytearray(room)
        size = source.read_into((memoryview(event),), offset=start)
        size -= size % form.unit_bytes
        if held is not None and not event.startswith(held.value[:room], 0, size):
            return Reading.REWRITTEN
        is_full = size > limit
        taken = take(
            form,
            event,
            size,
            at_rest=BUSY if is_full else at_rest,
            cut_bytes=cut.next_offset - start if cut and not is_full else None,
        )
        if not taken.size_bytes and is_full:
            return LongEvent.begun(start, bytes(event[:limit]), form=form)
        return event, taken

    def held_chunk(self, held: OpenEvent, *, position: Position, form: Form) -> Chunk:
        """Return the chunk of an open event that its file does not hold any more."""
        value = bytearray(held.value)
        taken = take(
            form,
            value,
            len(value),
            at_rest=AtRest(is_flushing=True),
            cut_bytes=None,
        )
        chunk = chunk_of(
            None,
            value,
            taken,
            position=position,
            start=held.offset,
            form=form,
            before=held.before,
        )
        assert isinstance(chunk, Chunk), "what is flushed is taken"
        return chunk

"""What a chunk says of the events in it: places, numbers, the value, and its cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from crc32c import crc32c

from tailrace.framing import FLAG_CUT, FLAG_UNTERMINATED, MappedEvent, encode_mapped
from tailrace.multiline.joining import Joined
from tailrace.multiline.journald import EntryScan
from tailrace.wire import Cut
from tailrace_agent.forms import Form
from tailrace_agent.hiding import (
    Redacted,
    hidden_of,
    hidden_of_long,
    runs_of,
    text_before,
    with_tokens,
)
from tailrace_agent.hiding_entries import entries_with_tokens
from tailrace_agent.positions import (
    TAIL_BYTES,
    Chunk,
    OpenEvent,
    Position,
    Reading,
    Source,
    Tail,
    tail_of,
)
from tailrace_agent.shortening import shortened
from tailrace_agent.taking import Taken, mapped_events

MAPPED_EVENTS_MAX = 65_536
"""Rows of one chunk's table, 2 MiB: a chunk of blank lines must fit its topic."""


@dataclass(slots=True)
class LongEvent:
    """An event beyond the limit that is being passed, in bounded memory."""

    offset: int
    stored: bytes
    checksum: int
    next_offset: int
    """Everything before it is in the checksum."""
    scan: EntryScan | None = None
    """What looks for its end; None where that is simply the next newline."""

    @classmethod
    def begun(cls, offset: int, stored: bytes, *, form: Form) -> LongEvent:
        """Return an event that begins with `stored` and does not end there."""
        if not form.is_entries:
            return cls(offset, stored, crc32c(stored), offset + len(stored))
        scan = EntryScan()
        passed, _ = scan.feed(stored, 0, len(stored))
        checksum = crc32c(memoryview(stored)[:passed])
        return cls(offset, stored, checksum, offset + passed, scan)

    def end_in(self, block: bytearray, size: int, *, form: Form) -> tuple[int, bool]:
        """Return how far `block[:size]` is the event's, and whether it ends there."""
        if self.scan is not None:
            return self.scan.feed(block, 0, size)
        end = form.find(block, size)
        return (size, False) if end < 0 else (end, True)


def chunk_of(
    source: Source | None,
    buffer: bytearray,
    taken: Taken,
    *,
    position: Position,
    start: int,
    form: Form,
    before: bytes = b"",
    held: OpenEvent | None = None,
    value_bytes_max: int | None = None,
) -> Chunk | OpenEvent | Reading:
    """Return the chunk of what is taken, or what it waits for where nothing is.

    What was `held` from `start` on and is not taken is held on. `before` is what stands
    before it, and tells what is secret, where no file is asked. Where the value would be
    larger than it may be, fewer of the events are taken.
    """

    def made_of(taken: Taken) -> Chunk | OpenEvent | Reading:
        return _chunk_of_all(
            source,
            buffer,
            taken,
            position=position,
            start=start,
            form=form,
            before=before,
            held=held,
        )

    made = made_of(taken)
    if value_bytes_max is None or not isinstance(made, Chunk):
        return made
    fewer = shortened(taken, made, value_bytes_max=value_bytes_max)
    return made if fewer is taken else made_of(fewer)


def _chunk_of_all(
    source: Source | None,
    buffer: bytearray,
    taken: Taken,
    *,
    position: Position,
    start: int,
    form: Form,
    before: bytes,
    held: OpenEvent | None,
) -> Chunk | OpenEvent | Reading:
    if form.redactor is not None and source is not None:
        read = text_before(source, start, position=position, form=form)
        if read is None:
            return Reading.REWRITTEN
        before = read
    open_event = None
    lines = _lines_behind(taken, buffer, held)
    if lines:
        open_event = OpenEvent(start + taken.size_bytes, lines, before)
    if not taken.size_bytes:
        return open_event or Reading.PARTIAL
    value = bytes(memoryview(buffer)[: taken.size_bytes])
    if form.redactor is not None and open_event is not None:
        open_before = form.redactor.context(before + form.stored(value))
        open_event = replace(open_event, before=open_before)
    events, redacted = _events(form, value, start=start, taken=taken, before=before)
    stored, last_start = value, 0
    if events:
        if len(events) > MAPPED_EVENTS_MAX:
            size_bytes = _between_events(events, taken.joined, start=start)
            value = value[:size_bytes]
            events = [event for event in events if event.offset < start + size_bytes]
            joined = [one for one in taken.joined if one.start < size_bytes]
            taken = Taken(size_bytes, is_by_content=True, joined=joined)
            open_event = None
        stored, event_count = encode_mapped(events), len(events)
        last_start = events[-1].offset - start
    else:
        event_count = value.count(form.newline) + (not value.endswith(form.newline))
        if not taken.is_by_content:
            last_start = value.rfind(form.newline, 0, -1) + 1
    next_offset = start + len(value)
    cut = Cut(offset=start + last_start, next_offset=next_offset, reason="flushed")
    return Chunk(
        first_offset=start,
        size_bytes=len(value),
        skipped_before_bytes=start - position.offset,
        first_event_number=position.event_number,
        event_count=event_count,
        framing="mapped" if events else "newline",
        value=stored,
        after=Position(
            next_offset,
            position.event_number + event_count,
            _tail_before(source, next_offset, ending=value),
        ),
        cut=None if taken.is_by_content else cut,
        split_count=sum(one.is_split for one in taken.joined),
        redacted=redacted,
        parted=tuple(one for one in taken.joined if one.runs),
        follower=open_event,
    )


def _lines_behind(taken: Taken, buffer: bytearray, held: OpenEvent | None) -> bytes:
    """Return the whole lines behind what is taken; those of a file may end with a cut."""
    behind = taken.size_bytes + taken.open_bytes
    lines = bytes(memoryview(buffer)[taken.size_bytes : behind])
    if held is None:
        return lines
    return max(lines, held.value[taken.size_bytes :], key=len)


def _between_events(
    events: Sequence[MappedEvent], joined: Sequence[Joined], *, start: int
) -> int:
    """Return how much of a chunk has room in its table, up to where no event is parted."""
    end = events[MAPPED_EVENTS_MAX].offset - start
    for one in reversed(joined):
        if one.start < end < one.end:
            end = one.start
    return end


def cut_event_of(
    source: Source,
    event: LongEvent,
    position: Position,
    form: Form,
    *,
    is_ended: bool,
) -> Chunk | Reading:
    """Return the chunk of a too long event: its beginning, and its true length."""
    end = event.next_offset
    next_offset = end + form.unit_bytes * is_ended
    size_bytes = end - event.offset
    # An entry may turn out to end just where the limit was.
    is_cut = size_bytes > len(event.stored)
    flags = FLAG_CUT * is_cut + FLAG_UNTERMINATED * (not is_ended)
    stored = form.stored(event.stored[:size_bytes])
    redacted: Redacted = ()
    if form.redactor is not None:
        before = text_before(source, event.offset, position=position, form=form)
        if before is None:
            return Reading.REWRITTEN
        stored, redacted = hidden_of_long(
            stored, before=before, form=form, is_cut=is_cut, is_ended=is_ended
        )
    mapped = MappedEvent(event.offset, size_bytes, event.checksum, stored, flags)
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
            _tail_before(source, next_offset, ending=b""),
        ),
        redacted=redacted,
        is_cut=is_cut,
        cut=None
        if is_ended
        else Cut(offset=event.offset, next_offset=next_offset, reason="flushed"),
    )


def _events(
    form: Form, value: bytes, *, start: int, taken: Taken, before: bytes
) -> tuple[list[MappedEvent], Redacted]:
    """Return the events of a mapped chunk, and what was taken out; none for another.

    They may be one more than a chunk has room for, to tell where that one begins.
    """
    is_ended = value.endswith(form.newline)

    def listed() -> list[MappedEvent]:
        flags = 0 if is_ended else FLAG_UNTERMINATED
        return mapped_events(
            form, value, offset=start, flags=flags, joined=taken.joined
        )[: MAPPED_EVENTS_MAX + 1]

    events = listed() if form.is_mapped or taken.joined else []
    if form.redactor is None:
        return events, ()
    if form.is_entries:
        made, redacted = entries_with_tokens(
            events[:MAPPED_EVENTS_MAX],
            value,
            before=before,
            form=form,
            is_open=not is_ended,
        )
        return made + events[MAPPED_EVENTS_MAX:], redacted
    text = value if form.codec is None else b"\n".join([e.stored for e in events])
    found = hidden_of(
        form.redactor,
        text,
        before=before,
        joined=taken.joined,
        form=form,
        is_open=not is_ended,
    )
    if not found:
        return events, ()
    events = events or listed()
    runs = runs_of(
        events[:MAPPED_EVENTS_MAX], form=form, start=start, joined=taken.joined
    )
    return with_tokens(events, found, runs=runs)


def _tail_before(source: Source | None, offset: int, *, ending: bytes) -> Tail:
    """Return the tail before `offset`, where `ending` stands directly before it."""
    if len(ending) >= TAIL_BYTES or source is None:
        return tail_of(ending[-TAIL_BYTES:])
    size = min(TAIL_BYTES, offset)
    tail = memoryview(bytearray(size))
    read = source.read_into((tail,), offset=offset - size)
    # A file that is rewritten right now is known by what was really taken from it.
    if read == size and bytes(tail).endswith(ending):
        return tail_of(tail)
    return tail_of(ending)

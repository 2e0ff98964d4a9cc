"""Which of a chunk's events a hole asks for, where the span may begin and end amid others.

Events of a container's two streams stand in one another, so a place where one begins need
not be one from which reading makes the same events. They are read from a chunk's end before
the span, and only those that begin in it are sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tailrace.framing import FLAG_SPLIT, encode_mapped
from tailrace.holes import HoleRequest
from tailrace.wire import AgentLedger
from tailrace_agent.positions import NO_TAIL, Chunk, Position
from tailrace_agent.preview import events_of


@dataclass(slots=True)
class SpanEnds:
    """What a first reading tells of the places where a span begins and ends."""

    request: HoleRequest
    is_begin_met: bool = False
    """Lines alone tell that an event begins there; else time ended all before it."""
    is_end_met: bool = False

    def note(self, chunk: Chunk) -> None:
        """Take in where the events of a chunk begin."""
        places = {event.offset for event in events_of(chunk)}
        self.is_begin_met |= self.request.first_offset in places
        self.is_end_met |= self.request.next_offset in places


def begin_of(
    request: HoleRequest, record: AgentLedger, ends: SpanEnds | None
) -> Position:
    """Return from where a span is to be read, so that its events are those of before."""
    if ends is not None and ends.is_begin_met:
        return end_before(request, record)
    return Position(request.first_offset, request.first_event_number, NO_TAIL)


def end_before(request: HoleRequest, record: AgentLedger) -> Position:
    """Return the last place known before a span where a chunk ended, or the head."""
    ends = [mark.offset for mark in record.marks if mark.offset <= request.first_offset]
    return Position(max(ends, default=0), 0, NO_TAIL)


def narrowed(chunk: Chunk, request: HoleRequest, *, event_number: int) -> Chunk | None:
    """Return the chunk with those events alone that begin in the span; None without any.

    The first of them has `event_number`.
    """
    first = max(chunk.first_offset, request.first_offset)
    end = min(chunk.after.offset, request.next_offset)
    if end <= first:
        return None
    events = [event for event in events_of(chunk) if first <= event.offset < end]
    is_whole = len(events) == chunk.event_count
    return replace(
        chunk,
        first_offset=first,
        size_bytes=end - first,
        skipped_before_bytes=chunk.skipped_before_bytes if is_whole else 0,
        first_event_number=event_number,
        event_count=len(events),
        framing=chunk.framing if is_whole else "mapped",
        value=chunk.value if is_whole else encode_mapped(events),
        after=Position(end, event_number + len(events), NO_TAIL),
        split_count=sum(event.flags & FLAG_SPLIT > 0 for event in events),
    )

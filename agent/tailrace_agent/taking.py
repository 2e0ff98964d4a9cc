"""How much of what was read makes whole events, and what is told of them in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from crc32c import crc32c
from msgspec import structs

from tailrace.framing import FLAG_SPLIT, MappedEvent
from tailrace.multiline.joining import Grouped, Joined, Joiner
from tailrace.multiline.journald import whole_entries
from tailrace.multiline.lines import ListedLines
from tailrace.multiline.streams import StreamsJoiner
from tailrace_agent.forms import Form
from tailrace_agent.nuls import HOLE_BYTES_MIN, before_nuls


@dataclass(frozen=True, slots=True)
class Taken:
    """The head of a buffer that is whole events."""

    size_bytes: int
    """0 where none is whole yet."""
    is_by_content: bool
    """Whether any reading ends an event there; else time did, and it must be noted."""
    joined: Sequence[Joined] = ()
    """Events that are not one line alone; every other line is one."""
    open_bytes: int = 0
    """Whole lines behind it, of an event that the next line may continue."""


class AtRest(NamedTuple):
    """How long nothing has come to a file: enough to take what may not be over."""

    is_flushing: bool = False
    """A last line without newline is taken."""
    is_settled: bool = False
    """Whole lines are taken that might go on."""
    is_stale: bool = False
    """So are those whose stream is silent while the other one of its file goes on."""


BUSY = AtRest()


def take(
    form: Form,
    buffer: bytearray,
    seen_bytes: int,
    *,
    at_rest: AtRest,
    cut_bytes: int | None,
) -> Taken:
    """Return which head of `buffer[:seen_bytes]`, which begins with an event, is events.

    `cut_bytes` is where an earlier reading ended an event.
    """
    if form.is_entries:
        is_over = at_rest.is_flushing or seen_bytes == cut_bytes
        return _take_entries(buffer, seen_bytes, is_over=is_over)
    size = before_nuls(
        buffer, seen_bytes, newline=form.newline, unit_bytes=form.unit_bytes
    )
    end = form.end_of_last(buffer, size)
    is_over = at_rest.is_flushing or size == cut_bytes
    joiner = form.joiner
    if joiner is None:
        if end:
            return Taken(end, is_by_content=True)
        return Taken(size if is_over else 0, is_by_content=False)
    stale_end: int | None = None
    open_bytes = 0
    if end:
        # A line begins nothing before it is whole: how its head goes on may decide.
        grouped = _group(form, joiner, buffer, end, seen_bytes=seen_bytes)
        is_before_hole = seen_bytes - size >= HOLE_BYTES_MIN
        is_done = grouped.is_last_full or is_before_hole
        whole = end if is_done else grouped.last_start
        if whole:
            joined = [one for one in grouped.joined if one.start < whole]
            return Taken(
                whole, is_by_content=True, joined=joined, open_bytes=end - whole
            )
        stale_end = grouped.stale_end if at_rest.is_stale else None
    if not is_over and not (at_rest.is_settled and end == size):
        if stale_end is None:
            return Taken(0, is_by_content=False, open_bytes=end)
        size, open_bytes = stale_end, end - stale_end
    grouped = _group(form, joiner, buffer, size, seen_bytes=size)
    return Taken(
        size, is_by_content=False, joined=grouped.joined, open_bytes=open_bytes
    )


def _take_entries(buffer: bytearray, size: int, *, is_over: bool) -> Taken:
    """Return the whole entries; or half of one, where nothing more is waited for."""
    entries = whole_entries(buffer, size)
    if entries:
        joined = [Joined(start, end, is_split=False) for start, end in entries]
        return Taken(entries[-1][1] + 1, is_by_content=True, joined=joined)
    if not is_over:
        return Taken(0, is_by_content=False)
    return Taken(size, is_by_content=False, joined=[Joined(0, size, is_split=False)])


def mapped_events(
    form: Form, value: bytes, *, offset: int, flags: int, joined: Sequence[Joined]
) -> list[MappedEvent]:
    """Return the events of `value`, which stands at `offset`.

    `flags` are those of the last event, which has no newline if there are any.
    """
    if not joined:
        return form.mapped(value, offset=offset, flags=flags)
    events: list[MappedEvent] = []
    start, last = 0, -1
    index_of: dict[int, int] = {}
    runs = sorted((*run, one) for one in joined for run in one.spans)
    for run_start, run_end, one in runs:
        if run_start > start:
            before = value[start:run_start]
            events += form.mapped(before, offset=offset + start, flags=0)
        if run_start == one.start:
            index_of[run_start] = len(events)
            events.append(_joined_event(form, value, one, offset=offset))
        start, last = run_end + form.unit_bytes, index_of[one.start]
    if start < len(value):
        events += form.mapped(value[start:], offset=offset + start, flags=flags)
    elif flags:
        events[last] = structs.replace(events[last], flags=events[last].flags | flags)
    return events


def _joined_event(form: Form, value: bytes, one: Joined, *, offset: int) -> MappedEvent:
    """Return an event of several lines; what stands between its runs is none of it."""
    original = form.newline.join([value[start:end] for start, end in one.spans])
    return MappedEvent(
        offset + one.start,
        len(original),
        crc32c(original),
        form.stored(original),
        FLAG_SPLIT if one.is_split else 0,
    )


def _group(
    form: Form,
    joiner: Joiner | StreamsJoiner,
    buffer: bytearray,
    size: int,
    *,
    seen_bytes: int,
) -> Grouped:
    if isinstance(joiner, StreamsJoiner) or form.codec is None:
        return joiner.group(buffer, size, seen_bytes=seen_bytes)
    lines = form.lines(bytes(memoryview(buffer)[:size]))
    return joiner.group_texts(
        [form.stored(line) for line in lines],
        ListedLines([len(line) for line in lines], newline_bytes=form.unit_bytes),
        seen_bytes=seen_bytes,
    )

"""Where a chunk ends that is to be no larger than what may be sent now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tailrace.framing import COUNT, ROW, decode_mapped
from tailrace.multiline.joining import Joined
from tailrace_agent.positions import Chunk
from tailrace_agent.taking import Taken


def shortened(taken: Taken, chunk: Chunk, *, value_bytes_max: int) -> Taken:
    """Return the head of what is taken whose value is no larger than so many bytes.

    It ends behind a whole event, and holds one at least, however large that is. What time
    ended stays as it is, an event and at most half a line behind it: only a boundary by
    content is found again by each reading.
    """
    if len(chunk.value) <= value_bytes_max or not taken.is_by_content:
        return taken
    if chunk.framing == "newline":
        size_bytes = chunk.value.rfind(b"\n", 0, max(value_bytes_max, 0)) + 1
        size_bytes = size_bytes or chunk.value.find(b"\n") + 1
    else:
        size_bytes = _mapped_bytes(chunk, taken.joined, value_bytes_max=value_bytes_max)
    if not 0 < size_bytes < taken.size_bytes:
        return taken
    joined = [one for one in taken.joined if one.start < size_bytes]
    return replace(taken, size_bytes=size_bytes, joined=joined, open_bytes=0)


def _mapped_bytes(
    chunk: Chunk, joined: Sequence[Joined], *, value_bytes_max: int
) -> int:
    """Return how much of the file the first events are whose rows and bytes fit."""
    events = decode_mapped(chunk.value)
    room_bytes, count = value_bytes_max - COUNT.size, 0
    for event in events:
        room_bytes -= ROW.size + len(event.stored)
        if room_bytes < 0:
            break
        count += 1
    if len(events) <= max(count, 1):
        return chunk.size_bytes
    end = events[max(count, 1)].offset - chunk.first_offset
    return _before_parted(end, joined) or _behind_parted(
        events[1].offset - chunk.first_offset, joined
    )


def _before_parted(end: int, joined: Sequence[Joined]) -> int:
    """Return the last place up to `end` where no event is parted; 0 where there is none."""
    for one in reversed(joined):
        if one.start < end < one.end:
            end = one.start
    return end


def _behind_parted(end: int, joined: Sequence[Joined]) -> int:
    """Return the first place from `end` on where no event is parted."""
    for one in joined:
        if one.start < end < one.end:
            end = one.end + 1
    return end

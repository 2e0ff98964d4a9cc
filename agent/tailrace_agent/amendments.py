"""What is learned of a generation, as changes of its record: values to values."""

from __future__ import annotations

from msgspec.structs import replace

from tailrace.wire import AgentLedger, Cut, Mark
from tailrace_agent.positions import Position, Tail

TRUNCATED = "truncated"
"""The reason that ends a generation, and is told even where no byte was lost by it."""
DELETED = "deleted"
"""The reason where a file is gone with bytes that were seen; taken back if it returns."""
MARKS_MAX = 4
MARK_MS = 2_000
"""Places of the last eight seconds are remembered: what lies between the end of a copy
and the truncation of its original may take that long."""
RESTS_MAX = 4
REST_SPACING_MS = 5_000
"""With as many moments of rest, a pipeline that is ten seconds behind has stored one."""


def amended_record(
    record: AgentLedger,
    *,
    path: str | None,
    seen_size_bytes: int | None,
    lost: tuple[str, int] | None,
    head: tuple[int, str] | None,
    line_ends: tuple[tuple[int, str], ...] | None,
    is_closed: bool | None,
    archive_size_bytes: int | None,
    unwatched_since_ms: int | None,
    rest: tuple[int, int] | None,
    copied: Mark | None,
) -> AgentLedger:
    """Return the record with what is not None; a size seen never shrinks.

    `lost` is a reason and the bytes that are added to what was lost by it: fewer than 0
    take back what was declared before.
    """
    changes: dict[str, object] = {}
    if path is not None:
        changes["path"] = path
    if seen_size_bytes is not None:
        changes["seen_size_bytes"] = max(seen_size_bytes, record.seen_size_bytes)
    if lost is not None and (lost[1] or lost[0] == TRUNCATED):
        reason, size_bytes = lost
        size_bytes += record.lost_bytes.get(reason, 0)
        changes["lost_bytes"] = {**record.lost_bytes, reason: size_bytes}
    if head is not None:
        changes["head_size_bytes"], changes["head_hash"] = head
    if line_ends is not None:
        changes["head_line_ends"] = line_ends
    if is_closed is not None:
        changes["is_closed"] = is_closed
    if archive_size_bytes is not None:
        changes["archive_size_bytes"] = archive_size_bytes
    if unwatched_since_ms is not None:
        changes["unwatched_since_ms"] = unwatched_since_ms
    if rest is not None:
        changes["rests"] = _with_rest(record.rests, rest)
    if copied is not None:
        changes["copied"] = copied
    return replace(record, **changes)


def with_cut(record: AgentLedger, cut: Cut) -> AgentLedger:
    """Return the record with a boundary that every later reading repeats."""
    return replace(record, cuts=(*_met_from(record, record.next_offset), cut))


def at_position(
    record: AgentLedger, after: Position, *, is_marked: bool
) -> AgentLedger:
    """Return the record with everything before `after` acknowledged.

    Where it `is_marked`, the place is remembered beside the last few.
    """
    marks = record.marks
    if is_marked:
        marks = (*marks, mark_at(after.offset, after.tail))[-MARKS_MAX:]
    return replace(
        record,
        next_offset=after.offset,
        next_event_number=after.event_number,
        tail_size_bytes=after.tail.size_bytes,
        tail_hash=after.tail.hash,
        seen_size_bytes=max(record.seen_size_bytes, after.offset),
        cuts=_met_from(record, after.offset),
        marks=marks,
    )


def mark_at(offset: int, tail: Tail) -> Mark:
    """Return what a place is known by later."""
    return Mark(offset=offset, tail_size_bytes=tail.size_bytes, tail_hash=tail.hash)


def _met_from(record: AgentLedger, offset: int) -> tuple[Cut, ...]:
    """A cut before the acknowledged position can be met by no re-read."""
    return tuple(cut for cut in record.cuts if cut.next_offset >= offset)


def _with_rest(
    rests: tuple[tuple[int, int], ...], rest: tuple[int, int]
) -> tuple[tuple[int, int], ...]:
    """Return the last few moments of rest; of those close to each other the newest.

    A pipeline that is some seconds behind has stored what stands before one of them.
    """
    if len(rests) > 1 and rest[0] - rests[-2][0] < REST_SPACING_MS:
        rests = rests[:-1]
    return (*rests, rest)[-RESTS_MAX:]

"""What is learned of a generation, as changes of its record: values to values."""

from __future__ import annotations

from bisect import bisect_right
from typing import TypedDict

from msgspec.structs import replace

from tailrace.ledger import DOUBTFUL
from tailrace.wire import AgentLedger, Cut, Mark
from tailrace_agent.heads import HEAD_BYTES, Head
from tailrace_agent.positions import Position, Tail

TRUNCATED = "truncated"
"""The reason that ends a generation, and is told even where no byte was lost by it."""
DELETED = "deleted"
"""The reason where a file is gone with bytes that were seen; taken back if it returns."""
NUL_TAIL = "nul_tail"
"""The reason where a file ended in NULs, behind which nothing was ever written."""
SHRUNK = "shrunk"
"""The reason where the end of a file was cut off, and its life went on."""
MARKS_MAX = 4
MARK_MS = 2_000
"""Places of the last eight seconds are remembered: what lies between the end of a copy
and the truncation of its original may take that long."""
REST_AGES_MS = tuple(5_000 * 4**power for power in range(6))
"""One moment of rest is remembered between each two ages: a pipeline that is seconds behind
has stored all that stood there then, and one that is an hour behind likewise."""


class Amendment(TypedDict, total=False):
    """What was learned of a generation beside its position."""

    path: str
    seen_size_bytes: int
    """A size seen never shrinks."""
    blank_bytes: int
    lost: tuple[str, int]
    """A reason and the bytes that are added to what was lost by it: fewer than 0 take back
    what was declared before."""
    head: Head
    is_closed: bool
    archive_size_bytes: int
    unwatched_since_ms: int
    unlooked_since_ms: int
    rest: tuple[int, int]
    """A moment and the end of what had all been read then."""
    copied: Mark


def amended_record(record: AgentLedger, amendment: Amendment) -> AgentLedger:
    """Return the record with what was learned."""
    changes: dict[str, object] = {**amendment}
    if "seen_size_bytes" in amendment:
        size_bytes = max(amendment["seen_size_bytes"], record.seen_size_bytes)
        changes["seen_size_bytes"] = size_bytes
    if "lost" in amendment:
        reason, lost_bytes = amendment["lost"]
        del changes["lost"]
        if lost_bytes or reason == TRUNCATED:
            lost_bytes += record.lost_bytes.get(reason, 0)
            changes["lost_bytes"] = {**record.lost_bytes, reason: lost_bytes}
    if "head" in amendment:
        del changes["head"]
        head = amendment["head"]
        changes["head_size_bytes"], changes["head_hash"] = head.size_bytes, head.hash
        changes["head_line_ends"] = head.line_ends
    if "rest" in amendment:
        del changes["rest"]
        changes["rests"] = _with_rest(record.rests, amendment["rest"])
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


def passed_record(record: AgentLedger, position: Position) -> AgentLedger:
    """Return the record of a copy of which so much is passed over, and nothing was sent."""
    changed = at_position(record, position, is_marked=False)
    return replace(changed, passed_bytes=position.offset)


def is_first_place(record: AgentLedger, after: Position) -> bool:
    """Return whether a place is the first to be remembered, or the first behind the head.

    A copy that is shorter than what was read is known by a place behind its head.
    """
    return not record.marks or record.marks[-1].offset < HEAD_BYTES <= after.offset


def mark_at(offset: int, tail: Tail) -> Mark:
    """Return what a place is known by later."""
    return Mark(offset=offset, tail_size_bytes=tail.size_bytes, tail_hash=tail.hash)


def _met_from(record: AgentLedger, offset: int) -> tuple[Cut, ...]:
    """A cut before the acknowledged position can be met by no re-read."""
    return tuple(cut for cut in record.cuts if cut.next_offset >= offset)


def _with_rest(
    rests: tuple[tuple[int, int], ...], rest: tuple[int, int]
) -> tuple[tuple[int, int], ...]:
    """Return the moments of rest with one more: of those of an age the oldest stays.

    It is the first to come to the next age.
    """
    kept: dict[int, tuple[int, int]] = {}
    for one in rests:
        age = bisect_right(REST_AGES_MS, rest[0] - one[0])
        if age < len(REST_AGES_MS):
            kept.setdefault(age, one)
    return (*kept.values(), rest)


def still_lost(
    record: AgentLedger, *, size_bytes: int, is_doubtful: bool
) -> dict[str, int]:
    """Return what is lost though a copy of `size_bytes` was found.

    Where it `is_doubtful` whether it is a copy of this life, what the two have in common
    stood in each of them, and is read of one.
    """
    lost = {
        reason: count
        for reason, count in record.lost_bytes.items()
        if reason not in (TRUNCATED, DELETED)
    }
    safe_bytes = max(size_bytes, record.next_offset)
    missing_bytes = max(0, record.seen_size_bytes - safe_bytes)
    if TRUNCATED in record.lost_bytes:
        lost[TRUNCATED] = missing_bytes  # The word itself says how that life ended.
    elif missing_bytes:
        lost[DELETED] = missing_bytes
    if is_doubtful:
        lost.setdefault(DOUBTFUL, record.next_offset)
    return lost

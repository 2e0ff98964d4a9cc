"""What a compressed file needs that no other does: its end is known, not waited for."""

from __future__ import annotations

from tailrace.log import FilteringBoundLogger
from tailrace_agent.archives import ArchiveFile, ArchiveState
from tailrace_agent.delivery import Delivery
from tailrace_agent.incomplete import ARCHIVE_SETTLE_MS
from tailrace_agent.tracked import Stage, TrackedFile

ARCHIVE_LOOK_MS = 500
"""How often an archive that is being written is looked at."""
NOW = 0


def await_archive(tracked: TrackedFile, file: ArchiveFile, *, now_ms: int) -> int:
    """Return when to look again at an archive that is not read to its end."""
    if file.is_over:
        return NOW
    if file.state is ArchiveState.OPEN:
        return NOW
    if now_ms - tracked.grew_at_ms >= ARCHIVE_SETTLE_MS:
        file.give_up()
        return NOW
    return now_ms + ARCHIVE_LOOK_MS


def end_archive(
    tracked: TrackedFile,
    file: ArchiveFile,
    *,
    delivery: Delivery,
    log: FilteringBoundLogger,
) -> None:
    """Note that an archive was read to its end, and what of it could not be."""
    ending = file.ending or file.state
    name, reason = tracked.generation, f"archive_{ending.name.lower()}"
    record = delivery.record_of(name)
    is_bad = ending in (ArchiveState.DAMAGED, ArchiveState.REFUSED)
    # Of what was passed over the rest was read elsewhere, or lost and declared there.
    is_passed = 0 < tracked.passed_bytes == tracked.position.offset
    if is_bad and not is_passed and reason not in record.lost_bytes:
        # Of known content the rest is known; else the compressed bytes are counted.
        rest_bytes = record.seen_size_bytes - tracked.position.offset
        lost_bytes = max(rest_bytes, file.unread_bytes, 1)
        delivery.amend(name, lost=(reason, lost_bytes))
        log.error(
            reason,
            path=tracked.shown_path,
            why=file.detail,
            read_to_offset=tracked.position.offset,
            lost_bytes=lost_bytes,
            remedy="what was read is kept; archive_bytes_max and archive_ratio_max"
            " limit what an archive may hold",
        )
    size_bytes = file.status().st_size if is_bad else file.read_bytes
    if tracked.is_left_out:
        size_bytes = file.status().st_size
    delivery.amend(
        name,
        seen_size_bytes=tracked.position.offset,
        archive_size_bytes=size_bytes,
        is_closed=True,
    )
    leave_archive(tracked, is_over=True)


def leave_archive(tracked: TrackedFile, *, is_over: bool) -> None:
    """Note that an archive was looked at; at its end, give its place to another.

    Few are open at a time, and one that holds no line would stay so for good.
    """
    tracked.note_looked()
    if is_over and tracked.stage is not Stage.LEAVING:
        tracked.close()

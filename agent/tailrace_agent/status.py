"""What the agent tells of itself on this machine: a small file, replaced as a whole."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import msgspec

from tailrace.clock import Clock
from tailrace.role_status import FILE_NAME, REWRITE_MS
from tailrace.whole_files import PRIVATE, replace_file
from tailrace_agent.delivery import Delivery
from tailrace_agent.table import FileTable
from tailrace_agent.tracked import Stage
from tailrace_agent.waiting import Waiting

UNREADABLE_MAX = 100
FILES_MAX = 10_000
"""The most files that are listed one by one; the totals count all."""


class FileStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One file, as `tailrace status` shows it."""

    path: str
    source: str
    generation: str
    dataset: str
    size_bytes: int
    acknowledged_offset: int
    lag_bytes: int
    unsent_since_ms: int | None
    """Since when, at least, its oldest byte without an acknowledgement waits; NULs at its
    end, which are no line as they stand, do not count."""
    still_since_ms: int | None = None
    """Since when, at least, none of what waits was acknowledged."""
    events: int
    lost_bytes: dict[str, int]
    state: str
    """`followed`, `leaving`, or why it cannot be read."""


class AgentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The agent as a whole, and each file."""

    agent_id: str
    host_id: str
    pid: int
    files_count: int
    lag_bytes: int
    """Of files that are followed: seen on disk, not acknowledged by Kafka."""
    in_flight_bytes: int
    shipped_events: int
    kafka: str
    """`connected`, or why nothing can be sent now."""
    checkpoint: str
    """`written`, or why it cannot be."""
    paused: str = ""
    """Why nothing more is read, as retention comes near to what is unread in Kafka."""
    lost_bytes: int
    """Gone before they could be read, since the start."""
    redacted: dict[str, int] = {}
    """By rule, how often something was taken out of events, since the start."""
    held_back_bytes: dict[str, int] = {}
    """By source, what had to wait for the rate of its `overload`, since the start."""
    dropped_events: dict[str, dict[str, int]] = {}
    """By source and reason, what was beyond its rate and was not sent to the stream:
    `overload`, or `redirected`; since the start."""
    dropped_bytes: dict[str, dict[str, int]] = {}
    """Likewise."""
    split_events: int = 0
    """Events of several lines that a limit ended, since the start."""
    cut_events: int = 0
    """Events beyond the limit, sent as their beginning, since the start."""
    dead_events: dict[str, int] = {}
    """Events that went to the dead letters at the agent, by reason, since the start."""
    gone_unread_count: int = 0
    """Files that were seen and gone before they could be opened, since the start."""
    gone_unread_bytes: int = 0
    """What they held when they were seen; none of it is in `lost_bytes`."""
    refused_count: int = 0
    """Of the next ones, those that are not to be read: others could have planted them."""
    unreadable_count: int
    unreadable: dict[str, str]
    """By path, why a file cannot be opened; the first `UNREADABLE_MAX`."""
    unreadable_bytes: int = 0
    """What these hold; none of it is in `lag_bytes`, nor is what the next two say."""
    away_bytes: int = 0
    """Unread, of files that nobody can reach and that may return."""
    waiting_bytes: int = 0
    waiting_count: int = 0
    """Files beyond the limits of their source, which are read when there is room."""
    waiting: dict[str, int] = {}
    """By folder, how many; the first `UNREADABLE_MAX`."""
    unmatched_globs: tuple[str, ...]
    """Those that match no file now."""
    hints: str
    """`on`, `off`, or why the kernel tells of no changes."""
    hints_overflows_count: int = 0
    """How often its queue of them overflowed since the start; a sweep followed each time."""
    line_wait_ms: int = 0
    """How long a line may wait for its newline, or an event for its next line."""
    metrics_url: str
    """Where `/metrics` and `/health` answer; empty where they do not."""
    files: tuple[FileStatus, ...]


class StatusFile:
    """Writes the status when it has changed, and never fails the agent.

    Without news it is written anew now and then, as its age tells whether it can be.
    """

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self._path = folder / FILE_NAME
        self._clock = clock
        self._written = b""
        self._rewrite_ms = 0

    def write(self, status: AgentStatus) -> None:
        """Replace the file, if there is news or it is old."""
        content = msgspec.json.encode(status)
        now_ms = self._clock.monotonic_ms()
        if content == self._written and now_ms < self._rewrite_ms:
            return
        with contextlib.suppress(OSError):
            replace_file(self._path, content, mode=PRIVATE, is_durable=False)
            self._written = content
            self._rewrite_ms = now_ms + REWRITE_MS


def lag_bytes_of(
    table: FileTable, files: Sequence[FileStatus], *, delivery: Delivery
) -> int:
    """Return the lag of all files that are followed, also beyond those listed."""
    lag_bytes = sum(file.lag_bytes for file in files)
    for tracked in islice(table.files.values(), len(files), None):
        offset = tracked.position.offset
        if delivery.knows(tracked.generation):
            offset = delivery.record_of(tracked.generation).next_offset
        lag_bytes += max(0, tracked.size_bytes - offset)
    return lag_bytes


def file_statuses(
    table: FileTable, *, delivery: Delivery, waiting: Waiting, now_ms: int
) -> tuple[FileStatus, ...]:
    """Return the state of each file that is followed."""
    statuses: list[FileStatus] = []
    waiting.keep_only({tracked.generation for tracked in table.files.values()})
    for tracked in list(table.files.values())[:FILES_MAX]:
        is_known = delivery.knows(tracked.generation)
        record = delivery.record_of(tracked.generation) if is_known else None
        offset = record.next_offset if record else tracked.position.offset
        state = "leaving" if tracked.stage is Stage.LEAVING else "followed"
        wait = waiting.of(
            tracked.generation,
            size_bytes=tracked.size_bytes - tracked.blank_bytes,
            acknowledged_offset=offset,
            now_ms=now_ms,
        )
        statuses.append(
            FileStatus(
                path=tracked.shown_path,
                source=tracked.source.name,
                generation=tracked.generation,
                dataset=record.placement.dataset if record else "",
                size_bytes=tracked.size_bytes,
                acknowledged_offset=offset,
                lag_bytes=max(0, tracked.size_bytes - offset),
                unsent_since_ms=wait.since_ms if wait else None,
                still_since_ms=wait.still_since_ms if wait else None,
                events=record.next_event_number if record else 0,
                lost_bytes=record.lost_bytes if record else {},
                state=tracked.trouble or state,
            )
        )
    return tuple(statuses)

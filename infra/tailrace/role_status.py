"""How often a role writes how it is, and after which silence its word counts no longer.

A role writes `status.json` into its folder when there is news. A disk that is full takes no
news, and leaves the last good word standing: so it is written anew also without any, and
its age tells whether it could be. A touch would not do, as a full disk takes that.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from tailrace.supervise import MemberRecord, MemberState
from tailrace.up_record import is_frozen

FILE_NAME = "status.json"
REWRITE_MS = 15_000
"""A few kilobytes that wait for no disk, four times a minute."""
AGE_MS_MAX = 6 * REWRITE_MS
"""Stopping, a slow disk and a woken machine take part of it; no healthy role takes all."""
ROOM_BYTES_MIN = 16 * 1_024 * 1_024
"""A disk with as much room took a first word of a few kilobytes."""
WRITERS = ("agent", "stream", "indexer")
"""The dashboard writes only where it is."""


def silent_roles(
    data_dir: Path, members: Sequence[MemberRecord], *, now_ms: int, away: str
) -> Iterator[str]:
    """Yield what is to be said of each role that was stopped, or has not written for too long.

    One that has just been started has as long as any other. `away` names the server that
    does not answer and that roles wait for before their first word, "" where none is: no
    one shall then look for a full disk.
    """
    for member in members:
        if member.state is not MemberState.RUNNING:
            continue
        if member.pid is not None and is_frozen(member.pid):
            yield (
                f"the {member.name} stands still, as process {member.pid} was stopped:"
                f" let it go on with `kill -CONT {member.pid}`"
            )
            continue
        if member.name not in WRITERS:
            continue
        path = data_dir / member.name / FILE_NAME
        written_at_ms = _written_at_ms(path)
        age_ms = now_ms - max(written_at_ms, member.since_ms)
        if age_ms > AGE_MS_MAX:
            has_spoken = written_at_ms >= member.since_ms
            cause = "look whether its disk is full, and at its log"
            if away:
                cause = (
                    f"it may be waiting for {away}, which does not answer; see its log"
                )
            elif not has_spoken and free_bytes(path.parent) >= ROOM_BYTES_MIN:
                cause = "it is still starting, as after a server was away; see its log"
            yield (
                f"the {member.name} runs, and has not written {path} for"
                f" {age_ms // 1_000} s: {cause} {member.log_path}"
            )


def free_bytes(folder: Path) -> int:
    """Return the room on the disk that a folder is on, or would be made on.

    It is 0 where that is not known.
    """
    try:
        return shutil.disk_usage(folder if folder.exists() else folder.parent).free
    except OSError:
        return 0


def _written_at_ms(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns // 1_000_000
    except OSError:
        return 0

"""What the worker has done since it started, for `tailrace status`: one small JSON file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tailrace.role_status import FILE_NAME, REWRITE_MS
from tailrace.whole_files import READABLE, replace_file

FOLDER_NAME = "stream"


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the start of this process, and where each partition stands."""

    pid: int
    started_at_ms: int
    updated_at_ms: int
    counts: dict[str, int]
    """Chunks, events, documents, dead letters by reason, failures by kind."""
    acked_offsets: dict[str, int]
    """By partition; empty while none is assigned."""
    alarms: tuple[str, ...] = ()
    """What of its files is not as it should be; it goes on with what they held before."""


class StatusFile:
    """Writes the file when something has changed.

    Without news it is written anew now and then, as its age tells whether it can be.
    """

    def __init__(self, data_dir: Path, *, started_at_ms: int) -> None:
        self._path = data_dir / FOLDER_NAME / FILE_NAME
        self._started_at_ms = started_at_ms
        self._written: tuple[dict[str, int], dict[str, int], tuple[str, ...]] | None = (
            None
        )
        self._written_at_ms = 0

    def write(
        self,
        counts: Mapping[str, int],
        *,
        acked: Mapping[int, int],
        now_ms: int,
        alarms: tuple[str, ...] = (),
    ) -> None:
        """Write the counts, atomically; a file that cannot be written is no failure.

        `now_ms` is the clock's, which may be set back: then it is written at once.

        Raises:
            Nothing: a full disk must not stop what does not need one.
        """
        offsets = {str(partition): offset for partition, offset in acked.items()}
        content = (dict(counts), offsets, alarms)
        is_fresh = 0 <= now_ms - self._written_at_ms < REWRITE_MS
        if content == self._written and is_fresh:
            return
        status = Status(
            pid=os.getpid(),
            started_at_ms=self._started_at_ms,
            updated_at_ms=now_ms,
            counts=content[0],
            acked_offsets=offsets,
            alarms=alarms,
        )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(
                self._path,
                msgspec.json.encode(status),
                mode=READABLE,
                is_durable=False,
            )
        except OSError:
            return
        self._written = content
        self._written_at_ms = now_ms

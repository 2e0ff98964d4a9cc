"""What `tailrace up` says about itself in its data folder, for `status` and `down`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import msgspec
import psutil

from tailrace.errors import CommandFailed
from tailrace.supervise import MemberRecord
from tailrace.whole_files import PRIVATE, replace_file

UP_FILE = "up.json"
SUPERVISOR_DIR = "supervisor"
"""Holds the lock of the process that supervises; see `tailrace_embedded.lock`."""


CREATED_TOLERANCE_S = 2.0
"""Two readers may see the moment of boot, which the kernel derives, differ."""


class Phase(StrEnum):
    """How far `tailrace up` has come."""

    STARTING = "starting"
    RUNNING = "running"
    """Everything was started; a line has not been searchable yet, or has."""
    STOPPING = "stopping"


class UpRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The supervisor, and everything that it looks after."""

    pid: int
    created_at_s: float
    """With the process id, names the supervisor for ever: ids alone are used again."""
    started_at_ms: int
    phase: Phase
    namespace: str
    has_roles: bool
    """False for `tailrace servers up`."""
    dashboard_url: str
    dashboard_port: int
    searchable_after_ms: int | None
    """From the start to the first line that a search found; None before that."""
    watched: list[str]
    members: list[MemberRecord]

    def is_running(self) -> bool:
        """Tell whether the supervisor lives."""
        return is_process(self.pid, created_at_s=self.created_at_s)


def write_record(data_dir: Path, record: UpRecord) -> None:
    """Replace the record; a reader sees the old one or the new one, never a part."""
    content = msgspec.json.format(msgspec.json.encode(record), indent=2)
    replace_file(data_dir / UP_FILE, content, mode=PRIVATE, is_durable=False)


def read_record(data_dir: Path) -> UpRecord | None:
    """Return the record as it stands, be it of a run long gone, or None.

    Raises:
        CommandFailed: it is another user's, and closed; something may run there.
    """
    try:
        return msgspec.json.decode((data_dir / UP_FILE).read_bytes(), type=UpRecord)
    except PermissionError as error:
        raise CommandFailed(
            f"What runs on the data folder {data_dir} is another user's:"
            f" {data_dir / UP_FILE} cannot be read ({error.strerror}).",
            remedy="ask as that user, or name a folder of your own with --data-dir",
        ) from error
    except (OSError, msgspec.DecodeError):
        return None


def read_running(data_dir: Path) -> UpRecord | None:
    """Return the record if its supervisor lives."""
    record = read_record(data_dir)
    return record if record is not None and record.is_running() else None


def created_at_s(pid: int) -> float:
    """Return when a process began; 0 when it is gone."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def is_process(pid: int, *, created_at_s: float) -> bool:
    """Tell whether this very process lives, and not another with its id."""
    try:
        process = psutil.Process(pid)
        return (
            abs(process.create_time() - created_at_s) < CREATED_TOLERANCE_S
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False


def is_frozen(pid: int) -> bool:
    """Tell whether the kernel says that a process is stopped."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False

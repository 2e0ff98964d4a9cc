"""Who holds a folder: one `flock` on an open file, which dies with its process.

A recorded process id cannot say it, because ids are used again; the kernel can. The
process id in the file is for the reader of the error message alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from tailrace.clock import Clock
from tailrace.errors import DataDirInUse
from tailrace.whole_files import PRIVATE

LOCK_FILE = "lock"

# A reader of `is_held` holds the lock for microseconds; a start outlasts that.
_RETRIES_MAX = 10
_RETRY_WAIT_MS = 50


class FolderLock:
    """Holds a folder until `release`, or until this process ends in whatever way."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let go; further calls do nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def hold(folder: Path, *, clock: Clock, mode: int = PRIVATE) -> FolderLock:
    """Hold `folder` for this process, or say who does.

    `mode` is that of the lock's file, also where an earlier version left it: whoever is to
    learn by `is_held` that a folder is held must be able to read it.

    Raises:
        DataDirInUse: another process holds it.
    """
    descriptor = _open(folder)
    with contextlib.suppress(PermissionError):  # Of another user's making: it stays.
        os.fchmod(descriptor, mode)
    for _attempt in range(_RETRIES_MAX):
        if _try_flock(descriptor, fcntl.LOCK_EX):
            break
        clock.sleep_ms(_RETRY_WAIT_MS)
    else:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise DataDirInUse(folder, holder=f"process {holder or 'unknown'}")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return FolderLock(descriptor)


def hold_waiting(
    folder: Path, *, on_wait: Callable[[], None] = lambda: None
) -> FolderLock:
    """Hold `folder`, however long another process needs it first; tell `on_wait` so.

    Used for the cache, whose holder downloads and then ends or is killed.
    """
    descriptor = _open(folder)
    if not _try_flock(descriptor, fcntl.LOCK_EX):
        on_wait()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return FolderLock(descriptor)


def is_held(folder: Path) -> bool:
    """Tell whether some process, this one included, holds `folder`."""
    path = folder / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try_flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _open(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    return os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, PRIVATE)


def _try_flock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

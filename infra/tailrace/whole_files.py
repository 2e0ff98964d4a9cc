"""How a small file is replaced: a reader sees the old content or the new, never a part."""

from __future__ import annotations

import os
from pathlib import Path

PRIVATE = 0o600
"""For what only this user has any business to read."""
READABLE = 0o644
"""For what other processes of this machine may ask for."""


def replace_file(path: Path, content: bytes, *, mode: int, is_durable: bool) -> None:
    """Put `content` in the place of what stands at `path`, whole or not at all.

    `is_durable` is for what a loss of power must not take back: the content is on the
    disk before the name points to it, and the name before this returns. It costs two
    waits for the disk, so what is only looked at goes without. The folder must be there.
    Several processes may do this to one path at once: the last one to finish wins.

    Raises:
        OSError: the disk does not take it; the old content is intact.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(temporary, flags, mode), "wb") as file:
            file.write(content)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if is_durable:
        sync(path.parent)


def sync(path: Path) -> None:
    """Return when what was written to a file, or renamed in a folder, is on the disk.

    Raises:
        OSError: the disk does not take it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

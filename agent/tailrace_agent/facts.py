"""What names a file on this machine: filesystem, inode and birth, which no rename changes.

Birth comes from statx (through ctypes: Python 3.11 has no call for it) on Linux, and
from `st_birthtime` on macOS. The filesystem is named by its UUID where the machine tells
it, else by `f_fsid`, else by its device number, which a reboot may change; a file whose
filesystem is suddenly named otherwise is found again by inode, birth and content.
"""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_AT_EMPTY_PATH = 0x1000
_AT_FDCWD = -100
_STATX_BTIME = 0x800
_STATX_SIZE_BYTES = 256
_BIRTH_AT = 80
_BIRTH = struct.Struct("=qI")
_UUID_FOLDER = Path("/dev/disk/by-uuid")


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The facts of one file that stay while it lives."""

    device: int
    inode: int
    born_at_ns: int | None
    """None where the filesystem keeps no birth time."""

    @property
    def key(self) -> tuple[int, int]:
        """Name the file among those that exist at this moment."""
        return (self.device, self.inode)


def facts_of(descriptor: int) -> FileFacts:
    """Return the facts of an open file.

    Raises:
        OSError: the file system fails.
    """
    status = os.fstat(descriptor)
    return FileFacts(status.st_dev, status.st_ino, _born_at_ns(descriptor, status))


def _born_at_ns(descriptor: int, status: os.stat_result) -> int | None:
    birth_s = getattr(status, "st_birthtime", None)
    if birth_s is not None:
        return int(birth_s * 1_000_000_000)
    statx = _statx()
    if statx is None:
        return None
    answer = ctypes.create_string_buffer(_STATX_SIZE_BYTES)
    if statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_BTIME, answer) != 0:
        return None
    (mask,) = struct.unpack_from("=I", answer)
    if not mask & _STATX_BTIME:
        return None
    seconds, nanoseconds = _BIRTH.unpack_from(answer, _BIRTH_AT)
    # Some filesystems set the bit and leave the field empty.
    return seconds * 1_000_000_000 + nanoseconds or None


@cache
def _statx() -> ctypes._NamedFuncPointer | None:  # pyright: ignore[reportPrivateUsage]
    try:
        function = ctypes.CDLL(None, use_errno=True).statx
    except (OSError, AttributeError):
        return None
    function.argtypes = (
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_char_p,
    )
    function.restype = ctypes.c_int
    return function


def filesystem_id(descriptor: int, *, device: int) -> str:
    """Return the name of the filesystem that an open file is on.

    Raises:
        OSError: the file system fails.
    """
    uuid = _uuids().get(device)
    if uuid is not None:
        return f"uuid-{uuid}"
    number = os.fstatvfs(descriptor).f_fsid
    if number:
        return f"fsid-{number & 0xFFFF_FFFF_FFFF_FFFF:016x}"
    return f"dev-{os.major(device)}:{os.minor(device)}"


@cache
def _uuids() -> dict[int, str]:
    """Return the UUID of each block device; read once, as mounts last longer than us."""
    found: dict[int, str] = {}
    try:
        entries = sorted(_UUID_FOLDER.iterdir())
    except OSError:
        return found
    for entry in entries:
        try:
            found.setdefault(entry.stat().st_rdev, entry.name)
        except OSError:
            continue
    return found

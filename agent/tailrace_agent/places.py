"""Where a file is now, and where reading of it begins."""

from __future__ import annotations

import os

from tailrace_agent.open_file import OpenFile
from tailrace_agent.positions import TAIL_BYTES, Position, tail_of


def find_by_inode(folder: str, *, inode: int) -> str | None:
    """Return the path of an inode in a folder, or None when it is not there."""
    try:
        with os.scandir(folder) as entries:
            return next((e.path for e in entries if e.inode() == inode), None)
    except OSError:
        return None


def end_of(file: OpenFile) -> Position:
    """Return the position behind the last whole line, to begin there."""
    size = file.status().st_size
    step = 65_536
    end = size
    while end > 0:
        start = max(0, end - step)
        piece = memoryview(bytearray(end - start))
        read = file.read_into((piece,), offset=start)
        newline = bytes(piece[:read]).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    tail = memoryview(bytearray(min(TAIL_BYTES, end)))
    read = file.read_into((tail,), offset=end - len(tail))
    return Position(end, 0, tail_of(tail[:read]))

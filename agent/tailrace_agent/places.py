"""Where reading of a file begins that is begun at its end."""

from __future__ import annotations

from tailrace_agent.open_file import OpenFile
from tailrace_agent.positions import TAIL_BYTES, Position, tail_of


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

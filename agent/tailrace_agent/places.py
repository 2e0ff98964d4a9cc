"""Where reading of a file begins that is begun at its end."""

from __future__ import annotations

from tailrace_agent.forms import Form
from tailrace_agent.open_file import OpenFile
from tailrace_agent.positions import TAIL_BYTES, Position, tail_of


def end_of(file: OpenFile, *, form: Form) -> Position:
    """Return the position behind the last whole line, to begin there.

    Where a newline has two bytes it is behind both: from between them no character would
    be what it is.

    Raises:
        OSError: the file cannot be read.
    """
    step = 65_536
    end = file.status().st_size
    end -= end % form.unit_bytes
    while end > 0:
        start = max(0, end - step)
        piece = bytearray(end - start)
        read = file.read_into((memoryview(piece),), offset=start)
        lines_bytes = form.end_of_last(piece, read)
        if lines_bytes:
            end = start + lines_bytes
            break
        end = start
    tail = memoryview(bytearray(min(TAIL_BYTES, end)))
    read = file.read_into((tail,), offset=end - len(tail))
    return Position(end, 0, tail_of(tail[:read]))

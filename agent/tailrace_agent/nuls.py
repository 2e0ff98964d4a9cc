"""Runs of NULs where an event would begin: never content, and passed in bounded memory.

A writer that does not append leaves a hole at the head of a file that was truncated
under it; a loss of power leaves blocks that were never written. Both are skipped, and
counted by the chunk that follows them. NULs within a line are content.
"""

from __future__ import annotations

from tailrace_agent.positions import Source

HOLE_BYTES_MIN = 512
"""Fewer NULs where an event begins are taken for content."""
SEARCH_BYTES = 256 * 1_024
"""How much is read at a time of NULs that do take room on the disk."""


def before_nuls(
    buffer: bytearray, size: int, *, newline: bytes = b"\n", unit_bytes: int = 1
) -> int:
    """Return how much of `buffer[:size]` stands before a run of NULs behind a newline.

    A run that reaches the end of the buffer counts, too: the next reading, which begins
    with it, sees all of it.
    """
    # NULs alone are found many times faster than with a newline before them, and most
    # files hold none at all.
    nul = b"\0" * unit_bytes
    first, wanted = buffer.find(nul, 0, size), newline + nul
    index = (
        buffer.find(wanted, max(0, first - 2 * unit_bytes), size) if first >= 0 else -1
    )
    while index >= 0:
        start = index + unit_bytes
        stop = min(size, start + HOLE_BYTES_MIN)
        if not index % unit_bytes and not buffer[start:stop].strip(b"\0"):
            return start
        index = buffer.find(wanted, index + 1, size)
    return size


def behind_nuls(source: Source, start: int, minimum: int, unit_bytes: int) -> int:
    """Return where the NULs that begin at `start` end, or `start` if they are content.

    A hole is not read: the filesystem knows where it ends. NULs with nothing behind
    them are passed however few they are: what they are is told by what follows.

    Raises:
        OSError: the file cannot be read.
    """
    end = data_offset = max(start, source.data_offset(start))
    buffer, rest = bytearray(SEARCH_BYTES), bytearray()
    while size := source.read_into((memoryview(buffer),), offset=end):
        rest = buffer[:size].lstrip(b"\0")
        end += size - len(rest)
        if rest:
            break
        # A hole that begins amid a block is not seen from within that block.
        end = max(end, source.data_offset(end))
    end -= (end - start) % unit_bytes
    is_run = not rest or data_offset > start or end - start >= minimum
    return end if is_run else start

r"""Which lines of a container's log are pieces of one: `docker` and `cri` as rules.

A runtime writes a long line in pieces of some 16 KiB. Docker's json-file has a piece
whose text does not end with `\n`; CRI tags it `P`, and the last one `F`. A line continues
the one before if that is a piece, and both are of one stream: stdout and stderr are never
mixed. Two neighbours decide, so reading may begin at any event. A block without pieces,
as nearly all are, costs some searches for a few bytes and nothing a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Block = bytes | bytearray

CRI_HEAD = re.compile(
    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
    rb" (stdout|stderr) ([PF])(?::[^ \n]{0,64})?(?: |\r?\n|\Z)"
)
"""Time, stream, tags of which the first says whether it is a piece; then the text."""
DOCKER_BEGIN = b'{"log":"'
DOCKER_STREAM = b'","stream":"'
"""Ends the text: within it every quote is escaped, so these bytes cannot stand there."""
_DOCKER_WHOLE = b'\\n","stream":"'
_DOCKER_DOUBTFUL = b'\\\\n","stream":"'
"""A backslash and an `n` of the text itself, or a newline behind a backslash."""
_STREAM_BYTES = 6


def cri_joins(block: Block, size: int) -> list[int]:
    """Return the newlines of `block[:size]` behind which a line of CRI goes on."""
    found: list[int] = []
    for mark in (b" stdout P", b" stderr P"):
        at = block.find(mark, 0, size)
        while at >= 0:
            start = block.rfind(b"\n", 0, at) + 1
            newline = block.find(b"\n", at, size)
            if newline < 0 or newline + 1 >= size:
                break
            piece = _cri_piece(block, start, size)
            after = CRI_HEAD.match(block, newline + 1, size)
            if piece is not None and after is not None and after[1] == piece:
                found.append(newline)
            at = block.find(mark, newline, size)
    return sorted(found)


def docker_joins(block: Block, size: int) -> list[int]:
    """Return the newlines of `block[:size]` behind which a line of Docker goes on."""
    line_count = block.count(b"\n", 0, size)
    is_each_whole = block.count(_DOCKER_WHOLE, 0, size) >= line_count
    if is_each_whole and block.find(_DOCKER_DOUBTFUL, 0, size) < 0:
        return []
    found: list[int] = []
    before: bytes | None = None
    start = 0
    while start < size:
        newline = block.find(b"\n", start, size)
        end = size if newline < 0 else newline
        stream, is_piece = _docker_kind(block, start, end)
        if before is not None and stream == before:
            found.append(start - 1)
        before = stream if is_piece else None
        start = end + 1
    return found


def is_cri_whole(block: Block, start: int, end: int) -> bool:
    """Return whether no line can continue the line `block[start:end]` of CRI."""
    return _cri_piece(block, start, end) is None


def is_docker_whole(block: Block, start: int, end: int) -> bool:
    """Return whether no line can continue the line `block[start:end]` of Docker."""
    return not _docker_kind(block, start, end)[1]


def text_place(block: Block, start: int, end: int) -> tuple[int, int]:
    """Return where the text of a line stands, without what a runtime wrote around it.

    All of a line that no runtime wrote is its text. Of a text in JSON the newline at its
    end is none of it.
    """
    head = CRI_HEAD.match(block, start, end)
    if head is not None:
        return head.end(), end
    text_start = start + len(DOCKER_BEGIN)
    if not block.startswith(DOCKER_BEGIN, start, end):
        return start, end
    text_end = block.find(DOCKER_STREAM, text_start - 1, end)
    if text_end < text_start:
        return start, end
    for escape in (b"\\n", b"\\r"):
        if block.endswith(escape, text_start, text_end):
            text_end -= len(escape)
    return text_start, text_end


def text_places(block: Block, start: int, end: int) -> list[tuple[int, int]]:
    """Return where the text of each line of an event stands."""
    places: list[tuple[int, int]] = []
    while start <= end:
        newline = block.find(b"\n", start, end)
        line_end = end if newline < 0 else newline
        places.append(text_place(block, start, line_end))
        start = line_end + 1
    return places


JOINS: dict[str, Callable[[Block, int], list[int]]] = {
    "cri": cri_joins,
    "docker": docker_joins,
}
IS_WHOLE: dict[str, Callable[[Block, int, int], bool]] = {
    "cri": is_cri_whole,
    "docker": is_docker_whole,
}


def format_of(sample: bytes) -> str | None:
    """Return `docker` or `cri` where the first line leaves no doubt, else None."""
    line = sample.partition(b"\n")[0]
    if CRI_HEAD.match(line):
        return "cri"
    stream, _ = _docker_kind(line, 0, len(line))
    return None if stream is None or b'"time":"' not in line else "docker"


def _cri_piece(block: Block, start: int, size: int) -> bytes | None:
    """Return the stream of which the line is a piece that another one follows."""
    head = CRI_HEAD.match(block, start, size)
    return bytes(head[1]) if head is not None and head[2] == b"P" else None


def _docker_kind(block: Block, start: int, end: int) -> tuple[bytes | None, bool]:
    """Return the line's stream, None for another line, and whether it is a piece."""
    if not block.startswith(DOCKER_BEGIN, start, end):
        return None, False
    text_end = block.find(DOCKER_STREAM, start + len(DOCKER_BEGIN) - 1, end)
    if text_end < 0:
        return None, False
    at = text_end + len(DOCKER_STREAM)
    stream = bytes(block[at : at + _STREAM_BYTES])
    if stream not in (b"stdout", b"stderr"):
        return None, False
    text = bytes(block[start + len(DOCKER_BEGIN) : text_end])
    if not text.endswith(b"n"):
        return stream, True
    escapes = len(text) - 1 - len(text[:-1].rstrip(b"\\"))
    return stream, escapes % 2 == 0

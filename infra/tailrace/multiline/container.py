r"""Which lines of a container's log are pieces of one, and where their text stands.

A runtime writes a long line in pieces of some 16 KiB. Docker's json-file has a piece
whose text does not end with `\n`; CRI tags it `P`, and the last one `F`. The next line of
the same stream goes on with it; `streams.py` says which lines make an event by that. A
block without pieces, as nearly all are, costs some searches for a few bytes and nothing a
line.

`docker` and `cri` as rules, which files have that were first seen before, join a piece
with the line directly behind it, and nothing over lines of the other stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

Block = bytes | bytearray

CRI_HEAD = re.compile(
    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
    rb" (stdout|stderr) ([PF])(?::[^ \n]{0,64})?(?: |\r?\n|\Z)"
)
"""Time, stream, tags of which the first says whether it is a piece; then the text."""
_CRI_PIECE = re.compile(rb" std(?:out|err) P")
DOCKER_BEGIN = b'{"log":"'
DOCKER_STREAM = b'","stream":"'
"""Ends the text: within it every quote is escaped, so these bytes cannot stand there."""
_DOCKER_WHOLE = b'\\n","stream":"'
_DOCKER_DOUBTFUL = b'\\\\n","stream":"'
"""A backslash and an `n` of the text itself, or a newline behind a backslash."""
_STREAM_BYTES = 6
HEAD_TEXT_BYTES = 4_096
SAMPLE_LINES_MAX = 64
"""Of a file whose first line no runtime wrote so many are asked."""
_BEGUN_CHARACTER = re.compile(
    rb"(?:[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\Z"
)
"""A character of UTF-8 to whose end some bytes are missing."""
_CONTINUING = bytes(range(0x80, 0xC0))
_ESCAPE = re.compile(rb"\\(u[0-9a-fA-F]{4}|[^u])")
_PLAIN_ESCAPES = {b"t": b"\t", b"n": b"\n", b"r": b"\r", b"b": b"\b", b"f": b"\f"}


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
    if not docker_has_pieces(block, size):
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


def cri_next_piece(block: Block, start: int, size: int) -> int:
    """Return where, from a line's start on, the next line is that may be a piece, or -1."""
    mark = _CRI_PIECE.search(block, start, size)
    return -1 if mark is None else block.rfind(b"\n", start, mark.start()) + 1 or start


def docker_next_piece(block: Block, start: int, size: int) -> int:
    """Return where, from a line's start on, the next line is that may be a piece, or -1."""
    if not start and not docker_has_pieces(block, size):
        return -1
    at = block.find(DOCKER_STREAM, start, size)
    while at >= 0:
        ending = bytes(block[at - 3 : at])
        if not ending.endswith(b"\\n") or ending.startswith(b"\\"):
            return block.rfind(b"\n", start, at) + 1 or start
        at = block.find(DOCKER_STREAM, at + 1, size)
    return -1


def docker_has_pieces(block: Block, size: int) -> bool:
    """Return whether `block[:size]` may hold a piece of a line of Docker."""
    line_count = block.count(b"\n", 0, size)
    is_each_whole = block.count(_DOCKER_WHOLE, 0, size) >= line_count
    return not is_each_whole or block.find(_DOCKER_DOUBTFUL, 0, size) >= 0


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


def written_lines(
    block: Block, runs: Iterable[tuple[int, int]]
) -> list[list[tuple[int, int]]]:
    """Return where the text of each line stands that a program wrote, piece by piece.

    `runs` are the lines of one event, without those of other events between them.
    """
    lines: list[list[tuple[int, int]]] = []
    is_begun = False
    for run_start, run_end in runs:
        start = run_start
        while start <= run_end:
            newline = block.find(b"\n", start, run_end)
            end = run_end if newline < 0 else newline
            place = text_place(block, start, end)
            if is_begun:
                lines[-1].append(place)
            else:
                lines.append([place])
            is_begun = is_piece(block, start, end)
            start = end + 1
    return lines


def is_piece(block: Block, start: int, end: int) -> bool:
    """Return whether a line is a piece of one that goes on, whatever runtime wrote it."""
    return _cri_kind(block, start, end)[1] or _docker_kind(block, start, end)[1]


def with_whole_characters(event: bytes) -> bytes:
    """Return an event in which no piece of a line ends amid a character of UTF-8.

    CRI counts bytes: what of a character stands in the next piece is put to its beginning.
    """
    lines = event.split(b"\n")
    for number, line in enumerate(lines[:-1]):
        begun = _BEGUN_CHARACTER.search(line)
        behind = CRI_HEAD.match(lines[number + 1])
        if begun is None or behind is None or not _cri_kind(line, 0, len(line))[1]:
            continue
        start, following = behind.end(), lines[number + 1]
        end = start + _bytes_of_character(begun[0]) - len(begun[0])
        rest = following[start:end]
        if len(rest) == end - start and not rest.strip(_CONTINUING):
            lines[number] = line + rest
            lines[number + 1] = following[:start] + following[end:]
    return b"\n".join(lines)


def _bytes_of_character(begun: bytes) -> int:
    return 2 if begun[0] < 0xE0 else 3 if begun[0] < 0xF0 else 4


def head_text(block: Block, start: int, end: int) -> bytes:
    """Return how the text of a line begins, as its program wrote it; at most 4 KiB of it."""
    text_start, text_end = text_place(block, start, end)
    head = bytes(block[text_start : min(text_end, text_start + HEAD_TEXT_BYTES)])
    if b"\\" in head and block.startswith(DOCKER_BEGIN, start, end):
        head = _ESCAPE.sub(_unescaped, head)
    return head.removesuffix(b"\r")


JOINS: dict[str, Callable[[Block, int], list[int]]] = {
    "cri": cri_joins,
    "docker": docker_joins,
}
NEXT_PIECE: dict[str, Callable[[Block, int, int], int]] = {
    "cri": cri_next_piece,
    "docker": docker_next_piece,
}
IS_WHOLE: dict[str, Callable[[Block, int, int], bool]] = {
    "cri": is_cri_whole,
    "docker": is_docker_whole,
}


def format_of(sample: bytes) -> str | None:
    """Return `docker` or `cri` where the first lines leave no doubt, else None.

    The first one may be torn: a file that was cut begins amid a line. Then all whole
    lines behind it tell, of at most `SAMPLE_LINES_MAX`.
    """
    first, *behind = sample.split(b"\n", SAMPLE_LINES_MAX)
    found = _format_of_line(first)
    if found is not None:
        return found
    formats = {_format_of_line(line) for line in behind[:-1]}
    return formats.pop() if len(formats) == 1 else None


def _format_of_line(line: bytes) -> str | None:
    if CRI_HEAD.match(line):
        return "cri"
    stream, _ = _docker_kind(line, 0, len(line))
    return None if stream is None or b'"time":"' not in line else "docker"


def _cri_piece(block: Block, start: int, size: int) -> bytes | None:
    """Return the stream of which the line is a piece that another one follows."""
    head = CRI_HEAD.match(block, start, size)
    return bytes(head[1]) if head is not None and head[2] == b"P" else None


def _cri_kind(block: Block, start: int, end: int) -> tuple[bytes | None, bool]:
    """Return the line's stream, None for another line, and whether it is a piece."""
    head = CRI_HEAD.match(block, start, end)
    return (None, False) if head is None else (bytes(head[1]), head[2] == b"P")


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


def _unescaped(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    if len(code) == 1:
        return _PLAIN_ESCAPES.get(code, code)
    return chr(int(code[1:], 16)).encode("utf-8", "replace")


KINDS: dict[str, Callable[[Block, int, int], tuple[bytes | None, bool]]] = {
    "cri": _cri_kind,
    "docker": _docker_kind,
}
"""Tells of a line its stream, None for another line, and whether it is a piece."""

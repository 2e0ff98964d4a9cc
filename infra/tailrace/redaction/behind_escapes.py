r"""What a text says behind the escapes of JSON, and where in the text that stands.

A line of Docker's holds the text of its program as JSON, and that text may be JSON again. A
rule that is asked of the bytes would have to know each way to write each character; so it
is asked of what they say, and its answer is carried back to where that is written.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import orjson

from tailrace.multiline.container import DOCKER_BEGIN, DOCKER_STREAM

LEVELS_MAX = 8
"""So deep JSON within JSON is looked at. Each level doubles the backslashes, so nobody
writes more; and a text that was made to have very many costs no more than so many looks."""
UNUSUAL = (
    rb"\\u00(?:0[9AaDd]|2[0134589AaCcDdEeFf]|3[0-9AaBbFf]|[45][0-9A-Fa-f]"
    rb"|6[1-9A-Fa-f]|7[0-9A-Ea-e])"
)
"""Writes a character that hardly an encoder escapes, so a line with one is looked at. The
screens know how others are written: quotes, `&`, `+`, `<`, `=`, `>`, a slash, and a tab."""

# What stands between two quotes, neither of which a backslash escapes.
_PIECE = re.compile(rb'(?:[^"\\\n]++|\\[^\n]?+)++')
_HEX = rb"[0-9a-fA-F]"
# The last one is cut by the end of the text, and says nothing.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB]" + _HEX + rb"{2}\\u[dD][c-fC-F]" + _HEX + rb"{2}"
    rb"|u" + _HEX + rb"{4}|[\"\\/bfnrt]|(?:u" + _HEX + rb"{0,3})?\Z)"
)  # fmt: skip
_LETTERS = {
    b"\\b": b"\b",
    b"\\f": b"\f",
    b"\\n": b"\n",
    b"\\r": b"\r",
    b"\\t": b"\t",
    b'\\"': b'"',
    b"\\\\": b"\\",
    b"\\/": b"/",
}
_CONTROLS = bytes(range(1, 32))
_BLANKS = bytes.maketrans(_CONTROLS, b" " * len(_CONTROLS))
_UNIT_BYTES = 6


class _DockerLine(msgspec.Struct):
    log: str


_DOCKER = msgspec.json.Decoder(_DockerLine)


@dataclass(frozen=True, slots=True)
class Said:
    """What pieces of a text say, each a line, or some if it says so."""

    text: bytes
    pieces: Sequence[tuple[int, int]]
    """Where each piece stands in `text`."""
    places: Sequence[int]
    """Where a run of it begins that is written as it is, or as one escape."""
    origins: Sequence[tuple[int, int]]
    """Where each of the runs is written."""

    def written(self, start: int, end: int) -> tuple[int, int]:
        """Return where `text[start:end]` is written: whole escapes."""
        first = bisect_right(self.places, start) - 1
        last = bisect_left(self.places, end) - 1
        written_start, _ = self.origins[first]
        if self._is_as_it_is(first):
            written_start += start - self.places[first]
        last_start, written_end = self.origins[last]
        if self._is_as_it_is(last):
            written_end = last_start + end - self.places[last]
        if end == len(self.text):
            _, written_end = self.origins[-1]  # Also an escape that is cut.
        return written_start, written_end

    def _is_as_it_is(self, run: int) -> bool:
        start, end = self.origins[run]
        behind = run + 1
        stop = self.places[behind] if behind < len(self.places) else len(self.text)
        return stop - self.places[run] == end - start


def said_in(text: bytes, spans: Iterable[tuple[int, int]]) -> Said | None:
    """Return what is said in the lines at `spans`, None where nothing has an escape.

    A piece keeps its quotes, so nothing in it begins a line of its own; but what a
    program wrote in a line of Docker's does, also where it has no escape.
    """
    made: list[bytes] = []
    pieces: list[tuple[int, int]] = []
    places: list[int] = []
    origins: list[tuple[int, int]] = []
    size = 0
    for start, end in _pieces(text, spans):
        begin = size
        for place, stop, meaning in _runs(text[start:end]):
            places.append(size)
            origins.append((start + place, start + stop))
            made.append(meaning)
            size += len(meaning)
        pieces.append((begin, size))
        places.append(size)
        origins.append((end, end))
        made.append(b"\n")
        size += 1
    if not pieces:
        return None
    return Said(b"".join(made[:-1]), pieces, places[:-1], origins[:-1])


def rest_of(text: bytes, line: tuple[int, int]) -> tuple[int, int]:
    """Return a line, or of one of Docker's what stands behind its program's text."""
    start, end = line
    if not text.startswith(DOCKER_BEGIN, start, end):
        return line
    return _piece_end(text, start + len(DOCKER_BEGIN), end), end


def says_more(text: bytes) -> bool:
    """Return whether some line may say something else than its bytes are."""
    # One byte is found much faster than several.
    return b"\\" in text or (b"{" in text and DOCKER_BEGIN in text)


def lines_that_say_more(text: bytes) -> list[tuple[int, int]]:
    """Return where the lines stand that may say something else than their bytes are."""
    if not says_more(text):
        return []
    found: list[tuple[int, int]] = []
    start = 0
    for line in text.split(b"\n"):
        if says_more(line):
            found.append((start, start + len(line)))
        start += len(line) + 1
    return found


def texts_of_lines(text: bytes) -> bytes:
    """Return about what each line says: good enough to tell which are to be looked at.

    A NUL, which stands nowhere else, parts two of them. What a program wrote in a line of
    Docker's is a line of its own. It costs some passes over all, and nothing a line.
    """
    if text.startswith(DOCKER_BEGIN):
        line_count = text.count(b"\n") + (not text.endswith(b"\n"))
        try:
            lines = [line.log for line in _DOCKER.decode_lines(text)]
        except (msgspec.DecodeError, UnicodeDecodeError):
            lines = []  # Not all are whole lines of Docker's.
        said = "\0".join(lines)
        if len(lines) == line_count == said.count("\0") + 1:
            return said.encode()
    return texts_behind(text.replace(b"\0", b" ").replace(b"\n", b"\0"))


def texts_behind(lines: bytes) -> bytes:
    """Return about what is said by what lines say, which NULs part, too."""
    framed = lines.replace(DOCKER_BEGIN, b"\n").replace(DOCKER_STREAM, b"\n")
    body = (
        framed.replace(b'"', b"\\u0022")
        .replace(b"\n", b"\\n")
        .replace(b"\t", b"\\t")
        .replace(b"\r", b"\\r")
        .translate(_BLANKS)
    )
    if b"\\u0000" in body:
        body = body.replace(b"\\u0000", b" ")
    try:
        texts: list[str] = orjson.loads(b'["' + body.replace(b"\0", b'","') + b'"]')
    except orjson.JSONDecodeError:  # Some line is no JSON.
        return b"\0".join(
            b"".join(meaning for _, _, meaning in _runs(line)).replace(b"\0", b" ")
            for line in framed.split(b"\0")
        )
    # A backslash before a quote was taken for one before the escape of a quote.
    return "\0".join(texts).encode().replace(b"\\u0022", b'"')


def as_json(token: bytes) -> bytes:
    """Return a token as it is written within a text of JSON."""
    return token.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _pieces(text: bytes, lines: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for line in lines:
        at, end = rest_of(text, line)
        begin = line[0] + len(DOCKER_BEGIN)
        if at > begin:
            yield begin, at
        while (escape := _ESCAPE.search(text, at, end)) is not None:
            quote = text.rfind(b'"', at, escape.start())
            start = at if quote < 0 else quote
            at = _piece_end(text, max(start, quote + 1), end)
            yield start, at + text.startswith(b'"', at, end)


def _piece_end(text: bytes, start: int, end: int) -> int:
    """Return where the next quote stands that no backslash escapes, or the line ends."""
    piece = _PIECE.match(text, start, end)
    return start if piece is None else piece.end()


def _runs(piece: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield where runs of a piece begin and end that are no escape or one, and say what."""
    start = 0
    for escape in _ESCAPE.finditer(piece):
        place, end = escape.span()
        if place > start:
            yield start, place, piece[start:place]
        yield place, end, _meaning(escape[0])
        start = end
    if start < len(piece):
        yield start, len(piece), piece[start:]


def _meaning(escape: bytes) -> bytes:
    meaning = _LETTERS.get(escape)
    if meaning is not None:
        return meaning
    units = escape.replace(b"\\u", b"").decode()
    if len(escape) % _UNIT_BYTES:
        return b""  # The end of the text cuts it.
    text = bytes.fromhex(units).decode("utf-16-be", "surrogatepass")
    return text.encode("utf-8", "surrogatepass")

"""Where a private key stands in a text: within one line, or in the lines after its head.

A key may be an event, or each line of it one: so what is asked is the text before, and
never how the lines came into a chunk. A key ends with its last line, where another one
begins, or `KEY_BYTES_MAX` behind its first one.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from itertools import pairwise

from tailrace.multiline.container import text_place
from tailrace.redaction.linear import Pattern

KEY_BYTES_MAX = 32 * 1_024
"""A key of RSA with 16,384 bits has 12.7 KB, and a container's runtime writes as much
again around its lines."""
NEEDLE = rb"PRIVATE KEY(?: BLOCK)?-----"
LINES_BEFORE_MAX = 4
"""Between a head and the key stand two lines that say how it is encrypted, and a blank
one; where more do not look like a key, the head was only spoken of."""
_NAME = rb"(?:[A-Z0-9]{1,12} ){0,3}" + NEEDLE
HEAD_BYTES_MAX = 80
"""The first line of a key, at most: what is looked for before a text must be whole."""
_HEAD = b"-----BEGIN "
_MATERIAL = rb"[A-Za-z0-9+/]{40}[A-Za-z0-9+/]*=*"
# Of a line within a key: what fills one, and the last word, which may be short.
_WORDS = rb"(" + _MATERIAL + rb")|(?:^|[ \t])([A-Za-z0-9+/]+=*)[ \t]*\r?$"
# Of a key in one line that ends soon after its head: letters behind a newline, and nothing
# else before the end of the line, or of the quotes in which it stands.
_SHORT = rb"^(?:\\+[rn])+([A-Za-z0-9+/]{1,79}={0,2})(?:\.{3})?(?:\\*[\"'].*|\\+[rn]?)?$"
# As of a text that ends within a key's first line.
_CUT = rb"[ \t]*([A-Za-z0-9+/]{1,79}={0,2})\r?"


class KeyPattern:
    """Finds what is secret in private keys; their first and last lines stay."""

    def __init__(self) -> None:
        self._marks = Pattern(rb"-----(?:BEGIN|END) " + _NAME)
        self._material = Pattern(_MATERIAL)
        self._words = Pattern(_WORDS)
        self._short = Pattern(_SHORT)
        self._whole = re.compile(rb"[ \t]*[A-Za-z0-9+/]{40,}={0,2}[ \t]*\r?")
        self._cut = re.compile(_CUT)
        self._last = re.compile(rb"[ \t]*[A-Za-z0-9+/]{1,79}={0,2}[ \t]*\r?")

    def find(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield the pieces of keys; none crosses the end of a line."""
        for begin, stop in self._keys(text):
            line_end = text.find(b"\n", begin)
            if line_end < 0 or line_end >= stop:
                yield from self._within(text, begin, stop)
                continue
            yield from self._within(text, begin, line_end)
            yield from self._lines(text, line_end + 1, stop)

    def begun(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield the pieces of a key that a text may begin within.

        That is told by its lines alone: the first ones are nothing but letters of a key,
        or one is, and the foot of a key follows it.
        """
        start = count = 0
        while start < len(text) and start <= KEY_BYTES_MAX:
            newline = text.find(b"\n", start)
            end = len(text) if newline < 0 else newline
            place = text_place(text, start, end)
            line = text[slice(*place)]
            next_end = text.find(b"\n", end + 1)
            next_end = len(text) if next_end < 0 else next_end
            behind = text_place(text, min(end + 1, next_end), next_end)[0]
            is_last = count > 0 or text.startswith(b"-----END ", behind)
            is_whole = self._whole.fullmatch(line) is not None
            if not is_whole and not (is_last and self._last.fullmatch(line)):
                return
            for word_start, word_end in self._words.find(line):
                yield place[0] + word_start, place[0] + word_end
            if not is_whole:
                return
            start, count = end + 1, count + 1

    def cut(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield the piece of a key that a text ends within, before a line of it is whole.

        Fewer letters than a line has are told from words only by that: nothing else stands
        between the head and the end.
        """
        start, head_end = self._last_mark(text)
        if not text.startswith(_HEAD, start, head_end):
            return
        line_start = text.rfind(b"\n") + 1
        count = text.count(b"\n", head_end)
        if not 0 < count <= LINES_BEFORE_MAX:
            return  # In one line with its head it is found as any other.
        place, end = text_place(text, line_start, len(text))
        match = self._cut.fullmatch(text, place, end)
        if match is not None:
            yield match.span(1)

    def open_at_end(self, text: bytes) -> int:
        """Return where a key begins that the end of the text is within, else -1."""
        start, end = self._last_mark(text)
        is_open = text.startswith(_HEAD, start, end) and self._goes_on(text, end)
        return start if is_open and len(text) - end <= KEY_BYTES_MAX else -1

    def _last_mark(self, text: bytes) -> tuple[int, int]:
        return next(iter(deque(self._marks.find(text), maxlen=1)), (0, 0))

    def _keys(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield where what follows each head begins, and where it ends at the latest."""
        marks = [*self._marks.find(text), (len(text), len(text))]
        for (start, head_end), (next_start, _) in pairwise(marks):
            if not text.startswith(_HEAD, start):
                continue
            stop = min(head_end + KEY_BYTES_MAX, next_start)
            line_end = text.find(b"\n", head_end, stop)
            if line_end >= 0 and not self._goes_on(text, head_end):
                stop = line_end
            yield head_end, stop

    def _goes_on(self, text: bytes, head_end: int) -> bool:
        """Return whether a head ends its line, or what was written as one."""
        rest = text[head_end : head_end + 1]
        return rest in (b"", b"\n", b"\r", b"\\", b'"', b"'")

    def _within(self, text: bytes, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the key that stands in one line, its own newlines written as `\\n`."""
        if begin >= end:
            return
        if not self._material.is_in(text[begin:end]):
            for start, stop in self._short.find(text[begin:end]):
                yield begin + start, begin + stop
            return
        # A quote ends what it stands in, where the foot is missing.
        quote = text.find(b'"', begin, end)
        yield begin, end if quote < 0 else quote

    def _lines(self, text: bytes, begin: int, stop: int) -> Iterator[tuple[int, int]]:
        start, count, is_key = begin, 0, False
        while start < stop:
            newline = text.find(b"\n", start)
            end = len(text) if newline < 0 else newline
            text_start, text_end = text_place(text, start, end)
            # The foot may stand behind the last bytes of the key.
            line = text[text_start:text_end].partition(b"-----END ")[0]
            is_key = is_key or self._material.is_in(line)
            if is_key:
                for word_start, word_end in self._words.find(line):
                    yield text_start + word_start, text_start + word_end
            start, count = end + 1, count + 1
            if not is_key and count == LINES_BEFORE_MAX:
                return

"""How a piece is taken out of a text so that what was JSON stays JSON.

Nobody tells whether a text is; so nothing here depends on it, and what is no JSON only
loses a backslash more.
"""

from __future__ import annotations

import re

_ESCAPED_END = re.compile(rb"(?:\\[nrt]){1,8}\Z")
_NAME_END = re.compile(rb"(\\{0,8}[\"'])[ \t]{0,8}:[ \t]{0,8}\Z")
_NAME_END_BYTES = 26
_ESCAPED_END_BYTES = 16
_LETTERS_ESCAPED = b"bfnrt"
_HEXADECIMAL_BYTES = 5


def fitted(text: bytes, start: int, end: int) -> tuple[int, int]:
    """Return a piece without parts of what JSON writes for other characters.

    A text in quotes that was cut amid an escape would be no JSON any more, and the letter
    of an escape is none of the word behind it.
    """
    if start and text[start - 1] == ord("\\") and _backslashes_before(text, start) % 2:
        if text[start : start + 1] == b"u":
            start = min(start + _HEXADECIMAL_BYTES, end)
        elif text[start] in _LETTERS_ESCAPED:
            start += 1
    if text[end : end + 1] in (b'"', b"'"):
        escapes = _ESCAPED_END.search(text, max(start, end - _ESCAPED_END_BYTES), end)
        if escapes is not None:
            end = escapes.start()
    return start, end - _backslashes_before(text, end) % 2


def with_backslash(text: bytes, start: int) -> int:
    """Return the start of a piece, or of the escape that its first letter belongs to."""
    return start - _backslashes_before(text, start) % 2


def quote_for(text: bytes, start: int, end: int) -> bytes:
    """Return the quote that a token needs where JSON has a number; else nothing."""
    if text[end : end + 1] not in (b"", b",", b"}", b"]", b" ", b"\r", b"\n"):
        return b""
    name_end = _NAME_END.search(text, max(0, start - _NAME_END_BYTES), start)
    return b"" if name_end is None else name_end[1]


def _backslashes_before(text: bytes, end: int) -> int:
    count = 0
    while count < end and text[end - count - 1] == ord("\\"):
        count += 1
    return count

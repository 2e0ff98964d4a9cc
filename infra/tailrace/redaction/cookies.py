"""What cookies hold: each value of `Cookie` and `Set-Cookie`, in lines and in fields.

Their names stay, and so does how long and where a browser keeps them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tailrace.redaction.held import held, text_end
from tailrace.redaction.linear import Pattern

_QUOTE = rb"\\*[\"']"
_BETWEEN = rb"(?:" + _QUOTE + rb")?[ \t]{0,8}(?::=|=>|[:=])[ \t]{0,8}"
CURL = rb"\bcurl\b(?:[^\r|;]|;[^ ])*?[ ]-b[ ]?"
_OPTION = rb"--cookie[ =]|" + CURL
_BEGINS = rb"((?:set[_-]?)?cookies?2?" + _BETWEEN + rb"|" + _OPTION + rb")"

_OPENS = re.compile(_QUOTE)
_PLACED = re.compile(
    rb"\s*(?:path|domain|expires|max-age|samesite|priority)=", re.IGNORECASE
)
"""What a server says of a cookie beside its value."""
_WORD = rb"[^\s\"',;&\])}<>\\]"
_WORDS = re.compile(_WORD + rb"+(?:;[ ]?" + _WORD + rb"+)*")
_HEADER_ENDS = re.compile(
    rb"=\"[^\",;\s}\]\\]+\""
    rb"|([\"'\\\r\n]|,[ ]?[A-Za-z][A-Za-z0-9_-]*[:=]|\](?=[ \t\r\n,\])}]|\Z))"
)
"""A value in quotes, or in the group what is no more of the header."""

_Piece = tuple[int, int]


class CookiePattern:
    """Finds the values of cookies, each by itself: so one has one token everywhere."""

    def __init__(self) -> None:
        self._begins = Pattern(_BEGINS, is_exact=False)

    def find(self, text: bytes) -> Iterator[_Piece]:
        """Yield where values stand, none across the end of a line."""
        looked_at = 0
        for start, end in self._begins.find(text):
            if start < looked_at:
                continue
            name = text[start:end].lower()
            pieces, looked_at = _pieces(text, end, name=name)
            for piece in pieces:
                yield from _values(text, *piece, name=name)


def _pieces(text: bytes, at: int, *, name: bytes) -> tuple[list[_Piece], int]:
    """Return where cookies stand behind a name, and behind what no more is looked for."""
    if text[at : at + 1] in (b"[", b"{"):
        found = held(text, at)
        return [_within(text, one) for one in found.values], found.end
    opened = _OPENS.match(text, at)
    if opened is not None:
        newline = text.find(b"\n", at)
        end = len(text) if newline < 0 else newline
        piece = opened.end(), text_end(text, opened.end(), end, quote=opened[0])
    elif _is_option(name) or name.rstrip().endswith(b"="):
        words = _WORDS.match(text, at)
        piece = (at, at) if words is None else words.span()
    else:
        piece = at, _header_end(text, at)
    return [piece], piece[1]


def _within(text: bytes, piece: _Piece) -> _Piece:
    """Return a piece without the bracket before and behind it, where it has them."""
    start, end = piece
    if text[start : start + 1] in (b"[", b"{"):
        return start + 1, end - (text[end - 1 : end] in (b"]", b"}"))
    return piece


def _header_end(text: bytes, start: int) -> int:
    """Return where a header ends that is in no quotes of its own."""
    for found in _HEADER_ENDS.finditer(text, start):
        if found[1] is not None:
            return found.start()
    return len(text)


def _values(text: bytes, start: int, end: int, *, name: bytes) -> Iterator[_Piece]:
    """Yield the values of `name=value; name=value`, or the one that has no name."""
    is_set = name.startswith(b"set") or b"cookies" in name
    # A file is an option's value, and words stand behind a colon: only a pair is a cookie.
    needs_pair = _is_option(name) or (
        name.rstrip().endswith(b":") and not _is_quoted(text, start)
    )
    at = start
    for number, pair in enumerate(text[start:end].split(b";")):
        key, sign, value = pair.partition(b"=")
        shift = at + len(key) + len(sign)
        at += len(pair) + 1
        if is_set and number and (not sign or _PLACED.match(pair)):
            continue
        if not sign:
            if number or needs_pair:
                continue
            value, shift = key, shift - len(key)
        bare = value.strip(b' \t\r"')
        if bare:
            begin = shift + value.index(bare)
            yield begin, begin + len(bare)


def _is_option(name: bytes) -> bool:
    return name.startswith((b"--", b"curl"))


def _is_quoted(text: bytes, start: int) -> bool:
    return text[start - 1 : start] in (b'"', b"'")

"""Which values stand in the object or list that is opened behind a secret's name.

A pattern cannot count brackets: from each one that a name opens the line is walked, and
what was walked is not looked at again, so time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tailrace.redaction.linear import Pattern

_NAME_ENDS = re.compile(rb"(\\*[\"'])[ \t]{0,8}(?::=|=>|[:=])[ \t]{0,8}\Z")
_NAME_END_BYTES = 48
_TEXT_BEGINS = re.compile(rb"[ \t{\[]*(\\*[\"'])(?![,}\] :])")
_PART = re.compile(rb"\\*[\"']|[{}\[\]]|[,:=]|[^\\\"'{}\[\],:=\s]+")
_MARK = re.compile(rb"[{}\[\]]|([=:][ \t]{0,8})?(\\*\")(?![,}\] :])|\"")
_QUOTES = re.compile(rb"\\*[\"']")


@dataclass(slots=True)
class Held:
    """What a bracket holds."""

    values: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Where each value stands, none across the end of a line."""
    end: int = 0
    """Behind all that was looked at."""


class HeldPattern:
    """Finds all texts, and numbers with a name, that a name's brackets hold."""

    def __init__(self, opening: bytes) -> None:
        """Take a pattern of what stands before the bracket, without groups."""
        self._opening = Pattern(opening + rb"([{\[])", is_exact=False)

    def find(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield where values stand, none across the end of a line."""
        end = 0
        for start, _ in self._opening.find(text):
            if start >= end:
                found = held(text, start)
                end = found.end
                yield from found.values


def held(text: bytes, bracket: int) -> Held:
    """Return the values within the bracket at a place, whose name ends right before it.

    Where neither the name nor what it holds is in quotes, all of it is one value.
    """
    newline = text.find(b"\n", bracket)
    end = len(text) if newline < 0 else newline
    quoted = _NAME_ENDS.search(text, max(0, bracket - _NAME_END_BYTES), bracket)
    if quoted is None:
        quoted = _TEXT_BEGINS.match(text, bracket, end)
    if quoted is None:
        return _bare(text, bracket, end)
    walk = _Walk(quoted[1])
    walk.go(text, bracket, end)
    return walk.found


def text_end(text: bytes, start: int, end: int, *, quote: bytes) -> int:
    """Return where a text ends that begins behind a quote: before one like it, before the
    end of what it stands in, or at `end`.
    """
    for found in _QUOTES.finditer(text, start, end):
        if is_outer(found[0], quote=quote):
            return found.start()
        if is_like(found[0], quote=quote):
            return found.end() - len(quote)
    return end


def is_outer(found: bytes, *, quote: bytes) -> bool:
    """Tell whether a quote is one of the text in which those like `quote` stand."""
    return found[-1:] == quote[-1:] and len(found) < len(quote)


def is_like(found: bytes, *, quote: bytes) -> bool:
    """Tell whether a quote ends a text: one that the text has, has more backslashes."""
    more = len(found) - len(quote)
    return found[-1:] == quote[-1:] and more % (2 * len(quote)) == 0


def _bare(text: bytes, bracket: int, end: int) -> Held:
    """Take all up to the bracket that closes this one, or to the end of the text that all
    of it stands in: at a quote that begins no value.
    """
    depth, at = 0, bracket
    while at < end:
        mark = _MARK.search(text, at, end)
        if mark is None:
            at = end
        elif mark[0] in (b"{", b"[", b"}", b"]"):
            at = mark.end()
            depth += 1 if mark[0] in b"{[" else -1
            if not depth:
                break
        elif mark[1] is None:
            at = mark.start()
            break
        else:
            at = text_end(text, mark.end(), end, quote=mark[2])
            if text[at : at + len(mark[2])] != mark[2]:
                break
            at += len(mark[2])
    is_any = bool(text[bracket:at].strip(b"{}[] \t\r"))
    return Held([(bracket, at)] if is_any else [], max(at, bracket + 1))


@dataclass(slots=True)
class _Walk:
    """Goes through an object as JSON, Python or Ruby write it, at any depth of escapes."""

    quote: bytes
    """What texts begin and end with: in a text within JSON backslashes stand before it."""
    found: Held = field(default_factory=Held)
    depth: int = 0
    is_named: bool = False
    """What comes next is the value of a name."""
    begun: int | None = None
    """Where the text began that is not over."""
    said: tuple[int, int] | None = None
    """The text before, which is a name if a sign follows it."""

    def go(self, text: bytes, bracket: int, end: int) -> None:
        """Take the values up to the bracket that closes the first one."""
        for part in _PART.finditer(text, bracket, end):
            if is_outer(part[0], quote=self.quote):
                end = part.start()
                break
            if self.begun is not None:
                if is_like(part[0], quote=self.quote):
                    self.said = (self.begun, part.end() - len(self.quote))
                    self.begun, self.is_named = None, False
            elif part[0] == self.quote:
                self.begun = part.end()
            elif part[0] in (b":", b"="):
                self.said, self.is_named = None, True
            elif part[0] in (b"{", b"[", b"}", b"]", b","):
                self._take(self.said)
                self.is_named = False
                self.depth += (part[0] in b"{[") - (part[0] in b"}]")
                if not self.depth:
                    end = part.end()
                    break
            elif self.is_named and part[0] != b">":
                self.found.values.append(part.span())
        self._take(self.said if self.begun is None else (self.begun, end))
        self.found.end = max(end, bracket + 1)

    def _take(self, value: tuple[int, int] | None) -> None:
        if value is not None:
            self.found.values.append(value)
        self.said = None

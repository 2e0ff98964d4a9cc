"""Which pieces of a text are taken out, and what stands in their place.

What is found depends on an event and the text before it in its file, and never on what a
chunk happens to hold: so an event that is read again is given the same words.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter
from typing import Protocol

from tailrace.redaction.escapes import fitted, quote_for, with_backslash
from tailrace.redaction.linear import Pattern
from tailrace.redaction.private_keys import (
    HEAD_BYTES_MAX,
    KEY_BYTES_MAX,
    KeyPattern,
)
from tailrace.redaction.tokens import Tokens, is_token

LOOK_BACK_BYTES = KEY_BYTES_MAX + HEAD_BYTES_MAX
"""How much of the text before an event may tell what is secret in it."""
CUT_MARGIN_BYTES = 1_024
"""Of an event that is cut so much more is left out: a secret that the cut parts could not
be recognised by its first half."""
OPEN_END_BYTES = 1_024
"""Where the end of a line is not there yet, what is asked of a secret's beginning."""


class Finder(Protocol):
    """Tells where in a text something stands; pieces may overlap."""

    def find(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield where pieces begin and end, none across the end of a line."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to look for."""

    name: str
    """By which it is counted."""
    label: str
    """What its tokens begin with."""
    finder: Finder
    plain: Callable[[bytes], bytes] = bytes
    """Returns the same for one thing that is written in several ways."""
    begun: Pattern | None = None
    """What the beginning of such a thing looks like, where a text ends within it."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """A piece of a text and what stands in its place."""

    start: int
    end: int
    token: bytes
    rule: str


_Found = tuple[int, int, Rule]
"""A piece of a text that a rule wants out of it."""


class Redactor:
    """The rules of one source."""

    def __init__(
        self,
        rules: Sequence[Rule],
        *,
        screen: Pattern | None,
        keys: KeyPattern | None,
        own: Sequence[Rule],
        tokens: Tokens,
    ) -> None:
        """Take rules that a screen stands before, and a user's own, which are all asked.

        A line that the screen does not match holds nothing for those rules. `keys` finds
        what is secret in many lines together, for the first of them.
        """
        self._rules = rules
        self._screen = screen
        self._keys = keys
        self._own = own
        self._tokens = tokens

    def find(
        self,
        text: bytes,
        *,
        begin: int = 0,
        is_open: bool = False,
        is_begun: bool = False,
    ) -> list[Replacement]:
        """Return what is to be replaced of `text[begin:]`, in order, without overlaps.

        What stands before `begin` is not sent, and may tell what follows it. A text that
        `is_open` ends where its last line does not. One that `is_begun` may begin within
        a private key, and nobody has what stands before it.
        """
        found = [
            (start, end, rule)
            for rule in self._own
            for start, end in rule.finder.find(text)
        ]
        if self._screen is not None:
            found += self._built_in(text, self._screen)
        if is_open:
            found += self._begun(text)
        if is_begun and self._keys is not None:
            secret = self._rules[0]
            found += [(start, end, secret) for start, end in self._keys.begun(text)]
        return self._replacements(text, found, begin=begin) if found else []

    def context(self, before: bytes) -> bytes:
        """Return the end of what stands before a text that may tell what is in it.

        Mostly nothing: unless a line is not at its end yet, or a private key is open.
        """
        if self._keys is not None and b"PRIVATE KEY" in before:
            start = self._keys.open_at_end(before)
            if start >= 0:
                return before[start:]
        return before[before.rfind(b"\n") + 1 :]

    def _built_in(self, text: bytes, screen: Pattern) -> Iterator[_Found]:
        """Yield what the built-in rules find: in the few lines that may hold anything."""
        lines: list[bytes] = []
        starts: list[int] = []
        end = 0
        while (hit := screen.first_end(text, end)) >= 0:
            start = text.rfind(b"\n", 0, hit) + 1
            newline = text.find(b"\n", hit)
            end = len(text) if newline < 0 else newline
            lines.append(text[start:end])
            starts.append(start)
        if not lines:
            return
        suspect = b"\n".join(lines)
        places = list(accumulate((len(line) + 1 for line in lines), initial=0))
        for rule in self._rules:
            for start, end in rule.finder.find(suspect):
                index = bisect_right(places, start) - 1
                shift = starts[index] - places[index]
                yield start + shift, end + shift, rule
        if self._keys is not None and b"PRIVATE KEY" in suspect:
            secret = self._rules[0]
            yield from ((start, end, secret) for start, end in self._keys.find(text))

    def _begun(self, text: bytes) -> Iterator[_Found]:
        line = text.rfind(b"\n") + 1
        base = max(line, len(text) - OPEN_END_BYTES)
        for rule in self._rules:
            if rule.begun is not None:
                for start, end in rule.begun.find(text[base:]):
                    yield base + start, base + end, rule
        if self._keys is not None and b"PRIVATE KEY" in text:
            yield from ((*place, self._rules[0]) for place in self._keys.cut(text))

    def _replacements(
        self, text: bytes, found: list[_Found], *, begin: int
    ) -> list[Replacement]:
        made: list[Replacement] = []
        # Of those that begin together the longest: it names the whole of the secret.
        found.sort(key=itemgetter(1), reverse=True)
        found.sort(key=itemgetter(0))
        last_end = begin
        for found_start, found_end, rule in found:
            secret_start, end = fitted(text, found_start, found_end)
            if end <= last_end or end <= secret_start:
                continue
            if is_token(text[secret_start:end]):
                continue
            start = with_backslash(text, found_start)
            if made and start < last_end:
                last = made[-1]
                made[-1] = Replacement(last.start, end, last.token, last.rule)
            else:
                secret = rule.plain(text[secret_start:end])
                token = self._tokens.of(secret, label=rule.label)
                quote = quote_for(text, start, end)
                token = quote + token + quote
                made.append(Replacement(max(start, begin), end, token, rule.name))
            last_end = end
        return made


def replaced(text: bytes, replacements: Iterable[Replacement], *, offset: int) -> bytes:
    """Return a text, which stands at `offset`, with its replacements in their places."""
    pieces: list[bytes] = []
    end = 0
    for one in replacements:
        pieces += (text[end : one.start - offset], one.token)
        end = one.end - offset
    return b"".join((*pieces, text[end:]))


def counted(replacements: Iterable[Replacement]) -> tuple[tuple[str, int], ...]:
    """Return how often each rule replaced something."""
    return tuple(sorted(Counter(one.rule for one in replacements).items()))

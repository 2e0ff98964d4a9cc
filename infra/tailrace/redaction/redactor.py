"""Which pieces of a text are taken out, and what stands in their place.

What is found depends on an event and the text before it in its file, and never on what a
chunk happens to hold: so an event that is read again is given the same words.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import Protocol

from tailrace.redaction.behind_escapes import (
    LEVELS_MAX,
    as_json,
    lines_that_say_more,
    rest_of,
    said_in,
    says_more,
    texts_behind,
    texts_of_lines,
)
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
_Span = tuple[int, int]
"""Where a line of a text begins and ends."""


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
        found = self._of_own(text)
        lines: list[_Span] = []
        if self._screen is not None:
            lines = _suspect_lines(text, self._screen)
            found += self._built_in(text, lines)
            if self._keys is not None and any(
                text.find(b"PRIVATE KEY", start, end) >= 0 for start, end in lines
            ):
                found += self._of_keys(text, 0, len(text))
        if is_open:
            found += self._begun(text)
        if is_begun and self._keys is not None:
            secret = self._rules[0]
            found += [(start, end, secret) for start, end in self._keys.begun(text)]
        made = self._replacements(text, found, begin=begin) if found else []
        if self._own:
            lines += self._own_lines(text)
        if is_open:
            lines.append((text.rfind(b"\n") + 1, len(text)))
        if not lines:
            return made
        behind = self._behind_escapes(
            text, sorted(set(lines)), is_open=is_open, levels=LEVELS_MAX
        )
        return _merged(made, behind, begin=begin)

    def context(self, before: bytes) -> bytes:
        """Return the end of what stands before a text that may tell what is in it.

        Mostly nothing: unless a line is not at its end yet, or a private key is open.
        """
        if self._keys is not None and b"PRIVATE KEY" in before:
            start = self._keys.open_at_end(before)
            if start >= 0:
                return before[start:]
        return before[before.rfind(b"\n") + 1 :]

    def _behind_escapes(
        self, text: bytes, lines: Iterable[_Span], *, is_open: bool, levels: int
    ) -> list[Replacement]:
        """Return what is to be replaced for what these lines say behind their escapes."""
        said = said_in(text, lines)
        if said is None:
            return []
        found = self._of_own(said.text)
        if self._screen is not None:
            found += self._built_in(said.text, _suspect_lines(said.text, self._screen))
        if self._keys is not None and b"PRIVATE KEY" in said.text:
            # Pieces that stand here side by side need not do so in the file.
            for start, end in said.pieces:
                found += self._of_keys(said.text, start, end)
        is_open = is_open and said.origins[-1][1] == len(text)
        if is_open:
            last, _ = said.pieces[-1]
            begun = self._begun(said.text[last:])
            found += [(last + start, last + end, rule) for start, end, rule in begun]
        made = self._replacements(said.text, found, begin=0)
        if levels > 1:
            deeper = self._behind_escapes(
                said.text,
                lines_that_say_more(said.text),
                is_open=is_open,
                levels=levels - 1,
            )
            made = _merged(made, deeper, begin=0)
        return [
            Replacement(*said.written(one.start, one.end), as_json(one.token), one.rule)
            for one in made
        ]

    def _of_own(self, text: bytes) -> list[_Found]:
        return [
            (start, end, rule)
            for rule in self._own
            for start, end in rule.finder.find(text)
        ]

    def _own_lines(self, text: bytes) -> list[_Span]:
        """Return the lines behind whose escapes a rule of the user's may find anything."""
        if not says_more(text):
            return []
        numbers: set[int] = set()
        after = texts_of_lines(text)
        for _ in range(LEVELS_MAX):
            number = 0
            found = sorted(at for at, _, _ in self._of_own(after.replace(b"\0", b"\n")))
            for before, at in pairwise((0, *found)):
                number += after.count(b"\0", before, at)
                numbers.add(number)
            if b"\\" not in after:
                break
            shallow, after = after, texts_behind(after)
            if shallow == after:
                break
        lines = text.split(b"\n") if numbers else []
        starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
        return [(starts[n], starts[n] + len(lines[n])) for n in numbers]

    def _built_in(self, text: bytes, spans: Sequence[_Span]) -> Iterator[_Found]:
        """Yield what the built-in rules find in the few lines that may hold anything."""
        if not spans:
            return
        spans = [rest_of(text, span) for span in spans]
        lines = [text[start:end] for start, end in spans]
        places = list(accumulate((len(line) + 1 for line in lines), initial=0))
        suspect = b"\n".join(lines)
        for rule in self._rules:
            for start, end in rule.finder.find(suspect):
                index = bisect_right(places, start) - 1
                shift = spans[index][0] - places[index]
                yield start + shift, end + shift, rule

    def _of_keys(self, text: bytes, start: int, end: int) -> Iterator[_Found]:
        assert self._keys is not None
        secret = self._rules[0]
        for key_start, key_end in self._keys.find(text[start:end]):
            yield start + key_start, start + key_end, secret

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


def _suspect_lines(text: bytes, screen: Pattern) -> list[_Span]:
    """Return the few lines that may hold anything that a built-in rule looks for."""
    lines: list[_Span] = []
    end = 0
    while (hit := screen.first_end(text, end)) >= 0:
        start = text.rfind(b"\n", 0, hit) + 1
        newline = text.find(b"\n", hit)
        end = len(text) if newline < 0 else newline
        lines.append((start, end))
    return lines


def _merged(
    written: list[Replacement], behind: list[Replacement], *, begin: int
) -> list[Replacement]:
    """Return both as one list, of `text[begin:]`: where they overlap, one piece.

    The longer one names it; of two equal ones, what the text says.
    """
    if not behind:
        return written
    made: list[Replacement] = []
    longest = 0
    for one in sorted([*behind, *written], key=lambda each: each.start):
        size = one.end - one.start
        if one.end <= begin:
            continue
        if made and one.start < made[-1].end:
            last = made[-1]
            named = one if size > longest else last
            end = max(last.end, one.end)
            made[-1] = Replacement(last.start, end, named.token, named.rule)
            longest = max(longest, size)
        else:
            made.append(replace(one, start=max(one.start, begin)))
            longest = size
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

"""How a regex is read piece by piece: its named groups, its length, and what no engine of
linear time takes, said in words.

The engine is asked last and decides. What is here finds the names (a group without one
takes nothing), writes grok's references out, and parts the pattern so that a line that
does not fit can be explained.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tailrace_stream.own.pattern import (
    PATTERN_CHARACTERS_MAX,
    PatternProblem,
    Piece,
)

UNICODE_STEPS = 8
"""A class of Unicode is many ranges of bytes to the engine."""

_TOKEN = re.compile(
    r"(?P<reference>%\{[^{}]*\})"
    r"|(?P<escape>\\(?:[pP]\{[^}]*\}|[xuU]\{[^}]*\}|[pP]?[\s\S]))"
    r"|(?P<named>\(\?P?<(?P<name>[A-Za-z_][A-Za-z0-9_.\[\]]*)>)"
    r"|(?P<flags>\(\?(?P<letters>[A-Za-z-]+)\))"
    r"|(?P<scoped>\(\?(?P<inner>[A-Za-z-]*):)"
    r"|(?P<odd>\(\?(?:<[=!]|[\s\S]?))"
    r"|(?P<open>\()"
    r"|(?P<close>\))"
    r"|(?P<bar>\|)"
    r"|(?P<repeat>[*+?]"
    r"|\{\s*(?P<low>[0-9]{0,4000})\s*(?P<comma>,\s*(?P<high>[0-9]{0,4000})\s*)?\})"
    r"|(?P<other>[\s\S])"
)
_WIDE = re.compile(r"\\[wWdDsSpP]")
_NOT_LINEAR = {
    "(?=": "a look-ahead",
    "(?!": "a look-ahead",
    "(?<=": "a look-behind",
    "(?<!": "a look-behind",
    "(?>": "an atomic group",
    "(?(": "a condition",
    "(?#": "a comment",
    "(?<": "a name that is not of letters, digits, _ and .",
    "(?P": "a name that is not of letters, digits, _ and .",
}
_REMEDIES = {
    "an atomic group": "write `(?:`, which costs no more here",
    "a comment": "leave it out",
    "a name that is not of letters, digits, _ and .": "give the group another one",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A pattern that was read."""

    pieces: tuple[Piece, ...]
    names: tuple[str, ...]
    """Of its groups, in order; the same may come again."""
    steps: int

    @property
    def regex(self) -> str:
        """Return the whole."""
        return "".join(piece.regex for piece in self.pieces)


Reference = Callable[[str], Found]
"""What a `%{...}` stands for, already with its group."""


@dataclass(slots=True)
class _Level:
    """What is known of a group that is still open."""

    steps: int = 0
    last: int = 0


@dataclass(slots=True)
class _Reading:
    """A pattern on its way to being read; `pieces` are those of its outermost level."""

    pieces: list[list[str]] = field(default_factory=list[list[str]])
    names: list[str] = field(default_factory=list[str])
    levels: list[_Level] = field(default_factory=lambda: [_Level()])
    characters: int = 0
    has_choice: bool = False
    is_literal: bool = False
    """The last piece is plain text, to which plain text may be added."""
    is_prefix: bool = False
    """The last piece is a flag, which stands with what follows it."""

    def put(self, shown: str, regex: str, *, steps: int = 0) -> None:
        """Add what is one step, or a bracket of a group."""
        self.characters += len(regex)
        if self.characters > PATTERN_CHARACTERS_MAX:
            raise PatternProblem(
                "is too long when all that it names is written out: at most"
                f" {PATTERN_CHARACTERS_MAX:,} characters"
            )
        if (len(self.levels) > 1 or self.is_prefix) and self.pieces:
            self.pieces[-1][0] += shown
            self.pieces[-1][1] += regex
        else:
            self.pieces.append([shown, regex])
        self.is_prefix = self.is_literal = False
        self.levels[-1].steps += steps
        self.levels[-1].last = steps

    def put_text(self, shown: str, *, steps: int = 1) -> None:
        """Add a character that stands for itself."""
        if self.is_literal and len(self.levels) == 1:
            self.pieces[-1][0] += shown
            self.pieces[-1][1] += shown
            self.characters += len(shown)
            self.levels[0].steps += steps
            self.levels[0].last = steps
            return
        is_free = len(self.levels) == 1
        self.put(shown, shown, steps=steps)
        self.is_literal = is_free


def scan(pattern: str, *, reference: Reference | None = None) -> Found:
    """Read a pattern; with `reference`, `%{...}` stands for what that gives.

    Raises:
        PatternProblem: it asks for what takes more than linear time, or has no end.
    """
    reading = _Reading()
    at = 0
    while at < len(pattern):
        if pattern[at] == "[":
            end = _class_end(pattern, at)
            text = pattern[at:end]
            is_wide = _WIDE.search(text) is not None
            reading.put(text, text, steps=UNICODE_STEPS if is_wide else 1)
            at = end
            continue
        token = _TOKEN.match(pattern, at)
        assert token is not None
        kind = token.lastgroup
        if kind == "reference":
            _refer(token[0], reading, reference=reference)
        elif kind == "repeat":
            _repeat(token, reading, pattern=pattern)
        else:
            _TAKEN[kind or ""](token, reading)
        at = token.end()
    if len(reading.levels) > 1:
        raise PatternProblem("has a `(` without its `)`: close it, or write `\\(`")
    pieces = [Piece(shown, regex) for shown, regex in reading.pieces]
    if reading.has_choice:
        pieces = [Piece(pattern, "".join(piece.regex for piece in pieces))]
    return Found(tuple(pieces), tuple(reading.names), reading.levels[0].steps)


def _refer(text: str, reading: _Reading, *, reference: Reference | None) -> None:
    if reference is None:
        raise PatternProblem(
            f"has {text}, which is grok's: write it as `grok`, or `%\\{{` for the text"
        )
    found = reference(text[2:-1])
    reading.names += found.names
    reading.put(text, found.regex, steps=found.steps)


def _take_name(token: re.Match[str], reading: _Reading) -> None:
    reading.names.append(token["name"])
    _open(token[0], "(", reading)


def _take_open(token: re.Match[str], reading: _Reading) -> None:
    # Takes nothing: what has no name is not asked for.
    _open(token[0], "(?:", reading)


def _take_bar(token: re.Match[str], reading: _Reading) -> None:
    reading.has_choice = reading.has_choice or len(reading.levels) == 1
    reading.put(token[0], token[0])


def _take_other(token: re.Match[str], reading: _Reading) -> None:
    text = token[0]
    if text in ".^$":
        reading.put(text, text, steps=1)
    else:
        reading.put_text(text)


def _open(shown: str, regex: str, reading: _Reading) -> None:
    reading.put(shown, regex)
    reading.levels.append(_Level())


def _close(_token: re.Match[str], reading: _Reading) -> None:
    if len(reading.levels) == 1:
        raise PatternProblem("has a `)` without its `(`: open it, or write `\\)`")
    reading.put(")", ")")
    inner = reading.levels.pop()
    reading.levels[-1].steps += inner.steps
    reading.levels[-1].last = inner.steps


def _take_flags(token: re.Match[str], reading: _Reading) -> None:
    letters = token["letters"] or token["inner"] or ""
    if "x" in letters.split("-")[0]:
        raise PatternProblem(
            f"has the flag x in {token[0]}: write the pattern without spaces and"
            " comments that mean nothing"
        )
    if token["scoped"] is not None:
        _open(token[0], token[0], reading)
        return
    reading.put(token[0], token[0])
    reading.is_prefix = True


def _take_escape(token: re.Match[str], reading: _Reading) -> None:
    text = token[0]
    letter = text[1]
    if letter in "123456789" or text in {"\\k", "\\g"}:
        raise PatternProblem(
            f"refers with {text} to what a group took before, which takes more than"
            " linear time: write out what may stand there"
        )
    if letter in "wWdDsSpP":
        reading.put(text, text, steps=UNICODE_STEPS)
    elif letter.isalnum():
        reading.put(text, text, steps=1)
    else:
        reading.put_text(text)


def _repeat(token: re.Match[str], reading: _Reading, *, pattern: str) -> None:
    text, end = token[0], token.end()
    following = pattern[end : end + 1]
    if following == "+" and text != "{":
        raise PatternProblem(
            f"repeats with {text}+, which gives nothing back: leave the second + out,"
            " as no pattern here tries again"
        )
    level = reading.levels[-1]
    last = level.last
    if reading.is_literal and len(reading.levels) == 1 and last:
        _part_last(reading)
    if reading.pieces:
        reading.pieces[-1][0] += text
        reading.pieces[-1][1] += text
        reading.characters += len(text)
    else:
        reading.put(text, text)
    reading.is_literal = False
    if token["low"] is not None:
        low = int(token["low"] or 0)
        high = int(token["high"]) if token["high"] else low + bool(token["comma"])
        added = last * max(high, low, 1)
        level.steps += added - last
        level.last = added


def _part_last(reading: _Reading) -> None:
    """Part the last character of a plain text from it: it alone is repeated."""
    shown = reading.pieces[-1][0]
    size = 2 if len(shown) > 1 and shown[-2] == "\\" and _is_escape(shown) else 1
    if len(shown) > size:
        reading.pieces[-1] = [shown[:-size], shown[:-size]]
        reading.pieces.append([shown[-size:], shown[-size:]])


def _is_escape(shown: str) -> bool:
    """Tell whether the last character is escaped: an odd number of `\\` before it."""
    before = shown[:-1]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _take_odd(token: re.Match[str], _reading: _Reading) -> None:
    text, at = token[0], token.start()
    what = _NOT_LINEAR.get(text, "a group of a kind")
    remedy = _REMEDIES.get(what, "say what the value itself is made of")
    raise PatternProblem(
        f"has {what}, {text}, at character {at + 1}, which no engine of linear time"
        f" takes: {remedy}"
    )


def _class_end(pattern: str, start: int) -> int:
    """Return where the `[...]` that begins at `start` ends.

    Raises:
        PatternProblem: it does not.
    """
    at, depth = start, 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "\\":
            at += 1
        elif letter == "[":
            if depth and pattern.startswith("[:", at):
                end = pattern.find(":]", at)
                at = end + 1 if end > 0 else at
            else:
                depth += 1
                at += pattern.startswith("^", at + 1)
                # One that comes first is a character of the class.
                at += pattern.startswith("]", at + 1)
        elif letter == "]":
            depth -= 1
            if not depth:
                return at + 1
        at += 1
    raise PatternProblem("has a `[` without its `]`: close it, or write `\\[`")


_TAKEN: dict[str, Callable[[re.Match[str], _Reading], None]] = {
    "escape": _take_escape,
    "named": _take_name,
    "flags": _take_flags,
    "scoped": _take_flags,
    "odd": _take_odd,
    "open": _take_open,
    "close": _close,
    "bar": _take_bar,
    "other": _take_other,
}

"""Which lines make one event: a rule asked of a block of lines.

The block begins with an event. A line either begins another one or continues the one
before it; that is decided by the lines from the event's first on, and never by what the
block happens to hold behind them, nor by the clock. A limit ends an event, too: the line
that would pass it begins the next one, and the event that it ended is marked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, core_schema

from tailrace.multiline.container import IS_WHOLE, JOINS
from tailrace.multiline.lines import Lines, ListedLines, PlainLines
from tailrace.multiline.shapes import PLAIN, SHAPES, Shape, shape_of
from tailrace.wire import MultilineRule

HEAD_BYTES = 1_024
"""How much of a line a pattern is shown."""

Block = bytes | bytearray
Take = Callable[[int], bool]
"""Takes the next newline behind which an event goes on; returns whether it does, and a limit
does not end it there."""
Joins = Callable[[Block, int, Take], None]
"""Hands over the newlines of `block[:size]` behind which an event goes on, in order."""


@dataclass(frozen=True, slots=True)
class Joined:
    """An event that is not simply one line: where it stands in its block."""

    start: int
    end: int
    """Where its last line ends, without the newline."""
    is_split: bool
    """A limit ended it: the next event may go on with what belongs to it."""
    runs: tuple[tuple[int, int], ...] = ()
    """Where its lines stand, if lines of other events stand between them; each run from
    its first byte to the newline of its last line. Empty where none do."""

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Return where its lines stand, be it in one run or in several."""
        return self.runs or ((self.start, self.end),)


@dataclass(frozen=True, slots=True)
class Grouped:
    """The events of a block of whole lines."""

    joined: list[Joined]
    """Those that are not one line alone, in order; each line of none of them is one."""
    last_start: int
    """Where the last event begins."""
    is_last_full: bool
    """Whether no line can continue the last event: it has all lines that it may have."""
    stale_end: int | None = None
    """Where time may end what others wait for: they stand behind an event that may go on."""


class Joiner:
    """Asks one rule; it remembers nothing between two blocks."""

    def __init__(self, rule: MultilineRule) -> None:
        self.rule = rule
        self._joins = _joins_of(rule)
        # Such a line says itself that its event is over: nobody needs to wait.
        self._is_whole = IS_WHOLE.get(rule.rule)

    def group(self, block: Block, size: int, *, seen_bytes: int) -> Grouped:
        r"""Return the events of `block[:size]`, whose lines end with the byte `\n`.

        A last line without newline is taken as it stands. The block is known up to
        `seen_bytes`: what stands behind the lines is the beginning of the next one.
        """
        lines = PlainLines(block, size)
        limited = _Limited(self.rule, lines)
        self._joins(block, size, limited.take)
        grouped = limited.grouped(seen_bytes=seen_bytes)
        if self._is_whole is None or grouped.is_last_full:
            return grouped
        last = lines.start_before(lines.end)
        is_full = self._is_whole(block, last, lines.end)
        return replace(grouped, is_last_full=is_full)

    def group_texts(
        self, texts: Sequence[bytes], lines: ListedLines, *, seen_bytes: int
    ) -> Grouped:
        """Return the events of lines that are not written in UTF-8.

        `texts` say the same in UTF-8; places are those of the lines as they are written.
        """
        block = b"\n".join(texts) + b"\n"
        at: dict[int, int] = {}
        newline = -1
        for text, end in zip(texts, lines.ends, strict=True):
            newline += 1 + len(text)
            at[newline] = end
        limited = _Limited(self.rule, lines)
        self._joins(block, len(block), lambda newline: limited.take(at[newline]))
        return limited.grouped(seen_bytes=seen_bytes)


class _Limited:
    """Turns newlines that join two lines into events within the limits of a rule."""

    def __init__(self, rule: MultilineRule, lines: Lines) -> None:
        self._lines_max, self._bytes_max = rule.max_lines, rule.max_bytes
        self._lines = lines
        self._found: list[Joined] = []
        self._start, self._end, self._count = 0, -1, 0

    def take(self, newline: int) -> bool:
        """Join the lines on both sides of a newline; return whether a limit lets it."""
        if newline != self._end:
            self._end_event()
            self._start, self._count = self._lines.start_before(newline), 1
        self._end = self._lines.end_behind(newline)
        size_bytes = self._end - self._start
        if self._count == self._lines_max or size_bytes > self._bytes_max:
            self._found.append(Joined(self._start, newline, is_split=True))
            self._start, self._count = newline + self._lines.newline_bytes, 1
            return False
        self._count += 1
        return True

    def grouped(self, *, seen_bytes: int) -> Grouped:
        """Return the events of all lines, when all newlines were taken."""
        self._end_event()
        if self._end != self._lines.end:
            self._start, self._count = self._lines.start_before(self._lines.end), 1
        is_full = (
            self._count == self._lines_max or seen_bytes - self._start > self._bytes_max
        )
        return Grouped(self._found, self._start, is_full)

    def _end_event(self) -> None:
        if self._count > 1:
            is_split = self._count == self._lines_max
            self._found.append(Joined(self._start, self._end, is_split=is_split))


@lru_cache(maxsize=256)
def joiner_of(rule: MultilineRule) -> Joiner:
    """Return what asks a rule; equal rules share one."""
    return Joiner(rule)


def pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with a user's pattern, or None.

    Patterns are those of Rust's `regex`: linear in the line, so without look-around
    and back-references.
    """
    try:
        is_any = matches(pattern, [""])[0]
    except SchemaError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next((s for s in reversed(lines) if s.startswith("error:")), lines[-1])
        return f"{pattern!r} is no pattern: {reason.removeprefix('error:').strip()}"
    return f"{pattern!r} matches every line" if is_any else None


def _joins_of(rule: MultilineRule) -> Joins:
    if rule.rule in JOINS:
        joins = JOINS[rule.rule]
        return lambda block, size, take: _take_all(joins(block, size), take)
    if rule.rule in SHAPES:
        shape = shape_of(rule.rule)
        return lambda block, size, take: _take_by_shape(shape, block, size, take)
    is_continued = rule.rule == "continuation"
    validator = _validator(rule.pattern)
    return lambda block, size, take: _take_all(
        _joins_by_pattern(validator, block, size, is_continued=is_continued), take
    )


def _take_all(newlines: Sequence[int], take: Take) -> None:
    for newline in newlines:
        take(newline)


def _take_by_shape(shape: Shape, block: Block, size: int, take: Take) -> None:
    """Take the newlines that join two lines; only lines that are not plain cost.

    A line that a limit parts from the one before begins an event, and whoever reads from
    there on does not know that one: so of its kind nothing stays.
    """
    first = shape.head.match(block, 0, size)
    kind_before = first.lastindex or PLAIN if first else PLAIN
    start_before = 0
    for match in shape.behind_newline.finditer(block, 0, size):
        newline, kind = match.start(), match.lastindex or PLAIN
        if newline + 1 == size:
            break  # Behind the last newline no line begins yet.
        if block.rfind(b"\n", 0, newline) + 1 != start_before:
            kind_before = PLAIN
        pair = kind_before, kind
        is_joined = pair in shape.joins and take(newline)
        kind_before = shape.stays.get(pair, kind) if is_joined else kind
        start_before = newline + 1


def _joins_by_pattern(
    validator: SchemaValidator, block: Block, size: int, *, is_continued: bool
) -> list[int]:
    """Return the newlines of `block[:size]` that join two lines by a user's pattern."""
    lines = bytes(memoryview(block)[:size]).split(b"\n")
    if not lines[-1]:
        lines.pop()
    heads = [line[:HEAD_BYTES].removesuffix(b"\r") for line in lines]
    texts = b"\n".join(heads).decode("utf-8", "replace").split("\n")
    found: list[int] = []
    newline = len(lines[0]) if lines else 0
    for index, text in enumerate(validator.validate_python(texts)):
        if not index:
            continue
        if (text is not None) == is_continued:
            found.append(newline)
        newline += 1 + len(lines[index])
    return found


def matches(pattern: str, texts: Sequence[str]) -> list[bool]:
    """Tell of each text whether a user's pattern matches it."""
    found = _validator(pattern).validate_python(list(texts))
    return [text is not None for text in found]


@lru_cache(maxsize=256)
def _validator(pattern: str) -> SchemaValidator:
    """Return what tells, of a list of lines at once, those that match from the rest.

    The engine is the one behind the settings, called for a whole block: linear whatever
    pattern and line are, which `re` is not.

    Raises:
        SchemaError: it is no pattern.
    """
    line: Any = core_schema.with_default_schema(
        core_schema.str_schema(pattern=pattern, regex_engine="rust-regex", strict=True),
        default=None,
        on_error="default",
    )
    return SchemaValidator(core_schema.list_schema(line))

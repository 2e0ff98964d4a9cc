r"""Which lines of a container's log make one event: stdout and stderr each by itself.

Two logs stand in one file, line by line as a runtime read them from two pipes. A piece of a
line, and a line that a rule joins to the one before, goes on with the last event of its own
stream, also where lines of the other stand between: such an event has several *runs*. Lines
that hang together, because each place between two of them lies within some event, are a
*knot*; reading may begin at any knot, a chunk ends only between two, and limits are counted
from where one begins. So the same bytes give the same events, however they are read.

A line that no runtime wrote ends the events of both streams.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from tailrace.multiline.container import KINDS, NEXT_PIECE, head_text
from tailrace.multiline.joining import HEAD_BYTES, Grouped, Joined, matches
from tailrace.multiline.shapes import PLAIN, SHAPES, shape_of
from tailrace.topics import KIBIBYTE
from tailrace.wire import MultilineRule

PIECES = "pieces"
"""The rule of a container's log in which each line that its program wrote is an event."""

Block = bytes | bytearray


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far apart lines of one event may stand; beyond it the next event begins.

    Never changed once released, as the rules are not: events depend on it.
    """

    gap_lines_max: int
    """So many lines of the other stream may stand between two lines of an event."""
    gap_bytes_max: int
    """So long they may be together."""
    knot_bytes_max: int
    """A knot is no longer; whoever reads must be able to hold one."""


BOUNDS = Bounds(
    gap_lines_max=1_000,
    gap_bytes_max=256 * KIBIBYTE,
    knot_bytes_max=1_024 * KIBIBYTE,
)


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    stream: bytes | None
    """None where no runtime wrote it."""
    is_piece: bool
    """The next line of its stream goes on with it."""


@dataclass(slots=True)
class _Event:
    runs: list[tuple[int, int]]
    size_bytes: int
    last_line: int
    """The number of its last line in the block."""
    is_piece: bool
    kind: int
    """Of its last line that is no mere piece; what the next one is asked against."""
    line_count: int = 1

    @property
    def start(self) -> int:
        return self.runs[0][0]

    @property
    def end(self) -> int:
        return self.runs[-1][1]

    def add(self, line: _Line, *, number: int) -> None:
        start, end = self.runs[-1]
        if line.start == end + 1:
            self.runs[-1] = (start, line.end)
        else:
            self.runs.append((line.start, line.end))
        self.size_bytes += 1 + line.end - line.start
        self.line_count += 1
        self.last_line, self.is_piece = number, line.is_piece


class StreamsJoiner:
    """Asks one rule of each stream; it remembers nothing between two blocks."""

    def __init__(self, rule: MultilineRule, *, bounds: Bounds = BOUNDS) -> None:
        assert rule.container in KINDS, "told by the file's first line"
        self.rule = rule
        self.bounds = bounds
        self._asked = _asked_of(rule)

    def group(self, block: Block, size: int, *, seen_bytes: int) -> Grouped:
        r"""Return the events of `block[:size]`, whose lines end with the byte `\n`.

        The block begins with a knot, and is known up to `seen_bytes`. Where a line behind
        it may go on with an event, `last_start` is the knot in which that lies.
        """
        walk = _Walk(self.rule, self._asked, self.bounds)
        if self._asked is None:
            self._walk_pieces(walk, block, size)
        else:
            lines = list(_lines(block, 0, size, container=self.rule.container))
            heads = [head_text(block, line.start, line.end) for line in lines]
            for line, kind in zip(lines, self._asked.kinds_of(heads), strict=True):
                walk.take(line, kind=kind)
        return walk.grouped(size=size, seen_bytes=seen_bytes)

    def _walk_pieces(self, walk: _Walk, block: Block, size: int) -> None:
        """Take the lines from each piece on until none is open; all others are whole."""
        next_piece = NEXT_PIECE[self.rule.container]
        start = next_piece(block, 0, size)
        while 0 <= start < size:
            for line in _lines(block, start, size, container=self.rule.container):
                walk.take(line, kind=PLAIN)
                start = line.end + 1
                if not walk.has_open_piece:
                    break
            start = next_piece(block, start, size)


@lru_cache(maxsize=256)
def streams_joiner_of(rule: MultilineRule) -> StreamsJoiner:
    """Return what asks a rule of each stream; equal rules share one."""
    return StreamsJoiner(rule)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A rule about lines as a program wrote them."""

    kinds_of: Callable[[list[bytes]], list[int]]
    joins: Callable[[int, int], bool]
    """Whether a line of the second kind goes on with one of the first."""
    stays: Callable[[int, int], int]
    """The kind that counts for the line behind."""


@dataclass(slots=True)
class _Walk:
    """Takes one line after another; what it knows at each is told by the lines before."""

    rule: MultilineRule
    asked: _Asked | None
    bounds: Bounds
    open: dict[bytes, _Event] = field(default_factory=dict[bytes, _Event])
    """The last event of each stream."""
    joined: list[Joined] = field(default_factory=list[Joined])
    knots: list[int] = field(default_factory=list[int])
    """Where each begins, as far as is known."""
    line_count: int = 0

    def take(self, line: _Line, *, kind: int) -> None:
        """Join a line to the last event of its stream, or begin one with it."""
        number = self.line_count
        self.line_count += 1
        if line.stream is None:
            for event in self.open.values():
                self._end(event, is_wanted=False)
            self.open.clear()
            self.knots.append(line.start)
            return
        event = self.open.get(line.stream)
        is_wanted = event is not None and self._goes_on(event, kind)
        if event is not None:
            if is_wanted and self._has_room(event, line, number=number):
                if self.asked is not None and not event.is_piece:
                    event.kind = self.asked.stays(event.kind, kind)
                event.add(line, number=number)
                del self.knots[self._knot_of(event) + 1 :]
                return
            self._end(event, is_wanted=is_wanted)
        size_bytes = line.end - line.start
        self.open[line.stream] = _Event(
            [(line.start, line.end)], size_bytes, number, line.is_piece, kind
        )
        self.knots.append(line.start)

    @property
    def has_open_piece(self) -> bool:
        """Return whether some line is not at its end."""
        return any(event.is_piece for event in self.open.values())

    def grouped(self, *, size: int, seen_bytes: int) -> Grouped:
        """Return the events of all lines taken, and which may go on behind them."""
        waiting = sorted(
            (
                event
                for event in self.open.values()
                if self._may_go_on(event, size=size, seen_bytes=seen_bytes)
            ),
            key=lambda event: event.start,
        )
        for event in self.open.values():
            self._end(event, is_wanted=False)
        self.joined.sort(key=lambda one: one.start)
        if not waiting:
            return Grouped(self.joined, 0, is_last_full=True)
        first = self.knots[self._knot_of(waiting[0])]
        younger = self.knots[self._knot_of(waiting[-1])]
        is_alone = waiting[0].runs[0][1] + 1 >= size
        stale = None if is_alone else (younger if younger > first else size)
        return Grouped(self.joined, first, is_last_full=False, stale_end=stale)

    def _goes_on(self, event: _Event, kind: int) -> bool:
        if event.is_piece:
            return True
        return self.asked is not None and self.asked.joins(event.kind, kind)

    def _has_room(self, event: _Event, line: _Line, *, number: int) -> bool:
        """Return whether no limit keeps a line from an event."""
        size_bytes = event.size_bytes + 1 + line.end - line.start
        return self._is_in_limits(
            event,
            size_bytes=size_bytes,
            number=number,
            start=line.start,
            end=line.end,
        )

    def _may_go_on(self, event: _Event, *, size: int, seen_bytes: int) -> bool:
        """Return whether some line behind the block might go on with an event."""
        if not event.is_piece and self.asked is None:
            return False
        return self._is_in_limits(
            event,
            # What is seen of the next line says nothing: it may be the other stream's.
            size_bytes=event.size_bytes + 1,
            number=self.line_count,
            start=size,
            end=seen_bytes,
        )

    def _is_in_limits(
        self, event: _Event, *, size_bytes: int, number: int, start: int, end: int
    ) -> bool:
        """Return whether an event may have a line; of one unseen the least is told."""
        return (
            event.line_count < self.rule.max_lines
            and size_bytes <= self.rule.max_bytes
            and number - event.last_line - 1 <= self.bounds.gap_lines_max
            and start - event.end - 1 <= self.bounds.gap_bytes_max
            and end - self.knots[self._knot_of(event)] <= self.bounds.knot_bytes_max
        )

    def _knot_of(self, event: _Event) -> int:
        return bisect_right(self.knots, event.start) - 1

    def _end(self, event: _Event, *, is_wanted: bool) -> None:
        """Note an event that is not simply a line; what is half of one is split."""
        is_full = event.line_count == self.rule.max_lines
        is_split = is_wanted or event.is_piece or is_full
        if event.line_count == 1 and not is_split:
            return
        runs = tuple(event.runs) if len(event.runs) > 1 else ()
        self.joined.append(Joined(event.start, event.end, is_split=is_split, runs=runs))


def _lines(block: Block, start: int, size: int, *, container: str) -> Iterator[_Line]:
    kind_of = KINDS[container]
    while start < size:
        newline = block.find(b"\n", start, size)
        end = size if newline < 0 else newline
        stream, is_piece = kind_of(block, start, end)
        yield _Line(start, end, stream, is_piece)
        start = end + 1


def _asked_of(rule: MultilineRule) -> _Asked | None:
    if rule.rule == PIECES:
        return None
    if rule.rule in SHAPES:
        shape = shape_of(rule.rule)
        return _Asked(
            kinds_of=lambda heads: [
                found.lastindex or PLAIN
                if (found := shape.head.match(head + b"\n"))
                else PLAIN
                for head in heads
            ],
            joins=lambda before, kind: (before, kind) in shape.joins,
            stays=lambda before, kind: shape.stays.get((before, kind), kind),
        )
    joining_kind = int(rule.rule == "continuation")
    return _Asked(
        kinds_of=lambda heads: [
            int(is_match)
            for is_match in matches(
                rule.pattern,
                [head[:HEAD_BYTES].decode("utf-8", "replace") for head in heads],
            )
        ],
        joins=lambda _before, kind: kind == joining_kind,
        stays=lambda _before, kind: kind,
    )

"""How often each event number was seen: a byte a number, in the windows that were looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from tailrace.letter_ids import is_misnamed

SEEN_MAX = 255
"""More often than a byte counts is no other verdict."""
MISNAMED_MAX = 100
"""Copies of letters that are named of one generation."""


@dataclass(slots=True)
class Tally:
    """Counts of numbers; grows by one window at a time."""

    window_events: int
    _windows: dict[int, bytearray] = field(default_factory=dict[int, bytearray])

    def add(self, number: int) -> None:
        """Count one sight of `number`, which must not be negative."""
        window, place = divmod(number, self.window_events)
        counts = self._windows.get(window)
        if counts is None:
            counts = self._windows[window] = bytearray(self.window_events)
        if counts[place] < SEEN_MAX:
            counts[place] += 1

    def add_span(self, first: int, *, count: int, within: range) -> None:
        """Count one sight of each of `count` numbers that lies in `within`."""
        for number in range(max(first, within.start), min(first + count, within.stop)):
            self.add(number)

    def count(self, number: int) -> int:
        """Return how often `number` was seen."""
        window, place = divmod(number, self.window_events)
        counts = self._windows.get(window)
        return 0 if counts is None else counts[place]

    def forget(self, others: Tally) -> None:
        """Count what `others` saw as never seen."""
        for window, seen in others._windows.items():
            counts = self._windows.get(window)
            if counts is not None:
                for place, often in enumerate(seen):
                    if often:
                        counts[place] = 0

    def counts(self, span: range) -> bytes:
        """Return how often each number of `span` was seen; it lies in one window."""
        window, place = divmod(span.start, self.window_events)
        counts = self._windows.get(window)
        if counts is None:
            return bytes(len(span))
        return bytes(counts[place : place + len(span)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Misnamed:
    """A dead letter that stands under another `_id` than its own."""

    index: str
    document_id: str
    dead_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """Every number that was seen of one generation, stored or dead."""

    stored: Tally
    dead: Tally
    late: Tally
    """Those of the dead whose index was gone when they came: maybe they had been in it."""
    delivered: Tally
    """Those of which a dead letter was retried, and its document found stored."""
    misnamed: list[Misnamed] = field(default_factory=list[Misnamed])
    """The copies among the dead letters that begin in the spans, the first of them."""

    @classmethod
    def of_windows(cls, window_events: int) -> Numbers:
        """Return tallies of which nothing was seen yet."""
        return cls(
            Tally(window_events),
            Tally(window_events),
            Tally(window_events),
            Tally(window_events),
        )

    def note_letter(
        self, index: str, document_id: str, *, dead_id: str, number: int
    ) -> None:
        """Keep a letter in mind that stands under another `_id` than its own."""
        is_room = len(self.misnamed) < MISNAMED_MAX
        if is_room and is_misnamed(document_id, dead_id=dead_id):
            self.misnamed.append(
                Misnamed(
                    index=index,
                    document_id=document_id,
                    dead_id=dead_id,
                    number=number,
                )
            )

    def without_delivered(self) -> Numbers:
        """Count none of the delivered as dead, whichever letters of it there are.

        What died on two days has two letters, and one that was read again after it was
        delivered dies anew: its document is there all the same, or was until it expired.
        """
        self.dead.forget(self.delivered)
        self.late.forget(self.delivered)
        return self

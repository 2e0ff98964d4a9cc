"""Sets of event numbers as spans: ascending, none touching the next, cheap to ask."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class NumberSet:
    """Whole numbers, told by the spans that hold them; made by `of`."""

    spans: tuple[range, ...] = ()

    @classmethod
    def of(cls, spans: Iterable[range | tuple[int, int]]) -> NumberSet:
        """Return the numbers of all spans; pairs are `[from, to)`, empty ones are none."""
        joined: list[range] = []
        pairs = ((s.start, s.stop) if isinstance(s, range) else s for s in spans)
        for start, stop in sorted(pair for pair in pairs if pair[0] < pair[1]):
            if joined and start <= joined[-1].stop:
                joined[-1] = range(joined[-1].start, max(joined[-1].stop, stop))
            else:
                joined.append(range(start, stop))
        return cls(tuple(joined))

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return sum(span.stop - span.start for span in self.spans)

    def __bool__(self) -> bool:
        """Whether there is any number."""
        return bool(self.spans)

    def __contains__(self, number: int) -> bool:
        """Whether a number is one of them."""
        at = bisect_right(self.spans, number, key=lambda span: span.start) - 1
        return at >= 0 and number < self.spans[at].stop

    def within(self, span: range) -> NumberSet:
        """Return the numbers that lie in `span`."""
        first = bisect_right(self.spans, span.start, key=lambda each: each.stop)
        last = bisect_right(self.spans, span.stop - 1, key=lambda each: each.start)
        return NumberSet.of(
            (max(each.start, span.start), min(each.stop, span.stop))
            for each in self.spans[first:last]
        )

    def without(self, other: NumberSet) -> NumberSet:
        """Return the numbers that are not in `other`."""
        left: list[tuple[int, int]] = []
        for span in self.spans:
            taken = other.within(span).spans
            edges = [
                range(span.start, span.start),
                *taken,
                range(span.stop, span.stop),
            ]
            left += [(one.stop, next_.start) for one, next_ in pairwise(edges)]
        return NumberSet.of(left)

    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Return the spans as pairs `[from, to)`, as a record holds them."""
        return tuple((span.start, span.stop) for span in self.spans)


NO_NUMBERS = NumberSet()


def sum_of(spans: Sequence[range]) -> int:
    """Return the sum of all numbers in spans."""
    return sum((s.start + s.stop - 1) * (s.stop - s.start) // 2 for s in spans)


def sum_of_squares(spans: Sequence[range]) -> int:
    """Return the sum of the squares of all numbers in spans."""
    return sum(_squares_below(s.stop) - _squares_below(s.start) for s in spans)


def _squares_below(stop: int) -> int:
    return (stop - 1) * stop * (2 * stop - 1) // 6

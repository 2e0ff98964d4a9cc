"""How long a written line takes to be found: percentiles over every line, from counts.

A writer notes when each batch was written, a reader how many lines a search found at
each look. The n-th line was found at the first look that found n lines, so each figure
is too high by at most the time between two looks, and never too low.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Of every line's delay, in milliseconds."""

    p50: float
    p95: float
    p99: float
    resolution: float
    """The longest time between two looks."""


@dataclass(frozen=True, slots=True)
class Mark:
    """At `at_ms`, `lines` lines in all had been written, or were found."""

    at_ms: float
    lines: int


def percentiles(*, written: Sequence[Mark], found: Sequence[Mark]) -> Percentiles:
    """Return the delays from being written to being found.

    Both sequences are in the order of time; `found` reaches the last line written.
    """
    counts = [mark.lines for mark in found]
    delays: list[tuple[float, int]] = []
    before = 0
    for batch in written:
        # The lines of a batch may be found in parts: each part at its own look.
        first = before
        while first < batch.lines:
            look = bisect_left(counts, first + 1)
            last = min(found[look].lines, batch.lines)
            delays.append((found[look].at_ms - batch.at_ms, last - first))
            first = last
        before = batch.lines
    delays.sort()
    gaps = [b.at_ms - a.at_ms for a, b in pairwise(found)]
    return Percentiles(
        p50=_percentile(delays, part=0.50),
        p95=_percentile(delays, part=0.95),
        p99=_percentile(delays, part=0.99),
        resolution=round(max(gaps, default=0.0), 1),
    )


def _percentile(delays: Sequence[tuple[float, int]], *, part: float) -> float:
    total = sum(lines for _delay, lines in delays)
    passed = 0
    for delay_ms, lines in delays:
        passed += lines
        if passed >= part * total:
            return round(delay_ms, 1)
    return 0.0

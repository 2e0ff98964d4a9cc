"""Which windows of event numbers add up by their sums, and which must be looked at one by one.

A window passes when the count, the sum, the lowest and the highest of the numbers found in
it are those of the numbers that must be there, and the sum of squares too where a double
holds it exactly. Nothing missing, nothing double, and one missing beside one double are
always told apart; only several of each, in one window and with equal sums, are not. An
audit with `--deep` looks at every number and tells those apart, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tailrace.audit.expected import Expected
from tailrace.audit.facts import GenerationFacts
from tailrace.number_sets import NumberSet, sum_of, sum_of_squares

EXACT_MAX = 2**53
"""Elasticsearch sums in doubles, which hold every whole number up to here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSum:
    """What an index holds of one window: numbers as they came, doubles among them."""

    count: int
    total: int
    lowest: int
    highest: int
    squares: int | None = None
    """The sum of squares; None where it was not asked for, or is not exact."""
    is_single: bool = True
    """Whether each document speaks of one event; a dead letter may hold more, and so may a
    document that somebody gave several numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What the index holds of one generation, by window."""

    stored: Mapping[int, WindowSum] = field(default_factory=dict[int, WindowSum])
    dead: Mapping[int, WindowSum] = field(default_factory=dict[int, WindowSum])


def windows_of(
    facts: GenerationFacts, *, expected: Expected, sums: Sums, window_events: int
) -> Sequence[int]:
    """Return the windows below the cut that hold a number, or should; in order.

    Offsets of Kafka may leave whole windows out; what is in none is not missed.
    """
    if facts.cut <= facts.first:
        return ()
    below = range(
        expected.lowest // window_events, (facts.cut - 1) // window_events + 1
    )
    if not facts.is_foreign:
        return below
    told = expected.gone if expected.sent is None else expected.sent
    named = windows_with(told, within=below, window_events=window_events)
    return sorted(w for w in {*sums.stored, *sums.dead, *named} if w in below)


def windows_with(numbers: NumberSet, *, within: range, window_events: int) -> set[int]:
    """Return the windows of `within` that hold one of the numbers."""
    size = window_events
    return {
        window
        for each in numbers.within(range(within.start * size, within.stop * size)).spans
        for window in range(each.start // size, (each.stop - 1) // size + 1)
    }


def span_of(
    window: int, *, facts: GenerationFacts, expected: Expected, window_events: int
) -> range:
    """Return the numbers of a window that lie below the cut."""
    return range(
        max(window * window_events, expected.lowest),
        min((window + 1) * window_events, facts.cut),
    )


def suspects(
    facts: GenerationFacts, *, expected: Expected, sums: Sums, window_events: int
) -> tuple[int, ...]:
    """Return the windows below the cut that do not add up by their sums, in order.

    Where only the count of the numbers is known, every window that holds something,
    unless their counts together are what the stream made of it.
    """
    taken = facts.gone_by_sums()
    windows = windows_of(
        facts, expected=expected, sums=sums, window_events=window_events
    )
    wanted = expected.wanted
    if wanted is None:
        adds_up = _counts_add_up(facts, expected=expected, sums=sums)
        return () if adds_up else tuple(windows)
    return tuple(
        window
        for window in windows
        if not _adds_up(
            wanted.within(
                span_of(
                    window,
                    facts=facts,
                    expected=expected,
                    window_events=window_events,
                )
            ),
            stored=sums.stored.get(window),
            dead=sums.dead.get(window),
            taken=taken.get(window),
        )
    )


def _counts_add_up(facts: GenerationFacts, *, expected: Expected, sums: Sums) -> bool:
    if expected.gone:
        return False  # Whether one of these is stored, their numbers tell.
    found = [*sums.stored.values(), *sums.dead.values()]
    if any(each.highest >= facts.cut or not each.is_single for each in found):
        return False
    taken = sum(count for count, _ in facts.expired().values())
    kept = facts.stream.event_count - facts.dropped_count if facts.stream else 0
    return sum(each.count for each in found) + taken == kept


def _adds_up(
    wanted: NumberSet,
    *,
    stored: WindowSum | None,
    dead: WindowSum | None,
    taken: tuple[int, int] | None,
) -> bool:
    found = [each for each in (stored, dead) if each is not None]
    if not all(each.is_single for each in found):
        return False
    taken_count, taken_total = taken or (0, 0)
    if sum(each.count for each in found) + taken_count != wanted.count:
        return False
    if sum(each.total for each in found) + taken_total != sum_of(wanted.spans):
        return False
    if not wanted:
        return True
    lowest, stop = wanted.spans[0].start, wanted.spans[-1].stop
    if any(each.lowest < lowest or each.highest >= stop for each in found):
        return False
    squares = [each.squares for each in found]
    wanted_squares = sum_of_squares(wanted.spans)
    if taken is not None or None in squares or wanted_squares >= EXACT_MAX:
        return True
    return sum(each for each in squares if each is not None) == wanted_squares

"""Which windows of event numbers add up by their sums, and which must be looked at one by one.

A window passes when the count, the sum, the lowest and the highest of the numbers found in
it are those of the numbers that must be there, and the sum of squares too where a double
holds it exactly. Nothing missing, nothing double, and one missing beside one double are
always told apart; only several of each, in one window and with equal sums, are not. An
audit with `--deep` looks at every number and tells those apart, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tailrace.audit.facts import GenerationFacts

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
    """Whether each document speaks of one event; a dead letter may hold more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What the index holds of one generation, by window."""

    stored: Mapping[int, WindowSum] = field(default_factory=dict[int, WindowSum])
    dead: Mapping[int, WindowSum] = field(default_factory=dict[int, WindowSum])


def windows_below(facts: GenerationFacts, *, window_events: int) -> range:
    """Return the windows that hold a number below the cut."""
    if facts.cut <= facts.first:
        return range(0)
    return range(facts.first // window_events, (facts.cut - 1) // window_events + 1)


def span_of(window: int, *, facts: GenerationFacts, window_events: int) -> range:
    """Return the numbers of a window that lie below the cut."""
    return range(
        max(window * window_events, facts.first),
        min((window + 1) * window_events, facts.cut),
    )


def suspects(
    facts: GenerationFacts, *, sums: Sums, window_events: int
) -> tuple[int, ...]:
    """Return the windows below the cut that do not add up by their sums, in order.

    Of a foreign generation, whose numbers need not follow each other, every window that
    holds something, unless their counts together are what the stream made of it.
    """
    expired = facts.expired()
    windows = windows_below(facts, window_events=window_events)
    if facts.is_foreign:
        held = sorted({*sums.stored, *sums.dead} & set(windows))
        return () if _foreign_adds_up(facts, sums=sums) else tuple(held)
    return tuple(
        window
        for window in windows
        if not _adds_up(
            span_of(window, facts=facts, window_events=window_events),
            stored=sums.stored.get(window),
            dead=sums.dead.get(window),
            expired=expired.get(window),
        )
    )


def _foreign_adds_up(facts: GenerationFacts, *, sums: Sums) -> bool:
    found = [*sums.stored.values(), *sums.dead.values()]
    if any(each.highest >= facts.cut or not each.is_single for each in found):
        return False
    taken = sum(count for count, _ in facts.expired().values())
    kept = facts.stream.event_count - facts.dropped_count if facts.stream else 0
    return sum(each.count for each in found) + taken == kept


def _adds_up(
    span: range,
    *,
    stored: WindowSum | None,
    dead: WindowSum | None,
    expired: tuple[int, int] | None,
) -> bool:
    found = [each for each in (stored, dead) if each is not None]
    if not all(each.is_single for each in found):
        return False
    taken_count, taken_total = expired or (0, 0)
    if sum(each.count for each in found) + taken_count != len(span):
        return False
    if sum(each.total for each in found) + taken_total != sum_of(span):
        return False
    if any(each.lowest < span.start or each.highest >= span.stop for each in found):
        return False
    squares = [each.squares for each in found]
    if expired is not None or None in squares or sum_of_squares(span) >= EXACT_MAX:
        return True
    return sum(each for each in squares if each is not None) == sum_of_squares(span)


def sum_of(span: range) -> int:
    """Return the sum of consecutive numbers."""
    return (span.start + span.stop - 1) * len(span) // 2


def sum_of_squares(span: range) -> int:
    """Return the sum of the squares of consecutive numbers."""
    return _squares_below(span.stop) - _squares_below(span.start)


def _squares_below(stop: int) -> int:
    return (stop - 1) * stop * (2 * stop - 1) // 6

"""Which event numbers of a generation must be in the index, and which must not.

Pure; from what the ledger says alone. Where it tells numbers one by one, each is held to its
own fate; where it has counts alone, so many are taken for accounted for, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from tailrace.audit.facts import GenerationFacts
from tailrace.ledger import EXPIRED
from tailrace.number_sets import NO_NUMBERS, NumberSet

NUMBERS_END = 2**63
"""No event number reaches it; the end of what is above a cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the stream made of a generation's numbers, above the cut and below it."""

    sent: NumberSet | None
    """Numbers that were sent; None of another collector's, where only their count is
    known."""
    lowest: int = 0
    """Below it there is nothing to judge."""
    dropped: NumberSet = NO_NUMBERS
    """Numbers of which nothing is kept, but for those in `expired`."""
    expired: NumberSet = NO_NUMBERS
    """Numbers below the floor of their dataset, of which nothing is kept."""
    untold_count: int = 0
    """Dropped events of which only this is known, and where they lie."""
    untold_expired_count: int = 0
    """Those of them that were below the floor."""
    untold_within: range = range(0)

    @property
    def gone(self) -> NumberSet:
        """The numbers of which nothing is kept, whatever the reason."""
        return NumberSet.of([*self.dropped.spans, *self.expired.spans])

    @property
    def wanted(self) -> NumberSet | None:
        """The numbers that must be stored or dead; None where only their count is known."""
        if self.sent is None:
            return None
        return self.sent.without(self.gone)

    @property
    def is_counted_only(self) -> bool:
        """Whether some of it is held to a count and not to numbers."""
        return self.sent is None or self.untold_count > 0


def expected_of(facts: GenerationFacts) -> Expected:
    """Return what must be there of a generation."""
    sent = _sent(facts)
    lowest = facts.first if sent is None else 0
    stream = facts.stream
    if stream is None:
        return Expected(sent=sent, lowest=lowest)
    told = {r: NumberSet.of(spans) for r, spans in stream.dropped_spans.items()}
    expired = told.get(EXPIRED, NO_NUMBERS)
    every = NumberSet.of(span for numbers in told.values() for span in numbers.spans)
    untold = {
        reason: max(count - told.get(reason, NO_NUMBERS).count, 0)
        for reason, count in stream.dropped.items()
    }
    within = stream.dropped_untold or (0, NUMBERS_END)
    return Expected(
        sent=sent,
        lowest=lowest,
        dropped=every.without(expired),
        expired=expired,
        untold_count=sum(untold.values()),
        untold_expired_count=untold.get(EXPIRED, 0),
        untold_within=range(*within),
    )


def _sent(facts: GenerationFacts) -> NumberSet | None:
    """Return the numbers of a generation: all there are, but of another collector's."""
    if not facts.is_foreign:
        return NumberSet.of([(0, NUMBERS_END)])
    if facts.stream is None:
        return None
    numbers = NumberSet.of(facts.stream.event_numbers)
    return numbers if numbers.count == facts.stream.event_count else None

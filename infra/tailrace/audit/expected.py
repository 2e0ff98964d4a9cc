"""Which event numbers of a generation must be in the index, and which must not.

Pure; from what the ledger says alone. Where it tells numbers one by one, each is held to its
own fate; where it has counts alone, so many are taken for accounted for, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from tailrace.audit.facts import GenerationFacts
from tailrace.ledger import EXPIRED, is_of_rule
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
    """Dropped events of which only this is known, and where they lie; not those that rules
    left out of a window, whose sum is known too (`GenerationFacts.left_out`)."""
    untold_expired_count: int = 0
    """Those of them that were below the floor."""
    untold_within: range = range(0)
    unacked_count: int = 0
    """Events that never came to the stream, and of which their agent does not say that
    Kafka has them: a chunk behind theirs came before them."""
    unacked_within: range = range(0)
    """Where they lie."""
    are_unacked_lost: bool = False
    """Whether their agent declared them as lost; else it is to send them again."""

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
        if not is_of_rule(reason)
    }
    left_out = sum(facts.left_out_by_reason.values())
    told_by_sums = sum(count for count, _ in stream.left_out.values())
    within = stream.dropped_untold or (0, NUMBERS_END)
    unacked = _unacked(facts)
    return Expected(
        sent=sent,
        lowest=lowest,
        dropped=every.without(expired),
        expired=expired,
        untold_count=sum(untold.values()) + max(left_out - told_by_sums, 0),
        untold_expired_count=untold.get(EXPIRED, 0),
        untold_within=range(*within),
        unacked_count=unacked.count,
        unacked_within=unacked.within,
        are_unacked_lost=unacked.are_lost,
    )


@dataclass(frozen=True, slots=True)
class _Unacked:
    count: int = 0
    within: range = range(0)
    are_lost: bool = False


def _unacked(facts: GenerationFacts) -> _Unacked:
    """Return what an agent sent, or was about to, before a chunk that came without it.

    A gap behind what its agent counts as safe is its own to fill; or, where the file went
    before it could, a part of what it declared as lost, in bytes or as what nobody saw.
    """
    agent, stream, gap_bytes = facts.agent, facts.stream, facts.unacked_gap_bytes
    if agent is None or stream is None or not gap_bytes:
        return _Unacked()
    # What is unread may be read of a copy yet, or be on its way still.
    is_over = agent.is_closed and not facts.unread_bytes
    is_declared = facts.is_loss_unknown or facts.lost_of_seen_bytes >= gap_bytes
    if is_over and not is_declared:
        return _Unacked()
    return _Unacked(
        count=max(stream.next_event_number - facts.first - stream.event_count, 0),
        within=range(agent.next_event_number, stream.next_event_number),
        are_lost=is_over,
    )


def _sent(facts: GenerationFacts) -> NumberSet | None:
    """Return the numbers of a generation: all there are, but of another collector's."""
    if not facts.is_foreign:
        return NumberSet.of([(0, NUMBERS_END)])
    if facts.stream is None:
        return None
    numbers = NumberSet.of(facts.stream.event_numbers)
    return numbers if numbers.count == facts.stream.event_count else None

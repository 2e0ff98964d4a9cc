"""Which spans to ask an agent for, so that the events an audit missed are sent again.

Pure. A span begins with the event before a missing one and ends where the event after it
begins, since only of events that are there is it known where they stand; what is sent
twice by that is stored once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.sources import StoredPlace
from tailrace.audit.verdict import GenerationVerdict
from tailrace.holes import HoleRequest
from tailrace.number_sets import NO_NUMBERS, NumberSet


def runs_of(numbers: Sequence[int]) -> list[range]:
    """Return ascending numbers as runs without a gap."""
    runs: list[range] = []
    for number in numbers:
        if runs and runs[-1].stop == number:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return runs


def neighbours_of(
    missing: Sequence[int], *, unsent: NumberSet = NO_NUMBERS
) -> set[int]:
    """Return the numbers of whose places the spans are made.

    What an agent did not send is nowhere, so the next ones beyond it are asked for.
    """
    around = {each for run in _runs(missing, unsent) for each in run[1:]}
    return {number for number in around if number >= 0}


def _runs(missing: Sequence[int], unsent: NumberSet) -> list[tuple[range, int, int]]:
    """Return the runs, each with the numbers before and after all that is gone there."""
    runs = runs_of(missing)
    gone = NumberSet.of([*runs, *unsent.spans]).spans
    spans = [next(span for span in gone if run.start in span) for run in runs]
    return [(r, s.start - 1, s.stop) for r, s in zip(runs, spans, strict=True)]


def requests_for(
    verdict: GenerationVerdict, *, places: Mapping[int, StoredPlace]
) -> list[HoleRequest]:
    """Return the spans that hold every event that the verdict names as missing.

    `places` tells of the neighbours that are stored. Where the one before is not, the
    span begins at the head of the file; where the one after is not, it ends where the
    first hop stands that has passed the missing ones. Spans that meet are one.
    """
    facts = verdict.facts
    if facts.agent is None or facts.is_foreign:
        return []
    spans: list[tuple[int, int, int, int]] = []
    for run, number_before, number_after in _runs(verdict.missing, facts.unsent):
        before, after = places.get(number_before), places.get(number_after)
        first_number, first_offset = (
            (before.number, before.offset) if before else (0, 0)
        )
        if after is not None:
            next_number, next_offset = after.number, after.offset
        else:
            end = _passed(facts, run.stop)
            if end is None:
                continue
            next_number, next_offset = end
        if spans and first_number <= spans[-1][2]:
            first_number, first_offset = spans[-1][0], spans[-1][1]
            next_number = max(next_number, spans[-1][2])
            next_offset = max(next_offset, spans[-1][3])
            spans.pop()
        spans.append((first_number, first_offset, next_number, next_offset))
    return [
        HoleRequest(
            generation=facts.generation,
            path=facts.path,
            first_offset=first_offset,
            next_offset=next_offset,
            first_event_number=first_number,
            event_count=next_number - first_number,
            is_untold=next_number > facts.told_number,
        )
        for first_number, first_offset, next_number, next_offset in spans
    ]


def _passed(facts: GenerationFacts, number: int) -> tuple[int, int] | None:
    """Return where the first hop stands that has passed the events below a number."""
    for word in (facts.indexer, facts.stream, facts.agent):
        if word is not None and word.next_event_number >= number:
            return word.next_event_number, word.next_offset
    return None

"""Whether one generation adds up: what the ledger says against what the index holds.

Pure. Over the event numbers from the first to the cut, each is exactly one of: stored once;
dead and not stored; dropped by the stream; expired. Numbers of what was dropped are not
kept, so those are held to their count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.tally import Numbers
from tailrace.audit.verdict import (
    NAMED_MAX,
    GenerationVerdict,
    Problem,
    ProblemKind,
)
from tailrace.audit.windows import Sums, span_of, windows_below
from tailrace.number_sets import NO_NUMBERS, NumberSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found of one generation."""

    sums: Sums
    numbers: Numbers
    looked_at: frozenset[int] = frozenset()
    """The windows of which `numbers` holds every number; the others passed by sums."""
    dead_above_cut_count: int = 0
    """Numbers at the cut and beyond that are dead already: no document will come."""
    lagging: NumberSet = NO_NUMBERS
    """Numbers that stand in dead letters which are not indexed yet, or just were."""


@dataclass(slots=True)
class _Count:
    stored: int = 0
    dead: int = 0
    expired: int = 0
    missing: int = 0
    pending: int = 0
    """Neither stored nor dead in the index, and named by a letter on its way there."""
    doubled: int = 0
    expired_twice: int = 0
    missing_named: list[int] = field(default_factory=list[int])
    doubled_named: list[int] = field(default_factory=list[int])
    is_vague: bool = False
    """Retention took some of a window, so which of its numbers are missing is unknown."""


def judge(
    facts: GenerationFacts, *, evidence: Evidence, window_events: int
) -> GenerationVerdict:
    """Return what became of the generation's events below its cut."""
    count = _counted(facts, evidence=evidence, window_events=window_events)
    dropped = min(count.missing, facts.dropped_count)
    dropped_above = facts.dropped_count - dropped
    in_flight = max(
        facts.sent_number
        - facts.cut
        - evidence.dead_above_cut_count
        - (0 if facts.is_foreign else dropped_above),
        0,
    )
    is_settled = _is_settled(facts, in_flight=in_flight)
    unexplained = count.missing - dropped
    problems = [
        *_missing(count, unexplained=unexplained),
        *_doubled(count),
        *_contradictions(facts, is_settled=is_settled, dropped_above=dropped_above),
    ]
    expired_by_stream = facts.stream.dropped.get("expired", 0) if facts.stream else 0
    expired_by_stream = min(expired_by_stream, dropped)
    return GenerationVerdict(
        facts=facts,
        expected_count=(
            count.stored + count.dead + count.expired + count.pending + count.missing
        ),
        stored_count=count.stored,
        dead_count=count.dead,
        dropped_count=dropped - expired_by_stream,
        expired_count=count.expired + expired_by_stream,
        in_flight_count=in_flight + count.pending,
        lagging_count=count.pending + _lagging_above(facts, evidence=evidence),
        missing=tuple(count.missing_named) if unexplained else (),
        doubled=tuple(count.doubled_named),
        problems=tuple(problems),
        is_settled=is_settled and not count.pending,
    )


def _lagging_above(facts: GenerationFacts, *, evidence: Evidence) -> int:
    """Return how many numbers above the cut wait in a letter, and nowhere else."""
    above = evidence.lagging.within(range(facts.cut, facts.sent_number))
    dead = evidence.numbers.dead
    return sum(1 for span in above.spans for n in span if not dead.count(n))


def _counted(
    facts: GenerationFacts, *, evidence: Evidence, window_events: int
) -> _Count:
    count = _Count()
    expired = facts.expired()
    for window in windows_below(facts, window_events=window_events):
        taken = expired.get(window, (0, 0))
        if window in evidence.looked_at:
            span = span_of(window, facts=facts, window_events=window_events)
            _count_numbers(span, facts=facts, evidence=evidence, taken=taken, to=count)
            continue
        stored, dead = (
            evidence.sums.stored.get(window),
            evidence.sums.dead.get(window),
        )
        count.stored += stored.count if stored else 0
        count.dead += dead.count if dead else 0
        count.expired += taken[0]
    if facts.is_foreign:
        _expect_foreign(facts, to=count)
    return count


def _count_numbers(
    span: range,
    *,
    facts: GenerationFacts,
    evidence: Evidence,
    taken: tuple[int, int],
    to: _Count,
) -> None:
    missing = _count_found(span, evidence=evidence, to=to)
    if facts.is_foreign:
        to.expired += taken[0]
        return  # Most numbers are nobody's; they are held to their count.
    # Where all that was ever sent of the window lies below the cut, its counts must fit.
    is_all_sent = span.stop == facts.sent_number
    is_whole = is_all_sent or len(span) == evidence.numbers.stored.window_events
    expired = min(taken[0], len(missing))
    to.expired += expired
    if taken[0] > len(missing) and is_whole:
        to.expired_twice += taken[0] - len(missing)
    if len(missing) == taken[0] and is_whole and sum(missing) != taken[1]:
        # As many are gone as retention took, but they are others.
        to.missing += 1
        to.expired -= 1
        to.is_vague = True
        return
    to.missing += len(missing) - expired
    if len(missing) > expired:
        to.is_vague = to.is_vague or expired > 0
        for number in missing[:NAMED_MAX]:
            _name(number, among=to.missing_named)


def _count_found(span: range, *, evidence: Evidence, to: _Count) -> list[int]:
    """Count what is stored, dead or on its way to the dead; return what is neither."""
    stored = evidence.numbers.stored.counts(span)
    if stored == b"\x01" * len(span):
        to.stored += len(span)
        return []
    dead = evidence.numbers.dead.counts(span)
    missing: list[int] = []
    for place, number in enumerate(span):
        if stored[place]:
            to.stored += 1
            if stored[place] > 1:
                to.doubled += 1
                _name(number, among=to.doubled_named)
        elif dead[place]:
            to.dead += 1
        elif number in evidence.lagging:
            to.pending += 1
        else:
            missing.append(number)
    return missing


def _expect_foreign(facts: GenerationFacts, *, to: _Count) -> None:
    """Hold a foreign generation to its count, which is comparable only when it rests."""
    if facts.stream is None or facts.sent_number > facts.cut:
        return
    found = to.stored + to.dead + to.pending + to.expired
    to.missing = facts.stream.event_count - found
    if to.missing < 0:
        to.doubled += max(-to.missing - to.doubled, 0)
        to.missing = 0


def _name(number: int, *, among: list[int]) -> None:
    if len(among) < NAMED_MAX:
        among.append(number)


def _is_settled(facts: GenerationFacts, *, in_flight: int) -> bool:
    if in_flight or facts.unread_bytes:
        return False
    agent, stream, indexer = facts.agent, facts.stream, facts.indexer
    if stream is None:
        # A file without a complete line: nothing was sent, and nobody else can know.
        return indexer is None and agent is not None and agent.next_event_number == 0
    if indexer is not None and indexer.next_event_number > stream.next_event_number:
        return False
    if facts.is_foreign:
        return True
    return agent is not None and agent.next_event_number == stream.next_event_number


def _missing(count: _Count, *, unexplained: int) -> list[Problem]:
    if unexplained <= 0:
        return []
    is_named = not count.is_vague and count.missing == unexplained
    if is_named and count.missing_named:
        named = [
            Problem(
                kind=ProblemKind.MISSING,
                text="neither stored nor dead",
                event_number=number,
            )
            for number in count.missing_named
        ]
        return [*named, *_rest(ProblemKind.MISSING, unexplained - len(named))]
    return [
        Problem(
            kind=ProblemKind.MISSING,
            text=f"{unexplained} events are neither stored, dead, dropped nor expired",
            count=unexplained,
        )
    ]


def _doubled(count: _Count) -> list[Problem]:
    named = [
        Problem(kind=ProblemKind.DOUBLED, text="stored twice", event_number=number)
        for number in count.doubled_named
    ]
    problems = [*named, *_rest(ProblemKind.DOUBLED, count.doubled - len(named))]
    if count.expired_twice:
        problems.append(
            Problem(
                kind=ProblemKind.EXPIRED_TWICE,
                text=f"{count.expired_twice} events expired and are stored all the same",
                count=count.expired_twice,
            )
        )
    return problems


def _rest(kind: ProblemKind, count: int) -> list[Problem]:
    if count <= 0:
        return []
    return [Problem(kind=kind, text=f"{count} more events {kind.value}", count=count)]


def _contradictions(
    facts: GenerationFacts, *, is_settled: bool, dropped_above: int
) -> Sequence[Problem]:
    """Return where a hop contradicts itself, or another while nothing is under way."""
    stream = facts.stream
    if stream is None:
        return ()
    problems: list[Problem] = []
    made = stream.document_count + facts.stream_dead_count + facts.dropped_count
    if stream.event_count != made:
        problems.append(
            _miscounted(
                f"the stream counted {stream.event_count} events, and made"
                f" {stream.document_count} documents, {facts.stream_dead_count} dead"
                f" letters and dropped {facts.dropped_count}"
            )
        )
    if not is_settled or facts.is_foreign:
        return problems
    sent = stream.next_event_number - facts.first
    if stream.event_count != sent:
        problems.append(
            _miscounted(
                f"the stream counted {stream.event_count} events of {sent} sent"
            )
        )
    if facts.cut >= stream.next_event_number and dropped_above:
        problems.append(
            _miscounted(
                f"the stream dropped {facts.dropped_count} events, and"
                f" {dropped_above} of them are stored or dead all the same"
            )
        )
    if stream.gaps:
        first = stream.gaps[0]
        problems.append(
            Problem(
                kind=ProblemKind.GAPS,
                text=f"{len(stream.gaps)} spans of the file never reached the stream",
                count=len(stream.gaps),
                offset=first[0],
                next_offset=first[1],
            )
        )
    return problems


def _miscounted(text: str) -> Problem:
    return Problem(kind=ProblemKind.MISCOUNTED, text=text)

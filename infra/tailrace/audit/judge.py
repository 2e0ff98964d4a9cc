"""Whether one generation adds up: what the ledger says against what the index holds.

Pure. Over the event numbers from the first to the cut, each is exactly one of: stored once;
dead and not stored; dropped by the stream, one by one or as the sums of a window say; expired; declared lost, with its bytes, by the
agent that could not bring it to the stream. What was dropped beyond the spans that
the stream keeps is held to its count, and to where it lies.
"""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.audit.counted import Count, Evidence, Named, count_below_cut
from tailrace.audit.expected import NUMBERS_END, Expected
from tailrace.audit.facts import GenerationFacts
from tailrace.audit.verdict import GenerationVerdict, Problem, ProblemKind


def judge(
    facts: GenerationFacts,
    *,
    expected: Expected,
    evidence: Evidence,
    window_events: int,
) -> GenerationVerdict:
    """Return what became of the generation's events below its cut."""
    count = count_below_cut(
        facts, expected=expected, evidence=evidence, window_events=window_events
    )
    # Of dropped events that are known by their count, so many are taken for missing ones.
    untold = min(count.missing_where_untold, expected.untold_count)
    untold_expired = min(expected.untold_expired_count, untold)
    unacked = min(
        count.missing_where_unacked, expected.unacked_count, count.missing - untold
    )
    lost = unacked if expected.are_unacked_lost else 0
    to_come = unacked - lost
    told_above = expected.gone.within(range(facts.cut, NUMBERS_END)).count
    left_out_above = sum(
        count
        for window, (count, _) in facts.left_out().items()
        if window * window_events >= facts.cut
    )
    dropped_above = told_above + left_out_above + expected.untold_count - untold
    in_flight = _in_flight(
        facts, expected=expected, evidence=evidence, dropped_above=dropped_above
    )
    is_settled = _is_settled(facts, in_flight=in_flight + to_come)
    unexplained = count.missing - untold - unacked
    problems = [
        *_missing(count, unexplained=unexplained),
        *_doubled(count),
        *_kept(count.kept),
        *_named(count.unsent, kind=ProblemKind.UNSENT, text="stored, and never sent"),
        *_contradictions(
            facts,
            expected=expected,
            is_settled=is_settled,
            dropped_above=dropped_above,
        ),
    ]
    return GenerationVerdict(
        facts=facts,
        expected_count=count.read - lost,
        stored_count=count.stored,
        dead_count=count.dead,
        dropped_count=count.dropped + untold - untold_expired,
        expired_count=count.expired + untold_expired,
        in_flight_count=in_flight + to_come + count.pending,
        lagging_count=count.pending + _lagging_above(facts, evidence=evidence),
        is_counted_only=expected.is_counted_only,
        missing=tuple(count.missing_named) if unexplained else (),
        doubled=tuple(count.doubled.numbers),
        problems=tuple(problems),
        is_settled=is_settled and not count.pending,
    )


def _in_flight(
    facts: GenerationFacts,
    *,
    expected: Expected,
    evidence: Evidence,
    dropped_above: int,
) -> int:
    """Return how many events are sent and not below the cut; a guess without numbers."""
    above = range(facts.cut, facts.sent_number)
    sent = len(above) if expected.sent is None else expected.sent.within(above).count
    gone = evidence.dead_above_cut_count
    if expected.sent is not None:
        gone += dropped_above
    return max(sent - gone, 0)


def _lagging_above(facts: GenerationFacts, *, evidence: Evidence) -> int:
    """Return how many numbers above the cut wait in a letter, and nowhere else."""
    above = evidence.lagging.within(range(facts.cut, facts.sent_number))
    dead = evidence.numbers.dead
    return sum(1 for span in above.spans for n in span if not dead.count(n))


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
    if agent is None:
        return False
    # A life that ended between the sending and the agent's own word of it: nothing is left
    # to send again, and the stream has more of it than its agent ever knew.
    is_surpassed = (
        agent.is_closed and agent.next_event_number < stream.next_event_number
    )
    return is_surpassed or agent.next_event_number == stream.next_event_number


def _missing(count: Count, *, unexplained: int) -> list[Problem]:
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


def _doubled(count: Count) -> list[Problem]:
    problems = _named(count.doubled, kind=ProblemKind.DOUBLED, text="stored twice")
    if count.expired_twice:
        problems.append(
            Problem(
                kind=ProblemKind.EXPIRED_TWICE,
                text=f"{count.expired_twice} events expired and are stored all the same",
                count=count.expired_twice,
            )
        )
    return problems


def _kept(kept: Named) -> list[Problem]:
    text = "the stream dropped it, and it is there all the same"
    return _named(kept, kind=ProblemKind.DROPPED_AND_KEPT, text=text)


def _named(found: Named, *, kind: ProblemKind, text: str) -> list[Problem]:
    named = [
        Problem(kind=kind, text=text, event_number=number) for number in found.numbers
    ]
    return [*named, *_rest(kind, found.count - len(named))]


def _rest(kind: ProblemKind, count: int) -> list[Problem]:
    if count <= 0:
        return []
    return [Problem(kind=kind, text=f"{count} more events {_words(kind)}", count=count)]


def _words(kind: ProblemKind) -> str:
    return kind.value.replace("_", " ")


def _contradictions(
    facts: GenerationFacts,
    *,
    expected: Expected,
    is_settled: bool,
    dropped_above: int,
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
    lost = expected.unacked_count if expected.are_unacked_lost else 0
    sent = stream.next_event_number - facts.first - lost
    if stream.event_count != sent:
        problems.append(
            _miscounted(
                f"the stream counted {stream.event_count} events of {sent} sent"
            )
        )
    # What was sent before its floor was known, and read again after it by another worker,
    # is counted as expired by the stream, and is stored until its index goes.
    kept_count = dropped_above - stream.dropped.get("expired", 0)
    if facts.cut >= stream.next_event_number and kept_count > 0:
        problems.append(
            _miscounted(
                f"the stream dropped {facts.dropped_count} events, and"
                f" {kept_count} of them are stored or dead all the same"
            )
        )
    if stream.gaps and not expected.are_unacked_lost:
        problems.append(gaps_problem(stream.gaps))
    return problems


def gaps_problem(gaps: Sequence[tuple[int, int]]) -> Problem:
    """Return what is to be said of spans of a file that are nowhere; there are some."""
    start, end = gaps[0]
    return Problem(
        kind=ProblemKind.GAPS,
        text=f"{len(gaps)} spans of the file never reached the stream",
        count=len(gaps),
        offset=start,
        next_offset=end,
    )


def _miscounted(text: str) -> Problem:
    return Problem(kind=ProblemKind.MISCOUNTED, text=text)

"""What a hop has read and not said, at two looks: it stands nowhere, and is not on its way.

While lines flow a generation is never settled, and what its hops say differs by what is
under way. But a hop that has nothing more to read in Kafka owes what was told to be there
before, be it the last numbers or a span of the file that it has read past.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.judge import gaps_problem
from tailrace.audit.sources import Drained
from tailrace.audit.verdict import (
    NAMED_MAX,
    GenerationVerdict,
    Problem,
    ProblemKind,
)


def is_owed(verdict: GenerationVerdict, *, drained: Drained) -> bool:
    """Return whether a hop owes something, having read all that it was sent.

    It may have said so since, as the ledger was read first; the next look tells.
    """
    return bool(_owed(verdict, drained=drained) or _read_past(verdict, drained=drained))


def with_stranded(
    verdict: GenerationVerdict, *, before: GenerationVerdict, drained: Drained
) -> GenerationVerdict:
    """Add what a hop still owes, which had read to the end at the look before.

    `before` and `drained` are of that look.
    """
    read_past = _read_past(before, drained=drained)
    gaps = tuple(gap for gap in _gaps(verdict) if gap[1] <= read_past)
    if gaps and all(each.kind is not ProblemKind.GAPS for each in verdict.problems):
        verdict = replace(verdict, problems=(*verdict.problems, gaps_problem(gaps)))
    return _with_numbers(verdict, owed=_owed(before, drained=drained))


def _read_past(verdict: GenerationVerdict, *, drained: Drained) -> int:
    """Return up to where Kafka has all of a file, and the stream has read it; else 0."""
    facts = verdict.facts
    has_read_all = drained.raw_lag.get(facts.partition) == 0
    if facts.agent is None or facts.is_foreign or not has_read_all:
        return 0
    safe_offset = facts.agent.next_offset
    return safe_offset if any(end <= safe_offset for _, end in _gaps(verdict)) else 0


def _gaps(verdict: GenerationVerdict) -> tuple[tuple[int, int], ...]:
    stream = verdict.facts.stream
    return () if stream is None else tuple(stream.gaps)


def _owed(verdict: GenerationVerdict, *, drained: Drained) -> dict[str, int]:
    """Return which next event number each hop owes."""
    facts = verdict.facts
    # A dead letter moves no indexer on; what stands in one that is on its way may be all.
    if verdict.in_flight_count <= verdict.lagging_count:
        return {}
    owed: dict[str, int] = {}
    heard = facts.stream.next_event_number if facts.stream else 0
    # What the indexer knows of came by the stream, whatever the agent has said by now.
    sent = max(_sent_by_agent(facts), _heard_by_indexer(facts))
    if sent > heard and drained.raw_lag.get(facts.partition) == 0:
        owed["stream"] = sent
    if heard > facts.told_number and drained.docs_lag.get(facts.partition) == 0:
        owed["indexer"] = heard
    return owed


def _with_numbers(
    verdict: GenerationVerdict, *, owed: Mapping[str, int]
) -> GenerationVerdict:
    facts = verdict.facts
    if verdict.in_flight_count <= verdict.lagging_count:
        return verdict
    problems: list[Problem] = []
    heard = facts.stream.next_event_number if facts.stream else 0
    sent = owed.get("stream", 0)
    if heard < sent:
        is_sent = sent <= _sent_by_agent(facts)
        known = "the agent sent" if is_sent else "the indexer was told of"
        problems.append(_stranded(known, sent, "stream", heard))
    if facts.told_number < owed.get("indexer", 0):
        known = "the stream sent"
        problems.append(_stranded(known, owed["indexer"], "indexer", facts.told_number))
    if not problems:
        return verdict
    # Most of them, if not all, are neither stored nor dead; what is, a repair sends in vain.
    first = min(problem.event_number or 0 for problem in problems)
    lacking = range(first, max(owed.values()))[:NAMED_MAX]
    missing = sorted({*verdict.missing, *lacking})[:NAMED_MAX]
    return replace(
        verdict, problems=(*verdict.problems, *problems), missing=tuple(missing)
    )


def _sent_by_agent(facts: GenerationFacts) -> int:
    return facts.agent.next_event_number if facts.agent else 0


def _heard_by_indexer(facts: GenerationFacts) -> int:
    return facts.indexer.next_event_number if facts.indexer else 0


def _stranded(known: str, sent: int, receiver: str, heard: int) -> Problem:
    return Problem(
        kind=ProblemKind.STRANDED,
        text=f"{known} {sent} events, and the {receiver}, for which Kafka has nothing"
        f" more to read, knows of {heard}",
        count=sent - heard,
        event_number=heard,
    )

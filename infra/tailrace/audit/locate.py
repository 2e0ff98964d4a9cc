"""Where in its file an event that does not add up stands, told by the documents around it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.holes import neighbours_of, runs_of
from tailrace.audit.sources import StoredPlace
from tailrace.audit.verdict import GenerationVerdict, Problem, ProblemKind
from tailrace.multiline.journald import JOURNALD

HOLE_BYTES_MIN: Final = 512
"""The agent takes fewer NULs than these for content: a span that is shorter has no hole."""


class Places(Protocol):
    """Whoever knows where documents lie."""

    def places(
        self, generation: str, *, numbers: Collection[int]
    ) -> Sequence[StoredPlace]:
        """Return where the stored documents of these numbers lie."""
        ...


def located(verdict: GenerationVerdict, *, snapshot: Places) -> GenerationVerdict:
    """Return the verdict with the place of each event that it names."""
    named = {
        problem.event_number
        for problem in verdict.problems
        if problem.event_number is not None
    }
    if not named:
        return verdict
    # What is missing in a row lies between the same two that are there.
    runs = {number: run for run in runs_of(sorted(named)) for number in run}
    around = named | neighbours_of(sorted(named))
    found: dict[int, list[StoredPlace]] = {}
    for place in snapshot.places(verdict.facts.generation, numbers=around):
        found.setdefault(place.number, []).append(place)
    return replace(
        verdict,
        problems=tuple(
            _placed(each, found, runs=runs, facts=verdict.facts)
            for each in verdict.problems
        ),
    )


def _placed(
    problem: Problem,
    found: Mapping[int, list[StoredPlace]],
    *,
    runs: Mapping[int, range],
    facts: GenerationFacts,
) -> Problem:
    number = problem.event_number
    if number is None:
        return problem
    if problem.kind in {ProblemKind.DROPPED_AND_KEPT, ProblemKind.UNSENT}:
        return _with_documents(problem, found.get(number, []))
    if problem.kind is ProblemKind.DOUBLED:
        copies = found.get(number, [])
        return _with_documents(
            replace(
                problem,
                text=f"stored {len(copies)} times" if len(copies) > 1 else problem.text,
            ),
            copies,
        )
    begin, end = _span_of(number, found, run=runs[number], facts=facts)
    offset = _exact(number, found, end=end, facts=facts)
    return replace(problem, offset=offset, after_offset=begin, next_offset=end)


def _span_of(
    number: int,
    found: Mapping[int, list[StoredPlace]],
    *,
    run: range,
    facts: GenerationFacts,
) -> tuple[int | None, int | None]:
    """Return between which offsets of its file an event lies that is not there.

    Where exactly nobody knows: how long the newline is, and whether a hole or empty lines
    lie before it, only the file tells. Neighbours may be missing too, or not documents.
    """
    stored = [each for each in range(run.start, run.stop) if each in found]
    before = max([run.start - 1, *(each for each in stored if each < number)])
    after = min([run.stop, *(each for each in stored if each > number)])
    begin = end = None
    if before in found:
        place = found[before][0]
        # Lines of a container's other stream may stand between those of an event.
        is_parted = _is_of_streams(facts)
        begin = place.offset + (0 if is_parted else place.size_bytes or 0)
    elif before < 0:
        begin = 0
    if after in found:
        end = found[after][0].offset
    elif facts.indexer is not None and not facts.is_foreign:
        end = facts.indexer.next_offset
    return begin, end


def _exact(
    number: int,
    found: Mapping[int, list[StoredPlace]],
    *,
    end: int | None,
    facts: GenerationFacts,
) -> int | None:
    """Return where an event begins that is not there, if its neighbours tell it.

    It begins behind the newline of the one before it, unless a hole lies between, or the
    empty lines that may stand before an entry of a journal, or lines of an event before
    that another stream of its file stands amid.
    """
    before = found.get(number - 1)
    rule = facts.agent.placement.multiline if facts.agent is not None else None
    if not before or end is None or (rule is not None and rule.rule == JOURNALD):
        return None
    if _is_of_streams(facts):
        return None
    place = before[0]
    if place.size_bytes is None or place.newline_bytes is None:
        return None
    begin = place.offset + place.size_bytes + place.newline_bytes
    return begin if begin < end < begin + HOLE_BYTES_MIN else None


def _is_of_streams(facts: GenerationFacts) -> bool:
    rule = facts.agent.placement.multiline if facts.agent is not None else None
    return rule is not None and bool(rule.container)


def _with_documents(problem: Problem, copies: Sequence[StoredPlace]) -> Problem:
    return replace(
        problem,
        offset=copies[0].offset if copies else None,
        documents=tuple(copy.document for copy in copies),
    )

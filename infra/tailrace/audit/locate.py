"""Where in its file an event that does not add up stands, told by the documents around it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from tailrace.audit.sources import StoredPlace
from tailrace.audit.verdict import GenerationVerdict, Problem, ProblemKind


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
    around = {
        number + step for number in named for step in (-1, 0, 1) if number + step >= 0
    }
    found: dict[int, list[StoredPlace]] = {}
    for place in snapshot.places(verdict.facts.generation, numbers=around):
        found.setdefault(place.number, []).append(place)
    return replace(
        verdict, problems=tuple(_placed(each, found) for each in verdict.problems)
    )


def _placed(problem: Problem, found: Mapping[int, list[StoredPlace]]) -> Problem:
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
    before, after = found.get(number - 1), found.get(number + 1)
    offset = None
    if before and before[0].size_bytes is not None:
        # The newline that ended the event before it lies between.
        offset = before[0].offset + before[0].size_bytes + 1
    return replace(
        problem, offset=offset, next_offset=after[0].offset if after else None
    )


def _with_documents(problem: Problem, copies: Sequence[StoredPlace]) -> Problem:
    return replace(
        problem,
        offset=copies[0].offset if copies else None,
        documents=tuple(copy.document for copy in copies),
    )

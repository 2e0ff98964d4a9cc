"""The audit of a simulated run is sound, and one document put wrong by hand makes it unsound."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import pytest

from tailrace.audit.verdict import ProblemKind
from tests.simulation.cluster import NAMESPACE
from tests.simulation.run import Run, running

SEEDS = (1, 4, 8)
"""Those that expire what is old are among them."""


TRIES_MAX = 20


@contextmanager
def ended(seed: int) -> Generator[Run]:
    """Give a run that went through all its faults, and is at rest with events left.

    Any change throws the dice anew, and everything may expire: then another run is given.
    """
    for again in range(seed, seed + TRIES_MAX * 100, 100):
        with running(again) as run:
            assert not run.to_end().problems
            if an_event(run) is not None:
                yield run
                return
    raise AssertionError(f"nothing is left of {TRIES_MAX} runs")


def kinds(run: Run, *, is_deep: bool = False) -> set[ProblemKind]:
    """Return in which ways an audit of the run finds something wrong.

    But for generations that came to hold two contents: they have doubles by right.
    """
    report = run.audit(is_deep=is_deep)
    repeats = {verdict.facts.generation for verdict in run.audits[-1][1].unsound}
    return {
        problem.kind
        for verdict in report.unsound
        if verdict.facts.generation not in repeats
        for problem in verdict.problems
    }


def an_event(run: Run) -> tuple[str, str] | None:
    """Return index and id of one document that is not the first of its generation."""
    sound = {v.facts.generation for v in run.audits[-1][1].verdicts if v.is_sound}
    for name, held in sorted(run.cluster.elasticsearch.indices.items()):
        if name.startswith(f"{NAMESPACE}-java.log-"):
            for document_id, document in held.items():
                is_sound = document["tailrace.generation"] in sound
                if is_sound and document["event.sequence"]:
                    return name, document_id
    return None


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", SEEDS)
def test_one_document_deleted_doubled_or_altered_by_hand_is_found(seed: int) -> None:
    with ended(seed) as run:
        elasticsearch = run.cluster.elasticsearch
        found = an_event(run)
        assert found is not None
        name, document_id = found
        held, sources = elasticsearch.indices[name], elasticsearch.sources[name]

        document = held.pop(document_id)
        assert kinds(run) == {ProblemKind.MISSING}
        held[document_id] = document

        source = sources[document_id]
        sources[document_id] = source.replace(b'"message":"', b'"message":"x')
        assert kinds(run, is_deep=True) == {ProblemKind.ALTERED}
        assert not kinds(run)
        sources[document_id] = source

        # Last, for it may leave its mark: what retention has counted, it has counted.
        elasticsearch.create_index(f"{NAMESPACE}-other-2026.11.24")
        for index in (name, f"{NAMESPACE}-other-2026.11.24"):
            elasticsearch.indices[index]["by-hand"] = document
            # Where retention still leads, it may count the second one as it goes.
            assert kinds(run) in ({ProblemKind.DOUBLED}, {ProblemKind.EXPIRED_TWICE})
            # Or take the index away with it, which makes up for it just so.
            elasticsearch.indices.get(index, {}).pop("by-hand", None)

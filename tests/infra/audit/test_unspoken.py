"""An audit while the stream has sent documents of a generation, and not spoken of it yet.

Its word follows the last of its documents, and may be long in coming: a worker was killed or
stopped in between. Until then nobody knows which numbers it dropped, nor whether all that
it kept has left it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.sources import Drained
from tailrace.audit.verdict import AuditReport, Problem, ProblemKind, totals_of
from tests.infra.audit.builders import (
    agent_word,
    facts_at_rest,
    held,
    indexer_word,
    report_of,
    stream_word,
)

READ = Drained(raw_lag={3: 0}, docs_lag={3: 0})
UNREAD = Drained(raw_lag={3: 2}, docs_lag={3: 0})
"""Raw records of the generation's partition that no worker has committed."""


def unspoken(count: int, *, agent: int | None = None) -> GenerationFacts:
    """Return facts where the indexer knows of so many events, and the stream is silent."""
    return replace(
        facts_at_rest(count),
        stream=None,
        agent=agent_word(number=count if agent is None else agent),
    )


def only_problem(report: AuditReport) -> Problem:
    (verdict,) = report.unsound
    (problem,) = verdict.problems
    return problem


@pytest.mark.parametrize("is_deep", [False, True])
@pytest.mark.parametrize("agent", [0, 13])
def test_s2_what_the_indexer_tells_before_the_stream_spoke_at_all_is_in_flight(
    agent: int, is_deep: bool
) -> None:
    """Five of thirteen were too old; the worker stopped before it could say so."""
    report = report_of(
        held(1, 3, *range(7, 13)),
        unspoken(13, agent=agent),
        drained=UNREAD,
        is_deep=is_deep,
    )

    assert report.is_sound
    assert not report.is_settled
    assert totals_of(report.verdicts).in_flight == 13


def test_s2_what_a_worker_had_not_sent_when_it_died_is_in_flight() -> None:
    """Of two chunks the second was through, and is dead, before the first was sent whole."""
    index = held(*range(18))
    index.dead.append((24, 1))

    report = report_of(index, unspoken(25), drained=UNREAD)

    assert report.is_sound
    assert not report.is_settled
    assert totals_of(report.verdicts).in_flight == 24


def test_s2_what_is_missing_is_named_as_soon_as_the_stream_has_spoken() -> None:
    """Of what it kept, and above it nothing; the rest is as far as it was."""
    facts = replace(unspoken(13), stream=stream_word(number=8))

    problem = only_problem(report_of(held(0, *range(2, 8), 12), facts, drained=UNREAD))

    assert (problem.kind, problem.event_number) == (ProblemKind.MISSING, 1)


def test_s2_waiting_ends_with_the_word_of_the_stream_and_its_verdict() -> None:
    report = report_of(
        held(*range(12)),
        unspoken(13),
        facts_at_rest(13),
        drained=UNREAD,
        wait_ms_max=60_000,
    )

    assert only_problem(report).event_number == 12


@pytest.mark.parametrize("agent", [0, 13])
def test_s2_a_stream_that_has_read_all_and_never_spoke_leaves_no_audit_sound(
    agent: int,
) -> None:
    """Its word was lost: nobody will ever say which of the numbers must be there."""
    facts = unspoken(13, agent=agent)

    lost = only_problem(report_of(held(*range(12)), facts, drained=READ))
    late = report_of(held(*range(13)), facts, facts_at_rest(13), drained=READ)

    assert (lost.kind, lost.count) == (ProblemKind.STRANDED, 13)
    assert ("the agent sent" in lost.text) == (agent == 13)
    assert late.is_sound


def test_s2_where_the_stream_is_silent_the_indexer_tells_the_partition() -> None:
    """Another collector's lines lie where it put them, whatever their generation is."""
    word = indexer_word(number=120, agent_id="foreign", docs_partition=5)
    facts = replace(unspoken(120), agent=None, indexer=word)

    assert facts.partition == 5
    assert report_of(held(119), facts, drained=READ).is_sound
    read = Drained(raw_lag={5: 0}, docs_lag={5: 0})
    lost = only_problem(report_of(held(119), facts, drained=read))
    assert lost.kind is ProblemKind.STRANDED

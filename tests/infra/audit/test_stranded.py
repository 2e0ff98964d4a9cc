"""A span of a file that is nowhere is named while lines still flow behind it."""

from __future__ import annotations

from dataclasses import replace

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.sources import Drained
from tailrace.audit.verdict import ProblemKind
from tests.infra.audit.builders import (
    LINE_BYTES,
    agent_word,
    facts_at_rest,
    held,
    report_of,
    stream_word,
)

GAP = ((4 * LINE_BYTES, 6 * LINE_BYTES),)
READ = Drained(docs_lag={3: 0}, raw_lag={3: 0})
"""The stream has nothing more to read: what it has not heard of is not on its way to it."""


def flowing(number: int, *, gaps: tuple[tuple[int, int], ...]) -> GenerationFacts:
    """Return what is said of a file of which five lines are on their way, at one look."""
    return replace(
        facts_at_rest(number),
        agent=agent_word(number=number + 5),
        stream=stream_word(number=number, gaps=gaps),
    )


def test_span_that_the_stream_has_read_past_is_named_while_lines_flow() -> None:
    """Its numbers need not lack: an agent that passed bytes over counted none for them."""
    looks = [flowing(20 + 5 * n, gaps=GAP) for n in range(4)]

    report = report_of(held(*range(40)), *looks, drained=READ)

    (unsound,) = report.unsound
    (problem,) = unsound.problems
    assert problem.kind is ProblemKind.GAPS
    assert (problem.offset, problem.next_offset) == GAP[0]


def test_span_that_comes_late_is_no_hole() -> None:
    """Kafka may refuse a chunk and take the next one first; the stream may be behind."""
    filled = [flowing(20 + 5 * n, gaps=() if n else GAP) for n in range(4)]
    unread = Drained(docs_lag={3: 0}, raw_lag={3: 1})
    refused = [
        replace(
            flowing(20 + 5 * n, gaps=((20 * LINE_BYTES, 22 * LINE_BYTES),)),
            agent=agent_word(number=20),
        )
        for n in range(4)
    ]

    assert report_of(held(*range(40)), *filled, drained=READ).is_sound
    looks = [flowing(20 + 5 * n, gaps=GAP) for n in range(4)]
    assert report_of(held(*range(40)), *looks, drained=unread).is_sound
    assert report_of(held(*range(40)), *refused, drained=READ).is_sound

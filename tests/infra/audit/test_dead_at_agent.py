"""What an agent dead-lettered itself is dead to the audit, and the file comes to rest."""

from __future__ import annotations

from tailrace.audit.facts import GenerationFacts
from tests.infra.audit.builders import (
    GENERATION,
    HeldDocument,
    HeldIndex,
    agent_word,
    indexer_word,
    report_of,
    stream_word,
)

EVENTS, BURIED = 7, 3


def _facts(*, is_told: bool) -> GenerationFacts:
    """Return what the hops say of a file whose last events the agent buried."""
    counted = EVENTS if is_told else EVENTS - BURIED
    return GenerationFacts(
        generation=GENERATION,
        agent=agent_word(number=EVENTS),
        stream=stream_word(
            number=counted,
            document_count=EVENTS - BURIED,
            dead={"record_too_large": BURIED} if is_told else {},
        ),
        indexer=indexer_word(number=counted),
    )


def _index() -> HeldIndex:
    index = HeldIndex()
    index.documents += [HeldDocument(number) for number in range(EVENTS - BURIED)]
    index.dead.append((EVENTS - BURIED, BURIED))
    return index


def test_k5_what_the_agent_buried_is_dead_and_nothing_is_left_in_flight() -> None:
    report = report_of(_index(), _facts(is_told=True))

    assert report.is_sound
    (verdict,) = report.verdicts
    assert (verdict.stored_count, verdict.dead_count) == (EVENTS - BURIED, BURIED)
    assert verdict.in_flight_count == 0
    assert verdict.is_settled


def test_k5_what_the_stream_never_heard_of_does_not_come_to_rest() -> None:
    """This is why the agent says so: its dead letters alone settle nothing."""
    report = report_of(_index(), _facts(is_told=False))

    (verdict,) = report.verdicts
    assert not verdict.is_settled

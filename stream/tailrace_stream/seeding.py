"""What a generation's counting begins with: its state, or the ledger's word where that is lost.

Both are written in the same step and say the same figures, on two topics. Were a state that
is missing, or cannot be read, to begin at nothing, the figures would fall, and count what
comes again a second time: so the word stands in for it. A generation's first state is
written before its first word, so that a word without a state tells of a loss and not of a
crash between the two. What a word does not tell are open windows, which then go on as new
parts.

A generation that retention buried may come back: its file, long gone from every glob, is
there again and grows, and its agent goes on at the number where it stood. All before that
had expired. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from tailrace.errors import WireError
from tailrace.ledger import EXPIRED, StreamLedger
from tailrace.wire import Origin, decode
from tailrace_stream.figures import Figures, Span
from tailrace_stream.intake import FOREIGN_AGENT
from tailrace_stream.windows import GenerationState

RecordT = TypeVar("RecordT")

BURIED = b""
"""Stands for the state of a generation whose newest record is a tombstone."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The newest records of one generation, as they were read back."""

    state: bytes | None = None
    word: bytes | None = None
    """That of the stream on the ledger."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is counted on, and what became of the records it was to be."""

    state: GenerationState
    is_state_read: bool = False
    is_state_unreadable: bool = False
    is_seeded: bool = False
    """It is made of the ledger's word."""
    is_returned: bool = False
    """Its generation was buried, and what is not sent again of it counts as expired."""


def beginning_of(remembered: Remembered, *, origin: Origin) -> Beginning:
    """Return the state that a chunk of `origin` is counted to.

    It is that of a generation never seen, where nothing is remembered.
    """
    state = _read(remembered.state, as_type=GenerationState)
    if state is not None:
        # Also where a crash left it behind its word: what is missing comes again, and
        # only with its windows is it counted into the same parts as the first time.
        return Beginning(state, is_state_read=True)
    is_buried = remembered.state == BURIED
    is_unreadable = remembered.state is not None and not is_buried
    word = _read(remembered.word, as_type=StreamLedger)
    if word is not None:
        return Beginning(
            seed_of(word), is_state_unreadable=is_unreadable, is_seeded=True
        )
    is_foreign = origin.agent_id == FOREIGN_AGENT
    if is_buried and origin.first_event_number and not is_foreign:
        return Beginning(_returned(origin), is_returned=True)
    return Beginning(
        GenerationState(generation=origin.generation),
        is_state_unreadable=is_unreadable,
    )


def _returned(origin: Origin) -> GenerationState:
    """Return the state of a generation of which all before `origin` has expired."""
    count = origin.first_event_number
    start = origin.first_offset - origin.skipped_before_bytes
    return GenerationState(
        generation=origin.generation,
        revision=count,
        counted=((0, start),) if start > 0 else (),
        figures=Figures(
            next_event_number=count,
            dropped={EXPIRED: count},
            dropped_spans={EXPIRED: ((0, count),)},
        ),
    )


def seed_of(word: StreamLedger) -> GenerationState:
    """Return the state that a word was told from, but for its windows.

    A word tells of `GAPS_MAX` gaps; those behind them are taken for counted.
    """
    # Whatever figure is told by the name it has in the state.
    told = {name: getattr(word, name, None) for name in Figures.__struct_fields__}
    return GenerationState(
        generation=word.generation,
        revision=word.revision,
        counted=_counted_of(word),
        figures=Figures(**{k: v for k, v in told.items() if v is not None}),
    )


def _counted_of(word: StreamLedger) -> tuple[Span, ...]:
    if word.agent_id == FOREIGN_AGENT:
        # Its offsets are Kafka's, and what lies between its events belongs to others.
        first = word.first_event_number
        return ((first, word.next_offset),) if word.next_offset > first else ()
    starts = [0, *(end for _, end in word.gaps)]
    ends = [*(start for start, _ in word.gaps), word.next_offset]
    return tuple((s, e) for s, e in zip(starts, ends, strict=True) if e > s)


def _read(value: bytes | None, *, as_type: type[RecordT]) -> RecordT | None:
    """Return a record, or None where there is none or nobody can read it."""
    if value is None:
        return None
    try:
        return decode(value, as_type=as_type)
    except WireError:
        return None

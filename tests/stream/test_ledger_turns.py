"""Of the records of a generation in flight the newest speaks, and one a second does."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tailrace_stream.ledger_turns import SILENT_MS_MAX, LedgerTurns
from tailrace_stream.records import Outgoing, Work


def work(offset: int, *, generation: str | None = "g") -> Work:
    ledger = None
    if generation is not None:
        key = f"stream|{generation}".encode()
        ledger = Outgoing(topic="t.ledger", partition=0, key=key, value=b"")
    return Work(
        partition=0, offset=offset, outputs=(), state=None, ledger=ledger, counts={}
    )


def turns_with(*works: Work) -> LedgerTurns:
    turns = LedgerTurns()
    for one in works:
        turns.begin(one)
    return turns


def test_a_record_alone_in_flight_speaks_at_once() -> None:
    turns = turns_with(work(1))
    assert turns.is_due(work(1), now_ms=0)
    turns.begin(work(2))
    assert turns.is_due(work(2), now_ms=0)


def test_of_several_in_flight_only_the_last_speaks() -> None:
    works = [work(n) for n in range(5)]
    turns = turns_with(*works)
    assert [turns.is_due(one, now_ms=0) for one in works] == [False] * 4 + [True]


def test_generations_speak_apart() -> None:
    first, second = work(1, generation="a"), work(2, generation="b")
    turns = turns_with(first, second)
    assert turns.is_due(first, now_ms=0)
    assert turns.is_due(second, now_ms=0)


def test_a_record_of_nobody_says_nothing_and_silences_nobody() -> None:
    turns = turns_with(work(1), work(2, generation=None))
    assert turns.is_due(work(1), now_ms=0)
    assert not turns.is_due(work(2, generation=None), now_ms=0)


@pytest.mark.parametrize("step_ms", [50, 300])
def test_a_generation_that_never_rests_speaks_once_a_second(step_ms: int) -> None:
    """A later record is always in flight, as while a busy file is shipped."""
    turns = turns_with(work(0))
    spoke_at_ms = [0]
    for offset in range(10_000 // step_ms):
        turns.begin(work(offset + 1))
        if turns.is_due(work(offset), now_ms=offset * step_ms):
            spoke_at_ms.append(offset * step_ms)
    pauses = [b - a for a, b in pairwise(spoke_at_ms)]
    assert len(pauses) > 5
    assert max(pauses) <= SILENT_MS_MAX + step_ms
    assert min(pauses) >= SILENT_MS_MAX


def test_what_is_remembered_ends_with_what_is_in_flight() -> None:
    turns = LedgerTurns()
    for number in range(100):
        ones = [work(2 * number + n, generation=str(number)) for n in (0, 1)]
        for one in ones:
            turns.begin(one)
        for one in ones:
            turns.is_due(one, now_ms=0)
    assert turns == LedgerTurns()

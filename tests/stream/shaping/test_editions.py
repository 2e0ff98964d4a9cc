"""By which rules an event is judged: those of its first reading, whoever reads it again."""

from __future__ import annotations

import msgspec
import pytest

from tailrace.topics import STATE
from tailrace.wire import Origin, decode, encode
from tailrace_stream.figures import Figures
from tailrace_stream.lanes import Lane
from tailrace_stream.shaping import editions
from tailrace_stream.shaping.book import RuleBook
from tailrace_stream.shaping.editions import (
    EDITIONS_KEY,
    EDITIONS_MAX,
    NO_EDITIONS,
    Editions,
    RuleMarks,
    editions_in,
    ruling_of,
    with_rules,
)
from tailrace_stream.shaping.fates import NO_RULING
from tailrace_stream.shaping.rules import Rule, Rules
from tailrace_stream.state_store import ReadBack
from tailrace_stream.windows import GenerationState
from tests.stream.builders import GENERATION, NAMESPACE, origin

A = (Rule(name="a", where={"log.level": ("debug",)}),)
B = (Rule(name="b", where={"log.level": ("info",)}),)
OTHERS = (Rule(name="o", where={"event.dataset": ("nginx.*",)}),)


def told(*each: tuple[Rules, int]) -> Editions:
    made = NO_EDITIONS
    for rules, end_offset in each:
        made = with_rules(made, rules, end_offset=end_offset)
    return made


def state_of(number: int, *, marks: RuleMarks = ()) -> GenerationState:
    figures = Figures(next_event_number=number)
    return GenerationState(
        generation=GENERATION, figures=figures, rule_marks=marks, revision=number
    )


def chunk(first: int, count: int) -> Origin:
    return msgspec.structs.replace(origin(b"x\n" * count), first_event_number=first)


def test_rules_hold_from_the_end_of_the_partition_on() -> None:
    known = told((A, 10), (B, 20))
    names = [
        [rule.name for rule in edition.rules] if (edition := known.at(n)) else None
        for n in (9, 10, 19, 20, 99)
    ]
    assert names == [None, ["a"], ["a"], ["b"], ["b"]]
    assert with_rules(known, B, end_offset=30) is known
    assert told(((), 5)) == NO_EDITIONS
    assert told((A, 5), ((), 9)).at(9) is not None


def test_a_new_number_is_judged_by_its_record_and_an_old_one_as_it_was() -> None:
    known = told((A, 0), (B, 20))
    before = state_of(7, marks=((0, 1),))
    ruling, marks = ruling_of(before, origin=chunk(5, 4), offset=20, editions=known)
    assert marks == ((0, 1), (7, 2))
    assert ruling.spans == ((0, A), (7, B))
    again = state_of(9, marks=marks)
    assert ruling_of(again, origin=chunk(5, 4), offset=30, editions=known)[1] == marks
    old, marks = ruling_of(before, origin=chunk(0, 7), offset=30, editions=known)
    assert (old.spans, marks) == (((0, A),), ((0, 1),))


def test_what_came_before_there_were_rules_is_judged_by_none() -> None:
    known = told((A, 50))
    ruling, marks = ruling_of(
        state_of(7), origin=chunk(3, 9), offset=60, editions=known
    )
    assert (ruling.spans, marks) == (((7, A),), ((7, 1),))
    ruling, marks = ruling_of(
        state_of(7), origin=chunk(7, 1), offset=49, editions=known
    )
    assert (ruling, marks) == (NO_RULING, ())


def test_rules_that_end_are_a_mark_too_and_those_of_other_datasets_are_none() -> None:
    known = told((A, 0), ((), 20))
    before = state_of(7, marks=((0, 1),))
    ruling, marks = ruling_of(before, origin=chunk(7, 2), offset=20, editions=known)
    assert marks == ((0, 1), (7, 0))
    assert ruling.spans == ((0, A), (7, ()))
    known = told((OTHERS, 0))
    ruling, marks = ruling_of(state_of(0), origin=chunk(0, 2), offset=1, editions=known)
    assert (ruling, marks) == (NO_RULING, ())


def test_of_a_state_that_was_lost_all_is_judged_by_the_rules_of_now() -> None:
    lost = msgspec.structs.replace(
        state_of(0),
        figures=Figures(next_event_number=9, dropped={"rule:a": 2}),
    )
    ruling, marks = ruling_of(
        lost, origin=chunk(3, 7), offset=60, editions=told((A, 50))
    )
    assert (ruling.spans, marks) == (((0, A),), ((0, 1),))


def test_too_many_editions_and_marks_lose_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = [(Rule(name=f"r{n}", where={"message": ("x",)}),) for n in range(30)]
    known = told(*((each, 10 * n) for n, each in enumerate(rules)))
    assert len(known.editions) == EDITIONS_MAX
    assert known.of(30) == rules[29]
    assert known.of(1) == known.editions[0].rules == rules[30 - EDITIONS_MAX]
    assert known.at(0) == known.editions[0]
    assert editions_in(encode(known)) == known
    assert editions_in(b"torn") == editions_in(None) == NO_EDITIONS

    monkeypatch.setattr(editions, "MARKS_MAX", 2)
    before = state_of(8, marks=((0, 16), (5, 17)))
    _, marks = ruling_of(before, origin=chunk(8, 1), offset=999, editions=known)
    assert marks == ((0, 17), (8, 30))


def test_a_worker_writes_new_rules_down_before_it_takes_a_record() -> None:
    found = ReadBack(states={GENERATION: b"state"}, fresh_offset=40)
    book = RuleBook(rules=A, namespace=NAMESPACE)
    made, (due,) = book.editions_of(found, 3)
    assert (due.topic, due.partition) == (STATE.name(NAMESPACE), 3)
    assert decode(due.value, as_type=Editions) == made == told((A, 40))

    found = ReadBack(states={due.key.decode(): due.value}, fresh_offset=70)
    assert book.editions_of(found, 3) == (made, [])
    assert EDITIONS_KEY not in found.states
    assert RuleBook(namespace=NAMESPACE).editions_of(ReadBack(), 3) == (NO_EDITIONS, [])


def test_a_lane_asks_the_state_of_the_generation() -> None:
    lane = Lane(3, editions=told((A, 0), (B, 20)))
    lane.states[GENERATION] = encode(state_of(7, marks=((0, 1),)))
    ruling, marks = lane.rule(25)(chunk(7, 1))
    assert (ruling.spans, marks) == (((0, A), (7, B)), ((0, 1), (7, 2)))
    assert Lane(3).rule(25)(chunk(0, 1)) == (NO_RULING, ())

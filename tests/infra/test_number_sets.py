"""A set of spans holds the numbers of its spans, and nothing else."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tailrace.number_sets import NumberSet, sum_of, sum_of_squares

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


def plain(spans: list[tuple[int, int]]) -> set[int]:
    return {n for start, stop in spans for n in range(start, stop)}


def numbers(found: NumberSet) -> set[int]:
    return {n for span in found.spans for n in span}


@given(SPANS)
def test_spans_are_joined_and_hold_the_same_numbers(
    spans: list[tuple[int, int]],
) -> None:
    found, wanted = NumberSet.of(spans), plain(spans)

    assert numbers(found) == wanted
    assert found.count == len(wanted)
    assert bool(found) == bool(wanted)
    assert all(one.stop < next_.start for one, next_ in pairwise(found.spans))
    assert NumberSet.of(found.pairs()) == found
    assert {n for n in range(-1, 42) if n in found} == wanted
    assert sum_of(found.spans) == sum(wanted)
    assert sum_of_squares(found.spans) == sum(n * n for n in wanted)


@given(SPANS, SPANS, st.integers(0, 40), st.integers(0, 40))
def test_parts_and_differences_are_those_of_sets(
    one: list[tuple[int, int]], other: list[tuple[int, int]], start: int, stop: int
) -> None:
    span = range(start, stop)

    assert numbers(NumberSet.of(one).within(span)) == plain(one) & set(span)
    left = NumberSet.of(one).without(NumberSet.of(other))
    assert numbers(left) == plain(one) - plain(other)

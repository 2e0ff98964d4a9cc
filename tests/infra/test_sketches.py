"""Sketches tell any quantile to within a percent, and add up whatever the order."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from ddsketch import DDSketch
from hypothesis import given
from hypothesis import strategies as st

from tailrace.sketches import (
    ACCURACY,
    GAMMA,
    KEYS_MAX,
    Sketch,
    as_field,
    from_field,
    merged,
    quantile,
    sketch_of,
    value_of,
)

VALUES = st.lists(st.integers(0, 10**8), min_size=1, max_size=60)


def sketch_from(values: list[int]) -> Sketch:
    bins = Counter(math.ceil(math.log(v) / math.log(GAMMA)) for v in values if v)
    return sketch_of(values.count(0), bins)


@given(VALUES)
def test_a_quantile_is_that_of_the_library_and_within_a_percent(
    values: list[int],
) -> None:
    library = DDSketch(ACCURACY)
    for value in values:
        library.add(value)
    ours = sketch_from(values)
    assert ours.count == len(values)
    for share in (0, 0.5, 0.95, 0.99, 1):
        found = quantile(ours, share)
        true = sorted(values)[int(share * (len(values) - 1))]
        assert found == pytest.approx(library.get_quantile_value(share), rel=1e-6)
        assert found == pytest.approx(true, rel=ACCURACY * 1.000001)


@given(st.lists(VALUES, max_size=5))
def test_the_sum_of_sketches_is_the_sketch_of_all_values(
    parts: list[list[int]],
) -> None:
    whole = sketch_from([value for part in parts for value in part])
    assert merged(map(sketch_from, parts)) == whole
    assert merged(map(sketch_from, parts[::-1])) == whole


@given(st.permutations([-3 * KEYS_MAX, -KEYS_MAX, 0, 7, KEYS_MAX, 2 * KEYS_MAX]))
def test_bins_beyond_the_bound_join_the_lowest_in_whatever_order(
    keys: list[int],
) -> None:
    found = Sketch()
    for key in keys:
        found = merged([found, sketch_of(0, {key: 1})])
    assert found == Sketch(0, (KEYS_MAX + 1, 2 * KEYS_MAX), (5, 1))
    assert quantile(found, 1) == value_of(2 * KEYS_MAX)


def test_nothing_has_no_quantile_and_zeros_are_zero() -> None:
    assert quantile(Sketch(), 0.5) is None
    assert quantile(Sketch(3), 0.99) == 0


def test_a_sketch_is_read_back_from_a_document() -> None:
    sketch = sketch_from([0, 1, 5, 1_000_000])
    assert from_field(as_field(sketch)) == sketch

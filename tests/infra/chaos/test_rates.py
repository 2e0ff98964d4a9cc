"""The oracle sees each way in which what is counted can differ from what is stored."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tailrace.chaos.compare import Gathered
from tailrace.chaos.rates import counted_minutes, differences
from tests.infra.chaos.test_compare import GENERATIONS, stored

FIRST, SECOND = GENERATIONS


def gathered() -> Gathered:
    all_of_them = Gathered()
    for event in stored():
        all_of_them.add(event)
    return all_of_them


def windows() -> list[dict[str, Any]]:
    """Return every minute of what is stored in two groups, one of them in two parts."""
    documents: list[dict[str, Any]] = []
    for (generation, minute), count in gathered().minutes.items():
        groups = (("info", 0, count - 3), ("info", 1, 1), ("error", 0, 2))
        documents += [
            {
                "@timestamp": f"{minute}:00.000Z",
                "tailrace.generation": generation,
                "tailrace.rate.count": events,
                "tailrace.rate.part": part,
                "tailrace.rate.window_ms": 60_000,
                "log.level": level,
            }
            for level, part, events in groups
        ]
    return documents


def test_groups_and_parts_add_up_to_what_is_stored() -> None:
    spread = {"tailrace.generation": FIRST, "tailrace.spread.count": 12}
    counted = counted_minutes([*windows(), spread])
    assert counted.total() == len(stored())
    assert differences(gathered().minutes, counted) == (0, ())


@pytest.mark.parametrize("by", [-1, 1])
def test_s9_a_window_that_counts_one_too_few_or_too_many_is_named(by: int) -> None:
    documents = windows()
    documents[0]["tailrace.rate.count"] += by
    (generation, minute), true = next(iter(gathered().minutes.items()))
    count, examples = differences(gathered().minutes, counted_minutes(documents))
    assert (count, examples) == (
        1,
        (f"generation {generation}, {minute}: {true + by} counted, {true} stored",),
    )


def test_s9_windows_that_are_missing_or_of_nobody_are_named() -> None:
    left = [each for each in windows() if each["tailrace.generation"] == FIRST]
    strange = {**left[0], "tailrace.generation": "0c" * 16}
    count, examples = differences(gathered().minutes, counted_minutes([*left, strange]))
    missing = [place for place in gathered().minutes if place[0] == SECOND]
    assert count == len(missing) + 1
    assert f"generation {SECOND}" in examples[0]
    assert "0 counted" in examples[0]
    assert examples[-1].endswith("0 stored")


def test_windows_of_another_width_are_no_count_of_minutes() -> None:
    (document, *_) = windows()
    with pytest.raises(ValueError, match="3600000 ms wide"):
        counted_minutes([{**document, "tailrace.rate.window_ms": 3_600_000}])


def test_few_examples_are_shown_of_many() -> None:
    stored_minutes = Counter({(FIRST, f"2026-11-24T10:{n:02}"): 1 for n in range(40)})
    count, examples = differences(stored_minutes, Counter())
    assert (count, len(examples)) == (40, 5)

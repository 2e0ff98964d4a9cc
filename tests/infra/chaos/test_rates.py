"""The oracle sees each way in which what is counted can differ from what is stored."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tailrace.chaos.compare import Gathered
from tailrace.chaos.rates import Minutes, counted_minutes, differences, minute_of
from tests.infra.chaos.test_compare import GENERATIONS, stored

FIRST, SECOND = GENERATIONS
LATER = "2023-11-15T00:01"


def stored_minutes() -> Minutes:
    gathered = Gathered()
    for event in stored():
        gathered.add(event)
    return gathered.minutes


def windows() -> list[dict[str, Any]]:
    """Return each minute of what is stored, in two groups, and one of these in two parts."""
    minutes = Counter((one.generation, minute_of(one.timestamp)) for one in stored())
    documents: list[dict[str, Any]] = []
    for (generation, minute), count in sorted(minutes.items(), reverse=True):
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


def sum_of(generation: str) -> int:
    return sum(one.generation == generation for one in stored())


def test_groups_and_parts_add_up_to_what_is_stored() -> None:
    spread = {"tailrace.generation": FIRST, "tailrace.spread.count": 12}
    counted = counted_minutes([*windows(), spread])
    assert counted.total() == len(stored())
    assert differences(stored_minutes(), counted) == (0, ())


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("generation", GENERATIONS)
def test_s9_a_generation_of_which_one_too_few_or_too_many_is_counted_is_named(
    generation: str, by: int
) -> None:
    documents = windows()
    window = next(one for one in documents if one["tailrace.generation"] == generation)
    window["tailrace.rate.count"] += by
    _count, examples = differences(stored_minutes(), counted_minutes(documents))
    true = sum_of(generation)
    assert (
        examples[-1] == f"generation {generation}: {true + by} counted, {true} stored"
    )


def test_s9_an_event_that_is_counted_in_another_minute_than_its_own_is_named() -> None:
    documents = windows()
    documents[0]["tailrace.rate.count"] -= 1
    moved = {**documents[0], "@timestamp": f"{LATER}:00.000Z", "tailrace.rate.count": 1}
    minute = minute_of(documents[0]["@timestamp"])
    count, (example,) = differences(
        stored_minutes(), counted_minutes([*documents, moved])
    )
    assert count == 1
    assert f"{documents[0]['tailrace.generation']}, {minute}: " in example


def test_a_line_without_a_time_may_be_counted_when_another_reading_of_it_was() -> None:
    """An agent that was killed reads it again, at another time, and either is stored."""
    documents = windows()
    timeless = [one for one in documents if "T00:00" in one["@timestamp"]]
    assert timeless, "every tenth line bears none"
    for window in timeless:
        window["@timestamp"] = f"{LATER}:00.000Z"
    assert differences(stored_minutes(), counted_minutes(documents)) == (0, ())


def test_s9_windows_that_are_missing_or_of_nobody_are_named() -> None:
    left = [each for each in windows() if each["tailrace.generation"] == FIRST]
    strange = {**left[0], "tailrace.generation": "0c" * 16}
    _count, examples = differences(stored_minutes(), counted_minutes([*left, strange]))
    assert examples[-2:] == (
        f"generation {SECOND}: 0 counted, {sum_of(SECOND)} stored",
        f"generation {'0c' * 16}: {left[0]['tailrace.rate.count']} counted, 0 stored",
    )


def test_windows_of_another_width_are_no_count_of_minutes() -> None:
    (document, *_) = windows()
    with pytest.raises(ValueError, match="3600000 ms wide"):
        counted_minutes([{**document, "tailrace.rate.window_ms": 3_600_000}])


def test_few_examples_are_shown_of_many() -> None:
    minutes: Minutes = Counter({(FIRST, f"2026-11-24T10:{n:02}"): 1 for n in range(40)})
    count, examples = differences(minutes, Counter())
    assert (count, len(examples)) == (41, 5)

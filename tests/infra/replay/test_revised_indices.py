"""Names of revised indices, and what an alias shows of them."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.errors import CommandFailed
from tailrace.floors import span_of
from tailrace.revised_indices import (
    Standing,
    base_of,
    hiding_filter,
    revised_index,
    revision_of,
    standing_of,
    swap_actions,
)

DAY = "t-nginx.access-2026.11.24"


@pytest.mark.parametrize(
    ("index", "base", "revision"),
    [
        (DAY, DAY, 0),
        (f"{DAY}-r1", DAY, 1),
        (f"{DAY}-r12", DAY, 12),
        (f"{DAY}-r0", f"{DAY}-r0", 0),
        (f"{DAY}-rx", f"{DAY}-rx", 0),
        ("t-r1", "t", 1),
    ],
)
def test_a_name_tells_the_revision(index: str, base: str, revision: int) -> None:
    assert (base_of(index), revision_of(index)) == (base, revision)


def test_a_revision_of_a_revision_belongs_to_the_same_day() -> None:
    assert revised_index(DAY, revision=1) == f"{DAY}-r1"
    assert revised_index(f"{DAY}-r1", revision=2) == f"{DAY}-r2"
    first = span_of(DAY, namespace="t")
    assert first is not None
    assert span_of(f"{DAY}-r2", namespace="t") == first


def test_what_stands_behind_the_alias_is_read_from_what_is_told() -> None:
    told: dict[str, Any] = {
        DAY: {"aliases": {"t-events": {"filter": hiding_filter({2, 1})}}},
        f"{DAY}-r1": {"aliases": {"t-events": {}}},
        f"{DAY}-r4": {"aliases": {}},
        "t-dead-2026.11": {"aliases": {}},
    }

    standing = standing_of(told, alias="t-events")

    assert standing.hiding == {DAY: {1, 2}, f"{DAY}-r1": set()}
    assert standing.drafts == (f"{DAY}-r4",)
    assert standing.newest() == 4
    assert Standing().newest() == 0
    assert standing_of({DAY: told[DAY]}, alias="t-events").newest() == 2


OF_PERSONS: list[dict[str, Any]] = [
    {"term": {"event.dataset": "x"}},
    {"bool": {"must_not": []}},
    {"bool": {"must_not": [*hiding_filter({1})["bool"]["must_not"], {"term": {}}]}},
    {"bool": {**hiding_filter({1})["bool"], "filter": []}},
    {"bool": {"must_not": [{"terms": {"tailrace.revised_by": ["x"]}}]}},
]


@pytest.mark.parametrize("mine", OF_PERSONS)
def test_e9_a_filter_that_a_person_set_is_not_replaced(mine: dict[str, Any]) -> None:
    told = {DAY: {"aliases": {"t-events": {"filter": mine}}}}

    with pytest.raises(CommandFailed, match="a filter of its own"):
        standing_of(told, alias="t-events")


def test_e9_a_replay_is_put_in_force_beside_those_before_it() -> None:
    standing = Standing(hiding={DAY: frozenset({1}), f"{DAY}-r1": frozenset()})

    actions = swap_actions(
        standing,
        alias="t-events",
        revision=3,
        made=[f"{DAY}-r3"],
        marked=[f"{DAY}-r1", DAY],
    )

    assert actions == [
        {"add": {"index": f"{DAY}-r3", "alias": "t-events"}},
        {"add": {"index": DAY, "alias": "t-events", "filter": hiding_filter({1, 3})}},
        {
            "add": {
                "index": f"{DAY}-r1",
                "alias": "t-events",
                "filter": hiding_filter({3}),
            }
        },
    ]

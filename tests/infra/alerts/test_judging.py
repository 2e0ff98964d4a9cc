from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from tailrace.alerts.judging import (
    Decision,
    Group,
    Observed,
    history_ms,
    judge,
    points_between,
)
from tailrace.alerts.rule_settings import RuleSettings
from tests.infra.alerts.rules import MINUTE_MS, NOON_MS, minutes, moments, rule


def told(decisions: list[Decision]) -> list[tuple[str, int]]:
    """Return kind and minute of each decision."""
    return [(one.kind, (one.at_ms - NOON_MS) // MINUTE_MS) for one in decisions]


def course(one: RuleSettings, *counts: int) -> list[tuple[str, int]]:
    observed = Observed(counts={(): minutes(*counts)})
    return told(judge(one, observed, points=moments(len(counts)), on={}))


def test_more_than_the_threshold_is_an_alert_until_it_is_not() -> None:
    assert course(rule(), 10, 11, 12, 10, 0) == [("raised", 2), ("over", 4)]


def test_less_than_the_threshold_is_an_alert_also_where_nothing_came_at_all() -> None:
    assert course(rule(below=5), 5, 0, 4, 5) == [("raised", 2), ("over", 4)]


def test_between_threshold_and_clear_an_alert_stays_what_it_is() -> None:
    one = rule(above=10, clear=5)
    assert course(one, 7, 11, 7, 11, 6, 5, 7) == [("raised", 2), ("over", 6)]


def test_a_breach_must_last_its_rounds_and_begins_with_the_first_of_them() -> None:
    one = rule(rounds=3)
    observed = Observed(counts={(): minutes(11, 11, 0, 11, 11, 11, 11)})
    (raised,) = judge(one, observed, points=moments(7), on={})
    assert (raised.start_ms, raised.at_ms) == (
        NOON_MS + 4 * MINUTE_MS,
        NOON_MS + 6 * MINUTE_MS,
    )


def test_it_is_over_only_when_it_was_clear_for_its_rounds() -> None:
    assert course(rule(clear_rounds=2), 11, 0, 11, 0, 0) == [("raised", 1), ("over", 5)]


def test_a_window_is_of_all_that_came_in_it() -> None:
    one = rule(window_ms=3 * MINUTE_MS)
    assert course(one, 4, 4, 4, 1, 0, 0) == [("raised", 3), ("over", 4)]


def test_each_group_is_judged_by_itself() -> None:
    observed = Observed(counts={("a",): minutes(11, 0), ("b",): minutes(0, 11)})
    decisions = judge(rule(group_by=["host.name"]), observed, points=moments(2), on={})
    assert [(one.kind, one.group) for one in decisions] == [
        ("raised", ("a",)),
        ("over", ("a",)),
        ("raised", ("b",)),
    ]


def test_a_change_is_told_by_what_was_as_long_before_and_by_nothing_where_that_was_little() -> (
    None
):
    day_ms = 1_440 * MINUTE_MS
    one = rule(kind="change", above=3, before_ms=day_ms, count_min=10)
    before = {(): minutes(10, 10, 9, 10, first_ms=NOON_MS - day_ms)}
    observed = Observed(counts={(): minutes(30, 31, 500, 30)}, before=before)
    decisions = judge(one, observed, points=moments(4), on={})
    assert told(decisions) == [("raised", 2), ("over", 3)]
    assert decisions[0].value == 3.1


def test_a_share_is_of_the_whole_and_means_nothing_of_too_little() -> None:
    one = rule(kind="ratio", above=0.5, count_min=10)
    observed = Observed(
        counts={(): minutes(5, 6, 9, 6)}, whole={(): minutes(10, 10, 9, 10)}
    )
    decisions = judge(one, observed, points=moments(4), on={})
    assert told(decisions) == [("raised", 2), ("over", 3), ("raised", 4)]
    assert decisions[0].value == 0.6


def test_who_was_there_and_is_not_is_absent_until_it_is_back_or_missed_no_more() -> (
    None
):
    one = rule(
        kind="absence",
        group_by=["host.name"],
        window_ms=2 * MINUTE_MS,
        before_ms=6 * MINUTE_MS,
    )
    observed = Observed(
        counts={("back",): minutes(1, 0, 0, 0, 1, 1, 1)},
        last_seen_ms={("back",): NOON_MS - 1, ("gone",): NOON_MS},
    )
    decisions = judge(one, observed, points=moments(7), on={})
    of_group: dict[Group, list[tuple[str, int]]] = {
        group: told([one for one in decisions if one.group == group])
        for group in (("back",), ("gone",))
    }
    assert of_group == {
        ("back",): [("raised", 3), ("over", 5)],
        ("gone",): [("raised", 2), ("over", 6)],
    }


def test_what_is_on_from_before_is_not_raised_again() -> None:
    observed = Observed(counts={(): minutes(11, 11, 0)})
    decisions = judge(rule(), observed, points=moments(3), on={(): NOON_MS - MINUTE_MS})
    assert told(decisions) == [("over", 3)]
    assert decisions[0].start_ms == NOON_MS - MINUTE_MS


def test_an_alert_of_a_group_that_is_gone_from_the_counts_is_over() -> None:
    one = rule(group_by=["host.name"])
    decisions = judge(
        one, Observed(counts={}), points=moments(1), on={("a",): NOON_MS - MINUTE_MS}
    )
    assert [(d.kind, d.group) for d in decisions] == [("over", ("a",))]


counts = st.lists(st.integers(0, 20), min_size=1, max_size=30)
shapes = st.fixed_dictionaries(
    {
        "rounds": st.integers(1, 4),
        "clear_rounds": st.integers(1, 4),
        "clear": st.sampled_from([None, 5.0]),
        "window_ms": st.sampled_from([MINUTE_MS, 3 * MINUTE_MS]),
    }
)


@given(counts=counts, shape=shapes, cut=st.integers(0, 30))
def test_two_that_share_the_moments_decide_what_one_does(
    counts: list[int], shape: Mapping[str, object], cut: int
) -> None:
    """Whoever takes over, after a crash at any moment, names the same alerts."""
    one = rule(above=10, **shape)
    observed = Observed(counts={(): minutes(*counts)})
    points = moments(len(counts))
    whole = judge(one, observed, points=points, on={})

    cut = min(cut, len(points))
    first = judge(one, observed, points=points[:cut], on={})
    on: dict[Group, int] = {}
    for decision in first:
        if decision.kind == "raised":
            on[decision.group] = decision.start_ms
        else:
            del on[decision.group]
    assert first + judge(one, observed, points=points[cut:], on=on) == whole


@given(counts=counts, shape=shapes)
def test_alerts_of_a_group_begin_and_end_in_turn(
    counts: list[int], shape: Mapping[str, object]
) -> None:
    one = rule(above=10, **shape)
    observed = Observed(counts={(): minutes(*counts)})
    decisions = judge(one, observed, points=moments(len(counts)), on={})
    kinds = [decision.kind for decision in decisions]
    assert kinds == (["raised", "over"] * len(kinds))[: len(kinds)]
    starts = [d.start_ms for d in decisions if d.kind == "raised"]
    assert len(set(starts)) == len(starts)


@given(
    after_ms=st.integers(NOON_MS, NOON_MS + 200_000),
    length_ms=st.integers(0, 600_000),
    every_ms=st.sampled_from([5_000, 7_000, MINUTE_MS]),
)
def test_no_moment_is_left_out_and_none_asked_twice(
    after_ms: int, length_ms: int, every_ms: int
) -> None:
    one = rule(every_ms=every_ms, window_ms=every_ms * 2, before_ms=every_ms * 20_000)
    to_ms, middle_ms = after_ms + length_ms, after_ms + length_ms // 3
    parts = [
        *points_between(one, after_ms=after_ms, to_ms=middle_ms),
        *points_between(one, after_ms=middle_ms, to_ms=to_ms),
    ]
    assert parts == [
        at_ms for at_ms in range(after_ms + 1, to_ms + 1) if at_ms % every_ms == 0
    ]


def test_the_history_that_is_asked_for_is_all_that_a_moment_needs() -> None:
    one = rule(rounds=3, window_ms=2 * MINUTE_MS)
    counts = {(): minutes(11, 0, 11, 11, 11)}
    (at_ms,) = moments(1, first_ms=NOON_MS + 4 * MINUTE_MS)
    since_ms = at_ms - history_ms(one)
    needed = {
        group: {at: count for at, count in buckets.items() if at >= since_ms}
        for group, buckets in counts.items()
    }
    assert judge(one, Observed(counts=needed), points=[at_ms], on={}) == judge(
        one, Observed(counts=counts), points=[at_ms], on={}
    )

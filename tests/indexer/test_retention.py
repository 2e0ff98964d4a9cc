"""E9: what is kept of each dataset and of dead letters, and that what goes is counted."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
from hypothesis import given
from hypothesis import strategies as st

from tailrace.identity import DAY_MS
from tailrace_indexer.config import DatasetSettings, IndexerSettings
from tailrace_indexer.expiry import FLOOR_READ_MS, Expiry
from tailrace_indexer.letter_counts import LetterSpan, letter_windows
from tailrace_indexer.retention import (
    KEEP_ALL,
    IndexFacts,
    Keeping,
    RetentionPolicy,
    outlived,
)
from tests.indexer.test_expiry import NEW, NOV_23_MS, OLD, World, two_days

NO_QUOTA = -1


def facts(dataset: str, date: str, *, size_bytes: int = 10) -> IndexFacts:
    form = "%Y.%m.%d" if date.count(".") == 2 else "%Y.%m"
    start = datetime.strptime(date, form).replace(tzinfo=UTC)
    at_ms = int(start.timestamp() * 1_000)
    return IndexFacts(
        name=f"t-{dataset}-{date}",
        size_bytes=size_bytes,
        document_count=1,
        earliest_ms=at_ms,
        latest_ms=at_ms + 1,
        written_ms=at_ms + 1,
    )


def going(*indices: IndexFacts, keeping: Keeping, now_ms: int) -> list[str]:
    leaving = outlived(
        indices, keeping=lambda _name: keeping, namespace="t", now_ms=now_ms
    )
    return [each.index.name.removeprefix("t-") for each in leaving]


def test_an_index_goes_when_all_of_its_day_is_older_and_not_before() -> None:
    old, new = facts("app", "2026.11.23"), facts("app", "2026.11.24")
    keeping = Keeping(age_days_max=7)
    due_ms = NOV_23_MS + (1 + 7) * DAY_MS

    assert going(old, new, keeping=keeping, now_ms=due_ms - 1) == []
    assert going(old, new, keeping=keeping, now_ms=due_ms) == ["app-2026.11.23"]


def test_a_month_goes_when_its_last_day_is_older() -> None:
    october = facts("app", "2026.10")
    november_1_ms = NOV_23_MS - 22 * DAY_MS
    keeping = Keeping(age_days_max=7)

    due_ms = november_1_ms + 7 * DAY_MS
    assert going(october, keeping=keeping, now_ms=due_ms - 1) == []
    assert going(october, keeping=keeping, now_ms=due_ms) == ["app-2026.10"]


def test_a_dataset_that_takes_more_than_its_size_loses_its_oldest_days() -> None:
    days = [facts("app", f"2026.11.{day}") for day in (21, 22, 23)]
    other = facts("other", "2026.11.01", size_bytes=1_000)

    leaving = outlived(
        [*days, other],
        keeping=lambda name: Keeping(size_bytes_max=15) if name == "app" else KEEP_ALL,
        namespace="t",
        now_ms=NOV_23_MS,
    )

    assert [each.index for each in leaving] == days[:2]


def test_a_size_is_asked_of_what_is_left_once_the_aged_are_gone() -> None:
    days = [facts("app", f"2026.11.{day}") for day in (10, 22, 23)]
    keeping = Keeping(age_days_max=5, size_bytes_max=20)

    assert going(*days, keeping=keeping, now_ms=NOV_23_MS) == ["app-2026.11.10"]


def test_the_first_name_that_fits_a_dataset_is_its_own() -> None:
    settings = IndexerSettings(
        datasets=(
            DatasetSettings(name="nginx.access", age_days_max=7),
            DatasetSettings(name="nginx.*", age_days_max=90),
        ),
        dead_age_days_max=3,
    )
    policy = settings.retention_policy()

    assert policy.of_dataset("nginx.access") == Keeping(age_days_max=7)
    assert policy.of_dataset("nginx.error") == Keeping(age_days_max=90)
    assert policy.of_dataset("generic") == KEEP_ALL
    assert policy.of_dead_letters.age_days_max == 3
    assert policy.of_dead_letters.size_bytes_max > 0


DEAD = "t-dead-2026.11.23"


def expiry_of(world: World, policy: RetentionPolicy) -> Expiry:
    return Expiry(
        indices=world,
        floors=world,
        ledger=world,
        progress=world,
        read_ledger=lambda: world.ledger,
        clock=world.clock,
        log=structlog.get_logger(),
        namespace="t",
        policy=policy,
    )


def look_until_quiet(expiry: Expiry, world: World) -> None:
    for _ in range(3):
        expiry.keep(NO_QUOTA)
        world.clock.sleep_ms(FLOOR_READ_MS)


def test_an_aged_index_goes_floor_first_counted_and_written() -> None:
    world = two_days()
    policy = RetentionPolicy(of_dataset=lambda _name: Keeping(age_days_max=1))

    look_until_quiet(expiry_of(world, policy), world)

    assert world.acts == [
        "raised",
        f"blocked {OLD}",
        f"counted {OLD}",
        "written",
        f"deleted {OLD}",
    ]
    assert set(world.held) == {NEW}
    assert world.raised[0].floor_ms == NOV_23_MS + DAY_MS


def test_dead_letters_go_in_the_same_order_by_a_floor_of_their_own() -> None:
    world = two_days()
    world.letters[DEAD] = facts("dead", "2026.11.23")
    policy = RetentionPolicy(of_dead_letters=Keeping(age_days_max=1))

    look_until_quiet(expiry_of(world, policy), world)

    assert world.acts == [
        "raised",
        f"blocked {DEAD}",
        f"counted {DEAD}",
        "written",
        f"deleted {DEAD}",
    ]
    assert {(each.dataset, each.period) for each in world.raised} == {("dead", "day")}
    assert set(world.held) == {OLD, NEW}


def test_dead_letters_are_no_part_of_what_events_may_take() -> None:
    world = two_days()
    world.letters[DEAD] = facts("dead", "2026.11.23", size_bytes=10_000)
    expiry = expiry_of(world, RetentionPolicy(of_dead_letters=Keeping(age_days_max=9)))

    kept = expiry.keep(200)

    assert (kept.used_bytes, world.acts) == (200, [])


def test_a_clock_that_is_years_ahead_takes_nothing_away() -> None:
    """Of the leader's and the servers' the one that is behind is believed."""
    world = two_days()
    world.server_at_ms = world.clock.at_ms
    world.clock.sleep_ms(3_650 * DAY_MS)
    policy = RetentionPolicy(
        of_dataset=lambda _name: Keeping(age_days_max=30),
        of_dead_letters=Keeping(age_days_max=30),
    )

    look_until_quiet(expiry_of(world, policy), world)

    assert world.acts == []


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 90), st.integers(0, 40)),
        max_size=8,
    )
)
def test_letters_are_counted_event_by_event(spans: list[tuple[str, int, int]]) -> None:
    letters = [LetterSpan(*span) for span in spans]
    expected: dict[str, dict[str, tuple[int, int]]] = {}
    for letter in letters:
        held = expected.setdefault(letter.generation, {})
        for number in range(letter.event_count):
            at = letter.first_event_number + number
            count, total = held.get(str(at // 10), (0, 0))
            held[str(at // 10)] = (count + 1, total + at)

    assert letter_windows(letters, window_events=10) == expected

"""Counts stay exact however often, and in whatever pieces, the same offsets come."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import numpy as np
import polars as pl
import pytest

from tailrace.topics import STATE_BYTES_MAX
from tailrace.wire import encode
from tailrace_stream import windows
from tailrace_stream.window_groups import GroupColumns
from tailrace_stream.windows import (
    INTERVALS_MAX,
    EventColumns,
    GenerationState,
    Window,
    add_interval,
    count_events,
    window_id,
)

LEVELS = [None, "info", "error", "homemade"]


def columns(
    offsets: list[int], times_ms: list[int | None], levels: list[str | None]
) -> EventColumns:
    return EventColumns(
        offsets=np.array(offsets, np.int64),
        groups=GroupColumns(
            times_ns=pl.Series(
                [None if t is None else t * 1_000_000 for t in times_ms], dtype=pl.Int64
            ),
            levels=pl.Series(levels, dtype=pl.String),
        ),
    )


class CountedFile:
    """A file of events ten bytes long, shipped again and again in random pieces."""

    def __init__(self, random: Random, *, events: int) -> None:
        self.times_ms = [random.randrange(600_000) for _ in range(events)]
        self.levels = [random.choice(LEVELS) for _ in range(events)]

    def piece(self, first: int, last: int) -> EventColumns:
        return columns(
            [10 * n for n in range(first, last)],
            list(self.times_ms[first:last]),
            self.levels[first:last],
        )

    def true_counts(self) -> Counter[tuple[int, str]]:
        known = {None: "", "homemade": "other"}
        return Counter(
            (t - t % 60_000, known.get(level, level or ""))
            for t, level in zip(self.times_ms, self.levels, strict=True)
        )


def newest(
    sent: dict[str, tuple[int, Window]], revision: int, changed: list[Window]
) -> None:
    """Store windows as the index does: of one id, the greater version stays."""
    for window in changed:
        key = window_id("g", window)
        if key not in sent or sent[key][0] <= revision:
            sent[key] = (revision, window)


def totals(sent: dict[str, tuple[int, Window]]) -> Counter[tuple[int, str]]:
    found: Counter[tuple[int, str]] = Counter()
    for _, window in sent.values():
        found[window.start_ms, window.level] += window.count
    return found


@pytest.mark.parametrize("seed", range(40))
def test_s2_every_event_counts_once_whatever_is_sent_again(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overlaps, holes filled later, early closed windows, crashes between any steps."""
    random = Random(seed)
    monkeypatch.setattr(windows, "OPEN_WINDOWS_MAX", random.choice([1, 3, 128]))
    file = CountedFile(random, events=60)
    state = GenerationState(generation="g")
    offset = 0
    while state.counted != ((0, 600),):
        first = random.randrange(60)
        last = random.randint(first + 1, 60)
        after, _ = count_events(
            state,
            file.piece(first, last),
            span=(10 * first, 10 * last),
            observed_at_ms=0,
            part=offset,
        )
        if random.random() < 0.3:
            continue  # Crashed before the state was written: the record comes again.
        state, offset = after, offset + 1
        if random.random() < 0.3:  # Crashed before the ack: it comes to its own state.
            again, unchanged = count_events(
                state,
                file.piece(first, last),
                span=(10 * first, 10 * last),
                observed_at_ms=0,
                part=offset,
            )
            assert again == state
            assert not unchanged.count
    assert state.revision == 60


def test_a_record_that_comes_again_sends_the_same_windows() -> None:
    file = CountedFile(Random(1), events=30)
    state = GenerationState(generation="g")
    for _ in range(2):
        first = count_events(
            state, file.piece(0, 30), span=(0, 300), observed_at_ms=0, part=5
        )
        second = count_events(
            state, file.piece(0, 30), span=(0, 300), observed_at_ms=0, part=5
        )
        assert first == second
        state = first[0]


@pytest.mark.parametrize("seed", range(40))
def test_sums_are_exact_when_records_come_in_their_order(seed: int) -> None:
    """As Kafka gives them: the same records in the same order, from any crash on."""
    random = Random(seed)
    file = CountedFile(random, events=60)
    records: list[tuple[int, int]] = []
    position = 0
    while position < 60:
        # An agent that lost its checkpoint sends from an earlier place again.
        first = max(0, position - random.choice([0, 0, 7, 30]))
        position = random.randint(position + 1, 60)
        records.append((first, position))
    sent: dict[str, tuple[int, Window]] = {}
    written: list[GenerationState] = [GenerationState(generation="g")]
    committed = 0
    at = 0
    while at < len(records):
        first, last = records[at]
        after, changed = count_events(
            written[-1],
            file.piece(first, last),
            span=(10 * first, 10 * last),
            observed_at_ms=0,
            part=at,
        )
        newest(sent, after.revision, changed.windows)
        crash = random.choice(["none", "none", "before state", "after state"])
        if crash != "before state":
            written.append(after)
            at += 1
        if crash == "none":
            committed = at
        elif crash == "after state":
            at = committed
    assert totals(sent) == file.true_counts()


def test_s6_what_comes_late_for_a_closed_window_opens_a_part_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(windows, "OPEN_WINDOWS_MAX", 1)
    state = GenerationState(generation="g")
    sent: dict[str, tuple[int, Window]] = {}
    for number, time_ms in enumerate([0, 60_000, 0, 120_000, 0]):
        state, changed = count_events(
            state,
            columns([number], [time_ms], [None]),
            span=(number, number + 1),
            observed_at_ms=0,
            part=number,
        )
        newest(sent, state.revision, changed.windows)
    assert totals(sent)[0, ""] == 3
    assert len(sent) == 5


def test_a_lost_state_counts_on_under_other_names() -> None:
    """S3: what is counted anew never overwrites what was counted before."""
    sent: dict[str, tuple[int, Window]] = {}
    for part in (0, 1):
        after, changed = count_events(
            GenerationState(generation="g"),
            columns([part], [0], [None]),
            span=(part, part + 1),
            observed_at_ms=0,
            part=part,
        )
        newest(sent, after.revision, changed.windows)
    assert totals(sent)[0, ""] == 2


def test_an_event_without_a_time_counts_when_it_was_seen() -> None:
    _, changed = count_events(
        GenerationState(generation="g"),
        columns([0], [None], [None]),
        span=(0, 1),
        observed_at_ms=61_000,
        part=0,
    )
    assert changed.windows == [Window(60_000, "", 0, 1)]


def test_s5_a_state_stays_small_whatever_comes() -> None:
    """Thousands of minutes in one chunk and thousands of holes between chunks."""
    state = GenerationState(generation="g" * 32)
    for number in range(3):
        offsets = list(range(number * 100_000, number * 100_000 + 5_000))
        state, changed = count_events(
            state,
            columns(offsets, [o * 60_000 for o in offsets], ["info"] * 5_000),
            span=(offsets[0], offsets[-1] + 1),
            observed_at_ms=0,
            part=2**40 + number,
        )
        assert len(changed.windows) == 5_000
    intervals: tuple[tuple[int, int], ...] = ()
    for number in range(2 * INTERVALS_MAX):
        intervals = add_interval(
            intervals, (2**40 + number * 10, 2**40 + number * 10 + 1)
        )
    assert len(intervals) == INTERVALS_MAX
    full = GenerationState(
        generation=state.generation,
        revision=state.revision,
        counted=intervals,
        windows=state.windows,
    )
    assert len(encode(full)) < STATE_BYTES_MAX / 4


@pytest.mark.parametrize("seed", range(20))
def test_intervals_cover_what_was_added_and_nothing_else(seed: int) -> None:
    random = Random(seed)
    intervals: tuple[tuple[int, int], ...] = ()
    covered: set[int] = set()
    for _ in range(30):
        first = random.randrange(100)
        last = random.randint(first, 110)
        intervals = add_interval(intervals, (first, last))
        covered |= set(range(first, last))
        assert {n for a, b in intervals for n in range(a, b)} == covered
        assert all(a[1] < b[0] for a, b in pairwise(intervals))

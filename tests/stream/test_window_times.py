"""Windows are as long as is set, and closed by their own file's times; nothing is lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tailrace.topics import DOCS
from tailrace.wire import decode
from tailrace_stream import window_groups
from tailrace_stream.records import RawRecord, Work
from tailrace_stream.window_config import WindowSettings
from tailrace_stream.window_groups import Group, GroupColumns
from tailrace_stream.window_shape import WindowShape
from tailrace_stream.window_times import times_of
from tailrace_stream.windows import EventColumns, GenerationState, count_events
from tailrace_stream.work import parse_record, work_of
from tests.stream.builders import NAMESPACE, SEEN_AT_MS, stored_of
from tests.stream.windows_sent import CRASHES, CUTS, Cuts, counted_by, cut, worked

SECONDS = st.lists(st.integers(0, 3_599), min_size=1, max_size=40)
ONE_AM = 1_795_482_000_000
SHAPES = (
    WindowShape(),
    WindowSettings(width_ms=60_000, lateness_ms=0).shape(),
    WindowSettings(width_ms=300_000, lateness_ms=600_000).shape(),
    WindowSettings(width_ms=10_000, top=("log.level",)).shape(),
)


def time_text(second: int) -> str:
    return f"2026-11-24T01:{second // 60:02d}:{second % 60:02d}.000Z"


def line(second: int) -> bytes:
    minute = f"2026-11-24 01:{second // 60:02d}:{second % 60:02d}"
    return f"{minute} {['INFO', 'ERROR'][second % 2]} event\n".encode()


def work_on(record: RawRecord, state: bytes | None, shape: WindowShape) -> Work:
    parsed = parse_record(
        record, topic_id="t", namespace=NAMESPACE, now_ms=SEEN_AT_MS, shape=shape
    )
    return work_of(
        parsed, state=state, namespace=NAMESPACE, now_ms=SEEN_AT_MS, shape=shape
    )


@settings(max_examples=40, deadline=None)
@given(SECONDS, CUTS, CRASHES, st.sampled_from(SHAPES))
def test_s2_windows_of_any_shape_hold_every_event_once(
    seconds: list[int], cuts: Cuts, crashes: list[str], shape: WindowShape
) -> None:
    records = cut([line(s) for s in seconds], cuts, parser="log4j", dataset="java.log")
    documents = worked(records, crashes, lambda r, s: work_on(r, s, shape)).values()
    width_s = shape.width_ms // 1_000
    starts = [s // width_s * width_s for s in seconds]
    assert counted_by(documents, "@timestamp", "log.level") == Counter(
        (time_text(start), ["info", "error"][s % 2])
        for start, s in zip(starts, seconds, strict=True)
    )
    assert {d["tailrace.rate.window_ms"] for d in documents} == {shape.width_ms}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 3_599), min_size=8, max_size=20),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=4),
    st.lists(st.sampled_from(["", "before state", "commit"]), min_size=4),
    st.integers(1, 3),
    st.permutations(SHAPES),
)
def test_s2_other_settings_in_the_middle_count_nothing_twice(
    seconds: list[int],
    cuts: Cuts,
    crashes: list[str],
    changed_at: int,
    shapes: list[WindowShape],
) -> None:
    """A worker that is set otherwise works again what another sent and had not finished."""
    records = cut([line(s) for s in seconds], cuts, parser="log4j", dataset="java.log")
    turns = 0

    def changing(record: RawRecord, state: bytes | None) -> Work:
        nonlocal turns
        turns += state is not None
        return work_on(record, state, shapes[min(turns // changed_at, 3)])

    documents = worked(records, crashes, changing).values()
    assert counted_by(documents, "log.level") == Counter(
        (["info", "error"][s % 2],) for s in seconds
    )


@settings(max_examples=40, deadline=None)
@given(SECONDS, CUTS, CRASHES, st.sampled_from([0, 60_000, 600_000]))
def test_s6_late_events_count_in_their_window_as_late_and_are_indexed(
    seconds: list[int], cuts: Cuts, crashes: list[str], lateness_ms: int
) -> None:
    """Which are late, the order of their file tells, however it is cut and sent again."""
    shape = WindowSettings(lateness_ms=lateness_ms).shape()
    records = cut([line(s) for s in seconds], cuts, parser="log4j", dataset="java.log")
    indexed: set[str] = set()

    def kept(record: RawRecord, state: bytes | None) -> Work:
        work = work_on(record, state, shape)
        docs = [r.value for r in work.outputs if r.topic == DOCS.name(NAMESPACE)]
        indexed.update(one.document_id for body in docs for one in stored_of(body))
        return work

    documents = worked(records, crashes, kept).values()
    late: Counter[tuple[str]] = Counter()
    for number, second in enumerate(seconds):
        end_s = second // 60 * 60 + 60
        if end_s + lateness_ms // 1_000 <= max(seconds[:number], default=-1):
            late[(time_text(second // 60 * 60),)] += 1
    told: Counter[tuple[str]] = Counter()
    for one in documents:
        told[(one["@timestamp"],)] += one.get("tailrace.rate.late_count", 0)
    assert +told == late
    assert len(indexed) == len(seconds)
    assert counted_by(documents, "@timestamp") == Counter(
        (time_text(s // 60 * 60),) for s in seconds
    )


def test_late_events_of_folded_templates_are_late_under_other() -> None:
    named = Group(0, "", "", "t")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(window_groups, "WINDOW_GROUPS_MAX", 1)
        _, changed = count_events(
            GenerationState(generation="g", watermark_ms=10**9),
            EventColumns(
                offsets=np.arange(3),
                groups=GroupColumns(
                    times_ns=pl.Series([0, 0, 0]),
                    levels=pl.Series([None] * 3, dtype=pl.String),
                    template_ids=pl.Series(["t", "t", "u"]),
                ),
            ),
            span=(0, 3),
            observed_at_ms=10**9,
            part=0,
        )
    assert [(w.key, w.count, w.late_count) for w in changed.windows] == [
        (named._replace(template_id="other"), 1, 1),
        (named, 2, 2),
    ]
    assert changed.late_count == 3


def test_s5_windows_are_closed_when_their_file_is_past_them() -> None:
    """Those just changed are kept, so that what goes on being late is told in one place."""
    shape = WindowSettings(lateness_ms=120_000).shape()
    first, second = cut(
        [line(s) for s in (0, 60, 600, 660, 662)],
        [(0, 4), (0, 1)],
        parser="log4j",
        dataset="java.log",
    )
    state = work_on(first, None, shape).state
    assert state is not None
    before = decode(state.value, as_type=GenerationState)
    assert [w.start_ms - ONE_AM for w in before.windows] == [
        0,
        60_000,
        600_000,
        660_000,
    ]
    after = work_on(second, state.value, shape).state
    assert after is not None
    windows = decode(after.value, as_type=GenerationState).windows
    assert [w.start_ms - ONE_AM for w in windows] == [600_000, 660_000]


def test_s7_a_time_that_has_yet_to_come_closes_no_window() -> None:
    times = times_of(
        pl.Series([5, None, 999, 7, 6], dtype=pl.Int64) * 1_000_000,
        np.array([True] * 5),
        observed_at_ms=100,
        watermark_ms=2,
    )
    assert times.at_ms.tolist() == [5, 100, 999, 7, 6]
    assert times.watermarks_ms.tolist() == [2, 5, 5, 5, 7]
    assert times.watermark_ms == 7


def test_a_change_of_the_width_closes_all_windows_and_begins_with_the_next_record() -> (
    None
):
    old, new = (WindowSettings(width_ms=w).shape() for w in (60_000, 300_000))
    records = cut(
        [line(s) for s in (360, 361, 362)],
        [(0, 1), (0, 1)],
        parser="log4j",
        dataset="java.log",
    )
    first = work_on(records[0], None, old).state
    assert first is not None
    second = work_on(records[1], first.value, new).state
    assert second is not None
    between = decode(second.value, as_type=GenerationState)
    assert (between.windows, between.shape) == ((), new)
    third = work_on(records[2], second.value, new).state
    assert third is not None
    (error,) = decode(third.value, as_type=GenerationState).windows
    assert error.start_ms == ONE_AM + 300_000


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"width_ms": 7_000_000}, "less than or equal to 3600000"),
        ({"width_ms": 9_000}, "greater than or equal to 10000"),
        ({"width_ms": 70_000}, "no whole number of windows"),
        ({"lateness_ms": -1}, "greater than or equal to 0"),
    ],
)
def test_widths_that_fill_no_hour_are_refused(
    wrong: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        WindowSettings.model_validate(wrong)

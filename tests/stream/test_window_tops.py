"""The most frequent values of a window: exact while few, and wrong by no more than is said."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tailrace.ledger import DROPPED_SPANS_MAX
from tailrace.topics import STATE_BYTES_MAX
from tailrace.wire import decode, encode
from tailrace_stream import window_tops
from tailrace_stream.figures import Figures
from tailrace_stream.records import RawRecord, Work
from tailrace_stream.redact.build import redaction_of
from tailrace_stream.redact.config import RedactionSettings
from tailrace_stream.window_config import WindowSettings
from tailrace_stream.window_shape import STANDARD, WindowShape
from tailrace_stream.window_spreads import Spread, with_values
from tailrace_stream.window_tops import Top, with_texts
from tailrace_stream.windows import (
    INTERVALS_MAX,
    OPEN_WINDOWS_MAX,
    GenerationState,
    Window,
)
from tailrace_stream.work import parse_record, work_of
from tests.stream.builders import NAMESPACE, SEEN_AT_MS
from tests.stream.test_window_spreads import spread_columns
from tests.stream.windows_sent import (
    CRASHES,
    CUTS,
    Cuts,
    Document,
    counted_by,
    cut,
    worked,
)

FIELDS = ("url.path", "http.response.status_code")
COUNTERS = 3
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.one_of(st.none(), st.sampled_from([f"/{n}" for n in range(9)])),
        st.sampled_from([200, 404]),
    ),
    min_size=1,
    max_size=60,
)


def json_line(minute: int, path: str | None, status: int) -> bytes:
    said: dict[str, Any] = {"@timestamp": f"2026-11-24T01:{minute:02d}:03Z"}
    said["http.response.status_code"] = status
    if path is not None:
        said["url.path"] = path
    return json.dumps(said).encode() + b"\n"


def work_on(record: RawRecord, state: bytes | None) -> Work:
    shape = WindowShape(has_groups=True, top=FIELDS, top_counters=COUNTERS)
    parsed = parse_record(
        record, topic_id="t", namespace=NAMESPACE, now_ms=SEEN_AT_MS, shape=shape
    )
    return work_of(
        parsed, state=state, namespace=NAMESPACE, now_ms=SEEN_AT_MS, shape=shape
    )


@pytest.mark.parametrize("open_max", [32, 1])
@settings(max_examples=25, deadline=None)
@given(EVENTS, CUTS, CRASHES)
def test_s2_tops_err_by_no_more_than_they_say_whatever_comes_again(
    open_max: int,
    events: list[tuple[int, str | None, int]],
    cuts: Cuts,
    crashes: list[str],
) -> None:
    """Added up over parts, each with its error."""
    records = cut([json_line(*e) for e in events], cuts, parser="json", dataset="json")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(window_tops, "TOPS_MAX", open_max)
        documents = worked(records, crashes, work_on).values()
    true: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for minute, path, status in events:
        at = f"2026-11-24T01:{minute:02d}:00.000Z"
        true[at, FIELDS[1]][str(status)] += 1
        if path is not None:
            true[at, FIELDS[0]][path] += 1
    parts: dict[tuple[str, str], list[Document]] = defaultdict(list)
    for one in documents:
        if "tailrace.top.field" in one:
            parts[one["@timestamp"], one["tailrace.top.field"]].append(one)
    assert parts.keys() == true.keys()
    for key, found in parts.items():
        told: Counter[str] = Counter()
        for one in found:
            values, counts = one["tailrace.top.values"], one["tailrace.top.counts"]
            told.update(dict(zip(values, counts, strict=True)))
            assert counts == sorted(counts, reverse=True)
            assert len(values) <= COUNTERS
            assert one["tailrace.top.error"] <= one["tailrace.top.total"] / (
                COUNTERS + 1
            )
        error = sum(one["tailrace.top.error"] for one in found)
        assert sum(one["tailrace.top.total"] for one in found) == true[key].total()
        for value, count in true[key].items():
            assert count - error <= told[value] <= count
        if len(true[key]) <= COUNTERS:
            assert (told, error) == (true[key], 0)
    assert counted_by(documents).total() == len(events)


def test_long_values_count_by_their_beginning() -> None:
    texts = pl.Series(["x" * 200 + "a", "x" * 200 + "b", "y", None])
    starts = np.zeros(4, np.int64)
    _, (top,) = with_texts((), {"f": texts}, starts_ms=starts, part=5, counters_max=10)
    assert top == Top(0, "f", 5, 3, 0, ("x" * 200, "y"), (2, 1))


def test_s5_a_whole_state_stays_small_whatever_comes() -> None:
    """Everything that has a bound is at it, and the record can be written."""
    tops: tuple[Top, ...] = ()
    for number in range(40):
        texts = pl.Series([f"\\{n}" * 60 for n in range(100)])
        starts = np.full(100, number * 60_000)
        tops, changed = with_texts(
            tops, {"url.path": texts}, starts_ms=starts, part=2**40, counters_max=1_000
        )
        assert changed
    spreads: tuple[Spread, ...] = ()
    for number in range(40):
        spreads, _ = with_values(spreads, spread_columns(number), part=2**40)
    span = 2**40
    intervals = tuple((span + n * 9, span + n * 9 + 1) for n in range(INTERVALS_MAX))
    windows = tuple(
        Window(span, "informational", span, 2**32, "other", "a68d3a1484b6a248")
        for _ in range(OPEN_WINDOWS_MAX)
    )
    dropped = tuple((span + n * 9, span + n * 9 + 1) for n in range(DROPPED_SPANS_MAX))
    state = GenerationState(
        generation="g" * 32,
        revision=2**40,
        counted=intervals,
        windows=windows,
        spreads=spreads,
        tops=tops,
        figures=Figures(dropped_spans={"expired": dropped}),
        shape=STANDARD,
    )
    assert STATE_BYTES_MAX / 2 < len(encode(state)) < STATE_BYTES_MAX


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"top": ["attributes.x"]}, "reads out of lines"),
        ({"top": ["source.geo.country_iso_code"]}, "reads out of lines"),
        ({"values": ["a b"]}, "reads out of lines"),
        ({"top": ["url.path", "url.path"]}, "more than once"),
        ({"top": [f"f{n}" for n in range(9)]}, "at most 8"),
        ({"top_counters": 5}, "greater than or equal to 10"),
    ],
)
def test_what_no_line_has_is_refused(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        WindowSettings.model_validate(wrong)
    assert WindowSettings().shape() == STANDARD


def test_x11_what_is_hidden_is_in_no_top() -> None:
    """Neither by its field, nor where it stands in another's value."""
    given = {
        "rules": [{"name": "token", "pattern": "tok-([a-z]+)"}],
        "fields": ["user.name"],
        "key": "0123456789abcdef0123456789abcdef",
    }
    redaction = redaction_of(RedactionSettings.model_validate(given))
    said = {"user.name": "frank", "url.path": "/tok-abc"}
    line = json.dumps(said).encode() + b"\n"
    (record,) = cut([line], [], parser="json", dataset="json")
    shape = WindowShape(top=("user.name", "url.path"))
    parsed = parse_record(
        record,
        topic_id="t",
        namespace=NAMESPACE,
        now_ms=SEEN_AT_MS,
        redaction=redaction,
        shape=shape,
    )
    work = work_of(
        parsed, state=None, namespace=NAMESPACE, now_ms=SEEN_AT_MS, shape=shape
    )
    assert work.state is not None
    tops = decode(work.state.value, as_type=GenerationState).tops
    assert {top.field for top in tops} == {"user.name", "url.path"}
    for sent in (*work.outputs, work.state):
        assert b"frank" not in sent.value
        assert b"tok-abc" not in sent.value

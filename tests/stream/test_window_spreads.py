"""Latency and size of a window are those of its events, whatever comes again."""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.sketches import ACCURACY, KEYS_MAX, Sketch, from_field, merged, quantile
from tailrace.topics import STATE_BYTES_MAX
from tailrace.wire import encode
from tailrace_stream import window_spreads
from tailrace_stream.records import RawRecord, Work
from tailrace_stream.window_spreads import (
    Spread,
    SpreadColumn,
    column_of,
    with_values,
)
from tailrace_stream.windows import GenerationState
from tailrace_stream.work import parse_record, work_of
from tests.stream.builders import NAMESPACE, SEEN_AT_MS
from tests.stream.windows_sent import (
    CRASHES,
    CUTS,
    Cuts,
    Document,
    counted_by,
    cut,
    worked,
)

DURATION, SIZE = "event.duration", "http.response.body.bytes"
NUMBER = st.one_of(st.none(), st.integers(0, 10**9))
EVENTS = st.lists(st.tuples(st.integers(0, 3), NUMBER, NUMBER), min_size=1, max_size=40)


def json_line(minute: int, duration: int | None, size: int | None) -> bytes:
    said = {
        "@timestamp": f"2026-11-24T01:{minute:02d}:03Z",
        DURATION: duration,
        SIZE: size,
    }
    return json.dumps({k: v for k, v in said.items() if v is not None}).encode() + b"\n"


def work_on(record: RawRecord, state: bytes | None) -> Work:
    parsed = parse_record(record, topic_id="t", namespace=NAMESPACE, now_ms=SEEN_AT_MS)
    return work_of(parsed, state=state, namespace=NAMESPACE, now_ms=SEEN_AT_MS)


def spread_of(values: list[int]) -> Sketch:
    column = SpreadColumn("x", np.zeros(len(values), np.int64), np.array(values, float))
    (spread,), _ = with_values((), [column], part=0)
    return spread.sketch


@pytest.mark.parametrize("open_max", [32, 1])
@settings(max_examples=25, deadline=None)
@given(EVENTS, CUTS, CRASHES)
def test_s2_spreads_add_up_to_those_of_all_events(
    open_max: int,
    events: list[tuple[int, int | None, int | None]],
    cuts: Cuts,
    crashes: list[str],
) -> None:
    """Other chunks, crashes and windows closed early leave no trace in the sum of parts."""
    records = cut([json_line(*e) for e in events], cuts, parser="json", dataset="json")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(window_spreads, "SPREADS_MAX", open_max)
        documents = worked(records, crashes, work_on).values()
    values: dict[tuple[str, str], list[int]] = defaultdict(list)
    for minute, duration, size in events:
        at = f"2026-11-24T01:{minute:02d}:00.000Z"
        for field, value in ((DURATION, duration), (SIZE, size)):
            if value is not None:
                values[at, field].append(value)
    parts: dict[tuple[str, str], list[Document]] = defaultdict(list)
    for document in documents:
        if "tailrace.spread.field" in document:
            key = document["@timestamp"], document["tailrace.spread.field"]
            parts[key].append(document)
    assert parts.keys() == values.keys()
    for key, found in parts.items():
        sketches = [from_field(one["tailrace.spread.sketch"]) for one in found]
        assert merged(sketches) == spread_of(values[key])
        for name, true in (("sum", sum), ("min", min), ("max", max)):
            told = [one[f"tailrace.spread.{name}"] for one in found]
            assert true(told) == true(values[key])
    assert counted_by(documents).total() == len(events)


def test_a_documents_quantiles_are_those_of_its_sketch() -> None:
    lines = [json_line(0, None, size) for size in range(1, 1_001)]
    (record,) = cut(lines, [], parser="json", dataset="json")
    (found,) = (
        document
        for document in worked([record], [], work_on).values()
        if "tailrace.spread.field" in document
    )
    assert found["tailrace.spread.count"] == 1_000
    for name, true in (("p50", 500), ("p95", 950), ("p99", 990), ("max", 1_000)):
        assert found[f"tailrace.spread.{name}"] == pytest.approx(true, rel=ACCURACY)
    assert found["host.name"] == "web1"
    assert found["tailrace.rate.window_ms"] == 60_000


def test_what_is_no_finite_number_is_left_out_and_below_zero_is_zero() -> None:
    values = pl.Series([1.0, None, float("inf"), float("nan"), -5.0])
    column = column_of("x", values, starts_ms=np.arange(5))
    assert column is not None
    assert column.starts_ms.tolist() == [0, 4]
    assert column.values.tolist() == [1.0, 0.0]
    nothing = pl.Series([None], dtype=pl.Float64)
    assert column_of("x", nothing, starts_ms=np.arange(1)) is None


WIDE = np.exp(np.linspace(0, 40, 100_000))


def spread_columns(number: int) -> list[SpreadColumn]:
    """Return values of more bins than a sketch has, in a window of that number."""
    starts = np.full(len(WIDE), number * 60_000)
    return [SpreadColumn("event.duration", starts, WIDE)] * 2


def test_s5_spreads_of_a_state_stay_small_whatever_comes() -> None:
    spreads: tuple[Spread, ...] = ()
    for number in range(2 * window_spreads.SPREADS_MAX):
        spreads, changed = with_values(spreads, spread_columns(number), part=2**40)
        assert changed[-1].sketch.count == 2 * len(WIDE)
        assert len(changed[-1].sketch.keys) == KEYS_MAX
    newest = max(spreads, key=lambda spread: spread.start_ms)
    assert quantile(newest.sketch, 0.99) == pytest.approx(
        float(np.quantile(WIDE, 0.99)), rel=ACCURACY
    )
    assert newest.start_ms == 60_000 * (2 * window_spreads.SPREADS_MAX - 1)
    state = GenerationState(generation="g" * 32, spreads=spreads)
    assert len(encode(state)) < STATE_BYTES_MAX / 3

"""Ids of traces, spans and requests are found in the text of lines."""

from __future__ import annotations

import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace_stream.enrich.trace_ids import with_ids
from tests.stream.enrich.builders import enriched, only

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
UUID = "7b5dfd3e-2f6f-4a39-8f1d-6cf0c0a7c6c1"
IDS = ("trace.id", "span.id", "http.request.id")


def ids_of(line: str, *, parser: str = "plain") -> dict[str, str]:
    document = enriched(line, by=only(trace_ids=True), parser=parser)[0]
    return {name: document[name] for name in IDS if name in document}


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        (
            f"GET / traceparent: 00-{TRACE}-{SPAN}-01",
            {"trace.id": TRACE, "span.id": SPAN},
        ),
        (
            f'headers={{"Traceparent":"00-{TRACE}-{SPAN}-00"}}',
            {"trace.id": TRACE, "span.id": SPAN},
        ),
        (f"done trace_id={TRACE} span_id={SPAN} ok", {"trace.id": TRACE, "span.id": SPAN}),
        (f"[traceId={TRACE}, spanId={SPAN}]", {"trace.id": TRACE, "span.id": SPAN}),
        ("dd.trace_id=7215267168042359 dd.span_id=5142431812", {
            "trace.id": "7215267168042359", "span.id": "5142431812"}),
        (f"otelTraceID={TRACE} otelSpanID={SPAN}", {"trace.id": TRACE, "span.id": SPAN}),
        (f"X-B3-TraceId: {TRACE}", {"trace.id": TRACE}),
        (f"X-Request-ID: {UUID}", {"http.request.id": UUID}),
        (f"failed (request_id={UUID})", {"http.request.id": UUID}),
        (f'msg="x" request_id="{UUID}"', {"http.request.id": UUID}),
        (f"requestId => {UUID}.", {"http.request.id": UUID}),
        (f'{{\\"request_id\\": \\"{UUID}\\"}}', {"http.request.id": UUID}),
        ("RequestId: 4f2b9c1a/0001 and more", {"http.request.id": "4f2b9c1a/0001"}),
    ],
)  # fmt: skip
def test_id_is_found_in_the_shapes_in_which_it_is_written(
    line: str, ids: dict[str, str]
) -> None:
    assert ids_of(line) == ids


@pytest.mark.parametrize(
    "line",
    [
        "no trace of it",
        "trace_id= span_id=",
        "trace_id=none request_id=null",
        "trace_id=00000000000000000000000000000000",
        f"traceparent: ff-{TRACE}-{SPAN}-01",
        f"traceparent: 00-{'0' * 32}-{'0' * 16}-01",
        f"traceparent: 00-{TRACE}x-{SPAN}-01",
        "request_id: the id of the request",
        "stacktrace: id",
        f"backtraceid={TRACE}",
    ],
)
def test_what_is_no_id_is_not_taken_for_one(line: str) -> None:
    assert ids_of(line) == {}


def test_id_that_a_parser_found_comes_first() -> None:
    line = f'{{"message":"trace_id={"1" * 32} request_id=r-77","trace_id":"{TRACE}"}}'
    assert ids_of(line, parser="json") == {"trace.id": TRACE, "http.request.id": "r-77"}


def test_ids_are_those_of_their_own_lines() -> None:
    lines = ["one", f"two trace_id={TRACE}", "three", "four request_id=abc-4"]
    made = enriched(*lines, by=only(trace_ids=True))
    assert [one.get("trace.id") for one in made] == [None, TRACE, None, None]
    assert [one.get("http.request.id") for one in made] == [None, None, None, "abc-4"]


def test_chunk_without_ids_has_no_column_more() -> None:
    frame = pl.DataFrame({"message": ["a", "trace_id=none"]})
    assert with_ids(frame, pl.Series(["a", "trace_id=none"])).columns == ["message"]


@pytest.mark.parametrize(
    "unit", ["trace_id=", "request_id=a", "00-", "trace", "traceparent ", "\\"]
)
def test_x8_time_is_linear_in_the_length_of_a_line(unit: str) -> None:
    """A line of a megabyte made of beginnings takes as long as its length says."""
    frame = pl.DataFrame({"x": ["a"]})
    took_s: list[float] = []
    for size in (250_000, 1_000_000):
        text = pl.Series([unit * (size // len(unit))])
        began = time.process_time()
        with_ids(frame, text)
        took_s.append(time.process_time() - began)
    assert took_s[1] < 16 * max(took_s[0], 0.01)


@settings(deadline=None)
@given(
    st.lists(st.text("09afxz -=:.,\\\"'é\0\n_/", max_size=60), min_size=1, max_size=5)
)
def test_any_text_is_taken(lines: list[str]) -> None:
    frame = pl.DataFrame({"trace.id": [None, "x"] * len(lines)}).head(len(lines))
    frame = frame.with_columns(pl.col("trace.id").cast(pl.String))
    texts = [f"trace_id={line} request_id:{line} traceparent {line}" for line in lines]
    made = with_ids(frame, pl.Series(texts))
    assert made.height == len(lines)
    kept = made.get_column("trace.id").to_list()
    assert kept[1::2] == ["x"] * len(kept[1::2])


def test_ids_of_lines_that_name_none_are_looked_for_beside_others_that_do() -> None:
    lines = (f'{{"trace_id":"{TRACE}","msg":"a"}}', f'{{"msg":"b trace_id={UUID}"}}')
    found = enriched(*lines, by=only(trace_ids=True), parser="json")
    assert [one["trace.id"] for one in found] == [TRACE, UUID]

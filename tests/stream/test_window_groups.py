"""Counts by level, status class and template are exact, and what has no name is `other`."""

from __future__ import annotations

from collections import Counter

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.wire import decode
from tailrace_stream import window_groups
from tailrace_stream.enrich.enrichment import Enrichment
from tailrace_stream.records import RawRecord, Work
from tailrace_stream.window_config import WindowSettings
from tailrace_stream.window_groups import (
    OTHER,
    Group,
    GroupColumns,
    folded,
    grouped,
)
from tailrace_stream.window_shape import STANDARD, WindowShape
from tailrace_stream.windows import GenerationState
from tailrace_stream.work import parse_record, work_of
from tests.stream.builders import NAMESPACE, SEEN_AT_MS
from tests.stream.poison import POISON, poison_at
from tests.stream.windows_sent import CRASHES, CUTS, Cuts, counted_by, cut, worked

TEMPLATE = "tailrace.template.id"
STATUS_CLASS = "tailrace.rate.status_class"
REQUESTS = ["GET /a", "POST /b?c=d", "PUT /x/1"]
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([200, 204, 404, 500, 999]),
        st.sampled_from(REQUESTS),
    ),
    min_size=1,
    max_size=40,
)


def access_line(minute: int, status: int, request: str) -> bytes:
    at = f"24/Nov/2026:01:{minute:02d}:03 +0000"
    return (
        f'203.0.113.7 - - [{at}] "{request} HTTP/1.1" {status} 23 "-" "x"\n'
    ).encode()


def work_on(
    record: RawRecord, state: bytes | None, *, shape: WindowShape = STANDARD
) -> Work:
    parsed = parse_record(
        record,
        topic_id="t",
        namespace=NAMESPACE,
        now_ms=SEEN_AT_MS,
        enrichment=Enrichment(has_templates=True),
        shape=shape,
    )
    return work_of(
        parsed, state=state, namespace=NAMESPACE, now_ms=SEEN_AT_MS, shape=shape
    )


@pytest.mark.parametrize("groups_max", [64, 1])
@settings(max_examples=25, deadline=None)
@given(EVENTS, CUTS, CRASHES)
def test_s2_groups_add_up_whatever_is_sent_again(
    groups_max: int,
    events: list[tuple[int, int, str]],
    cuts: Cuts,
    crashes: list[str],
) -> None:
    """Other chunks and crashes change no sum, and templates have theirs while few."""
    lines = [access_line(*event) for event in events]
    records = cut(lines, cuts, parser="access", dataset="nginx.access")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(window_groups, "WINDOW_GROUPS_MAX", groups_max)
        documents = worked(records, crashes, work_on).values()
    times = {n: f"2026-11-24T01:{n:02d}:00.000Z" for n in range(4)}
    classes = {200: "2xx", 204: "2xx", 404: "4xx", 500: "5xx", 999: OTHER}
    assert counted_by(documents, "@timestamp", STATUS_CLASS) == Counter(
        (times[minute], classes[status]) for minute, status, _ in events
    )
    by_template = counted_by(documents, TEMPLATE)
    if groups_max > 1:
        assert sorted(by_template.values()) == sorted(
            Counter(request for _, _, request in events).values()
        )
    else:
        named = Counter(
            (d["@timestamp"], d["tailrace.rate.part"])
            for d in documents
            if d.get(TEMPLATE, OTHER) != OTHER
        )
        assert max(named.values(), default=0) <= 1
    for document in documents:
        assert document["event.dataset"] == "nginx.access"
        assert document["host.name"] == "web1"


def test_s2_a_state_of_before_is_counted_on_as_it_was_and_then_as_it_is_now() -> None:
    """A record that came before the upgrade may come again after it, to the same state."""
    lines = [access_line(0, 200, "GET /a"), access_line(0, 500, "GET /a")]
    first, second, third = cut(
        [*lines, access_line(0, 500, "GET /a")],
        [(0, 1), (0, 1)],
        parser="access",
        dataset="x",
    )
    state = work_on(first, None).state
    assert state is not None
    new = decode(state.value, as_type=GenerationState)
    (window,) = new.windows
    old = msgspec.structs.replace(
        new,
        shape=None,
        windows=(),
        older_windows=(
            msgspec.structs.replace(window, status_class="", template_id=""),
        ),
    )
    again = work_on(second, msgspec.json.encode(old))
    assert again.state is not None
    after = decode(again.state.value, as_type=GenerationState)
    (window,) = after.windows
    assert (window.count, window.status_class, window.template_id) == (2, "", "")
    assert after.shape == STANDARD != WindowShape()
    assert not after.older_windows
    last = work_on(third, again.state.value)
    assert last.state is not None
    windows = decode(last.state.value, as_type=GenerationState).windows
    assert [(w.count, w.status_class) for w in windows] == [(2, ""), (1, "5xx")]


def test_an_older_worker_finds_no_open_window_that_it_would_take_for_a_level() -> None:
    """It reads states that newer ones wrote, while versions change."""
    (record,) = cut([access_line(0, 200, "GET /a")], [], parser="access", dataset="x")
    state = work_on(record, None).state
    assert state is not None
    said = msgspec.json.decode(state.value)
    assert (said["windows"], len(said["groups"])) == ([], 1)


def test_s5_templates_beyond_the_bounds_stand_under_other_the_greatest_have_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window_groups, "WINDOW_GROUPS_MAX", 2)
    counts = Counter(
        {Group(0, "info", "", f"t{n}"): n for n in range(1, 5)}
        | {Group(0, "error", "", "t1"): 7, Group(60_000, "info", "", "t1"): 1}
    )
    assert folded(counts, open_groups=[Group(0, "info", "", "t2")]) == {
        Group(0, "info", "", "t2"): 2,
        Group(0, "error", "", "t1"): 7,
        Group(0, "info", "", OTHER): 8,
        Group(60_000, "info", "", "t1"): 1,
    }


def test_templates_can_be_left_out_and_status_classes_stay() -> None:
    lines = [
        access_line(0, status, request) for status in (200, 500) for request in REQUESTS
    ]
    (record,) = cut(lines, [], parser="access", dataset="x")
    shape = WindowSettings(templates=False).shape()
    documents = worked(
        [record], [], lambda record, state: work_on(record, state, shape=shape)
    ).values()
    assert counted_by(documents, STATUS_CLASS, TEMPLATE) == {
        ("2xx", ""): 3,
        ("5xx", ""): 3,
    }


def test_s5_one_record_names_no_more_groups_than_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window_groups, "RECORD_GROUPS_MAX", 3)
    counts = Counter({Group(n * 60_000, "", "", "t"): 1 for n in range(9)})
    found = folded(counts, open_groups=())
    assert sum(group.template_id == "t" for group in found) == 3
    assert sum(found.values()) == 9


def test_levels_and_status_classes_nobody_knows_are_other() -> None:
    counts = grouped(
        GroupColumns(
            times_ns=pl.Series([0, None, 0, 0], dtype=pl.Int64),
            levels=pl.Series(["info", None, "homemade", "error"]),
            statuses=pl.Series([200, None, 42, 599]),
        ),
        pl.Series([True, True, True, False]),
        observed_at_ms=61_000,
        window_ms=60_000,
        has_all=True,
    )
    assert counts == {
        Group(0, "info", "2xx"): 1,
        Group(60_000): 1,
        Group(0, OTHER, OTHER): 1,
    }


def test_a_line_that_no_parser_takes_is_counted_without_a_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its chunk is worked in parts, of which its own knows no field."""
    poison_at(monkeypatch)
    lines = [access_line(0, 200, "GET /a"), POISON + b"\n", access_line(0, 404, "x")]
    (record,) = cut(lines, [], parser="access", dataset="nginx.access")
    documents = worked([record], [], work_on).values()
    assert counted_by(documents, STATUS_CLASS) == {("2xx",): 1, ("",): 1, ("4xx",): 1}

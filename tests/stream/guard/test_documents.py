"""What documents say of values that do not fit: where they stand, and of which field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailrace.topics import DEAD
from tailrace_stream.chunk import process_chunk
from tailrace_stream.guard.guard import UNCOUNTED, Guard, guard_of
from tailrace_stream.work import parse_record, work_of
from tests.stream.builders import (
    ACCESS_LINE,
    NAMESPACE,
    SEEN_AT_MS,
    chunk_record,
    origin,
    placement,
    stored,
)


def documents(
    *lines: object, parser: str = "json", guard: Guard = UNCOUNTED
) -> list[dict[str, Any]]:
    raw = [
        line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines
    ]
    value = b"\n".join(raw) + b"\n"
    chunk = process_chunk(
        value,
        origin=origin(value, placed=placement(parser, dataset="x")),
        namespace=NAMESPACE,
        guard=guard,
    )
    assert not chunk.dead
    return [one.document for one in stored(chunk)]


@pytest.mark.parametrize(
    ("line", "field", "key", "value"),
    [
        (
            {"http.response.status_code": 99_999},
            *("http.response.status_code", "http.response.status_code", 99_999),
        ),
        ({"process.pid": "many"}, "process.pid", "process.pid", "many"),
        ({"pid": {"of": "it"}}, "process.pid", "pid", {"of": "it"}),
        ({"message": ["a", "b"]}, "message", "message", ["a", "b"]),
        ({"user.name": {"first": "f"}}, "user.name", "user.name", {"first": "f"}),
        ({"level": {"n": 1}}, "log.level", "level", {"n": 1}),
        ({"time": "half past nine"}, "@timestamp", "@timestamp", "half past nine"),
        ({"ts": 1e300}, "@timestamp", "@timestamp", 1e300),
    ],
    ids=lambda one: str(one)[:30],
)
def test_e5_what_does_not_fit_stands_in_attributes_and_the_document_says_so(
    line: dict[str, object], field: str, key: str, value: object
) -> None:
    whole = {"service": "shop", "own": 1, **line}
    (made,) = documents(whole)
    assert made["tailrace.conflicts"] == [field]
    assert made["attributes"] == {"own": 1, key: value}
    assert made["service.name"] == "shop"
    if field not in {"@timestamp", "message"}:
        assert field not in made
    assert json.loads(made.get("event.original", made["message"])) == whole


def test_e5_nested_names_are_named_by_their_whole_path() -> None:
    (made,) = documents({"http": {"response": {"status_code": "no", "x": 1}}})
    assert made["tailrace.conflicts"] == ["http.response.status_code"]
    assert made["attributes"] == {"http": {"response": {"status_code": "no", "x": 1}}}


def test_e5_an_object_whose_parts_are_fields_is_no_conflict() -> None:
    (made,) = documents({"user": {"name": "frank"}, "host": {"os": "x"}, "error": None})
    assert "tailrace.conflicts" not in made


def test_e5_what_stands_for_nothing_is_no_conflict() -> None:
    (made,) = documents({"time": "", "pid": "", "level": ""})
    assert "tailrace.conflicts" not in made


def test_e5_only_lines_with_a_conflict_say_so_and_their_neighbours_keep_their_fields() -> (
    None
):
    lines = [{"http.response.status_code": code} for code in (200, 70_000, 404)]
    one, two, three = documents(*lines)
    assert one["http.response.status_code"] == 200
    assert three["http.response.status_code"] == 404
    assert two["attributes"] == {"http.response.status_code": 70_000}
    assert "tailrace.conflicts" not in one | three


def test_e5_logfmt_says_it_too_and_an_access_line_has_nothing_to_say() -> None:
    (made,) = documents(b"level=info pid=none msg=hello", parser="logfmt")
    assert made["tailrace.conflicts"] == ["process.pid"]
    (made,) = documents(ACCESS_LINE, parser="access")
    assert "tailrace.conflicts" not in made
    assert made["source.ip"] == "203.0.113.7"


def test_e5_a_line_with_a_key_of_forty_thousand_letters_is_a_document() -> None:
    (made,) = documents({"k" * 40_000: "v", "a": 1})
    assert made["tailrace.conflicts"] == ["attributes"]
    assert json.loads(made["attributes"]["_rest"]) == {"k" * 40_000: "v"}
    assert made["attributes"]["a"] == 1


def test_e6_lines_beyond_the_cap_of_their_source_say_so() -> None:
    lines = [{"a": 1, f"id{n}": n} for n in range(20)]
    made = documents(*lines, guard=guard_of(11))
    assert [("tailrace.conflicts" in one) for one in made] == [False] * 10 + [True] * 10
    assert json.loads(made[-1]["attributes"]["_rest"]) == {"id19": 19}
    assert made[-1]["attributes"]["a"] == 1


def test_e5_conflicts_are_counted_by_field_and_nothing_is_dead() -> None:
    lines = [
        {"http.response.status_code": 70_000, "pid": "x"},
        {"http.response.status_code": "none"},
        {"pid": 1},
    ]
    value = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    made = origin(value, placed=placement("json", dataset="x"))
    parsed = parse_record(
        chunk_record(value, made=made),
        topic_id="t",
        namespace=NAMESPACE,
        now_ms=SEEN_AT_MS,
    )
    work = work_of(parsed, state=None, namespace=NAMESPACE, now_ms=SEEN_AT_MS)
    assert work.counts["conflicts.http.response.status_code"] == 2
    assert work.counts["conflicts.process.pid"] == 1
    assert all(one.topic != DEAD.name(NAMESPACE) for one in work.outputs)

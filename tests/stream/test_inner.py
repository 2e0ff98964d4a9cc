"""What containers wrote is read by its own parser, and stays text where that is none."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from msgspec.structs import replace

from tailrace.wire import Origin, Placement, decode, encode
from tailrace_stream import parsing
from tailrace_stream.chunk import ProcessedChunk
from tailrace_stream.work import parse_record, work_of
from tests.stream.builders import (
    ACCESS_LINE,
    NAMESPACE,
    chunk_record,
    origin,
    placement,
    processed,
    stored,
)

AT = "2026-11-24T01:02:03.500Z"
JSON = json.dumps(
    {"level": "warn", "msg": "slow", "time": "2020-01-01T00:00:00Z", "shop": {"id": 3}}
)


def cri(text: str) -> bytes:
    return f"{AT} stdout F {text}\n".encode()


def docker(text: str) -> bytes:
    return (
        json.dumps({"log": text + "\n", "stream": "stdout", "time": AT}).encode()
        + b"\n"
    )


def made(*texts: str, inner: str, runtime: str = "cri") -> ProcessedChunk:
    write = {"cri": cri, "docker": docker}[runtime]
    placed = replace(placement(runtime, dataset="pods"), inner=inner)
    return processed(b"".join(map(write, texts)), placed=placed)


def documents(*texts: str, inner: str, runtime: str = "cri") -> list[dict[str, Any]]:
    chunk = made(*texts, inner=inner, runtime=runtime)
    assert not chunk.dead
    return [one.document for one in stored(chunk)]


@pytest.mark.parametrize("runtime", ["cri", "docker"])
@pytest.mark.parametrize("inner", ["json", "auto"])
def test_fields_of_an_inner_line_join_those_of_the_line_around_it(
    runtime: str, inner: str
) -> None:
    (found,) = documents(JSON, inner=inner, runtime=runtime)
    assert (found["message"], found["log.level"]) == ("slow", "warn")
    assert found["attributes"] == {"shop": {"id": 3}}
    assert found["stream"] == "stdout"
    line = {"cri": cri, "docker": docker}[runtime](JSON)
    assert found["event.original"] == line.decode().removesuffix("\n")


def test_the_runtimes_time_stays_the_events_and_decides_its_index() -> None:
    (one,) = stored(made(JSON, inner="json"))
    assert one.document["@timestamp"] == "2026-11-24T01:02:03.500Z"
    assert one.index.endswith("-2026.11.24")


def test_an_inner_access_line_has_the_fields_of_one() -> None:
    (found,) = documents(ACCESS_LINE.decode(), inner="access")
    assert found["http.response.status_code"] == 200
    assert found["message"] == ACCESS_LINE.decode()


def test_s1_an_inner_line_of_another_shape_stays_text_and_is_counted() -> None:
    chunk = made("banner", JSON, "", "{ half", inner="json")
    assert not chunk.dead
    banner, read, empty, half = (one.document for one in stored(chunk))
    assert (banner["message"], half["message"]) == ("banner", "{ half")
    for one in (banner, half):
        assert one["event.kind"] == "pipeline_error"
        assert one["error.message"] == "not a line of json"
        assert one["stream"] == "stdout"
    assert "event.kind" not in read
    assert "event.kind" not in empty, "an empty line is nobody's mistake"
    assert chunk.inner_unread_count == 2


def test_a_line_of_no_shape_is_no_failure_where_none_was_named() -> None:
    chunk = made("banner", JSON, inner="auto")
    banner, read = (one.document for one in stored(chunk))
    assert banner["message"] == "banner"
    assert "event.kind" not in banner
    assert read["log.level"] == "warn"
    assert chunk.inner_unread_count == 0


def test_an_error_that_an_inner_line_tells_of_is_not_taken_for_ours() -> None:
    told, banner = documents(json.dumps({"error": "no stock"}), "x", inner="json")
    assert told["error.message"] == "no stock"
    assert banner["error.message"] == "not a line of json"


def test_s1_a_line_for_which_an_inner_parser_raises_is_not_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parse_as = parsing.parse_as

    def raising(parser: str, lines: pl.Series, **placed: Placement) -> pl.DataFrame:
        if parser == "json" and lines.str.contains("POISON").any():
            raise ValueError("poisoned")
        return parse_as(parser, lines, **placed)

    monkeypatch.setattr(parsing, "parse_as", raising)
    chunk = made(JSON, '{"msg":"POISON"}', JSON, inner="json")
    assert not chunk.dead
    assert [one.document["message"] for one in stored(chunk)] == [
        "slow",
        '{"msg":"POISON"}',
        "slow",
    ]
    assert chunk.inner_unread_count == 1


def test_an_inner_parser_beside_another_format_is_not_asked() -> None:
    placed = replace(placement("json", dataset="shop"), inner="json")
    (one,) = stored(processed(JSON.encode() + b"\n", placed=placed))
    assert one.document["log.level"] == "warn"


def test_without_an_inner_parser_nothing_is_looked_at() -> None:
    (found,) = documents(JSON, inner="")
    assert found["message"] == JSON
    assert "log.level" not in found


def test_a_line_that_no_container_wrote_is_none_of_the_inner_parsers() -> None:
    placed = replace(placement("cri", dataset="pods"), inner="json")
    chunk = processed(JSON.encode() + b"\n" + cri(JSON), placed=placed)
    bare, read = (one.document for one in stored(chunk))
    assert bare["error.message"] == "not a line of pods"
    assert "log.level" not in bare
    assert read["log.level"] == "warn"
    assert chunk.inner_unread_count == 0


def test_what_stayed_text_is_in_the_streams_figures() -> None:
    value = cri("banner") + cri(JSON)
    placed = replace(placement("cri", dataset="pods"), inner="json")
    record = chunk_record(value, made=origin(value, placed=placed))
    parsed = parse_record(record, topic_id="t", namespace=NAMESPACE, now_ms=1)
    work = work_of(parsed, state=None, namespace=NAMESPACE, now_ms=1)
    assert work.counts["inner_unread"] == 1


def test_a_placement_from_before_there_were_inner_parsers_has_none() -> None:
    told = json.loads(encode(placement("cri")))
    del told["inner"]
    value = cri(JSON)
    old = json.loads(encode(origin(value)))
    old["placement"] = told
    assert decode(json.dumps(old).encode(), as_type=Origin).placement.inner == ""

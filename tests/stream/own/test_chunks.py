"""Parsers of a user within a chunk: every line once, at its place, whatever it says."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.detect import DATASET_OF_CONTAINER
from tailrace.wire import Placement
from tailrace_stream.chunk import ProcessedChunk, process_chunk
from tailrace_stream.own import parser as own_parser
from tailrace_stream.own.parser import OwnParsers
from tailrace_stream.parsers.columns import in_order
from tailrace_stream.work import parse_record, work_of
from tests.stream.builders import (
    NAMESPACE,
    chunk_record,
    origin,
    placement,
    stored,
)
from tests.stream.own.parsers import DATASET, parsers_of

TOML = r"""
[[parsers]]
dataset = "shop.checkout"
time = { field = "time", formats = ["%d/%b/%Y:%H:%M:%S %z", "%b %d %T", "unix_ms"] }

[parsers.fields]
ip = "source.ip"
took = { name = "event.duration", unit = "ms" }
n = { type = "int" }

[[parsers.patterns]]
name = "paid"
grok = '^%{IP:ip} \[%{DATA:time}\] paid %{NUMBER:price:float} in %{NUMBER:took} ms: %{GREEDYDATA:message}'

[[parsers.patterns]]
dissect = '%{ip} %{*k}=%{&k} %{n->} | %{+n}'

[[parsers.patterns]]
csv = ["ip", "time", "n", "log.level", "note"]

[[parsers.patterns]]
regex = '(?s)^<(?P<ok>\w*)> ?(?P<rest>.*)$'
"""
PAID = "10.0.0.1 [24/Nov/2026:01:02:03 +0100] paid 12.50 in 31 ms: all well"


OWN = parsers_of(TOML)


@pytest.fixture
def own() -> OwnParsers:
    return OWN


PLACED = placement("auto", dataset=DATASET, time_rule="generation")


def made(
    value: bytes, own: OwnParsers, *, placed: Placement = PLACED
) -> ProcessedChunk:
    return process_chunk(
        value, origin=origin(value, placed=placed), namespace=NAMESPACE, own=own
    )


def said(value: bytes, own: OwnParsers, **options: Placement) -> list[dict[str, Any]]:
    return [one.document for one in stored(made(value, own, **options))]


def test_a_dataset_with_a_parser_is_read_by_it_and_others_are_not(
    own: OwnParsers,
) -> None:
    value = f"{PAID}\n".encode()
    (with_it,) = said(value, own)
    (without,) = said(value, {})
    (other,) = said(
        value, own, placed=placement("auto", dataset="shop.other", time_rule="event")
    )
    assert with_it["source.ip"] == "10.0.0.1"
    assert with_it["event.duration"] == 31_000_000
    assert with_it["@timestamp"] == "2026-11-24T00:02:03.000Z"
    assert with_it["message"] == "all well"
    assert with_it["event.original"] == PAID
    assert with_it["attributes"] == {"price": 12.5}
    assert "source.ip" not in without
    assert "source.ip" not in other


def test_f33_a_line_that_no_pattern_takes_says_so_and_is_stored(
    own: OwnParsers,
) -> None:
    first, second, empty = said(f"{PAID}\nnonsense\n\n".encode(), own)
    assert "event.kind" not in first
    assert second["event.kind"] == "pipeline_error"
    assert second["error.message"] == f"not a line of {DATASET}"
    assert second["message"] == "nonsense"
    assert "event.kind" not in empty


def test_s2_where_a_document_lies_depends_on_no_parser(own: OwnParsers) -> None:
    """A chunk that is sent again after the patterns changed is stored once all the same:
    id and index are those of before, and `create` refuses it."""
    value = f"{PAID}\nnonsense\n".encode()
    before = stored(made(value, {}))
    after = stored(made(value, own))
    assert [(one.document_id, one.index) for one in before] == [
        (one.document_id, one.index) for one in after
    ]


def test_a_containers_text_is_read_by_the_parser_of_its_dataset(
    own: OwnParsers,
) -> None:
    runtime = "2026-11-24T05:00:00.5Z"
    lines = [
        json.dumps({"log": f"{text}\n", "stream": "stdout", "time": runtime})
        for text in (PAID, "nonsense")
    ]
    placed = placement("docker", dataset=DATASET, time_rule="event")
    assert "docker" in DATASET_OF_CONTAINER
    value = "".join(f"{line}\n" for line in lines).encode()
    first, second = said(value, own, placed=placed)
    assert first["source.ip"] == "10.0.0.1"
    assert first["message"] == "all well"
    assert first["@timestamp"] == "2026-11-24T05:00:00.500Z"
    assert second["message"] == "nonsense"
    assert second["error.message"] == f"not a line of {DATASET}"
    assert made(value, own, placed=placed).inner_unread_count == 1


def test_a_worker_reads_by_its_own_parsers(own: OwnParsers) -> None:
    value = f"{PAID}\n".encode()
    record = chunk_record(value, made=origin(value, placed=PLACED))
    parsed = parse_record(record, topic_id="t", namespace=NAMESPACE, now_ms=1, own=own)
    work = work_of(parsed, state=None, namespace=NAMESPACE, now_ms=1)
    assert b'"source.ip":"10.0.0.1"' in work.outputs[0].value
    assert work.counts["documents"] == 1


def test_s1_a_line_that_breaks_a_parser_takes_no_other_line_with_it(
    own: OwnParsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_order_as_it_is = in_order

    def raising(parts: list[pl.DataFrame]) -> pl.DataFrame:
        frame = in_order_as_it_is(parts)
        if "message" in frame.columns and frame["message"].eq("poison").any():
            raise ValueError("broken")
        return frame

    monkeypatch.setattr(own_parser, "in_order", raising)
    lines = [PAID, PAID.replace("all well", "poison"), "nonsense", PAID]
    done = made("".join(f"{line}\n" for line in lines).encode(), own)
    assert [(one.reason, one.position) for one in done.dead] == [("parser_raised", 1)]
    assert done.dead[0].original == lines[1].encode()
    assert sum(piece.document_count for piece in done.pieces) == 3


_WORDS = st.sampled_from(
    [
        *("10.0.0.1", "::1", "é", "\x00", '"', ",", " ", "|", "=", "<", ">", "a", "-"),
        *("[24/Nov/2026:01:02:03 +0100]", "paid", "12.5", "in 31 ms: ", "1e400"),
        *("Feb 29 01:02:03", "WARN", "\\", '"a,""b"', "\r", "\ufeff", "\x1b[0m"),
        *("99999999999999999999", "k=v", "x" * 300, '{"a":1}', ',"ip":null'),
    ]
)
_LINES = st.lists(
    st.one_of(
        st.lists(_WORDS, max_size=8).map("".join),
        st.lists(_WORDS, max_size=8).map(" ".join),
        st.tuples(_WORDS, _WORDS, _WORDS, _WORDS, _WORDS).map(",".join),
        st.tuples(_WORDS, _WORDS, _WORDS, _WORDS, _WORDS).map(
            lambda w: f"{w[0]} {w[1]}={w[2]} {w[3]} | {w[4]}"
        ),
        st.tuples(_WORDS, _WORDS, _WORDS).map(
            lambda w: f"{w[0]} [{w[1]}] paid 1 in 2 ms: {w[2]}"
        ),
        st.text(max_size=20),
    ).map(lambda text: text.replace("\n", " ")),
    max_size=12,
)


def _strict(text: bytes) -> dict[str, Any]:
    """Decode an object that says nothing twice: the index refuses one that does."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names), names
        return dict(pairs)

    return json.loads(text, object_pairs_hook=unique)


@given(_LINES)
def test_f33_no_line_is_lost_or_moved_whatever_stands_in_it(lines: list[str]) -> None:
    """Each becomes one document with its offset, bytes and place; none raises."""
    own = OWN
    encoded = [line.encode("utf-8", "surrogatepass") for line in lines]
    value = b"".join(line + b"\n" for line in encoded)
    done = made(value, own)
    assert not done.dead
    bodies = b"".join(piece.body for piece in done.pieces).splitlines()[1::2]
    read = [_strict(body) for body in bodies]
    offsets = [sum(len(one) + 1 for one in encoded[:at]) for at in range(len(encoded))]
    assert [one["log.offset"] for one in read] == offsets
    for one, line in zip(read, encoded, strict=True):
        written = one.get("event.original", one["message"])
        shown = line.decode("utf-8", "backslashreplace")
        assert written == shown.removesuffix("\r").removeprefix(
            "\ufeff" if one["log.offset"] == 0 and written[:1] != "\ufeff" else ""
        )


@settings(max_examples=40)
@given(_LINES)
def test_f33_what_a_line_becomes_depends_on_no_other_line(lines: list[str]) -> None:
    own = OWN
    value = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
    together = said(value, own)
    at = 0
    for one, line in zip(together, value.split(b"\n"), strict=False):
        chunk = line + b"\n"
        alone = process_chunk(
            chunk,
            origin=msgspec.structs.replace(
                origin(chunk, placed=PLACED, first_offset=at),
                first_event_number=one["event.sequence"],
            ),
            namespace=NAMESPACE,
            own=own,
        )
        (document,) = stored(alone)
        assert document.document == one
        at += len(chunk)

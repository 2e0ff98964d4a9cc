"""What servers' own logs become: golden samples, the schema, times, and any bytes at all."""

from __future__ import annotations

import ipaddress
import json
import time
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tailrace.datasets import HEADS, NAMES
from tailrace.detect import (
    DATASET_OF_CONTAINER,
    DATASET_OF_JOURNALD,
    GENERIC,
    PARSER_OF_DATASET,
    detect,
)
from tailrace.index_templates import Capabilities, index_templates
from tailrace_agent.config import SourceSettings
from tailrace_agent.placement import placement_of as placement_by_agent
from tailrace_stream import parsing
from tailrace_stream.categories import WORDS
from tailrace_stream.parsers import datasets
from tailrace_stream.times import anchor_of_past
from tests.stream.builders import ACCESS_LINE
from tests.stream.golden import (
    Sample,
    documents_of,
    expected,
    own,
    placement_of,
    samples,
)

SAMPLES = samples()
PUBLISHED: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "ecs.toml").read_text("utf-8")
)
LINES = sorted({line for one in SAMPLES for line in one.content.split(b"\n") if line})
FAMILIES = {
    "wildcard": "keyword",
    "match_only_text": "text",
    "short": "long",
    "integer": "long",
    "date_nanos": "date",
    "object": "flattened",
}
"""Types of one family hold the same values; the others serve another index or licence."""
each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one.label)
slowly = pytest.mark.timeout(120)
WITH_PARSER = sorted(
    PARSER_OF_DATASET.keys() - {GENERIC, DATASET_OF_JOURNALD, "python.log"}
)
"""Of a journal the entries are no lines, and have tests of their own."""
each_dataset = pytest.mark.parametrize("dataset", WITH_PARSER)


@each_sample
def test_golden_lines_become_the_documents_that_were_read_and_kept(
    sample: Sample,
) -> None:
    made = sample.documents()
    assert [own(one) for one in made] == expected(sample)


@each_sample
def test_no_golden_line_is_a_mistake_and_each_is_kept_as_written(
    sample: Sample,
) -> None:
    made = sample.documents()
    assert not [one for one in made if one.get("event.kind") == "pipeline_error"]
    events = [event.decode().removesuffix("\r") for event in sample.events]
    assert [one.get("event.original", one["message"]) for one in made] == events


@each_sample
def test_detection_names_the_dataset_of_a_golden_sample(sample: Sample) -> None:
    """As the agent asks: what wrote the file first, then what its lines are."""
    source = SourceSettings.model_validate({"name": "x", "paths": ("/**",)})
    found = placement_by_agent(
        sample.content,
        path=sample.path,
        source=source,
        host_time_zone="UTC",
        first_seen_at_ms=0,
    )
    assert (found.dataset, found.parser) == (
        sample.dataset,
        PARSER_OF_DATASET[sample.dataset],
    )
    if sample.dataset not in DATASET_OF_CONTAINER.values():
        assert detect(sample.content, path=sample.path).dataset == sample.dataset


def published(dataset: str) -> dict[str, str]:
    of_dataset = PUBLISHED["dataset"].get(dataset, {})
    return PUBLISHED["ecs"] | PUBLISHED["ours"] | of_dataset


def family(kind: str) -> str:
    return FAMILIES.get(kind, kind)


def published_family(name: str, known: dict[str, str]) -> str:
    """Return a field's family; of one that ECS has twice, that of the one with words."""
    return family(known[f"{name}.text" if f"{name}.text" in known else name])


def fits(value: object, kind: str) -> bool:
    """Tell whether a JSON value is one of a field's type, as Elasticsearch reads it."""
    if isinstance(value, list):
        many = cast("list[object]", value)
        return bool(many) and all(fits(one, kind) for one in many)
    if kind == "long":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "float":
        return isinstance(value, float | int) and not isinstance(value, bool)
    if kind == "flattened":
        return isinstance(value, dict)
    if not isinstance(value, str):
        return False
    if kind == "ip":
        return bool(ipaddress.ip_address(value))
    return kind != "date" or datetime.fromisoformat(value).tzinfo is not None


@each_sample
def test_every_field_has_the_name_and_the_type_that_are_published(
    sample: Sample,
) -> None:
    known = published(sample.dataset)
    for document in sample.documents():
        for name, value in document.items():
            assert name in known, f"{name} is no field of {sample.dataset}"
            assert fits(value, family(known[name])), f"{name} is {value!r}"


@each_sample
def test_the_template_gives_every_field_a_type_of_the_published_family(
    sample: Sample,
) -> None:
    known = published(sample.dataset)
    body = index_templates("t", capabilities=Capabilities())["t-events"]
    mapped = body["template"]["mappings"]["properties"]
    for document in sample.documents():
        for name in document:
            assert name in mapped, f"{name} of {sample.dataset} is in no template"
            assert family(mapped[name]["type"]) == published_family(name, known), name


def test_every_dataset_of_ours_is_known_to_agent_and_stream_and_has_a_sample() -> None:
    assert datasets.PARSERS.keys() == NAMES
    assert HEADS.keys() <= NAMES
    assert {one.dataset for one in SAMPLES} == set(WITH_PARSER)
    assert all(one.source for one in SAMPLES)
    files = {path.stem for path in Path(__file__).parent.glob("golden/*/*.log")}
    assert files == {one.name for one in SAMPLES}


def spoiled(line: bytes, cut: int, at: int, inserted: bytes) -> bytes:
    return (line[: at % (len(line) + 1)] + inserted + line[at % (len(line) + 1) :])[
        : cut % (len(line) + len(inserted) + 1)
    ].replace(b"\n", b" ")


anything = st.one_of(
    st.sampled_from(LINES),
    st.builds(
        spoiled,
        st.sampled_from(LINES),
        st.integers(0, 2_000),
        st.integers(0, 2_000),
        st.one_of(
            st.binary(max_size=8),
            st.sampled_from(
                [b'"', b"\\", b",", b"\xff", b"0", b"99999999999999999999"]
            ),
        ),
    ),
    st.text(max_size=80).map(lambda text: text.encode().replace(b"\n", b"")),
)


@each_dataset
@slowly
@settings(max_examples=15, deadline=None)
@given(lines=st.lists(anything, min_size=1, max_size=12), first=st.integers(0, 2**40))
def test_s1_whatever_stands_in_a_file_no_line_is_lost_and_none_moves(
    dataset: str, lines: list[bytes], first: int
) -> None:
    value = b"\n".join(lines) + b"\n"
    made = documents_of(value, placed=placement_of(dataset), first_offset=first)
    offsets: list[int] = []
    offset = first
    for line in lines:
        offsets.append(offset)
        offset += len(line) + 1
    assert [one["log.offset"] for one in made] == offsets
    known = published(dataset)
    for document in made:
        for name, one in document.items():
            if name in known:
                assert fits(one, family(known[name])), f"{name} is {one!r}"


@each_dataset
def test_s1_a_line_that_is_cut_anywhere_costs_itself_alone(dataset: str) -> None:
    of_dataset = [one for one in SAMPLES if one.dataset == dataset]
    whole = [line for one in of_dataset for line in one.content.splitlines()[:12]]
    lines = [line[:end] for line in whole for end in range(0, len(line), 9)]
    made = documents_of(b"\n".join(lines) + b"\n", placed=placement_of(dataset))
    assert len(made) == len(lines)


@each_dataset
@slowly
@settings(max_examples=6, deadline=None)
@given(lines=st.lists(anything, min_size=2, max_size=8))
def test_k11_what_a_line_becomes_depends_on_no_line_beside_it(
    dataset: str, lines: list[bytes]
) -> None:
    placed = placement_of(dataset)
    # Not at the head of a file, where a byte order mark would be no part of the line.
    together = documents_of(b"\n".join(lines) + b"\n", placed=placed, first_offset=9)
    alone = [
        documents_of(line + b"\n", placed=placed, first_offset=9)[0] for line in lines
    ]
    assert [own(one) for one in together] == [own(one) for one in alone]


def _is_like_the_servers(sample: Sample) -> bool:
    """Tell whether lines have the shape of Elasticsearch's own log, as those of 6 do."""
    is_older = sample.dataset in {"elasticsearch.slowlog", "elasticsearch.deprecation"}
    return is_older and sample.name == "6-text"


@each_sample
def test_a_golden_line_among_others_is_read_by_auto(sample: Sample) -> None:
    """Whose shape a general parser knows, too, is read by that one."""
    made = documents_of(
        b"plain words\n" + sample.content + ACCESS_LINE + b"\n",
        placed=placement_of("some.own", time_zone=sample.time_zone),
    )
    assert made[0]["message"] == "plain words"
    assert made[-1]["http.response.status_code"] == 200
    if sample.dataset in GENERAL or sample.multiline or _is_like_the_servers(sample):
        return
    for one, want in zip(made[1:-1], expected(sample), strict=True):
        for name in WORDS.get(sample.dataset, {}):
            want.pop(name, None)  # It is said of the dataset, and `auto` knows none.
        is_general = want.get("event.original", "{").startswith("{")
        assert is_general or own(one) == want


GENERAL = frozenset(
    {
        *("system.auth", "haproxy.log", "traefik.access", "cef"),
        *("elasticsearch.server", "kafka.log", "zookeeper.log", "python", "csv"),
        # Whose parsers are these shapes, but for what an agent tells of the runtime.
        *DATASET_OF_CONTAINER.values(),
    }
)
"""Datasets whose lines `auto` reads by the general shape that they have, as all JSON, or as
plain text, as what only the head of a file explains."""


def test_lines_of_other_parsers_ask_none_of_a_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So a dataset more costs nobody else's lines a thing."""
    monkeypatch.setattr(parsing, "_SERVERS", ())
    monkeypatch.setattr(parsing, "_ANY_SERVER", "(a pattern that is none")
    others = set(PARSER_OF_DATASET) - datasets.PARSERS.keys()
    for dataset in sorted(others - set(DATASET_OF_CONTAINER.values())):
        assert documents_of(ACCESS_LINE + b"\n", placed=placement_of(dataset))
    shapes = b'{"a":1}\n' + ACCESS_LINE + b"\n<34>Nov 24 01:02:03 web1 su: x\n"
    with pytest.raises(AssertionError):
        documents_of(b"plain words\n", placed=placement_of("some.own"))
    assert len(documents_of(shapes, placed=placement_of("some.own"))) == 3


REPEATED = (b" ", b'"', b"\\", b", ", b": ", b"[", b"0", b'"a\\', b"=", b"\t", b"a:  ")
HOSTILE_BYTES = 20_000


@each_dataset
def test_x8_a_hostile_line_costs_little(dataset: str) -> None:
    heads = [
        one.content.split(b"\n", 1)[0] for one in SAMPLES if one.dataset == dataset
    ]
    lines = [
        head[:at] + repeated * (HOSTILE_BYTES // len(repeated)) + head[at:]
        for head in heads[:2]
        for repeated in REPEATED
        for at in (0, len(head) // 2, len(head))
    ]
    value = b"\n".join(lines) + b"\n"
    started_s = time.process_time()
    documents_of(value, placed=placement_of(dataset))
    # A pattern that is not linear would take minutes for the first of them.
    assert time.process_time() - started_s < 6e-6 * len(value)
    started_s = time.process_time()
    for line in lines:
        detect(line + b"\n", path="x")
    assert time.process_time() - started_s < 10e-3 * len(lines)


NOW_MS = 1_795_500_000_000


@slowly
@settings(max_examples=15, deadline=None)
@example(second=350 * 86_400, zone="UTC")
@given(second=st.integers(0, 364 * 86_400), zone=st.sampled_from(["UTC", "Asia/Tokyo"]))
def test_s7_a_year_that_is_missing_never_makes_a_time_of_the_future(
    second: int, zone: str
) -> None:
    """Lines that exist already are of the year that ends a day from now."""
    at = datetime.fromtimestamp(NOW_MS / 1_000 - second, tz=ZoneInfo(zone))
    line = f"7:M {at:%d %b %H:%M:%S}.123 * x\n".encode()
    placed = placement_of("redis.log", time_zone=zone)
    anchored = replace(placed, anchor_ms=anchor_of_past(NOW_MS, time_zone=zone))
    (made,) = documents_of(line, placed=anchored)
    read = datetime.fromisoformat(made["@timestamp"])
    assert read == at.replace(microsecond=123_000)
    assert read.timestamp() * 1_000 < NOW_MS + 86_400_000
    assert made["tailrace.time_source"] == "guessed"


def test_golden_documents_are_json_of_one_line_each() -> None:
    for sample in SAMPLES:
        for line in sample.expected_path.read_text("utf-8").splitlines():
            assert isinstance(json.loads(line), dict)

"""What rules leave out of a chunk: which events, what the others bear, and how it is counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tailrace.floors import NO_FLOORS, Floors
from tailrace.ledger import SAMPLE_WEIGHT, FloorLedger, StreamLedger, decode_ledger
from tailrace.topics import DOCS, RATES, STATE
from tailrace.wire import DocumentsOrigin, Origin, decode
from tailrace_stream.chunk import ProcessedChunk, process_chunk
from tailrace_stream.enrich.enrichment import NO_ENRICHMENT, Enrichment
from tailrace_stream.records import Work
from tailrace_stream.shaping.fates import Ruling
from tailrace_stream.shaping.rules import Rule
from tailrace_stream.templates.naming import template_id
from tailrace_stream.windows import GenerationState
from tailrace_stream.work import parse_record, work_of
from tests.stream.builders import (
    BORN_AT_MS,
    NAMESPACE,
    chunk_record,
    origin,
    placement,
    stored,
)

JSON = placement("json", dataset="shop.web")


def line(level: str, path: str, status: int = 200) -> bytes:
    fields: dict[str, Any] = {
        "@timestamp": "2026-11-24T01:02:03Z",
        "log.level": level,
        "url.path": path,
        "http.response.status_code": status,
        "message": f"{level} for {path}",
    }
    return msgspec.json.encode(fields) + b"\n"


LINES = (
    line("debug", "/a"),
    line("info", "/health"),
    line("info", "/healthy", 503),
    line("error", "/a", 500),
    line("info", "/b", 404),
)


def shaped(
    *rules: Rule,
    lines: tuple[bytes, ...] = LINES,
    ruling: Ruling | None = None,
    floors: Floors = NO_FLOORS,
    enrichment: Enrichment = NO_ENRICHMENT,
) -> ProcessedChunk:
    value = b"".join(lines)
    return process_chunk(
        value,
        origin=origin(value, placed=JSON),
        namespace=NAMESPACE,
        ruling=Ruling(((0, rules),)) if ruling is None else ruling,
        floors=floors,
        enrichment=enrichment,
    )


def left(chunk: ProcessedChunk) -> list[tuple[int, str]]:
    out = chunk.left_out
    return list(zip(out.positions.tolist(), out.reasons, strict=True))


def kept(chunk: ProcessedChunk) -> list[int]:
    return [each.document["event.sequence"] for each in stored(chunk)]


@pytest.mark.parametrize(
    ("where", "positions"),
    [
        ({"log.level": ("debug",)}, [0]),
        ({"url.path": ("/health",)}, [1]),
        ({"url.path": ("/health*",)}, [1, 2]),
        ({"http.response.status_code": ("404", "5*")}, [2, 3, 4]),
        ({"log.level": ("info",), "http.response.status_code": ("200",)}, [1]),
        ({"message": ("error for*",)}, [3]),
        ({"event.dataset": ("shop.*",), "url.path": ("/b",)}, [4]),
        ({"event.dataset": ("nginx.*",)}, []),
        ({"host.name": ("web*",)}, [0, 1, 2, 3, 4]),
        ({"host.name": ("db1",)}, []),
        ({"log.file.path": ("/var/log/*",), "log.level": ("debug",)}, [0]),
        ({"user.name": ("nobody",)}, []),
    ],
)
def test_a_rule_means_events_of_which_all_fields_have_one_of_its_values(
    where: dict[str, tuple[str, ...]], positions: list[int]
) -> None:
    chunk = shaped(Rule(name="r", where=where))
    assert left(chunk) == [(n, "rule:r") for n in positions]
    assert kept(chunk) == [n for n in range(len(LINES)) if n not in positions]
    assert chunk.event_count == sum(piece.event_count for piece in chunk.pieces)


def test_a_rule_may_name_a_template() -> None:
    enrichment = Enrichment(has_templates=True)
    chunk = shaped(enrichment=enrichment, ruling=Ruling())
    name = stored(chunk)[3].document["tailrace.template.id"]
    assert len(name) == len(template_id(""))

    rule = Rule(name="t", where={"tailrace.template.id": (name,)})
    chunk = shaped(rule, enrichment=enrichment)
    assert 3 in [position for position, _ in left(chunk)]
    assert all(d.document["tailrace.template.id"] != name for d in stored(chunk))


def test_of_several_rules_the_first_that_means_an_event_counts() -> None:
    first = Rule(name="keep-some", keep_one_in=10**6, where={"log.level": ("info",)})
    second = Rule(name="no-health", where={"url.path": ("/health*",)})
    assert left(shaped(first, second))[:2] == [
        (1, "sampled:keep-some"),
        (2, "sampled:keep-some"),
    ]
    assert left(shaped(second, first))[:2] == [
        (1, "rule:no-health"),
        (2, "rule:no-health"),
    ]


MANY = tuple(line("info", f"/{n}") for n in range(3_000))


@pytest.mark.parametrize("keep_one_in", [2, 10, 100])
def test_a_sample_holds_one_in_so_many_and_each_bears_the_weight(
    keep_one_in: int,
) -> None:
    rule = Rule(name="s", keep_one_in=keep_one_in, where={"log.level": ("info",)})
    chunk = shaped(rule, lines=(*MANY, line("error", "/x")))
    documents = [each.document for each in stored(chunk)]
    weights = Counter(d.get(SAMPLE_WEIGHT) for d in documents)
    assert weights.keys() == {keep_one_in, None}
    assert weights[None] == 1
    expected = len(MANY) / keep_one_in
    assert abs(weights[keep_one_in] - expected) < 5 * expected**0.5
    assert len(chunk.left_out.positions) == len(MANY) - weights[keep_one_in]


def test_an_event_is_in_a_sample_by_its_place_alone() -> None:
    """However chunks are cut; and the rarer sample is a part of the other."""
    value = b"".join(MANY)
    cut = sum(map(len, MANY[:1_234]))
    made = origin(value, placed=JSON)
    rest = origin(value[cut:], placed=JSON, first_offset=cut, first_event_number=1_234)
    ten = Ruling(
        ((0, (Rule(name="a", keep_one_in=10, where={"log.level": ("info",)}),)),)
    )
    hundred = Ruling(
        ((0, (Rule(name="b", keep_one_in=100, where={"log.level": ("in*",)}),)),)
    )

    def ids(value: bytes, made: Origin, ruling: Ruling) -> set[str]:
        chunk = process_chunk(value, origin=made, namespace=NAMESPACE, ruling=ruling)
        return {each.document_id for each in stored(chunk)}

    whole = ids(value, made, ten)
    halves = ids(value[:cut], origin(value[:cut], placed=JSON), ten)
    assert halves | ids(value[cut:], rest, ten) == whole
    assert ids(value, made, hundred) < whole
    other = msgspec.structs.replace(made, generation="f" * 32)
    assert len(ids(value, other, ten) & whole) == 0
    assert {i[-12:] for i in ids(value, other, ten)} != {i[-12:] for i in whole}


def test_what_is_expired_or_dead_no_rule_leaves_out() -> None:
    floor = FloorLedger(
        dataset="shop.web", period="day", floor_ms=BORN_AT_MS * 2, updated_at_ms=0
    )
    rule = Rule(name="r", where={"log.level": ("*",)})
    chunk = shaped(rule, floors=Floors([floor]))
    assert left(chunk) == []
    assert len(chunk.expired_positions) == len(LINES)
    assert left(shaped(rule)) == [(n, "rule:r") for n in range(len(LINES))]


def test_rules_hold_from_an_event_number_on() -> None:
    rule = Rule(name="r", where={"log.level": ("info",)})
    chunk = shaped(ruling=Ruling(((2, (rule,)), (4, ()))))
    assert left(chunk) == [(2, "rule:r")]


def test_who_only_compares_gets_every_document_and_no_weight() -> None:
    rule = Rule(name="s", keep_one_in=2, where={"log.level": ("*",)})
    chunk = shaped(ruling=Ruling(((0, (rule,)),), keeps_all=True))
    plain = shaped(ruling=Ruling())
    assert stored(chunk) == stored(plain)
    assert left(chunk) == left(shaped(rule)) != []


def work(
    lines: tuple[bytes, ...],
    *rules: Rule,
    state: bytes | None = None,
    first: tuple[int, int] = (0, 0),
    offset: int = 0,
) -> Work:
    value = b"".join(lines)
    made = origin(
        value, placed=JSON, first_offset=first[0], first_event_number=first[1]
    )
    parsed = parse_record(
        chunk_record(value, made=made, offset=offset),
        topic_id="t",
        namespace=NAMESPACE,
        now_ms=1,
        rule=lambda _origin: (Ruling(((0, rules),)), ((0, 1),)),
    )
    return work_of(parsed, state=state, namespace=NAMESPACE, now_ms=1)


def word_of(done: Work) -> StreamLedger:
    assert done.ledger is not None
    word = decode_ledger(done.ledger.value)
    assert isinstance(word, StreamLedger)
    return word


def test_what_is_left_out_is_in_ledger_windows_and_spans_and_counted_once() -> None:
    rule = Rule(name="r", where={"log.level": ("info",)})
    done = work(LINES, rule)
    word = word_of(done)
    assert word.dropped == {"rule:r": 3}
    assert word.left_out == {"0": (3, 1 + 2 + 4)}
    assert (word.event_count, word.document_count) == (5, 2)
    assert done.counts["dropped.rule:r"] == 3
    assert done.counts["documents"] == 2
    spans = [
        decode(sent.header, as_type=DocumentsOrigin)
        for sent in done.outputs
        if sent.topic == DOCS.name(NAMESPACE)
    ]
    assert sum(span.event_count for span in spans) == 5
    rates = [s.value for s in done.outputs if s.topic == RATES.name(NAMESPACE)]
    documents = [
        msgspec.json.decode(one) for body in rates for one in body.split(b"\n")[1::2]
    ]
    assert sum(d.get("tailrace.rate.count", 0) for d in documents) == 5

    assert done.state is not None
    assert done.state.topic == STATE.name(NAMESPACE)
    again = work(LINES, rule, state=done.state.value)
    assert word_of(again) == word
    part = work(LINES[:3], rule)
    assert part.state is not None
    assert word_of(part).left_out == {"0": (2, 1 + 2)}
    assert word_of(work(LINES, rule, state=part.state.value)).left_out == word.left_out
    size = sum(map(len, LINES))
    more = work(LINES, rule, state=done.state.value, first=(size, 5), offset=1)
    assert word_of(more).left_out == {"0": (6, 7 + 6 + 7 + 9)}
    state = decode((more.state or done.state).value, as_type=GenerationState)
    assert state.rule_marks == ((0, 1),)


def test_a_window_is_told_by_itself_and_the_oldest_of_too_many_by_their_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tailrace_stream.shaping.fates.WINDOW_EVENTS", 2)
    monkeypatch.setattr("tailrace_stream.figures.WINDOW_EVENTS", 2)
    rule = Rule(name="r", where={"log.level": ("info",)})
    word = word_of(work(LINES, rule))
    assert word.left_out == {"0": (1, 1), "1": (1, 2), "2": (1, 4)}
    assert word.dropped_untold is None

    monkeypatch.setattr("tailrace_stream.figures.LEFT_OUT_WINDOWS_MAX", 1)
    word = word_of(work(LINES, rule))
    assert word.left_out == {"2": (1, 4)}
    assert word.dropped == {"rule:r": 3}
    assert word.dropped_untold == (0, 4)


def test_a_chunk_of_which_all_is_left_out_is_passed_over_by_who_follows() -> None:
    done = work(LINES, Rule(name="all", where={"event.dataset": ("*",)}))
    (sent,) = [s for s in done.outputs if s.topic == DOCS.name(NAMESPACE)]
    span = decode(sent.header, as_type=DocumentsOrigin)
    assert (sent.value, span.event_count, span.document_count) == (b"", 5, 0)
    assert replace(done, outputs=()).counts["dropped.rule:all"] == 5

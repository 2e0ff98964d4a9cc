"""K5: what Kafka will not take is cut, and says the same together."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest

from tailrace.topics import DEAD, DOCS, RATES
from tailrace.wire import DeadLetter, DocumentsOrigin, decode
from tailrace_stream.oversize import smaller
from tailrace_stream.records import Outgoing, Work
from tailrace_stream.work import parse_record, work_of
from tests.stream.builders import (
    ACCESS_LINE,
    GENERATION,
    NAMESPACE,
    SEEN_AT_MS,
    chunk_record,
    origin,
    placement,
    stored_of,
)
from tests.stream.poison import POISON, poison_at
from tests.stream.publishers import RefusingPublisher
from tests.stream.running import to_end
from tests.stream.test_protocol import complete, protocol

DOCS_TOPIC, DEAD_TOPIC = DOCS.name(NAMESPACE), DEAD.name(NAMESPACE)


def work_for(value: bytes, *, parser: str = "access") -> Work:
    made = origin(value, placed=placement(parser, dataset="nginx.access"))
    parsed = parse_record(
        chunk_record(value, made=made),
        topic_id="t",
        namespace=NAMESPACE,
        now_ms=SEEN_AT_MS,
    )
    return work_of(parsed, state=None, namespace=NAMESPACE, now_ms=SEEN_AT_MS)


def published(work: Work, *, bytes_max: dict[str, int]) -> RefusingPublisher:
    publisher = RefusingPublisher(bytes_max=bytes_max)
    done: list[Work] = []
    to_end(complete(protocol(publisher), work, acknowledge=done.append))
    assert done == [work]
    return publisher


def assert_every_number_once(docs: list[Outgoing], *, count: int) -> None:
    """Spans follow one another, and hold the numbers and offsets of their documents."""
    spans = [decode(r.header, as_type=DocumentsOrigin) for r in docs]
    numbers: list[int] = []
    for record, span in zip(docs, spans, strict=True):
        here = range(
            span.first_event_number, span.first_event_number + span.event_count
        )
        numbers += here
        found = [one.document for one in stored_of(record.value)]
        assert len(found) == span.document_count
        for document in found:
            assert document["event.sequence"] in here
            assert span.first_offset <= document["log.offset"] < span.next_offset
    assert sorted(numbers) == list(range(count))
    in_order = sorted(spans, key=lambda span: span.first_event_number)
    for before, after in pairwise(in_order):
        assert before.next_offset == after.first_offset


def test_k5_documents_are_halved_until_they_fit_and_none_is_missing() -> None:
    work = work_for((ACCESS_LINE + b"\n") * 100)
    whole = stored_of(work.outputs[0].value)
    publisher = published(work, bytes_max={DOCS_TOPIC: 3_000})
    docs = [r for r in publisher.durable if r.topic == DOCS_TOPIC]
    found = [one for record in docs for one in stored_of(record.value)]
    key = "log.offset"
    assert sorted(found, key=lambda one: one.document[key]) == whole
    assert len(docs) > 30
    assert_every_number_once(docs, count=100)


def test_k5_a_single_document_that_does_not_fit_is_a_dead_letter() -> None:
    value = ACCESS_LINE + b"\n" + b"x" * 4_000 + b"\n" + ACCESS_LINE + b"\n"
    publisher = published(work_for(value), bytes_max={DOCS_TOPIC: 3_000})
    docs = [r for r in publisher.durable if r.topic == DOCS_TOPIC]
    letters = [
        decode(r.value, as_type=DeadLetter)
        for r in publisher.durable
        if r.topic == DEAD_TOPIC
    ]
    assert sum(len(stored_of(r.value)) for r in docs) == 2
    (letter,) = letters
    assert letter.reason == "document_refused"
    assert b"x" * 4_000 in letter.original
    place = (letter.first_event_number, letter.event_count, letter.first_offset)
    assert place == (1, 1, len(ACCESS_LINE) + 1)
    assert (letter.generation, letter.dataset) == (GENERATION, "nginx.access")
    # Its number is passed over: a span without a document says so.
    assert_every_number_once(docs, count=3)


def test_dead_events_lie_in_the_span_of_one_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the beginning, between two halves, and at the end."""
    poison_at(monkeypatch)
    rows = [POISON, POISON, b"a", b"b", POISON, POISON, b"c", POISON, b"d", POISON]
    work = work_for(b"".join(row + b"\n" for row in rows), parser="plain")
    publisher = published(work, bytes_max={DOCS_TOPIC: 700})
    docs = [r for r in publisher.durable if r.topic == DOCS_TOPIC]
    assert len(docs) == 4
    assert_every_number_once(docs, count=len(rows))


def test_windows_are_halved_and_each_keeps_the_whole_span() -> None:
    value = b"".join(b"2026-11-24 %02d:02:03 INFO x\n" % hour for hour in range(8))
    work = work_for(value, parser="log4j")
    rates_topic = RATES.name(NAMESPACE)
    publisher = published(work, bytes_max={rates_topic: 1_500})
    rates = [r for r in publisher.durable if r.topic == rates_topic]
    (whole,) = [r for r in work.outputs if r.topic == rates_topic]
    assert len(rates) > 1
    assert b"".join(r.value for r in rates) == whole.value
    spans = [decode(r.header, as_type=DocumentsOrigin) for r in rates]
    assert sum(span.document_count for span in spans) == 8
    assert {(s.first_event_number, s.event_count) for s in spans} == {(0, 8)}


def test_k5_a_line_that_is_read_again_later_has_the_same_dead_letter() -> None:
    """Its document tells of another moment of reading; its name must not (seed 1)."""
    names: set[str] = set()
    for observed_at_ms in (SEEN_AT_MS, SEEN_AT_MS + 5_000):
        value = b"x" * 4_000 + b"\n"
        made = msgspec.structs.replace(origin(value), observed_at_ms=observed_at_ms)
        parsed = parse_record(
            chunk_record(value, made=made),
            topic_id="t",
            namespace=NAMESPACE,
            now_ms=SEEN_AT_MS,
        )
        work = work_of(parsed, state=None, namespace=NAMESPACE, now_ms=SEEN_AT_MS)
        publisher = published(work, bytes_max={DOCS_TOPIC: 3_000})
        names |= {
            decode(record.value, as_type=DeadLetter).dead_id
            for record in publisher.durable
            if record.topic == DEAD_TOPIC
        }
    assert len(names) == 1


def test_a_dead_letter_that_does_not_fit_keeps_its_beginning() -> None:
    value = b"x" * 40_000 + b"\n"
    publisher = published(
        work_for(value), bytes_max={DOCS_TOPIC: 3_000, DEAD_TOPIC: 20_000}
    )
    (letter,) = [
        decode(r.value, as_type=DeadLetter)
        for r in publisher.durable
        if r.topic == DEAD_TOPIC
    ]
    assert letter.truncated_size_bytes > 40_000
    assert letter.original


def test_what_cannot_be_cut_is_left_as_it_is() -> None:
    work = work_for(ACCESS_LINE + b"\n")
    assert work.state is not None
    assert smaller(work.state, detail="") == []
    assert work.ledger is not None
    assert smaller(work.ledger, detail="") == []
    assert smaller(replace(work.outputs[0], value=b""), detail="") == []

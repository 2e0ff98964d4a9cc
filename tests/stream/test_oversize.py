"""K5: what Kafka will not take is cut, and says the same together."""

from __future__ import annotations

from tailrace.topics import DEAD, DOCS
from tailrace.wire import DeadLetter, DocumentsOrigin, decode
from tailrace_stream.oversize import smaller
from tailrace_stream.records import Work
from tailrace_stream.work import parse_record, work_of
from tests.stream.builders import (
    ACCESS_LINE,
    NAMESPACE,
    SEEN_AT_MS,
    chunk_record,
    origin,
    placement,
    stored_of,
)
from tests.stream.publishers import RefusingPublisher
from tests.stream.running import to_end
from tests.stream.test_protocol import protocol

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
    to_end(protocol(publisher).complete(work, before=None, acknowledge=done.append))
    assert done == [work]
    return publisher


def test_k5_documents_are_halved_until_they_fit_and_none_is_missing() -> None:
    work = work_for((ACCESS_LINE + b"\n") * 100)
    whole = stored_of(work.outputs[0].value)
    publisher = published(work, bytes_max={DOCS_TOPIC: 3_000})
    docs = [r for r in publisher.durable if r.topic == DOCS_TOPIC]
    found = [one for record in docs for one in stored_of(record.value)]
    key = "log.offset"
    assert sorted(found, key=lambda one: one.document[key]) == whole
    spans = [decode(r.header, as_type=DocumentsOrigin) for r in docs]
    assert sum(span.event_count for span in spans) == 100
    assert sum(span.document_count for span in spans) == 100
    for record, span in zip(docs, spans, strict=True):
        assert len(stored_of(record.value)) == span.document_count


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

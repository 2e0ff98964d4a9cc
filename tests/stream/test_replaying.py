"""What the stream makes of a record that is read again is what a worker would send."""

from __future__ import annotations

import orjson
import pytest
from msgspec.structs import replace

from tailrace.dead.letters import read_document
from tailrace.floors import NO_FLOORS, Floors
from tailrace.ledger import FloorLedger
from tailrace.replay.made import Remade
from tailrace.topics import DOCS
from tailrace.wire import Origin
from tailrace_stream.enrich.enrichment import NO_ENRICHMENT, Enrichment
from tailrace_stream.guard.guard import UNCOUNTED
from tailrace_stream.own.parser import NO_OWN
from tailrace_stream.records import RawRecord
from tailrace_stream.redact.build import redaction_of
from tailrace_stream.redact.config import RedactionSettings
from tailrace_stream.redact.redaction import NO_REDACTION, Redaction
from tailrace_stream.replaying import Remaking
from tailrace_stream.work import parse_record, work_of
from tests.stream.builders import (
    ACCESS_LINE,
    GENERATION,
    NAMESPACE,
    SEEN_AT_MS,
    chunk_record,
    origin,
    placement,
    raw_record,
)

VALUE = ACCESS_LINE + b"\n" + b"no access line\n" + ACCESS_LINE + b"\n"
ACCESS = placement("nginx.access", dataset="nginx.access")


def remake(
    record: RawRecord,
    *,
    floors: Floors = NO_FLOORS,
    only: str = "",
    enrichment: Enrichment = NO_ENRICHMENT,
    redaction: Redaction = NO_REDACTION,
) -> Remade | None:
    def takes(one: Origin) -> bool:
        return only in one.path

    remaking = Remaking(
        topic_id="t",
        namespace=NAMESPACE,
        floors=floors,
        own=NO_OWN,
        enrichment=enrichment,
        redaction=redaction,
        guard=UNCOUNTED,
        takes=takes,
    )
    return remaking.remake(record, now_ms=SEEN_AT_MS)


def made(value: bytes = VALUE, *, first_event_number: int = 0) -> Origin:
    return origin(value, placed=ACCESS, first_event_number=first_event_number)


def test_x11_e9_it_is_document_for_document_what_a_worker_sends() -> None:
    """With what it adds to fields, and without what it hides."""
    enrichment = Enrichment(has_trace_ids=True)
    settings = RedactionSettings.model_validate(
        {"rules": [{"name": "quiet", "pattern": "no access"}], "key": "k" * 32}
    )
    redaction = redaction_of(settings)
    record = chunk_record(VALUE, made=made(first_event_number=100))
    parsed = parse_record(
        record,
        topic_id="t",
        namespace=NAMESPACE,
        now_ms=SEEN_AT_MS,
        enrichment=enrichment,
        redaction=redaction,
    )
    work = work_of(parsed, state=None, namespace=NAMESPACE, now_ms=SEEN_AT_MS)
    (sent,) = [o.value for o in work.outputs if o.topic == DOCS.name(NAMESPACE)]

    found = remake(record, enrichment=enrichment, redaction=redaction)

    assert found is not None
    assert b"no access" not in (sent or b"")
    assert (found.generation, found.dataset) == (GENERATION, "nginx.access")
    assert [each.number for each in found.documents] == [100, 101, 102]
    lines = sent.split(b"\n")
    assert [each.source for each in found.documents] == lines[1::2]
    for each, action, source in zip(
        found.documents, lines[::2], lines[1::2], strict=False
    ):
        document = read_document(action + b"\n" + source)
        assert document is not None
        assert (document.index, document.document_id) == (each.index, each.document_id)
        assert orjson.loads(source)["log.offset"] == each.offset
    assert found.dead == ()


def test_a_chunk_that_is_not_meant_is_not_even_parsed() -> None:
    broken = replace(made(), framing="mapped")

    assert remake(chunk_record(VALUE, made=made()), only="other.log") is None
    assert remake(chunk_record(b"no table", made=broken), only="other.log") is None


def test_a_chunk_that_cannot_be_read_tells_all_its_events_dead() -> None:
    broken = replace(made(first_event_number=7), framing="mapped")

    found = remake(chunk_record(b"no table", made=broken))

    assert found is not None
    (dead,) = found.dead
    assert dead.numbers == range(7, 10)
    assert dead.reason == "framing_unreadable"
    assert found.documents == ()


def test_a_chunk_that_its_agent_could_not_send_tells_so() -> None:
    dead_there = replace(made(b""), dead_reason="record_too_large", event_count=4)

    found = remake(chunk_record(b"", made=dead_there))

    assert found is not None
    assert found.dead[0].reason == "record_too_large"
    assert found.dead[0].numbers == range(4)


def test_a_chunk_that_its_agent_did_not_send_tells_so() -> None:
    word = replace(made(b""), dropped_reason="overload", event_count=4)

    found = remake(chunk_record(b"", made=word))

    assert found is not None
    assert found.dropped == (range(4),)
    assert (found.dead, found.documents) == ((), ())


def test_records_without_events_of_ours_are_told_apart() -> None:
    foreign = remake(raw_record(b"a line of another collector", offset=5))
    unreadable = remake(raw_record(b"x", header=b"no origin"))

    assert remake(raw_record(None)) is None
    assert foreign is not None
    assert foreign.is_foreign
    assert [each.number for each in foreign.documents] == [5]
    assert unreadable is not None
    assert unreadable.is_unreadable


@pytest.mark.parametrize("floor_ms", [0, 2**42])
def test_e9_what_is_expired_is_counted_and_not_made(floor_ms: int) -> None:
    floor = FloorLedger(
        dataset="nginx.access", period="day", floor_ms=floor_ms, updated_at_ms=1
    )

    found = remake(chunk_record(VALUE, made=made()), floors=Floors([floor]))

    assert found is not None
    assert found.expired_count == (3 if floor_ms else 0)
    assert len(found.documents) == (0 if floor_ms else 3)

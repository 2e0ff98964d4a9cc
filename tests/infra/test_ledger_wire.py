"""What each hop says: keys that never meet, newest wins, and digests that hold."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.digest import is_unaltered, with_digest
from tailrace.errors import WireError
from tailrace.ledger import (
    AgentHeartbeat,
    FloorLedger,
    HoleAnswer,
    IndexerLedger,
    LedgerRecord,
    RetentionLedger,
    StreamLedger,
    decode_ledger,
    ledger_key,
    ledger_partition,
)
from tailrace.topics import partition_of
from tailrace.wire import encode

GENERATION = "0123456789abcdef0123456789abcdef"

RECORDS: tuple[LedgerRecord, ...] = (
    StreamLedger(
        generation=GENERATION,
        revision=3,
        agent_id="a",
        host_name="web-1",
        path="/var/log/x.log",
        dataset="generic",
        first_event_number=0,
        next_event_number=3,
        next_offset=30,
        event_count=3,
        document_count=2,
        dead={"parser_raised": 1},
        observed_at_ms=1,
        raw_partition=0,
        raw_next_offset=1,
        updated_at_ms=2,
    ),
    IndexerLedger(
        generation=GENERATION,
        revision=3,
        agent_id="a",
        host_name="web-1",
        path="/var/log/x.log",
        next_offset=30,
        next_event_number=3,
        observed_at_ms=1,
        docs_partition=0,
        docs_next_offset=1,
        updated_at_ms=2,
    ),
    RetentionLedger(
        generation=GENERATION,
        index="tailrace-generic-2026.11.24",
        revision=2,
        document_count=2,
        windows={"0": (2, 1)},
        updated_at_ms=3,
    ),
    FloorLedger(dataset="generic", period="day", floor_ms=5, updated_at_ms=6),
    AgentHeartbeat(
        agent_id="a",
        host_id="h",
        host_name="web-1",
        swept_at_ms=7,
        files=1,
        unread_bytes=0,
        lost_bytes=0,
        interval_ms=5_000,
        updated_at_ms=8,
    ),
    HoleAnswer(
        generation=GENERATION,
        revision=9,
        agent_id="a",
        first_offset=0,
        next_offset=10,
        first_event_number=0,
        event_count=1,
        updated_at_ms=9,
    ),
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: type(r).__name__)
def test_a_record_is_read_as_it_was_written(record: LedgerRecord) -> None:
    assert decode_ledger(encode(record)) == record


def test_no_two_hops_share_a_key() -> None:
    keys = [ledger_key(record) for record in RECORDS]

    assert len(set(keys)) == len(keys)


def test_s8_a_generations_records_stand_where_its_chunks_do() -> None:
    partition = partition_of(GENERATION.encode())

    of_generation = [r for r in RECORDS if hasattr(r, "generation")]
    assert len(of_generation) == 4
    assert {ledger_partition(record) for record in of_generation} == {partition}


@pytest.mark.parametrize("value", [b"", b"{", b'{"hop":"elsewhere"}', b"\xff"])
def test_what_is_no_ledger_record_is_refused(value: bytes) -> None:
    with pytest.raises(WireError):
        decode_ledger(value)


def test_a_record_of_a_newer_version_is_refused() -> None:
    value = encode(RECORDS[3]).replace(b'"wire_version":1', b'"wire_version":2')

    with pytest.raises(WireError, match="upgrade"):
        decode_ledger(value)


def test_a_document_with_its_digest_is_unaltered() -> None:
    assert is_unaltered(with_digest(b'{"message":"a"}'))


@given(at=st.integers(0, 40), to=st.integers(0, 255))
def test_any_changed_byte_is_seen(at: int, to: int) -> None:
    source = bytearray(with_digest(b'{"message":"abc","log.offset":12}'))
    at %= len(source)
    before, source[at] = source[at], to

    assert is_unaltered(bytes(source)) == (before == to)


@pytest.mark.parametrize(
    "source", [b"", b"{}", b'{"message":"a"}', b'{"tailrace.digest":"x"}']
)
def test_what_bears_no_digest_does_not_pass(source: bytes) -> None:
    assert not is_unaltered(source)


def test_a_record_from_before_there_were_spans_is_read_as_it_was() -> None:
    (now,) = [record for record in RECORDS if isinstance(record, StreamLedger)]
    fields = msgspec.json.decode(encode(now))
    for name in ("dropped_spans", "dropped_untold", "event_numbers"):
        del fields[name]

    assert decode_ledger(msgspec.json.encode(fields)) == now

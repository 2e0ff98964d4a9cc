"""A record that was written can be read, and one that was not says what is wrong."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.errors import WireError
from tailrace.framing import FLAG_CUT, MappedEvent, decode_mapped, encode_mapped
from tailrace.topics import PARTITIONS, TOPICS, partition_of
from tailrace.wire import (
    WIRE_VERSION,
    DeadLetter,
    Origin,
    Placement,
    decode,
    encode,
    header_of,
)

PLACEMENT = Placement(
    dataset="generic",
    parser="auto",
    time_rule="generation",
    time_zone="Europe/Berlin",
    anchor_ms=1,
    earliest_ms=0,
    latest_ms=2,
)


ORIGIN = Origin(
    agent_id="a",
    host_id="h",
    host_name="web-3",
    path="/var/log/x\\xff.log",
    generation="00" * 16,
    born_at_ms=5,
    first_offset=100,
    size_bytes=50,
    first_event_number=7,
    event_count=2,
    source="s",
    placement=PLACEMENT,
    tags=("a",),
    fields={"k": "v"},
    time_zone="UTC",
    observed_at_ms=9,
)


def test_an_origin_comes_back_as_it_went() -> None:
    assert decode(encode(ORIGIN), as_type=Origin) == ORIGIN
    assert ORIGIN.next_offset == 150


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff\xfe", b"[]", b'{"agent_id":1}'])
def test_k11_bytes_that_are_no_origin_are_refused_with_the_reason(raw: bytes) -> None:
    with pytest.raises(WireError, match="Origin cannot be read"):
        decode(raw, as_type=Origin)


def test_a_newer_wire_version_asks_for_an_upgrade() -> None:
    newer = encode(msgspec.structs.replace(ORIGIN, wire_version=WIRE_VERSION + 1))
    with pytest.raises(WireError, match="upgrade this role first"):
        decode(newer, as_type=Origin)


@given(st.binary(max_size=200))
def test_a_dead_letter_keeps_any_bytes(original: bytes) -> None:
    letter = DeadLetter(
        dead_id="x",
        stage="stream",
        reason="origin_unreadable",
        detail="",
        original=original,
        died_at_ms=1,
        topic="tailrace.raw",
        partition=0,
        offset=1,
    )
    assert decode(encode(letter), as_type=DeadLetter).original == original


def test_our_header_is_found_among_others() -> None:
    assert header_of([("other", b"1"), ("tailrace", b"2")]) == b"2"
    assert header_of([("other", b"1")]) is None
    assert header_of(None) is None


mapped_events = st.builds(
    MappedEvent,
    offset=st.integers(0, 2**63),
    original_size_bytes=st.integers(0, 2**63),
    checksum=st.integers(0, 2**32 - 1),
    stored=st.binary(max_size=60),
    flags=st.sampled_from([0, FLAG_CUT]),
)


@given(st.lists(mapped_events, max_size=20))
def test_mapped_events_come_back_as_they_went(events: list[MappedEvent]) -> None:
    assert decode_mapped(encode_mapped(events)) == events


@given(st.binary(max_size=120))
def test_k11_a_broken_table_is_refused_and_never_a_crash(value: bytes) -> None:
    try:
        decode_mapped(value)
    except WireError:
        return
    assert encode_mapped(decode_mapped(value)) == value


def test_a_mapped_chunk_that_was_torn_is_refused() -> None:
    value = encode_mapped([MappedEvent(0, 3, 1, b"abc")])
    for size in range(len(value)):
        with pytest.raises(WireError):
            decode_mapped(value[:size])


def test_s8_a_key_goes_where_every_kafka_client_puts_it() -> None:
    """The figures are those of Kafka's own UtilsTest.testMurmur2."""
    from tailrace import topics

    for key, hashed in {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }.items():
        assert topics._murmur2(key) == hashed & 0xFFFFFFFF  # pyright: ignore[reportPrivateUsage]
        assert partition_of(key) == (hashed & 0x7FFFFFFF) % PARTITIONS


def test_topics_that_share_a_key_share_the_partition_count() -> None:
    counts = {topic.suffix: topic.partitions for topic in TOPICS}
    shared = {counts[name] for name in ("raw", "docs", "ledger", "state")}
    assert shared == {PARTITIONS}

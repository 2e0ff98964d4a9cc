"""What names a line depends on nothing that changes when it is sent again."""

from __future__ import annotations

from base64 import urlsafe_b64decode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.identity import (
    DAY_MS,
    ID_BYTES,
    ID_CHARACTERS,
    OLD_EVENT_MS,
    document_id,
    generation_of,
    index_name,
)
from tailrace.wire import FileIdentity, Placement

BORN_AT_MS = 1_790_000_000_000
GENERATION = "0123456789abcdef0123456789abcdef"
PLACEMENT = Placement(
    dataset="nginx.access",
    parser="access",
    time_rule="event",
    time_zone="UTC",
    anchor_ms=BORN_AT_MS,
    earliest_ms=BORN_AT_MS - 3_650 * DAY_MS,
    latest_ms=BORN_AT_MS + 730 * DAY_MS,
)
IDENTITY = FileIdentity(
    host_id="host-1",
    filesystem_id="fs-1",
    inode=42,
    born_at_ns=BORN_AT_MS * 1_000_000,
    born_at_known=True,
    truncation_count=0,
)


def replaced(**changes: str | int) -> FileIdentity:
    return msgspec.structs.replace(IDENTITY, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"host_id": "host-2"},
        {"filesystem_id": "fs-2"},
        {"inode": 43},
        {"born_at_ns": 1},
        {"truncation_count": 1},
    ],
    ids=str,
)
def test_f7_every_fact_of_identity_makes_another_generation(
    changes: dict[str, str | int],
) -> None:
    """Hosts cloned from one image share all facts but the host id; all must count."""
    assert generation_of(replaced(**changes)) != generation_of(IDENTITY)


def test_f14_a_generation_is_the_same_wherever_it_is_computed() -> None:
    assert generation_of(IDENTITY) == generation_of(replaced())
    assert len(bytes.fromhex(generation_of(IDENTITY))) == 16


def id_at(offset: int, *, checksum: int = 7, generation: str = GENERATION) -> str:
    return document_id(
        generation=generation, born_at_ms=BORN_AT_MS, offset=offset, checksum=checksum
    )


def test_an_id_has_at_least_128_bits_and_no_padding() -> None:
    assert ID_BYTES * 8 >= 128
    assert len(id_at(0)) == ID_CHARACTERS
    assert len(urlsafe_b64decode(id_at(0))) == ID_BYTES


@given(st.integers(0, 2**48 - 2), st.integers(1, 1_000))
def test_ids_of_a_file_arrive_sorted(offset: int, step: int) -> None:
    later = min(offset + step, 2**48 - 1)
    assert urlsafe_b64decode(id_at(offset)) < urlsafe_b64decode(id_at(later))


def test_other_bytes_at_the_same_place_get_another_id() -> None:
    """A mistaken identity then stores both lines; it never loses one in silence."""
    assert id_at(100, checksum=1) != id_at(100, checksum=2)


def test_the_same_place_in_another_generation_gets_another_id() -> None:
    assert id_at(100) != id_at(100, generation=GENERATION[::-1])


def named(event_ms: int | None, placement: Placement = PLACEMENT) -> str:
    return index_name(
        event_ms, namespace="tailrace", placement=placement, born_at_ms=BORN_AT_MS
    )


def test_e9_e13_the_index_follows_the_time_in_the_line() -> None:
    assert named(BORN_AT_MS) == "tailrace-nginx.access-2026.09.21"
    assert named(BORN_AT_MS + DAY_MS) == "tailrace-nginx.access-2026.09.22"


def test_s7_old_events_share_a_months_index() -> None:
    assert named(BORN_AT_MS - OLD_EVENT_MS - 1) == "tailrace-nginx.access-2026.08"
    assert named(BORN_AT_MS - OLD_EVENT_MS) == "tailrace-nginx.access-2026.08.21"


@pytest.mark.parametrize(
    "event_ms", [None, 0, PLACEMENT.earliest_ms - 1, PLACEMENT.latest_ms, 2**42]
)
def test_s7_a_time_out_of_bounds_goes_to_the_generations_own_day(
    event_ms: int | None,
) -> None:
    assert named(event_ms) == named(BORN_AT_MS)

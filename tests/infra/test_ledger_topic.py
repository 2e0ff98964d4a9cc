"""What the ledger says: the newest word of each key, and which words nobody can read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import structlog
from structlog.testing import capture_logs

from tailrace.ledger import FloorLedger
from tailrace.ledger_topic import LedgerEntry, newest_of, newest_records
from tailrace.wire import WIRE_VERSION, encode


def word(revision: int, **changes: Any) -> bytes:  # noqa: ANN401 - any field of one
    made = FloorLedger(
        dataset="generic", period="day", floor_ms=revision, updated_at_ms=1
    )
    return encode(msgspec.structs.replace(made, **changes))


def entries(*words: tuple[bytes | None, bytes | None]) -> list[LedgerEntry]:
    return [LedgerEntry(key, value, 3, n) for n, (key, value) in enumerate(words)]


@pytest.mark.parametrize(
    "bad", [b"", b"{", b"\xff", b'{"hop":"nobody"}', word(9, wire_version=99)]
)
def test_a_record_that_cannot_be_read_is_told_with_its_place(bad: bytes) -> None:
    assert WIRE_VERSION < 99

    found = newest_of(entries((b"a", word(1)), (b"b", word(2)), (b"b", bad)))

    assert [record.revision for record in found.records.values()] == [1, 2]
    (entry,) = found.unreadable
    assert (entry.key, entry.partition, entry.offset) == (b"b", 3, 2)
    assert entry.reason


def test_a_record_without_a_key_is_nobody_s_word() -> None:
    found = newest_of(entries((None, word(1))))

    assert not found.records
    assert [entry.key for entry in found.unreadable] == [None]


@pytest.mark.parametrize("later", [word(2), None])
def test_what_a_later_record_of_the_key_says_counts(later: bytes | None) -> None:
    """Figures are absolute, and a tombstone ends them."""
    found = newest_of(entries((b"a", b"{"), (b"a", later)))

    assert not found.unreadable
    assert len(found.records) == (later is not None)


def test_the_greatest_revision_is_the_newest_wherever_it_stands() -> None:
    found = newest_of(entries((b"a", word(5)), (b"a", word(4))))

    assert [record.revision for record in found.records.values()] == [5]


def test_whoever_passes_over_unreadable_records_says_so_once() -> None:
    log = structlog.get_logger()
    with capture_logs() as said:
        found = newest_records(
            entries((b"a", b"{"), (b"b", b"{"), (b"c", word(1))), log=log
        )
        newest_records(entries((b"c", word(1))), log=log)

    assert list(found) == [b"c"]
    assert [(each["event"], each["records"]) for each in said] == [
        ("ledger_records_passed_over", 2)
    ]

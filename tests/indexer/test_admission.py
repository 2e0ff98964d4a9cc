"""What was not unpacked becomes a dead letter, whichever topic it was read from (X9)."""

from __future__ import annotations

import json

import pytest

from tailrace.capped_records import REFUSED_HEADER, UNPACKED_TOO_LARGE
from tailrace.kafka_consumer import Partition, Record
from tailrace_indexer.admission import admit
from tailrace_indexer.pieces import Kind


def refused(topic: str) -> Record:
    return Record(
        Partition(topic, 2), 7, None, b"packed", ((REFUSED_HEADER, b"too much"),)
    )


@pytest.mark.parametrize("topic", ["t.docs", "t.rates", "t.alerts", "t.ledger"])
def test_x9_what_was_not_unpacked_is_a_dead_letter_with_its_packed_bytes(
    topic: str,
) -> None:
    letter = admit(refused(topic), namespace="t", now_ms=5).letter
    assert letter is not None
    assert letter.reason == UNPACKED_TOO_LARGE
    assert letter.detail == "too much"
    assert letter.original == b"packed"
    assert (letter.topic, letter.partition, letter.offset) == (topic, 2, 7)
    assert letter.event_count == (topic == "t.docs")


def test_x9_dead_letters_that_were_not_unpacked_are_shown_as_such() -> None:
    admission = admit(refused("t.dead"), namespace="t", now_ms=5)
    assert admission.letter is None
    assert admission.kind is Kind.DEAD_LETTERS
    document = json.loads(admission.body.splitlines()[1])
    assert document["dead.reason"] == UNPACKED_TOO_LARGE
    assert document["dead.detail"] == "too much"

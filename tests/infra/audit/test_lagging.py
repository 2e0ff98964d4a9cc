"""What a dead letter on its way to the index accounts for: what it names, and no more."""

from __future__ import annotations

import msgspec
import pytest

from tailrace.audit.lagging import EVENT_NUMBER_MAX, LaggingLetters
from tailrace.wire import WIRE_VERSION
from tests.infra.audit.builders import GENERATION, dead_letter


def test_letters_are_gathered_by_generation_and_number() -> None:
    letters = LaggingLetters()
    for value in (
        dead_letter(4),
        dead_letter(5, count=3),
        dead_letter(20),
        dead_letter(4),
        dead_letter(1, generation="another"),
    ):
        letters.take(value)

    lagging = letters.all(unread_count=7)

    assert lagging.of(GENERATION).pairs() == ((4, 8), (20, 21))
    assert lagging.of("another").pairs() == ((1, 2),)
    assert not lagging.of("a third")
    assert (lagging.unplaced_count, lagging.unread_count) == (0, 7)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        dead_letter(-1),
        dead_letter(4, generation=""),
        dead_letter(4, count=0),
        dead_letter(4, count=-3),
        dead_letter(4, wire_version=WIRE_VERSION + 1),
        msgspec.json.encode({"generation": GENERATION, "first_event_number": "4"}),
    ],
)
def test_a_letter_that_names_no_event_accounts_for_none(value: bytes | None) -> None:
    """Nor does it once it is indexed."""
    letters = LaggingLetters()
    letters.take(value)

    lagging = letters.all(unread_count=0)

    assert not lagging.numbers
    assert lagging.unplaced_count == 1


def test_a_letter_of_more_events_than_there_can_be_ends_where_numbers_end() -> None:
    letters = LaggingLetters()
    letters.take(dead_letter(4, count=2**62))

    pairs = letters.all(unread_count=0).of(GENERATION).pairs()

    assert pairs == ((4, EVENT_NUMBER_MAX),)

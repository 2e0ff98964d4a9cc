"""Which event numbers stand in dead letters that are not indexed yet.

Pure. An index that lacks a number is excused by a letter that names it, and by no other: a
letter without a number is none of an event's even when it is indexed, and one that nobody
has read proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from tailrace.number_sets import NO_NUMBERS, NumberSet
from tailrace.wire import WIRE_VERSION

EVENT_NUMBER_MAX = 2**47
"""As the stream bounds the numbers of an origin; what lies beyond is no event's."""


class _Letter(msgspec.Struct, frozen=True):
    """What of `tailrace.wire.DeadLetter` tells its events; originals are passed over."""

    wire_version: int = WIRE_VERSION
    generation: str = ""
    first_event_number: int = -1
    event_count: int = 1


_decoder = msgspec.json.Decoder(_Letter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lagging:
    """The dead letters between the indexers' commit and the end that an audit fixed."""

    numbers: Mapping[str, NumberSet] = field(default_factory=dict[str, NumberSet])
    """By generation, the events that the letters name."""
    unplaced_count: int = 0
    """Letters that name no event, or cannot be decoded."""
    unread_count: int = 0
    """Letters beyond a limit of the reading, or gone from Kafka before it."""

    def of(self, generation: str) -> NumberSet:
        """Return the numbers of one generation."""
        return self.numbers.get(generation, NO_NUMBERS)


@dataclass(slots=True)
class LaggingLetters:
    """Gathers letters as they are read; joined at the end."""

    _spans: dict[str, list[tuple[int, int]]] = field(
        default_factory=dict[str, list[tuple[int, int]]]
    )
    _unplaced_count: int = 0

    def take(self, value: bytes | None) -> None:
        """Take one record of `tailrace.dead` into account."""
        letter = _read(value)
        if letter is None:
            self._unplaced_count += 1
            return
        first = letter.first_event_number
        stop = min(first + letter.event_count, EVENT_NUMBER_MAX)
        self._spans.setdefault(letter.generation, []).append((first, stop))

    def all(self, *, unread_count: int) -> Lagging:
        """Return what was gathered."""
        return Lagging(
            numbers={
                generation: NumberSet.of(spans)
                for generation, spans in self._spans.items()
            },
            unplaced_count=self._unplaced_count,
            unread_count=unread_count,
        )


def _read(value: bytes | None) -> _Letter | None:
    """Return a letter that names events; None for any other."""
    try:
        letter = _decoder.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    is_placed = letter.generation and letter.first_event_number >= 0
    if not is_placed or letter.event_count < 1 or letter.wire_version > WIRE_VERSION:
        return None
    return letter

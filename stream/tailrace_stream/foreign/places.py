"""What names an event of another collector: the place of its record in Kafka, and its own in it.

Topic id, partition, offset and place within the record: nothing of it changes when a record
is read again, by another worker or from the beginning, so the event keeps id and index.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from tailrace.identity import DAY_MS, GENERATION_BYTES

PLACE_BITS = 10
"""How many offsets of a generation a record of several events has: 1,024. Few, because an
audit counts by windows of offsets, and most such records hold fewer. What one has more lies
in further generations."""
_PLACES = 1 << PLACE_BITS
_SLICE_BITS = 37
"""How many records of several events are one generation's: offsets stay below 2^47."""
BELIEVED_FROM_MS = 946_684_800_000
"""1 January 2000: no record of Kafka is older, and one without a time says -1 or 0."""
AHEAD_MS_MAX = 2 * DAY_MS
"""Up to the end of tomorrow, wherever on earth the producer's clock hangs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The life of a file that stands for a day of a partition."""

    name: str
    born_at_ms: int
    """The day's first millisecond: all its events lie in this day's index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The day that a record belongs to."""

    born_at_ms: int
    is_believed: bool
    """It is the record's own; else the day of its first reading stands in for it."""


def day_of(timestamp_ms: int, *, today_ms: int) -> Day:
    """Return the day of a record's time in Kafka, where that can be believed."""
    if BELIEVED_FROM_MS <= timestamp_ms < today_ms + AHEAD_MS_MAX:
        return Day(born_at_ms=timestamp_ms // DAY_MS * DAY_MS, is_believed=True)
    return Day(born_at_ms=today_ms, is_believed=False)


@lru_cache(maxsize=1_024)
def generation_of(
    *, topic_id: str, partition: int, born_at_ms: int, dataset: str, slice_: str = ""
) -> Generation:
    """Return the generation of a partition's events of one day and dataset.

    The topic's id, and not its name: a topic made anew begins others (K12).
    """
    facts = ("foreign", topic_id, str(partition), str(born_at_ms), dataset, slice_)
    digest = blake2b("\0".join(facts).encode(), digest_size=GENERATION_BYTES)
    return Generation(name=digest.hexdigest(), born_at_ms=born_at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one event of a record that holds several lies."""

    slice_: str
    """Which generation of the day."""
    offset: int
    record_end: int
    """Where the next record's first event would lie."""


def place_of(offset: int, *, place: int) -> Place:
    """Return where the event at `place` of the record at `offset` lies."""
    first = (offset & ((1 << _SLICE_BITS) - 1)) << PLACE_BITS
    return Place(
        slice_=f"several/{offset >> _SLICE_BITS}/{place >> PLACE_BITS}",
        offset=first + place % _PLACES,
        record_end=first + _PLACES,
    )

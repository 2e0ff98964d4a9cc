"""Which indices are expired: floors below which nothing of a dataset is kept, or made again.

A floor is raised before an index is deleted, so that no event on its way makes the index
anew: the stream counts such events as dropped for `expired`. Day and month indices of one
dataset have floors of their own, because a month's index holds events of old files only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from tailrace.identity import DAY_MS
from tailrace.ledger import FloorLedger

Period: TypeAlias = Literal["day", "month"]
FloorKey: TypeAlias = tuple[str, Period]
DAY_FORMAT = "%Y.%m.%d"
MONTH_FORMAT = "%Y.%m"
DEAD_LETTERS = "dead"
"""Where a dataset is named: the indices of dead letters. No dataset has this name."""


@dataclass(frozen=True, slots=True)
class IndexSpan:
    """What the name of an event index says: whose events of which time it holds."""

    dataset: str
    """Or the name that stands in its place, where its files are routed."""
    period: Period
    start_ms: int
    end_ms: int
    """The first millisecond after it."""

    @property
    def key(self) -> FloorKey:
        """Name the floor it is measured by."""
        return self.dataset, self.period


class Floors:
    """The newest floor of each dataset and period; a value, replaced as a whole."""

    def __init__(self, records: Iterable[FloorLedger] = ()) -> None:
        self._records: dict[FloorKey, FloorLedger] = {}
        for record in records:
            key: FloorKey = (record.dataset, record.period)
            known = self._records.get(key)
            if known is None or record.floor_ms >= known.floor_ms:
                self._records[key] = record

    def __bool__(self) -> bool:
        return bool(self._records)

    @property
    def records(self) -> Mapping[FloorKey, FloorLedger]:
        """The record that is the truth for each."""
        return self._records

    def is_expired(self, index: str, *, namespace: str) -> bool:
        """Tell whether an index lies below its floor; other indices never do."""
        span = span_of(index, namespace=namespace)
        if span is None:
            return False
        record = self._records.get(span.key)
        return record is not None and span.end_ms <= record.floor_ms


NO_FLOORS = Floors()


def span_of(index: str, *, namespace: str) -> IndexSpan | None:
    """Return what an index's name says, None where it is no event index of ours.

    A replay's suffix (`-r2`) makes no difference: it holds the same events.
    """
    if not index.startswith(f"{namespace}-"):
        return None
    parts = index.removeprefix(f"{namespace}-").split("-")
    if len(parts) == 3 and parts[2][:1] == "r" and parts[2][1:].isdigit():
        parts.pop()
    if len(parts) != 2:
        return None
    dataset, date = parts
    for form, period in ((DAY_FORMAT, "day"), (MONTH_FORMAT, "month")):
        try:
            start = datetime.strptime(date, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        start_ms = int(start.timestamp() * 1_000)
        if period == "day":
            return IndexSpan(dataset, "day", start_ms, start_ms + DAY_MS)
        following = start.replace(
            year=start.year + start.month // 12, month=start.month % 12 + 1
        )
        end_ms = int(following.timestamp() * 1_000)
        return IndexSpan(dataset, "month", start_ms, end_ms)
    return None

"""What a replay found, counted by dataset, with some of the changed events shown whole.

Memory is bounded: by the datasets of an installation, the fields that a pipeline makes,
and the number of events that somebody asked to see.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tailrace.dead.preview import Change
from tailrace.replay.compare import Fate

FIELDS_MAX: Final = 1_000
"""Names of changed fields that are counted of a dataset; users' own names may be many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One event that is altered, before and after."""

    fate: Fate
    host_name: str
    path: str
    offset: int
    number: int
    line: str
    former: str = ""
    """Index and `_id` of what is stored."""
    changes: tuple[Change, ...] = ()
    detail: str = ""
    """Why no document can be made, where none can."""


@dataclass(slots=True)
class DatasetTally:
    """What became of the events of one dataset."""

    fates: Counter[Fate] = field(default_factory=Counter[Fate])
    fields: Counter[str] = field(default_factory=Counter[str])
    """By name, in how many documents a field changes."""
    samples: list[Sample] = field(default_factory=list[Sample])


@dataclass(slots=True)
class Tally:
    """What became of all of them."""

    samples_max: int
    """Of each dataset, and of each fate that has any."""
    datasets: dict[str, DatasetTally] = field(default_factory=dict[str, DatasetTally])
    record_count: int = 0
    again_count: int = 0
    """Events that stood in an earlier record of the span, too: they count once."""
    unreadable_count: int = 0
    """Records of which nobody knows whose events they hold."""

    def count(self, dataset: str, fate: Fate, *, events: int = 1) -> None:
        """Count events whose fate is known."""
        if events:
            self.of(dataset).fates[fate] += events

    def of(self, dataset: str) -> DatasetTally:
        """Return what is counted of a dataset."""
        return self.datasets.setdefault(dataset, DatasetTally())

    def count_fields(self, dataset: str, changes: tuple[Change, ...]) -> None:
        """Count which fields change in one document."""
        fields = self.of(dataset).fields
        for each in changes:
            if each.field in fields or len(fields) < FIELDS_MAX:
                fields[each.field] += 1

    def wants(self, dataset: str, fate: Fate) -> bool:
        """Tell whether one more event of this fate is to be shown."""
        samples = self.of(dataset).samples
        return sum(each.fate is fate for each in samples) < self.samples_max

    def total(self, fate: Fate) -> int:
        """Return how many events of all datasets have this fate."""
        return sum(each.fates[fate] for each in self.datasets.values())

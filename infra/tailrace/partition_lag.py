"""How far a consumer group is in one partition. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """How far a group has read one partition, and how far that partition goes."""

    topic: str
    partition: int
    next_offset: int
    """What the group reads next: nothing before the oldest record that is there."""
    end_offset: int
    """The offset that the next record written will get."""
    has_committed: bool
    missed_records: int = 0
    """Offsets that it had not committed when retention had taken them already."""

    @property
    def lag_records(self) -> int:
        """Return how many records the group has still to read."""
        return max(self.end_offset - self.next_offset, 0)


def lag_of(
    place: tuple[str, int], *, begin: int, committed: int | None, end: int
) -> PartitionLag:
    """Return a group's lag; what lies before `begin` is nowhere, and no lag.

    The group goes on at the beginning, but commits nothing before another record comes.
    """
    return PartitionLag(
        topic=place[0],
        partition=place[1],
        next_offset=begin if committed is None else max(committed, begin),
        end_offset=end,
        has_committed=committed is not None,
        missed_records=0 if committed is None else max(begin - committed, 0),
    )

"""What a worker asks of whoever reads the raw topic for it: where a partition stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class OffsetsUnknown(Exception):
    """The brokers did not say where a partition stands."""


class Offsets(Protocol):
    """The consumer's side of a partition: where it stands, and how it is moved."""

    async def start_of(self, partition: int) -> int:
        """Return the committed offset, or the first there is where none is.

        Raises:
            OffsetsUnknown: the brokers did not tell; try again.
        """
        ...

    async def seek(self, partition: int, *, offset: int) -> None:
        """Let the records from `offset` on come (again)."""
        ...

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        """Commit the offsets to read next; False where it has to be tried again."""
        ...

    def waiting_count(self, partition: int, *, next_offset: int) -> int:
        """Return how many offsets a partition has from one on, as last heard."""
        ...

    async def has_record(self, partition: int, *, next_offset: int) -> bool:
        """Ask the brokers whether a partition has a record from an offset on.

        Raises:
            OffsetsUnknown: the brokers did not tell.
        """
        ...

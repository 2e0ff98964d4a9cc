"""How long the oldest unsent byte of each file waits, and since when none of them went."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Wait:
    """Since when something waits, and since when none of it was acknowledged."""

    since_ms: int
    still_since_ms: int


@dataclass(frozen=True, slots=True)
class _Mark:
    """A size that a file had, and when it was seen; where its sending stood, and since when."""

    size_bytes: int
    seen_at_ms: int
    acknowledged_offset: int
    still_since_ms: int


class Waiting:
    """Keeps one mark a generation: an age that is never told as more than it is.

    Whatever lies below the mark was there when it was set; once all of that is
    acknowledged, the mark moves to the size of now. So a file that grows all the time
    and is shipped all the time is young, and one that stands still is as old as it waits.
    """

    def __init__(self) -> None:
        self._marks: dict[str, _Mark] = {}

    def of(
        self,
        generation: str,
        *,
        size_bytes: int,
        acknowledged_offset: int,
        now_ms: int,
    ) -> Wait | None:
        """Return since when something waits, at least; None where nothing does."""
        if acknowledged_offset >= size_bytes:
            self._marks.pop(generation, None)
            return None
        mark = self._marks.get(generation)
        # A mark above the size is of a life that a truncation ended.
        if mark is None or not acknowledged_offset < mark.size_bytes <= size_bytes:
            still_since_ms = now_ms
            if mark is not None and mark.acknowledged_offset == acknowledged_offset:
                still_since_ms = mark.still_since_ms
            mark = _Mark(size_bytes, now_ms, acknowledged_offset, still_since_ms)
        elif mark.acknowledged_offset != acknowledged_offset:
            mark = replace(
                mark, acknowledged_offset=acknowledged_offset, still_since_ms=now_ms
            )
        self._marks[generation] = mark
        return Wait(mark.seen_at_ms, mark.still_since_ms)

    def keep_only(self, generations: Collection[str]) -> None:
        """Forget the files that are no longer followed."""
        for gone in self._marks.keys() - set(generations):
            del self._marks[gone]

"""When what waited may be sent: at the rate that is set, each file in its slot.

After an outage of an hour all agents have an hour's lines, and Kafka, the stream and the
indexer would get them at once, before those of now. With a rate set, a file that is behind
reserves the time that its next chunk takes at that rate, behind what others have reserved;
until then it is not read. Files that are not behind are not asked: their lines are of now,
and few beside what waited.

A slot is reserved once, so ten thousand files that wait cost one turn a chunk, and not one
each for every chunk of any of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tailrace_agent.config import AgentSettings
from tailrace_agent.tracked import Slot, TrackedFile

BEHIND_MS = 10_000
"""What was seen so long ago and not yet read has waited. Longer than a line may wait for
its newline by itself."""


@dataclass(slots=True)
class Pace:
    """Time at a rate, handed out without gaps and without overlap."""

    bytes_per_s: int
    free_at_ms: float = 0.0
    """All before is handed out."""

    def reserve(self, size_bytes: int, *, now_ms: int) -> int:
        """Return when so many bytes may begin to go; time that nobody took is gone."""
        begin_ms = max(self.free_at_ms, now_ms)
        self.free_at_ms = begin_ms + self._length_ms(size_bytes)
        return round(begin_ms)

    def correct(self, *, reserved_bytes: int, sent_bytes: int) -> None:
        """Take in that more or less was sent than had been reserved."""
        self.free_at_ms += self._length_ms(sent_bytes - reserved_bytes)

    def _length_ms(self, size_bytes: int) -> float:
        return size_bytes * 1_000 / self.bytes_per_s


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Knows which files are behind, and gives each chunk of theirs its slot."""

    pace: Pace
    chunk_bytes: int

    def due_ms(self, tracked: TrackedFile, *, now_ms: int) -> int | None:
        """Return when the file may be read, or None where it may be now."""
        tracked.is_behind = self._is_behind(tracked, now_ms=now_ms)
        if not tracked.is_behind:
            return None
        if tracked.slot is None:
            size_bytes = min(max(tracked.unread_bytes, 1), self.chunk_bytes)
            at_ms = self.pace.reserve(size_bytes, now_ms=now_ms)
            tracked.slot = Slot(at_ms, size_bytes)
        at_ms = tracked.slot.at_ms
        return at_ms if at_ms > now_ms else None

    def note_sent(self, tracked: TrackedFile, *, size_bytes: int) -> None:
        """Note that the file's slot was used: the next chunk needs one of its own."""
        if tracked.slot is not None:
            reserved_bytes = tracked.slot.size_bytes
            self.pace.correct(reserved_bytes=reserved_bytes, sent_bytes=size_bytes)
            tracked.slot = None

    def _is_behind(self, tracked: TrackedFile, *, now_ms: int) -> bool:
        """Return whether what is unread has waited; once it has, to the last byte."""
        if not tracked.unread_bytes and tracked.archive_suffix is None:
            return False
        return (
            tracked.is_behind
            or tracked.archive_suffix is not None
            or tracked.unread_bytes >= self.chunk_bytes
            or now_ms - tracked.unread_since_ms >= BEHIND_MS
        )


def catch_up_of(settings: AgentSettings) -> CatchUp | None:
    """Return what holds files back that are behind; None where nothing is to."""
    if settings.catch_up_bytes_per_s is None:
        return None
    return CatchUp(Pace(settings.catch_up_bytes_per_s), settings.chunk_bytes)

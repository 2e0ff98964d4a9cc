"""When a file may be read: what waited, and what a source has, at the rates that are set.

After an outage of an hour all agents have an hour's lines, and Kafka, the stream and the
indexer would get them at once, before those of now. With a rate set, a file that is behind
reserves the time that its next chunk takes at that rate, behind what others have reserved;
until then it is not read. Files that are not behind are not asked: their lines are of now,
and few beside what waited.

A source may have a rate, too, for all that its files hold, with a burst that what it did
not use allows. What is beyond it waits in its files, which lose nothing by that, unless
its policy is another one (`overload.py`).

A slot is reserved once, so ten thousand files that wait cost one turn a chunk, and not one
each for every chunk of any of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tailrace_agent.config import AgentSettings
from tailrace_agent.tracked import Slot, TrackedFile

BEHIND_MS = 10_000
"""What was seen so long ago and not yet read has waited. Longer than a line may wait for
its newline by itself."""


@dataclass(slots=True)
class Pace:
    """Time at a rate, handed out without gaps and without overlap."""

    bytes_per_s: int
    burst_bytes: int = 0
    """So much may go at once, of what nobody took before."""
    free_at_ms: float = 0.0
    """All before is handed out."""

    def reserve(self, size_bytes: int, *, now_ms: int) -> int:
        """Return when so many bytes may begin to go.

        Time that nobody took is gone, but for that of a burst.
        """
        begin_ms = max(self.free_at_ms, now_ms - self._length_ms(self.burst_bytes))
        self.free_at_ms = begin_ms + self._length_ms(size_bytes)
        return round(begin_ms)

    def correct(self, *, reserved_bytes: int, sent_bytes: int) -> None:
        """Take in that more or less was sent than had been reserved."""
        self.free_at_ms += self._length_ms(sent_bytes - reserved_bytes)

    def unused_bytes(self, *, now_ms: int) -> int:
        """Return how much of the burst nobody took; below 0 while some is owed."""
        unused_ms = now_ms - self.free_at_ms
        return min(int(unused_ms * self.bytes_per_s / 1_000), self.burst_bytes)

    def _length_ms(self, size_bytes: int) -> float:
        return size_bytes * 1_000 / self.bytes_per_s


@dataclass(frozen=True, slots=True)
class Pacing:
    """Gives each chunk its slot: of files that are behind, and of sources with a rate."""

    catch_up: Pace | None
    sources: Mapping[str, Pace]
    chunk_bytes: int
    held_back_bytes: Counter[str] = field(default_factory=Counter[str])
    """By source, what had to wait for its rate, since the start."""

    def due_ms(self, tracked: TrackedFile, *, now_ms: int) -> int | None:
        """Return when the file may be read, or None where it may be now."""
        if not tracked.unread_bytes and tracked.archive_suffix is None:
            tracked.is_behind = False
            return None
        tracked.is_behind = self._is_behind(tracked, now_ms=now_ms)
        of_source = self.sources.get(tracked.source.name)
        if of_source is None and not tracked.is_behind:
            return None
        if tracked.slot is None:
            tracked.slot = self._reserve(tracked, of_source, now_ms=now_ms)
        at_ms = tracked.slot.at_ms
        return at_ms if at_ms > now_ms else None

    def note_sent(self, tracked: TrackedFile, *, size_bytes: int) -> None:
        """Note that the file's slot was used: the next chunk needs one of its own."""
        slot, tracked.slot = tracked.slot, None
        if slot is None:
            return
        of_source = self.sources.get(tracked.source.name)
        for pace in (self.catch_up if slot.is_behind else None, of_source):
            if pace is not None:
                pace.correct(reserved_bytes=slot.size_bytes, sent_bytes=size_bytes)

    def _reserve(
        self, tracked: TrackedFile, of_source: Pace | None, *, now_ms: int
    ) -> Slot:
        size_bytes = min(max(tracked.unread_bytes, 1), self.chunk_bytes)
        at_ms = now_ms
        if of_source is not None:
            at_ms = max(at_ms, of_source.reserve(size_bytes, now_ms=now_ms))
            if at_ms > now_ms:
                self.held_back_bytes[tracked.source.name] += size_bytes
        if tracked.is_behind and self.catch_up is not None:
            at_ms = max(at_ms, self.catch_up.reserve(size_bytes, now_ms=now_ms))
        return Slot(at_ms, size_bytes, is_behind=tracked.is_behind)

    def _is_behind(self, tracked: TrackedFile, *, now_ms: int) -> bool:
        """Return whether what is unread has waited; once it has, to the last byte."""
        if self.catch_up is None:
            return False
        return (
            tracked.is_behind
            or tracked.archive_suffix is not None
            or tracked.unread_bytes >= self.chunk_bytes
            or now_ms - tracked.unread_since_ms >= BEHIND_MS
        )


def pacing_of(settings: AgentSettings) -> Pacing | None:
    """Return what holds files back; None where nothing is to."""
    rate = settings.catch_up_bytes_per_s
    sources = {
        source.name: Pace(source.overload.bytes_per_s, source.overload.burst)
        for source in settings.sources
        if source.overload is not None and source.overload.policy == "block"
    }
    if rate is None and not sources:
        return None
    return Pacing(None if rate is None else Pace(rate), sources, settings.chunk_bytes)

"""Which closed day is merged into one segment next: one at a time, each once, none in use.

An index of a day that is over is written to no more, but stays in as many segments as it
was left in; one segment a shard takes less room and is searched faster. A merge rewrites
all of it, so that it is done gently:

1. A day is closed when it ended `CLOSED_MS` ago, and nothing was written to its index for
   `QUIET_MS` by this leader's own watch. A leader that was just elected has watched nothing.
2. One merge at a time, and none while a disk is filling, as it takes room for a while.
3. What is found merged is marked in the index itself. A marked one is never merged again,
   whatever a late line adds to it, by no other leader either. One that a leader began and
   did not mark is found merged, or merging, or in many segments still, by the next.

Pure but for the servers behind `MergeIndices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tailrace.clock import Clock
from tailrace.floors import Floors, span_of
from tailrace.log import FilteringBoundLogger

CLOSED_MS = 6 * 3_600_000
"""Lines of a day that come later are few, and of agents that were away."""
QUIET_MS = 30 * 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeFacts:
    """One event index, as far as merging is concerned."""

    name: str
    shards: int
    segments: int
    """Of all its primary shards."""
    written_count: int
    """How many documents were ever written to it, as its nodes count since their start."""
    is_marked: bool


@dataclass(frozen=True, slots=True)
class MergeAct:
    """What is to be done with one index."""

    kind: Literal["merge", "mark"]
    index: str


class MergeIndices(Protocol):
    """The indices on the servers."""

    def merge_facts(self) -> list[MergeFacts]:
        """Return every event index."""
        ...

    def is_merging(self) -> bool:
        """Tell whether a forced merge is under way, whoever began it."""
        ...

    def merge(self, index: str) -> None:
        """Begin to merge one, and return at once."""
        ...

    def mark(self, index: str) -> None:
        """Remember with the index that it was merged."""
        ...

    def server_now_ms(self) -> int:
        """Return what the servers' clocks say."""
        ...


@dataclass(slots=True)
class Watch:
    """Since when nothing was written to each index, as one leader saw it."""

    _seen: dict[str, tuple[int, int]] = field(
        default_factory=dict[str, tuple[int, int]]
    )
    """By index how much was written, and since when it is just that."""

    def see(self, facts: Sequence[MergeFacts], *, now_ms: int) -> None:
        """Note how much was written to each by now."""
        self._seen = {
            each.name: seen
            if (seen := self._seen.get(each.name)) and seen[0] == each.written_count
            else (each.written_count, now_ms)
            for each in facts
        }

    def is_quiet(self, index: str, *, now_ms: int) -> bool:
        """Tell whether nothing was written to it for `QUIET_MS`."""
        seen = self._seen.get(index)
        return seen is not None and now_ms - seen[1] >= QUIET_MS


def next_act(
    facts: Sequence[MergeFacts],
    *,
    watch: Watch,
    floors: Floors,
    namespace: str,
    now_ms: int,
    monotonic_ms: int,
) -> MergeAct | None:
    """Return what is due, of the oldest day first; None where nothing is."""
    due: list[tuple[int, MergeFacts]] = []
    for each in facts:
        span = span_of(each.name, namespace=namespace)
        if (
            span is not None
            and span.period == "day"
            and span.end_ms + CLOSED_MS <= now_ms
            and not each.is_marked
            and not floors.is_expired(each.name, namespace=namespace)
            and watch.is_quiet(each.name, now_ms=monotonic_ms)
        ):
            due.append((span.end_ms, each))
    if not due:
        return None
    _, oldest = min(due, key=lambda pair: (pair[0], pair[1].name))
    is_merged = oldest.segments <= oldest.shards
    return MergeAct("mark" if is_merged else "merge", oldest.name)


@dataclass(slots=True, kw_only=True)
class Merging:
    """Merges closed days, a step each look; one leader runs it."""

    indices: MergeIndices
    clock: Clock
    log: FilteringBoundLogger
    namespace: str
    _watch: Watch = field(default_factory=Watch)

    def keep(self, floors: Floors, *, has_room: bool) -> MergeAct | None:
        """Do one thing that is due; safe to call again after any failure.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: a server does not answer, or refuses.
        """
        facts = self.indices.merge_facts()
        monotonic_ms = self.clock.monotonic_ms()
        # 1. Also while nothing may be merged: time that was watched is not lost.
        self._watch.see(facts, now_ms=monotonic_ms)
        act = next_act(
            facts,
            watch=self._watch,
            floors=floors,
            namespace=self.namespace,
            now_ms=min(self.clock.now_ms(), self.indices.server_now_ms()),
            monotonic_ms=monotonic_ms,
        )
        if act is None:
            return None
        if act.kind == "mark":
            # 3. By what is found, and not by what was begun.
            self.indices.mark(act.index)
            self.log.info("index_merged", index=act.index)
            return act
        # 2. Its own merge is one, too: until it is over nothing else is begun.
        if not has_room or self.indices.is_merging():
            return None
        self.indices.merge(act.index)
        self.log.info("index_merging", index=act.index)
        return act

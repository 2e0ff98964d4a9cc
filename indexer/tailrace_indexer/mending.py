"""How a record that an older one has buried gets back on top, before compaction takes it.

Compaction keeps the last record of a key, and the truth is the greatest revision
(`tailrace.revisions`). They differ where a role that was stopped longer than its session
wrote behind its successor: a stream worker a state and its ledger's word, an indexer its
word, a leader a floor. So the leader looks at every compacted topic of ours again and
again, and writes once more what is buried:

1. Where a partition has grown since it was last found whole, all of it is read, and the
   keys are noted whose greatest revision is not their last record.
2. Those records are read again, and written as they are behind the older ones.

Brokers compact no record that is younger than `COMPACTION_LAG_MS`, which is several looks
long, so that the buried record is still there. A leader that is itself so late that its
writing buries a newer record does what any other role can do: the next look mends it. Once
all are quiet, one look leaves every key right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace.revisions import buried_in
from tailrace.topics import COMPACTION_LAG_MS

Place = tuple[str, int]
"""A topic and the number of one of its partitions."""

LOOK_MS = 10 * 60_000
"""A look reads what has grown, some hundred thousand small records in a busy hour."""
MENDED_MAX = 1_000
"""Records in one writing; the next look finds the rest."""

assert LOOK_MS * 4 <= COMPACTION_LAG_MS, "a look may fail, and the next one, too"


class CompactedTopics(Protocol):
    """The compacted topics of a namespace whose records have revisions."""

    def ends(self) -> Mapping[Place, int]:
        """Return where each partition ends now."""
        ...

    def records(
        self, place: Place, *, end: int
    ) -> Iterator[tuple[int, bytes | None, bytes | None]]:
        """Yield offset, key and value of what a partition holds before `end`."""
        ...

    def write(self, place: Place, records: Sequence[tuple[bytes, bytes]]) -> bool:
        """Append keys and values; True once Kafka has acknowledged every one."""
        ...


@dataclass(slots=True, kw_only=True)
class Mender:
    """Mends the compacted topics, a look every `LOOK_MS`; one leader runs it."""

    topics: CompactedTopics
    clock: Clock
    log: FilteringBoundLogger
    _looked_at_ms: int | None = None
    _whole_to: dict[Place, int] = field(default_factory=dict[Place, int])
    """Where a partition ended when nothing in it was buried."""

    def keep(self) -> int:
        """Do a look, if one is due; return how many records were written again.

        Safe to call again after any failure.

        Raises:
            ServiceUnavailable: Kafka does not answer.
        """
        now_ms = self.clock.monotonic_ms()
        if self._looked_at_ms is not None and now_ms < self._looked_at_ms + LOOK_MS:
            return 0
        mended_count = 0
        for place, end in self.topics.ends().items():
            # An empty one is whole without a look.
            if self._whole_to.get(place, 0) != end:
                mended_count += self._look(place, end=end)
        # Only now: a look that failed is tried again at once.
        self._looked_at_ms = now_ms
        return mended_count

    def _look(self, place: Place, *, end: int) -> int:
        # 1. All of it: the buried record may be of any age.
        buried = buried_in(self.topics.records(place, end=end))
        if not buried:
            self._whole_to[place] = end
            return 0
        # 2. Their values were not kept, for there is room for few of them.
        wanted = frozenset(sorted(buried.values())[:MENDED_MAX])
        records = [
            (key, value)
            for offset, key, value in self.topics.records(place, end=end)
            if offset in wanted and key is not None and value is not None
        ]
        is_written = self.topics.write(place, records)
        self.log.warning(
            "records_mended" if is_written else "records_not_mended",
            topic=place[0],
            partition=place[1],
            buried=len(buried),
            written=len(records) if is_written else 0,
            keys=[key.decode("utf-8", "replace")[:100] for key, _ in records[:3]],
        )
        return len(records) if is_written else 0

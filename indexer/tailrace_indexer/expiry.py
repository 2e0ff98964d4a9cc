"""In which order an old index goes, so that each of its events is accounted for.

1. The floor of its dataset is raised, and acknowledged by Kafka. From the moment a stream
   worker has read it, no event for such an index is sent any more: it is counted as
   dropped for `expired`.
2. After `FLOOR_READ_MS`, when every worker has read it, the ends of `tailrace.docs` and
   `tailrace.dead` are noted. Once the indexers have committed up to them, no document for
   the index is on its way.
3. The index takes nothing any more; what it holds is counted by generation, and the
   ledger has acknowledged that. An index that takes nothing already is not waited for once
   more, whoever leads and however its floor was raised since: what a worker sends that
   slept until now the indexers hold back, with all that they read behind it, until the
   index is gone, and commit nothing that could be waited for.
4. The index is deleted.
5. Generations of which no index holds a document any more, and whose file is gone, are
   forgotten by the ledger (`farewell.py`), those that never had one included.

A leader that dies in between is followed by one that reads the floors and goes on at 2,
or at 3 where that was begun.
What a worker sends that slept through all of this meets an index that is not made again:
the indexer gives it a dead letter for `index_expired`. An index of dead letters goes in the
same order, by the floor of the name `dead`, and its letters' events are counted as expired
from then on; a letter that comes too late for its day lies in the present day's index.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tailrace.clock import Clock
from tailrace.floors import DEAD_LETTERS, NO_FLOORS, Floors, span_of
from tailrace.ledger import FloorLedger, LedgerRecord, RetentionLedger
from tailrace.log import FilteringBoundLogger
from tailrace_indexer.farewell import keys_to_bury, never_stored
from tailrace_indexer.retention import (
    KEEP_ALL,
    IndexFacts,
    Leaving,
    RetentionPolicy,
    expired,
    outlived,
    quota_of,
)

FLOOR_READ_MS = 30_000
"""A worker reads the floors every few seconds, and is stuck and ended long before this."""
BURIAL_MS_MAX = 60_000
"""What was read of a generation longer ago may not be its last word any more: a leader that
was stopped in between buries nothing."""

Offsets = Mapping[tuple[str, int], int]


class Indices(Protocol):
    """The indices of events and of dead letters."""

    def facts(self) -> list[IndexFacts]:
        """Return every index of events."""
        ...

    def letter_facts(self) -> list[IndexFacts]:
        """Return every index of dead letters."""
        ...

    def free_bytes(self) -> int:
        """Return what is left on the disks."""
        ...

    def server_now_ms(self) -> int:
        """Return what the servers' clocks say, the one that is furthest behind."""
        ...

    def counted(self, index: str) -> list[RetentionLedger]:
        """Return what one holds of each generation."""
        ...

    def block(self, index: str) -> None:
        """Let one take no document any more."""
        ...

    def is_blocked(self, index: str) -> bool:
        """Return whether one takes no document any more."""
        ...

    def delete(self, index: str) -> None:
        """Delete one."""
        ...

    def are_held(self, generations: Collection[str]) -> set[str]:
        """Return those of which any index holds a document."""
        ...

    def forget(self, keys: Collection[bytes]) -> bool:
        """Delete the ledger's documents of these keys."""
        ...


class FloorStore(Protocol):
    """Where floors are kept."""

    def read(self) -> Floors:
        """Return all of them, as they are now."""
        ...

    def raise_to(self, floor: FloorLedger) -> bool:
        """Store one; True once it is acknowledged."""
        ...


class RetentionSink(Protocol):
    """Where the ledger is told what goes."""

    def write(self, records: Sequence[RetentionLedger]) -> bool:
        """Send records; True once Kafka has acknowledged every one."""
        ...

    def bury(self, keys: Mapping[bytes, str]) -> bool:
        """Send a tombstone for each key; True once all are acknowledged."""
        ...


class Progress(Protocol):
    """How far the indexers are in `tailrace.docs`."""

    def ends(self) -> Offsets:
        """Return where each partition ends now."""
        ...

    def committed(self) -> Offsets:
        """Return what is read next of each partition."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What one look at the quota found and did."""

    used_bytes: int
    quota_bytes: int | None
    deleted: tuple[str, ...] = ()
    floors: Floors = NO_FLOORS
    """As they were read; what was raised just now is not among them."""


@dataclass(slots=True, kw_only=True)
class Expiry:
    """Raises floors, and takes indices below them away; one leader runs it."""

    indices: Indices
    floors: FloorStore
    ledger: RetentionSink
    progress: Progress
    read_ledger: Callable[[], Mapping[bytes, LedgerRecord]]
    clock: Clock
    log: FilteringBoundLogger
    namespace: str
    policy: RetentionPolicy = field(default_factory=RetentionPolicy)
    _barriers: dict[FloorLedger, Offsets] = field(
        default_factory=dict[FloorLedger, Offsets]
    )
    """Where the documents ended when every worker knew of a floor."""
    _seen_at_ms: dict[FloorLedger, int] = field(default_factory=dict[FloorLedger, int])
    """When this leader raised each floor, or first saw it."""

    def keep(self, setting_bytes: int) -> Kept:
        """Do what is due for the quota; safe to call again after any failure.

        Raises:
            ServiceUnavailable: a server does not answer, or refuses.
        """
        events = self.indices.facts()
        floors = self.floors.read()
        letters = self._letters(floors)
        going, staying = self._divided(events, floors)
        going_letters, staying_letters = self._divided(letters, floors)
        used_bytes = sum(index.size_bytes for index in events)
        quota_bytes = quota_of(
            setting_bytes, used_bytes=used_bytes, free_bytes=self.indices.free_bytes()
        )
        # 1. What is leaving already makes room.
        leaving = self._outlived(staying, staying_letters)
        outlived_names = {each.index.name for each in leaving}
        rest = [index for index in staying if index.name not in outlived_names]
        leaving += [
            Leaving(index, f"more than {quota_bytes} bytes of all")
            for index in expired(rest, quota_bytes=quota_bytes)
        ]
        for each in leaving:
            self._raise_floor(each)
        deleted = [
            index for index in (*going, *going_letters) if self._take(index, floors)
        ]
        if deleted:
            self._bury(floors)
        return Kept(
            used_bytes=used_bytes
            - sum(index.size_bytes for index in deleted if index in going),
            quota_bytes=quota_bytes,
            deleted=tuple(index.name for index in deleted),
            floors=floors,
        )

    def _letters(self, floors: Floors) -> list[IndexFacts]:
        """Return the indices of dead letters, if any of them may go."""
        is_limited = self.policy.of_dead_letters != KEEP_ALL
        if is_limited or (DEAD_LETTERS, "day") in floors.records:
            return self.indices.letter_facts()
        return []

    def _outlived(
        self, events: Sequence[IndexFacts], letters: Sequence[IndexFacts]
    ) -> list[Leaving]:
        # Of two clocks the one that is behind: one that is years ahead takes nothing.
        now_ms = min(self.clock.now_ms(), self.indices.server_now_ms())
        of_events = outlived(
            events,
            keeping=self.policy.of_dataset,
            namespace=self.namespace,
            now_ms=now_ms,
        )
        of_letters = outlived(
            letters,
            keeping=lambda _dataset: self.policy.of_dead_letters,
            namespace=self.namespace,
            now_ms=now_ms,
        )
        return of_events + of_letters

    def _divided(
        self, indices: Sequence[IndexFacts], floors: Floors
    ) -> tuple[list[IndexFacts], list[IndexFacts]]:
        going = [
            index
            for index in indices
            if floors.is_expired(index.name, namespace=self.namespace)
        ]
        return going, [index for index in indices if index not in going]

    def _raise_floor(self, leaving: Leaving) -> None:
        index = leaving.index
        span = span_of(index.name, namespace=self.namespace)
        if span is None:
            self.log.warning("index_not_ours", index=index.name)
            return
        floor = FloorLedger(
            dataset=span.dataset,
            period=span.period,
            floor_ms=span.end_ms,
            updated_at_ms=self.clock.now_ms(),
        )
        if self.floors.raise_to(floor):
            self._seen_at_ms[floor] = self.clock.monotonic_ms()
            self.log.warning(
                "floor_raised",
                dataset=span.dataset,
                index=index.name,
                floor_ms=span.end_ms,
                reason=leaving.reason,
            )

    def _take(self, index: IndexFacts, floors: Floors) -> bool:
        """Do steps 2 to 4 for an index, as far as they can be done now."""
        span = span_of(index.name, namespace=self.namespace)
        if span is None:
            return False
        is_quiet = self._is_quiet(floors.records[span.key])
        if not is_quiet and not self.indices.is_blocked(index.name):
            return False
        # What a worker sends that slept until now is held, and then too late.
        self.indices.block(index.name)
        counted = self.indices.counted(index.name)
        if counted and not self.ledger.write(counted):
            return False
        self.indices.delete(index.name)
        self.log.warning(
            "index_expired",
            index=index.name,
            documents=index.document_count,
            counted=sum(record.document_count for record in counted),
            size_bytes=index.size_bytes,
            earliest_ms=index.earliest_ms,
            latest_ms=index.latest_ms,
        )
        return True

    def _bury(self, floors: Floors) -> None:
        """Step 5; what is left undone is found again when the next index goes."""
        began_at_ms = self.clock.monotonic_ms()
        records = self.read_ledger()
        expired_generations = {
            record.generation
            for record in records.values()
            if isinstance(record, RetentionLedger)
        }
        # The oldest index goes first, whosever it is: what was read before the latest
        # floor would not be there any more.
        horizon_ms = max((f.floor_ms for f in floors.records.values()), default=None)
        over = never_stored(records.values(), horizon_ms=horizon_ms)
        ended = expired_generations | over
        gone = ended - self.indices.are_held(ended)
        keys = keys_to_bury(gone, records=records, now_ms=self.clock.now_ms())
        if not keys:
            return
        if self.clock.monotonic_ms() > began_at_ms + BURIAL_MS_MAX:
            self.log.warning("burial_too_late", generations=len(set(keys.values())))
            return
        # The index first: a tombstone is what is looked for again.
        if self.indices.forget(keys) and self.ledger.bury(keys):
            self.log.info(
                "generations_forgotten",
                count=len(set(keys.values())),
                never_stored=len(over & set(keys.values())),
            )

    def _is_quiet(self, floor: FloorLedger) -> bool:
        """Tell whether no document below the floor can be on its way any more."""
        # By this leader's own watch: another's clock may be ahead or behind.
        now_ms = self.clock.monotonic_ms()
        seen_at_ms = self._seen_at_ms.setdefault(floor, now_ms)
        if now_ms < seen_at_ms + FLOOR_READ_MS:
            return False
        barrier = self._barriers.get(floor)
        if barrier is None:
            # Older floors of this dataset are surpassed by this one.
            self._barriers = {
                known: ends
                for known, ends in self._barriers.items()
                if (known.dataset, known.period) != (floor.dataset, floor.period)
            }
            barrier = self._barriers[floor] = self.progress.ends()
        committed = self.progress.committed()
        return all(
            committed.get(place, 0) >= end for place, end in barrier.items() if end
        )

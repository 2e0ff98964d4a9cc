"""The real leader's work on simulated servers: it mends compacted topics, and expires.

Two candidates contend, as two indexers would. Kill points of its own stand at the seams
between its steps, since the roles' list of faults names none there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import cast

from tailrace.errors import ServiceUnavailable
from tailrace.floor_topic import FloorReader
from tailrace.floors import Floors
from tailrace.kill_points import reach
from tailrace.ledger import FloorLedger, LedgerRecord, RetentionLedger
from tailrace.ledger_topic import newest_records
from tailrace.topics import DOCS, LEDGER
from tailrace_indexer.acked_writer import AckedWriter
from tailrace_indexer.compacted_topics import KafkaCompactedTopics
from tailrace_indexer.expiry import Expiry, Offsets
from tailrace_indexer.floor_store import KafkaFloors
from tailrace_indexer.ledger_sink import KafkaLedger
from tailrace_indexer.mending import Mender, Place
from tailrace_indexer.pieces import marker_of
from tailrace_indexer.retention import NO_QUOTA, IndexFacts
from tests.simulation.cluster import (
    COMPACTED,
    INDEXERS,
    MEND_LOOK_MS,
    NAMESPACE,
    Cluster,
    connections_of_run,
    partitions_of,
)
from tests.simulation.floors_seen import read_floors
from tests.simulation.logs import SILENT
from tests.simulation.world import HostClock, SimulatedCrash, World
from tests.support.fakes.audited import ledger_entries
from tests.support.fakes.compacted import MemoryCompactedTopics
from tests.support.fakes.event_indices import DOCUMENT_BYTES, MemoryEventIndices

STEP_MS = (120, 350)
QUOTA_DOCUMENTS = (6, 45)
"""A run stores some fifty documents."""
FLOOR_READ_MS = 700
"""Of its expiry: a worker that is well reads the floors three times as often."""
WINDOW_EVENTS = 8
"""Small windows of event numbers, so that a generation of some dozens has several."""


class LeaderLife:
    """One life of a candidate: it leads while the lead is its own."""

    def __init__(
        self, world: World, cluster: Cluster, *, quota_documents: int | None
    ) -> None:
        self._world = world
        self._cluster = cluster
        self._quota_bytes = (
            NO_QUOTA if quota_documents is None else quota_documents * DOCUMENT_BYTES
        )
        self._is_leading = False
        clock = HostClock(world)
        writer = AckedWriter(connections_of_run())
        reader = cast("FloorReader", FloorsRead(cluster))
        self._topics = TopicsInSteps(cluster, writer)
        self._mender = Mender(topics=self._topics, clock=clock, log=SILENT)
        self._expiry = Expiry(
            indices=RemoteIndices(cluster),
            floors=FloorsInSteps(reader, writer, cluster),
            ledger=LedgerInSteps(writer, namespace=NAMESPACE),
            progress=DocumentsProgress(cluster),
            read_ledger=self._read_ledger,
            clock=clock,
            log=SILENT,
            namespace=NAMESPACE,
        )

    def step(self) -> int:
        """Look at topics and quota while it leads; it learns afterwards that it does not."""
        if self._cluster.leader is None:
            self._cluster.leader = self
            self._is_leading = True
        if self._is_leading:
            try:
                self._mend()
                kept = self._expiry.keep(self._quota_bytes)
            except ServiceUnavailable as error:
                self._world.tell(f"leader: {error}")
            else:
                for index in kept.deleted:
                    self._world.tell(f"expired {index}")
                    self._world.witness("retention.index_deleted")
        self._is_leading = self._cluster.leader is self
        return self._world.now_ms + self._world.random.randint(*STEP_MS)

    def _mend(self) -> None:
        """Keep the topics right, and let brokers know what they may compact."""
        began_ms = self._world.now_ms
        if self._mender.keep():
            self._world.witness("leader.mended")
        if not self._topics.has_failed:
            # The look that is not due yet was done at most so long ago.
            self._cluster.mended_to_ms = began_ms - MEND_LOOK_MS

    def crash(self, crash: SimulatedCrash) -> None:
        """It is on its way up to whoever stepped."""

    def kill(self) -> None:
        """Nothing is held but the lead, which its session keeps for a while."""

    def lose_session(self) -> None:
        if self._cluster.leader is self:
            self._cluster.leader = None

    def stop(self) -> None:
        self.lose_session()

    def _read_ledger(self) -> Mapping[bytes, LedgerRecord]:
        _require_brokers(self._cluster)
        entries = ledger_entries(self._cluster.kafka, partitions_of(LEDGER))
        return newest_records(entries, log=SILENT)


class TopicsInSteps(KafkaCompactedTopics):
    """The real writing of what was buried, with a kill point before and behind it."""

    def __init__(self, cluster: Cluster, writer: AckedWriter) -> None:
        super().__init__(connections_of_run(), writer, is_stopping=lambda: False)
        self._cluster = cluster
        self._memory = MemoryCompactedTopics(cluster.kafka, partitions_of(*COMPACTED))
        self.has_failed = False
        """Whether Kafka did not take something of the newest look."""

    def ends(self) -> Mapping[Place, int]:
        self.has_failed = False
        _require_brokers(self._cluster)
        return self._memory.ends()

    def records(
        self, place: Place, *, end: int
    ) -> Iterator[tuple[int, bytes | None, bytes | None]]:
        _require_brokers(self._cluster)
        return self._memory.records(place, end=end)

    def write(self, place: Place, records: Sequence[tuple[bytes, bytes]]) -> bool:
        reach("M1")
        is_written = super().write(place, records)
        self.has_failed = self.has_failed or not is_written
        reach("M2")
        return is_written


class FloorsRead:
    """Stands in for `FloorReader`, which reads the topic to its end."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def read(self) -> Floors:
        """Return all floors.

        Raises:
            ServiceUnavailable: the brokers are down.
        """
        _require_brokers(self._cluster)
        return read_floors(self._cluster)


class FloorsInSteps(KafkaFloors):
    """The real floors, and a kill point behind each that is raised."""

    def __init__(
        self, reader: FloorReader, writer: AckedWriter, cluster: Cluster
    ) -> None:
        super().__init__(reader, writer, namespace=NAMESPACE)
        self._cluster = cluster

    def raise_to(self, floor: FloorLedger) -> bool:
        self._cluster.floors_raised.append((floor, self._cluster.kafka.now_ms()))
        is_raised = super().raise_to(floor)
        reach("R1")
        return is_raised


class LedgerInSteps(KafkaLedger):
    """The real ledger, and a kill point behind what it was told."""

    def write(self, records: Sequence[LedgerRecord]) -> bool:
        is_written = super().write(records)
        reach("R3")
        return is_written


class RemoteIndices(MemoryEventIndices):
    """The event indices behind an unreliable network, with a kill point at each change."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(
            cluster.elasticsearch,
            NAMESPACE,
            cluster.kafka.now_ms,
            window_events=WINDOW_EVENTS,
        )
        self._cluster = cluster

    def facts(self) -> list[IndexFacts]:
        self._require_answer()
        return super().facts()

    def counted(self, index: str) -> list[RetentionLedger]:
        self._require_answer()
        return super().counted(index)

    def block(self, index: str) -> None:
        self._carry_out(lambda: super(RemoteIndices, self).block(index))
        reach("R2")

    def is_blocked(self, index: str) -> bool:
        self._require_answer()
        return super().is_blocked(index)

    def delete(self, index: str) -> None:
        self._require_none_on_its_way(index)
        self._carry_out(lambda: super(RemoteIndices, self).delete(index))
        reach("R4")

    def are_held(self, generations: Collection[str]) -> set[str]:
        self._require_answer()
        return super().are_held(generations)

    def _require_none_on_its_way(self, index: str) -> None:
        """Look at Kafka itself: what was sent before the floor is committed by now."""
        cluster = self._cluster
        raised_at_ms = min(
            at_ms
            for floor, at_ms in cluster.floors_raised
            if Floors([floor]).is_expired(index, namespace=NAMESPACE)
        )
        committed = cluster.admin.committed_offsets(INDEXERS)
        for place in partitions_of(DOCS):
            offset = committed.get((place.topic, place.number), 0)
            for kept in cluster.kafka.read(place, offset=offset):
                is_of_index = marker_of(index) in (kept.record.value or b"")
                assert not is_of_index or kept.at_ms >= raised_at_ms, (
                    f"{index} is deleted with documents on their way to it"
                )

    def _require_answer(self) -> None:
        if self._cluster.world.strikes("elasticsearch.down"):
            raise ServiceUnavailable("Elasticsearch", address="sim", reason="is down")

    def _carry_out(self, change: Callable[[], None]) -> None:
        self._require_answer()
        change()
        if self._cluster.world.strikes("elasticsearch.timeout_after_success"):
            raise ServiceUnavailable("Elasticsearch", address="sim", reason="no answer")


class DocumentsProgress:
    """How far the indexers are in the documents."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def ends(self) -> Offsets:
        """Return where each partition ends now.

        Raises:
            ServiceUnavailable: the brokers are down.
        """
        _require_brokers(self._cluster)
        return self._cluster.admin.end_offsets([DOCS.name(NAMESPACE)])

    def committed(self) -> Offsets:
        """Return what is read next of each partition.

        Raises:
            ServiceUnavailable: the brokers are down.
        """
        _require_brokers(self._cluster)
        return self._cluster.admin.committed_offsets(INDEXERS)


def _require_brokers(cluster: Cluster) -> None:
    if cluster.is_down():
        raise ServiceUnavailable("Kafka", address="sim", reason="it is down")

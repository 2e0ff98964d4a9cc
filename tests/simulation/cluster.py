"""The servers of a run: Kafka and Elasticsearch in memory, behind an unreliable network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from tailrace.elasticsearch import Answer, RequestTimedOut
from tailrace.errors import ServiceUnavailable
from tailrace.kafka_consumer import Partition
from tailrace.ledger import FloorLedger
from tailrace.settings import Connections
from tailrace.topics import (
    ALERTS,
    DEAD,
    DOCS,
    FLOORS,
    LEDGER,
    RATES,
    RAW,
    STATE,
    TEMPLATES,
    Topic,
)
from tests.simulation.application import CONFLICT
from tests.simulation.world import EPOCH_MS, World
from tests.support.fakes.audited import MemoryAdmin
from tests.support.fakes.elasticsearch import (
    REFUSALS,
    MemoryElasticsearch,
    error_answer,
    refusal_of,
)
from tests.support.fakes.kafka import MemoryGroup, MemoryKafka
from tests.support.fakes.producer import Fate, MemoryProducer

NAMESPACE = "sim"
STREAMS, INDEXERS = f"{NAMESPACE}-stream", f"{NAMESPACE}-indexer"
"""The groups, by the names that an audit asks for."""
WAY_MS = (1, 60)
"""How long a record or a request is on its way."""
LATE_MS = (200, 2_500)
"""How long it is when nobody waits for it any more, such as in the socket of a broker
that was stopped."""
MEND_LOOK_MS = 350
COMPACTION_LAG_MS = 4 * MEND_LOOK_MS
"""As many looks of the mender as in a real hour, or a few less."""
COMPACTED = (LEDGER, FLOORS, STATE, TEMPLATES)
MAY_BE_LATE = frozenset(topic.name(NAMESPACE) for topic in COMPACTED)
"""Chunks and documents are not among them: what comes of a copy that is late, or of an
order that is turned round, the audit takes for a fault (ARCHITECTURE.md, limits)."""

MAY_BE_MARKED = frozenset(topic.name(NAMESPACE) for topic in (RAW, *COMPACTED, DOCS))
"""Anyone may send transactions to the raw topic, and Faust's producer does for others."""


@cache
def connections_of_run() -> Connections:
    """Return what every role is told; made once, for it is read from many places."""
    return Connections(namespace=NAMESPACE)


def partitions_of(*topics: Topic) -> list[Partition]:
    return [
        Partition(topic.name(NAMESPACE), number)
        for topic in topics
        for number in range(topic.partitions)
    ]


@dataclass(slots=True)
class Cluster:
    """Brokers, groups and indices that all processes of a run share."""

    world: World
    docs_bytes_max: int
    kafka: MemoryKafka = field(init=False)
    streams: MemoryGroup = field(init=False)
    indexers: MemoryGroup = field(init=False)
    admin: MemoryAdmin = field(init=False)
    elasticsearch: MemoryElasticsearch = field(init=False)
    leader: object | None = None
    """Who holds the lead in ZooKeeper."""
    mended_to_ms: int = 0
    """What was buried before then, a leader has had its chance to mend."""
    floors_raised: list[tuple[FloorLedger, int]] = field(
        default_factory=list[tuple[FloorLedger, int]]
    )
    """Each floor that a leader wrote, or tried to, and Kafka's time of the attempt."""
    late_count: int = 0
    """Records that are late, and not there yet."""

    def __post_init__(self) -> None:
        self.kafka = MemoryKafka(
            partitions_of(RAW, DOCS, RATES, DEAD, LEDGER, FLOORS, STATE, TEMPLATES),
            now_ms=lambda: EPOCH_MS + self.world.now_ms,
            bytes_max={DOCS.name(NAMESPACE): self.docs_bytes_max},
            is_marked=self._is_marked,
        )
        self.streams = MemoryGroup(self.kafka, partitions_of(RAW))
        self.indexers = MemoryGroup(
            self.kafka, partitions_of(DOCS, RATES, ALERTS, DEAD, LEDGER, TEMPLATES)
        )
        self.admin = MemoryAdmin(
            self.kafka, {STREAMS: self.streams, INDEXERS: self.indexers}
        )
        self.elasticsearch = MemoryElasticsearch(
            # The mapping that takes no such line is that of events.
            conflicts=lambda line: (
                CONFLICT in line
                and b'"dead.id"' not in line
                and b'"template.id"' not in line
            ),
            refusal_of=self._item_refusal,
        )

    # Kafka, as its clients meet it.

    def fate_of(self, topic: str) -> Fate:
        """Throw what becomes of a record on its way."""
        if self.world.strikes("kafka.refused"):
            return Fate.REFUSED
        if self.world.strikes("kafka.ack_lost"):
            return Fate.ACK_LOST
        if topic in MAY_BE_LATE and self.world.strikes("kafka.late"):
            return Fate.LATE
        return Fate.TAKEN

    def _is_marked(self, topic: str) -> bool:
        """Throw whether an offset is taken here that no record has.

        A marker with nothing behind it is never committed (ARCHITECTURE.md, limits), so
        each is followed by a record.
        """
        return topic in MAY_BE_MARKED and self.world.strikes("kafka.marked")

    def is_down(self) -> bool:
        return self.world.strikes("kafka.down")

    def connect(self, *_: object, **__: object) -> MemoryProducer:
        """Stand in for `Producer.connect`.

        Raises:
            ServiceUnavailable: the brokers are down.
        """
        if self.is_down():
            raise ServiceUnavailable("Kafka", address="sim", reason="it is down")
        return MemoryProducer(
            self.kafka,
            fate_of=self.fate_of,
            is_down=self.is_down,
            on_sent=self._send,
            later=self.arrive_late,
        )

    def connect_at_once(self, *_: object, **__: object) -> MemoryProducer:
        """Stand in for `Producer.connect` where each send is waited for.

        Raises:
            ServiceUnavailable: the brokers are down.
        """
        if self.is_down():
            raise ServiceUnavailable("Kafka", address="sim", reason="it is down")
        return MemoryProducer(
            self.kafka,
            fate_of=self.fate_of,
            is_down=self.is_down,
            later=self.arrive_late,
        )

    def arrive_late(self, store: Callable[[], object]) -> None:
        """Let a record arrive when whoever sent it has long sent it again."""

        def arrive() -> None:
            self.late_count -= 1
            store()

        self.late_count += 1
        self.world.later(self.world.random.randint(*LATE_MS), arrive)

    def _send(self, producer: MemoryProducer) -> None:
        def arrive() -> None:
            if producer.is_closed and self.world.has_luck(0.5):
                producer.drop()
            producer.arrive()

        self.world.later(self.world.random.randint(*WAY_MS), arrive)

    def compact(self) -> None:
        """Do what brokers do with compacted topics in the background.

        They keep the last record of a key, whatever its revision, and leave alone what is
        younger than their lag. What was buried while no leader could look for so long is
        not covered (ARCHITECTURE.md), so they wait for one that could, well or badly.
        """
        horizon_ms = min(self.world.now_ms - COMPACTION_LAG_MS, self.mended_to_ms)
        for partition in partitions_of(*COMPACTED):
            if self.kafka.compact(partition, before_ms=EPOCH_MS + horizon_ms):
                self.world.witness("kafka.compacted")

    # Elasticsearch.

    def _item_refusal(self, index: str) -> int:
        del index
        for status in REFUSALS:
            if self.world.strikes(f"elasticsearch.item_{status}"):
                return status
        return 200


@dataclass(slots=True)
class SimulatedElastic:
    """Stands in for `tailrace.elasticsearch.Elastic`: one request, one answer or none."""

    cluster: Cluster

    def request(
        self, method: str, path: str, *, body: bytes = b"", **_: object
    ) -> Answer:
        """Answer a request.

        Raises:
            RequestTimedOut: no answer came; it was carried out all the same, or not.
            ServiceUnavailable: nothing answers.
        """
        world, elasticsearch = self.cluster.world, self.cluster.elasticsearch
        if world.strikes("elasticsearch.down"):
            raise ServiceUnavailable("Elasticsearch", address="sim", reason="is down")
        for status in REFUSALS:
            if world.strikes(f"elasticsearch.request_{status}"):
                elasticsearch.requests += 1
                said = refusal_of(status, request=elasticsearch.requests)
                return error_answer(status, *said)
        if method == "HEAD":
            is_there = path.removeprefix("/") in elasticsearch.indices
            return Answer(200 if is_there else 404, b"")
        if method == "PUT":
            elasticsearch.create_index(path.removeprefix("/"))
            return Answer(200, b"{}")
        answer = elasticsearch.bulk(body)
        if world.strikes("elasticsearch.timeout_after_success"):
            raise RequestTimedOut(address="sim", timeout_s=30)
        return answer

    def template_fingerprint(self, name: str) -> str:
        return name


@dataclass(slots=True)
class RemoteThreads:
    """Stands in for `ThreadPoolExecutor`: what is submitted is done when it arrives.

    A request that is on its way when its process dies may still be carried out.
    """

    world: World
    is_dead: bool = False

    def submit(self, work: Callable[..., None], *args: object) -> None:
        def arrive() -> None:
            if not self.is_dead or self.world.has_luck(0.5):
                work(*args)

        self.world.later(self.world.random.randint(*WAY_MS), arrive)

    def shutdown(self, **_: object) -> None:
        self.is_dead = True

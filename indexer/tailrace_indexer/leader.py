"""The one indexer of many that keeps disk and compacted topics right, elected in ZooKeeper.

Indexing never depends on it: without ZooKeeper nothing is expired, and everything is stored.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from contextlib import ExitStack
from typing import Any, cast

from tailrace.clock import SystemClock
from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.floor_topic import FloorReader
from tailrace.kafka_admin import KafkaAdmin
from tailrace.ledger_topic import newest_records, read_ledger_topic
from tailrace.log import FilteringBoundLogger
from tailrace.settings import Connections
from tailrace.topics import DOCS
from tailrace.zookeeper import ZooKeeper
from tailrace_indexer.acked_writer import AckedWriter
from tailrace_indexer.compacted_topics import KafkaCompactedTopics
from tailrace_indexer.config import IndexerSettings
from tailrace_indexer.event_indices import EventIndices
from tailrace_indexer.expiry import Expiry, Offsets
from tailrace_indexer.floor_store import KafkaFloors
from tailrace_indexer.ledger_sink import KafkaLedger
from tailrace_indexer.mending import Mender
from tailrace_indexer.status import DiskStatus

CONNECT_MS_MAX = 2_000
RETRY_S = 2.0
STOP_S_MAX = 5.0
EXPIRED_SHOWN_MAX = 10


class RetentionLeader:
    """Contends for the lead in a thread of its own, and leads while it holds it."""

    def __init__(
        self,
        connections: Connections,
        *,
        group: str,
        settings: IndexerSettings,
        log: FilteringBoundLogger,
    ) -> None:
        self._connections = connections
        self._group = group
        self._settings = settings
        self._log = log
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leader", daemon=True)
        self._election: Any = None
        self.disk = DiskStatus()

    def start(self) -> None:
        """Begin to contend."""
        self._thread.start()

    def stop(self) -> None:
        """Give up the lead and contend no more."""
        self._stop.set()
        if self._election is not None:
            self._election.cancel()
        self._thread.join(STOP_S_MAX)

    def _run(self) -> None:
        zookeeper = ZooKeeper.connect(
            self._connections.zookeeper_hosts,
            jitter=random.Random(),  # noqa: S311 - spreads load, no secret
        )
        try:
            while not self._stop.is_set():
                if zookeeper.wait_connected(wait_ms_max=CONNECT_MS_MAX):
                    self._contend(zookeeper)
                self._stop.wait(RETRY_S)
        finally:
            zookeeper.close()

    def _contend(self, zookeeper: ZooKeeper) -> None:
        path = f"/{self._connections.namespace}/leaders/indexer"
        self._election = cast("Any", zookeeper.native).Election(path)
        try:
            self._election.run(self._lead, zookeeper)
        except Exception as error:  # noqa: BLE001 - kazoo raises many kinds; all mean: again
            self._log.info("election_lost", reason=repr(error)[:200])
        self.disk = DiskStatus()

    def _lead(self, zookeeper: ZooKeeper) -> None:
        """Look at quota and compacted topics again and again, while the session lasts."""
        self._log.info("leader_elected")
        deleted: deque[str] = deque(maxlen=EXPIRED_SHOWN_MAX)
        with ExitStack() as closing:
            # Of this thread alone, beside the loop's own.
            writer = AckedWriter(self._connections)
            closing.callback(writer.close)
            expiry = self._expiry(closing, writer)
            topics = KafkaCompactedTopics(
                self._connections, writer, is_stopping=self._stop.is_set
            )
            closing.callback(topics.close)
            mender = Mender(topics=topics, clock=SystemClock(), log=self._log)
            while not self._stop.is_set() and zookeeper.is_connected:
                try:
                    mender.keep()
                    kept = expiry.keep(self._settings.disk_quota_bytes)
                except ServiceUnavailable as error:
                    self._log.warning("retention_skipped", reason=str(error))
                else:
                    deleted.extend(kept.deleted)
                    self.disk = DiskStatus(
                        is_leader=True,
                        used_bytes=kept.used_bytes,
                        quota_bytes=kept.quota_bytes or 0,
                        expired_indices=tuple(deleted),
                    )
                self._stop.wait(self._settings.retention_check_ms / 1_000)

    def _expiry(self, closing: ExitStack, writer: AckedWriter) -> Expiry:
        """Wire the expiry to the servers; `closing` lets go of them."""
        connections, clock = self._connections, SystemClock()
        elastic = closing.enter_context(Elastic(connections))
        reader = FloorReader(connections, client_id="tailrace-indexer-leader-floors")
        closing.callback(reader.close)
        namespace = connections.namespace
        return Expiry(
            indices=EventIndices(elastic, namespace=namespace, clock=clock),
            floors=KafkaFloors(reader, writer, namespace=namespace),
            ledger=KafkaLedger(writer, namespace=namespace),
            progress=DocumentsProgress(connections, group=self._group),
            read_ledger=lambda: newest_records(
                read_ledger_topic(
                    connections,
                    client_id="tailrace-indexer-leader",
                    is_stopping=self._stop.is_set,
                ),
                log=self._log,
            ),
            clock=clock,
            log=self._log,
            namespace=namespace,
        )


class DocumentsProgress:
    """How far the indexers are in `tailrace.docs`, asked of Kafka each time."""

    def __init__(self, connections: Connections, *, group: str) -> None:
        self._connections = connections
        self._group = group
        self._topic = DOCS.name(connections.namespace)

    def ends(self) -> Offsets:
        """Return where each partition ends now.

        Raises:
            ServiceUnavailable: Kafka does not answer.
        """
        with KafkaAdmin(
            self._connections, client_id="tailrace-indexer-leader"
        ) as kafka:
            return kafka.end_offsets([self._topic])

    def committed(self) -> Offsets:
        """Return what is read next of each partition.

        Raises:
            ServiceUnavailable: Kafka does not answer.
        """
        with KafkaAdmin(
            self._connections, client_id="tailrace-indexer-leader"
        ) as kafka:
            return kafka.committed_offsets(self._group)

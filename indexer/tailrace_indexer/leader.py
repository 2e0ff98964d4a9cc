"""The one indexer of many that keeps disk and compacted topics right, elected in ZooKeeper.

Indexing never depends on it: without ZooKeeper nothing is expired, and everything is stored.
"""

from __future__ import annotations

import http
import random
import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, cast

from tailrace.clock import SystemClock
from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.floor_topic import FloorReader
from tailrace.kafka_admin import KafkaAdmin
from tailrace.ledger_topic import newest_records, read_ledger_topic
from tailrace.log import FilteringBoundLogger
from tailrace.rights import MissingRight
from tailrace.settings import Connections
from tailrace.topics import DOCS
from tailrace.zookeeper import ZooKeeper
from tailrace_indexer.acked_writer import AckedWriter
from tailrace_indexer.compacted_topics import KafkaCompactedTopics
from tailrace_indexer.config import IndexerSettings
from tailrace_indexer.event_indices import EventIndices
from tailrace_indexer.expiry import Expiry, Offsets
from tailrace_indexer.floor_store import KafkaFloors
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.index_orders import OrderClerk
from tailrace_indexer.ledger_sink import KafkaLedger
from tailrace_indexer.mending import Mender
from tailrace_indexer.status import DiskStatus

CONNECT_MS_MAX = 2_000
RETRY_S = 2.0
LEADERS_RIGHT = "manage_index_templates"
"""Whoever has it has what a leader needs: docs/rights.md gives it to no other."""
RIGHTS_LOOK_S = 10.0
"""How soon one that may not lead learns that it may."""
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
        is_expired: Callable[[str], bool],
        log: FilteringBoundLogger,
    ) -> None:
        self._connections = connections.for_leader()
        self._is_expired = is_expired
        self._group = group
        self._settings = settings
        self._log = log
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leader", daemon=True)
        self._election: Any = None
        self._missing = ""
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
                    if self._may_lead():
                        self._contend(zookeeper)
                    else:
                        self._stop.wait(RIGHTS_LOOK_S)
                self._stop.wait(RETRY_S)
        finally:
            zookeeper.close()

    def _may_lead(self) -> bool:
        """Tell whether this process's key is one for a leader; said when it is not.

        One without would hold the lead and keep it from another that has the rights. An
        Elasticsearch that does not answer says nothing against it.
        """
        try:
            with Elastic(self._connections) as elastic:
                missing = missing_to_lead(elastic)
        except ServiceUnavailable:
            return True
        if missing != self._missing and missing:
            self._log.info("leading_left_to_others", reason=missing)
        self._missing = missing
        return not missing

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
            self._answer_orders(closing, zookeeper)
            expiry = self._expiry(closing, writer)
            topics = KafkaCompactedTopics(
                self._connections, writer, is_stopping=self._stop.is_set
            )
            closing.callback(topics.close)
            mender = Mender(topics=topics, clock=SystemClock(), log=self._log)
            while (
                not self._stop.is_set() and zookeeper.is_connected and self._may_lead()
            ):
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

    def _answer_orders(self, closing: ExitStack, zookeeper: ZooKeeper) -> None:
        """Make indices for those that may not; `closing` ends it."""
        elastic = closing.enter_context(Elastic(self._connections))
        maker = IndexMaker(
            elastic, connections=self._connections, is_expired=self._is_expired
        )
        namespace = self._connections.namespace
        clerk = OrderClerk(zookeeper, namespace=namespace, maker=maker)
        closing.callback(clerk.close)
        clerk.start()

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


def missing_to_lead(elastic: Elastic) -> str:
    """Return which right of a leader is missing; nothing where none is.

    Elasticsearch is asked for what only a leader does. A template that is tried and not
    written would tell, too, and leave a line in its log at each turn. Where it knows no
    users, nobody lacks anything.

    Raises:
        ServiceUnavailable: no node answers.
    """
    body = b'{"cluster":["%s"]}' % LEADERS_RIGHT.encode()
    answer = elastic.request("POST", "/_security/user/_has_privileges", body=body)
    if answer.status != http.HTTPStatus.OK:
        return ""
    told = cast("dict[str, Any]", answer.json())
    if told["has_all_requested"]:
        return ""
    return MissingRight(
        name=LEADERS_RIGHT,
        kind="cluster",
        others=(),
        who=f"user '{told['username']}'",
        indices=(),
        action="",
    ).sentence()


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

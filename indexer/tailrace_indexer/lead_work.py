"""What a leader does, wired to the servers for as long as one lead lasts.

0. It has agents wait while retention comes near to what is unread (`pause_clerk.py`): also
   while Elasticsearch is away, so by ZooKeeper's word alone, and without the fence.
1. It claims the lead where all leaders look (`fence.py`), and from then on answers orders
   for indices, judges the rules of alerts (`alert_clerk.py`), and looks for templates that
   are one (`template_clerk.py`).
2. It mends compacted topics, which only ZooKeeper's word guards: two that mend write the
   same, and it must go on while Elasticsearch is away.
3. It looks how full the nodes' disks are, for alarms before they take nothing more.
4. It keeps templates and replicas as the settings say.
5. It expires indices.
6. It merges days that are closed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack

import msgspec

from tailrace.clock import SystemClock
from tailrace.disk_stages import DISKS_PATH, Stage, node_disks
from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.floor_topic import FloorReader
from tailrace.kafka_admin import KafkaAdmin
from tailrace.ledger_topic import newest_records, read_ledger_topic
from tailrace.log import FilteringBoundLogger
from tailrace.settings import Connections
from tailrace.topics import DEAD, DOCS
from tailrace.zookeeper import ZooKeeper
from tailrace_indexer.acked_writer import AckedWriter, GuardedWriter
from tailrace_indexer.alert_clerk import alert_clerk
from tailrace_indexer.alias_register import AliasRegister
from tailrace_indexer.compacted_topics import KafkaCompactedTopics
from tailrace_indexer.config import IndexerSettings
from tailrace_indexer.disk_alarms import alarming_nodes, low_nodes
from tailrace_indexer.election import Lead, ZooKeeperEras
from tailrace_indexer.event_indices import EventIndices
from tailrace_indexer.expiry import Expiry, Offsets
from tailrace_indexer.fence import Fence, Guard
from tailrace_indexer.floor_store import KafkaFloors
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.index_orders import Maker, OrderClerk
from tailrace_indexer.index_settings import IndexSettings
from tailrace_indexer.ledger_sink import KafkaLedger
from tailrace_indexer.mending import Mender
from tailrace_indexer.merge_indices import ElasticMergeIndices
from tailrace_indexer.merging import Merging
from tailrace_indexer.outcomes import Verdict
from tailrace_indexer.pause_clerk import start_pause_clerk
from tailrace_indexer.status import DiskStatus
from tailrace_indexer.template_clerk import start_template_clerk

EXPIRED_SHOWN_MAX = 10


class LeadWork:
    """The work of one lead; `closing` ends it."""

    def __init__(
        self,
        connections: Connections,
        *,
        lead: Lead,
        zookeeper: ZooKeeper,
        group: str,
        settings: IndexerSettings,
        is_expired: Callable[[str], bool],
        is_stopping: Callable[[], bool],
        log: FilteringBoundLogger,
        closing: ExitStack,
    ) -> None:
        self._connections = connections
        self._group = group
        self._zookeeper = zookeeper
        self._settings = settings
        self._is_stopping = is_stopping
        self._log = log
        self._closing = closing
        self.disk = DiskStatus(is_leader=True)
        self._deleted: deque[str] = deque(maxlen=EXPIRED_SHOWN_MAX)
        namespace = connections.namespace
        # Of this thread alone, beside the loop's own.
        writer = AckedWriter(connections)
        closing.callback(writer.close)
        self._elastic = closing.enter_context(Elastic(connections))
        self._fence = Fence(
            AliasRegister(self._elastic, namespace=namespace),
            eras=ZooKeeperEras(zookeeper, namespace=namespace),
            transaction=lead.transaction,
        )
        self._maker = FencedMaker(
            IndexMaker(self._elastic, connections=connections, is_expired=is_expired),
            guard=self._fence,
        )
        topics = KafkaCompactedTopics(
            connections,
            GuardedWriter(writer, require=lead.require),
            is_stopping=is_stopping,
        )
        closing.callback(topics.close)
        start_pause_clerk(
            connections,
            zookeeper,
            group=group,
            # Not `require`: a clerk that may not hear for a moment goes on afterwards.
            require=lead.ask,
            log=log,
            closing=closing,
        )
        self._mender = Mender(topics=topics, clock=SystemClock(), log=log)
        self._expiry = self._expiry_with(writer, group=group)
        self._index_settings = IndexSettings(
            self._elastic,
            namespace=namespace,
            guard=self._fence,
            datasets=settings.dataset_indices(),
            replicas_of=lambda dataset: settings.of_dataset(dataset).replicas,
            log=log,
        )
        self._merging = Merging(
            indices=ElasticMergeIndices(
                self._elastic, namespace=namespace, guard=self._fence
            ),
            clock=SystemClock(),
            log=log,
            namespace=namespace,
        )

    def look(self) -> None:
        """Do what is due, and put into `disk` what is seen; safe to call again.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: a server does not answer, or refuses.
        """
        # 1. Nothing that the fence guards is done before.
        is_claimed = self._is_claimed()
        # 2. Also while Elasticsearch is away.
        self._mender.keep()
        if not is_claimed:
            return
        # 3. Before anything is done about it: what is done may fail for a full disk.
        disks = node_disks(self._elastic.ask("GET", DISKS_PATH))
        self.disk = msgspec.structs.replace(
            self.disk, alarming_nodes=alarming_nodes(disks), low_nodes=low_nodes(disks)
        )
        # 4. Before an index is made for a new day.
        self._index_settings.keep()
        # 5. Each act asks the fence once more.
        kept = self._expiry.keep(self._settings.disk_quota_bytes)
        self._deleted.extend(kept.deleted)
        self.disk = msgspec.structs.replace(
            self.disk,
            used_bytes=kept.used_bytes,
            quota_bytes=kept.quota_bytes or 0,
            expired_indices=tuple(self._deleted),
        )
        # 6. Only now that what need not be merged is gone.
        if self._settings.merge_closed_days:
            has_room = all(disk.stage is Stage.WELL for disk in disks)
            self._merging.keep(kept.floors, has_room=has_room)

    def _is_claimed(self) -> bool:
        """Claim the lead once; False where that cannot be done now."""
        if self._fence.epoch is not None:
            return True
        try:
            self._fence.claim()
        except ServiceUnavailable as error:
            self._log.warning("lead_not_claimed", reason=str(error))
            return False
        self._log.info("lead_claimed", epoch=self._fence.epoch)
        self._answer_orders()
        if self._settings.alerts.is_on:
            self._judge_alerts()
        if self._settings.merge_templates:
            start_template_clerk(
                self._connections,
                elastic=self._elastic,
                guard=self._fence,
                look_ms=self._settings.templates_check_ms,
                log=self._log,
                closing=self._closing,
            )
        return True

    def _judge_alerts(self) -> None:
        """Judge the rules of alerts, which the settings hold."""
        clerk = alert_clerk(
            self._connections,
            self._settings.alerts,
            elastic=self._elastic,
            guard=self._fence,
            group=self._group,
            clock=SystemClock(),
            log=self._log,
        )
        self._closing.callback(clerk.close)
        clerk.start()

    def _answer_orders(self) -> None:
        """Make indices for those that may not."""
        namespace = self._connections.namespace
        clerk = OrderClerk(self._zookeeper, namespace=namespace, maker=self._maker)
        self._closing.callback(clerk.close)
        clerk.start()

    def _expiry_with(self, writer: AckedWriter, *, group: str) -> Expiry:
        connections, clock = self._connections, SystemClock()
        reader = FloorReader(connections, client_id="tailrace-indexer-leader-floors")
        self._closing.callback(reader.close)
        namespace = connections.namespace
        guarded = GuardedWriter(writer, require=self._fence.require)
        return Expiry(
            indices=EventIndices(
                self._elastic, namespace=namespace, clock=clock, guard=self._fence
            ),
            floors=KafkaFloors(reader, guarded, namespace=namespace),
            ledger=KafkaLedger(guarded, namespace=namespace),
            progress=DocumentsProgress(connections, group=group),
            read_ledger=lambda: newest_records(
                read_ledger_topic(
                    connections,
                    client_id="tailrace-indexer-leader",
                    is_stopping=self._is_stopping,
                ),
                log=self._log,
            ),
            clock=clock,
            log=self._log,
            namespace=namespace,
            policy=self._settings.retention_policy(),
        )


class FencedMaker:
    """Makes an index for as long as no other leads."""

    def __init__(self, maker: Maker, *, guard: Guard) -> None:
        self._maker = maker
        self._guard = guard

    def make(self, index: str) -> Verdict:
        """Return STORED where the index is there now, else why it is not.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: that cannot be told now.
        """
        self._guard.require()
        return self._maker.make(index)


class DocumentsProgress:
    """How far the indexers are in documents and dead letters, asked of Kafka each time."""

    def __init__(self, connections: Connections, *, group: str) -> None:
        self._connections = connections
        self._group = group
        self._topics = [topic.name(connections.namespace) for topic in (DOCS, DEAD)]

    def ends(self) -> Offsets:
        """Return where each partition ends now.

        Raises:
            ServiceUnavailable: Kafka does not answer.
        """
        with KafkaAdmin(
            self._connections, client_id="tailrace-indexer-leader"
        ) as kafka:
            return kafka.end_offsets(self._topics)

    def committed(self) -> Offsets:
        """Return what is read next of each partition.

        Raises:
            ServiceUnavailable: Kafka does not answer.
        """
        with KafkaAdmin(
            self._connections, client_id="tailrace-indexer-leader"
        ) as kafka:
            return kafka.committed_offsets(self._group)

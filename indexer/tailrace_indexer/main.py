"""The indexer as a process: wires settings, servers and the protocol together, and runs."""

from __future__ import annotations

import random
import threading
from contextlib import ExitStack

from tailrace.clock import SystemClock
from tailrace.elasticsearch import Elastic
from tailrace.errors import RightMissing, ServiceUnavailable, TopicMissing
from tailrace.floor_topic import FloorReader, FloorWatch
from tailrace.index_templates import NAMES, template_name
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_consumer import Consumer
from tailrace.log import FilteringBoundLogger, logger
from tailrace.provision import provision_templates
from tailrace.settings import Connections
from tailrace.topics import (
    ALERTS,
    DEAD,
    DOCS,
    FLOORS,
    LEDGER,
    RATES,
    TEMPLATE_ALIASES,
    TEMPLATES,
)
from tailrace.zookeeper_rights import login_of
from tailrace_indexer.acked_writer import AckedWriter
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.config import IndexerSettings
from tailrace_indexer.dead_letter_sink import KafkaDeadLetters
from tailrace_indexer.delivery import Delivery
from tailrace_indexer.disk_alarms import sound_disks
from tailrace_indexer.flow import DeliveryPolicy
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.index_orders import LateZooKeeper, OrderingMaker
from tailrace_indexer.leader import RetentionLeader
from tailrace_indexer.ledger_sink import KafkaLedger
from tailrace_indexer.loop import run_until, tell
from tailrace_indexer.memory import keep_freed_memory
from tailrace_indexer.pace import PacePolicy
from tailrace_indexer.sink import ElasticsearchSink
from tailrace_indexer.status import StatusFile

FOLDER_NAME = "indexer"
TOPICS = (DOCS, RATES, ALERTS, DEAD, LEDGER, TEMPLATES, TEMPLATE_ALIASES)
START_RETRY_S = 1.0
CLOSE_MS_MAX = 5_000


def group_of(namespace: str) -> str:
    """Return the consumer group of the indexers."""
    return f"{namespace}-indexer"


def run(
    *, connections: Connections, settings: IndexerSettings, stop: threading.Event
) -> int:
    """Index until `stop` is set; return the exit code.

    A server that is away is waited for, with an alarm: nothing is lost by it.
    """
    log = logger("indexer")
    keep_freed_memory()
    clock = SystemClock()
    alarms = Alarms()
    with ExitStack() as closing:
        elastic = Elastic(connections, connections_per_node=settings.in_flight_max + 2)
        closing.callback(elastic.close)
        floors = FloorWatch(
            FloorReader(connections, client_id="tailrace-indexer-floors"),
            namespace=connections.namespace,
            on_failure=lambda error: log.warning("floors_unread", reason=str(error)),
        )
        closing.callback(floors.close)
        consumer = _start(
            connections,
            elastic=elastic,
            floors=floors,
            alarms=alarms,
            log=log,
            stop=stop,
        )
        if consumer is None:
            return 0
        closing.callback(consumer.close, wait_ms_max=CLOSE_MS_MAX)
        delivery = _delivery(
            connections,
            settings,
            consumer=consumer,
            elastic=elastic,
            floors=floors,
            alarms=alarms,
            closing=closing,
        )
        leader = RetentionLeader(
            connections,
            group=group_of(connections.namespace),
            settings=settings,
            is_expired=floors.is_expired,
            log=log,
        )
        leader.start()
        closing.callback(leader.stop)
        status = StatusFile(connections.data_dir / FOLDER_NAME, clock=clock)

        def each_step() -> None:
            disk = leader.disk
            sound_disks(alarms, disk.alarming_nodes, now_ms=clock.now_ms())
            status.write(delivery, alarms=alarms, disk=disk)

        log.info("indexer_started", group=group_of(connections.namespace))
        run_until(
            stop,
            delivery=delivery,
            alarms=alarms,
            clock=clock,
            log=log,
            each=each_step,
        )
    return 0


def _delivery(
    connections: Connections,
    settings: IndexerSettings,
    *,
    consumer: Consumer,
    elastic: Elastic,
    floors: FloorWatch,
    alarms: Alarms,
    closing: ExitStack,
) -> Delivery:
    """Wire the protocol to the servers; `closing` lets go of what it holds."""
    writer = AckedWriter(connections)
    closing.callback(writer.close)
    late = LateZooKeeper(connections.zookeeper_hosts, login=login_of(connections))
    closing.callback(late.close)
    own = IndexMaker(elastic, connections=connections, is_expired=floors.is_expired)
    sink = ElasticsearchSink(
        elastic,
        index_maker=OrderingMaker(
            own, book=late.book, namespace=connections.namespace, clock=SystemClock()
        ),
        in_flight_max=settings.in_flight_max + 1,
    )
    closing.callback(sink.close)
    return Delivery(
        source=consumer,
        sink=sink,
        dead_letters=KafkaDeadLetters(writer, namespace=connections.namespace),
        ledger=KafkaLedger(writer, namespace=connections.namespace),
        clock=SystemClock(),
        chance=random.Random(),  # noqa: S311 - spreads retries, no secret
        namespace=connections.namespace,
        policy=DeliveryPolicy(
            ready_bytes_max=settings.ready_bytes_max,
            held_bytes_max=settings.held_bytes_max,
            commit_ms=settings.commit_ms,
            pace=PacePolicy(in_flight_max=settings.in_flight_max),
        ),
        alarms=alarms,
    )


def _start(
    connections: Connections,
    *,
    elastic: Elastic,
    floors: FloorWatch,
    alarms: Alarms,
    log: FilteringBoundLogger,
    stop: threading.Event,
) -> Consumer | None:
    """Return a consumer once topics, templates and floors are there; None to stop."""
    clock = SystemClock()
    while not stop.is_set():
        try:
            _require_topics(connections)
            _require_templates(elastic, connections=connections)
            # Before the first order for an index: an expired one is never made again.
            floors.start()
            consumer = Consumer.connect(
                connections,
                group=group_of(connections.namespace),
                client_id=group_of(connections.namespace),
                topics=[topic.name(connections.namespace) for topic in TOPICS],
            )
        except ServiceUnavailable as error:
            detail = f"{error}; {error.remedy}"
            subject = type(error).__name__
            alarms.sound("start", reason=subject, detail=detail, now_ms=clock.now_ms())
            tell(alarms.take(now_ms=clock.now_ms()), log=log)
            stop.wait(START_RETRY_S)
        else:
            alarms.clear("start", now_ms=clock.now_ms())
            return consumer
    return None


def _require_topics(connections: Connections) -> None:
    """Return when every topic that is read is there.

    Raises:
        TopicMissing: one is not.
        ServiceUnavailable: Kafka does not answer.
    """
    with KafkaAdmin(connections, client_id="tailrace-indexer-start") as admin:
        found = admin.partition_counts()
    for topic in (topic.name(connections.namespace) for topic in (*TOPICS, FLOORS)):
        if topic not in found:
            raise TopicMissing(topic, brokers=connections.kafka_bootstrap)


def _require_templates(elastic: Elastic, *, connections: Connections) -> None:
    """Return when our templates are there, or it is another's to see to them.

    Who may not even ask for them can make no index either: it orders each from the leader,
    who makes none without its template.

    Raises:
        ServiceUnavailable: Elasticsearch does not answer, or refuses.
    """
    try:
        names = [template_name(connections.namespace, kind=kind) for kind in NAMES]
        if not all(elastic.template_fingerprint(name) for name in names):
            provision_templates(connections.for_leader())
    except RightMissing:
        return

"""One stream worker: Faust brings records and partitions, the worker does the rest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from random import Random

from tailrace.clock import Clock
from tailrace.floors import Floors
from tailrace.log import FilteringBoundLogger
from tailrace.settings import Connections
from tailrace_stream.alarms import Alarms
from tailrace_stream.config import StreamSettings
from tailrace_stream.enrich.build import enrichment_of
from tailrace_stream.enrich.enrichment import Enrichment
from tailrace_stream.faust_app import StreamApp
from tailrace_stream.foreign.running import ForeignReading, TopicIds
from tailrace_stream.guard.guard import guard_of
from tailrace_stream.own.build import own_parsers
from tailrace_stream.protocol import CommitProtocol, Retry
from tailrace_stream.records import Outgoing
from tailrace_stream.redact.build import redaction_of
from tailrace_stream.shaping.book import book_of
from tailrace_stream.state_store import KafkaStateReader
from tailrace_stream.status import StatusFile
from tailrace_stream.watch import Watch
from tailrace_stream.worker import StreamWorker

POLL_S = 0.1
STATUS_MS = 2_000
REVOKE_WAIT_MS_MAX = 3_000
"""Well below the time a group waits for its members in a rebalance."""
EXIT_FAILURE = 1


async def run_app(
    *,
    connections: Connections,
    settings: StreamSettings,
    stop: threading.Event,
    clock: Clock,
    random: Random,
    log: FilteringBoundLogger,
    topic_id: str,
    topic_ids: TopicIds,
    floors: Callable[[], Floors],
) -> int:
    """Run until `stop` is set, or only an end helps; return the exit code, 0 after a stop.

    Raises:
        PublishFailed: the brokers cannot be reached at the start.
    """
    enrichment = enrichment_of(settings.enrichment, clock=clock)
    redaction = redaction_of(settings.redaction)
    foreign = ForeignReading(
        connections, settings.foreign, topic_ids, redaction, clock=clock, log=log
    )
    alarms = Alarms(lambda: (*enrichment.alarms(), *foreign.alarms()), log=log)
    app = StreamApp(connections, settings=settings, log=log)

    def failed(record: Outgoing, error: Exception) -> None:
        worker.count(f"failures.{type(error).__name__}")
        log.warning("publish_failed", topic=record.topic, error=str(error)[:300])

    worker = StreamWorker(
        protocol=CommitProtocol(
            app, retry=Retry(), wait=_wait, random=random, on_failure=failed
        ),
        offsets=app,
        states=_states(connections, settings, enrichment),
        clock=clock,
        log=log,
        namespace=connections.namespace,
        topic_id=topic_id,
        floors=floors,
        in_flight_bytes_max=settings.in_flight_bytes_max,
        own=own_parsers(settings.parsers),
        enrichment=enrichment,
        redaction=redaction,
        guard=guard_of(settings.attribute_keys_max),
        shape=settings.windows.shape(),
        rules=book_of(settings.shaping, namespace=connections.namespace),
        silent_ms=settings.windows.silent_ms,
    )

    async def revoked(partitions: list[int]) -> None:
        await worker.revoke(partitions, wait_ms_max=REVOKE_WAIT_MS_MAX)

    app.connect(on_record=worker.take, on_assigned=worker.assign, on_revoked=revoked)
    await app.start()
    log.info("worker_started", namespace=connections.namespace)
    foreign.start()
    status = StatusFile(connections.data_dir, started_at_ms=clock.now_ms())
    watch = Watch(worker, status, alarms, offsets=app, clock=clock)
    watch.answer(settings, log=log)
    try:
        return await _tend(app, settings, stop, clock, log, watch, enrichment, foreign)
    finally:
        await asyncio.to_thread(foreign.stop, wait_ms_max=settings.drain_ms_max)
        await worker.stop(wait_ms_max=settings.drain_ms_max)
        enrichment.close()
        worker.counts.update(enrichment.counts() | foreign.counts())
        watch.close()
        await app.stop()
        log.info("worker_stopped", **worker.counts)


def _states(
    connections: Connections, settings: StreamSettings, enrichment: Enrichment
) -> KafkaStateReader:
    return KafkaStateReader(
        connections,
        has_templates=enrichment.has_templates,
        has_rules=bool(settings.shaping),
    )


async def _wait(wait_ms: int) -> None:
    await asyncio.sleep(wait_ms / 1_000)


async def _tend(
    app: StreamApp,
    settings: StreamSettings,
    stop: threading.Event,
    clock: Clock,
    log: FilteringBoundLogger,
    watch: Watch,
    enrichment: Enrichment,
    foreign: ForeignReading,
) -> int:
    """Commit and look after the worker until it is to end; return the exit code."""
    worker = watch.worker
    committed_at_ms = status_at_ms = clock.monotonic_ms()
    while not stop.is_set():
        await asyncio.sleep(POLL_S)
        now_ms = clock.monotonic_ms()
        if (reason := app.crash_reason) is not None:
            log.error("faust_crashed", error=repr(reason))
            return EXIT_FAILURE
        if (reason := foreign.crash_reason) is not None:
            log.error("foreign_crashed", error=repr(reason))
            return EXIT_FAILURE
        if now_ms - committed_at_ms >= settings.commit_interval_ms:
            committed_at_ms = now_ms
            await worker.commit()
            worker.rest()
        if now_ms - status_at_ms >= STATUS_MS:
            status_at_ms = now_ms
            worker.counts.update(enrichment.counts() | foreign.counts())
            watch.look(watch.alarms.tell())
            if await worker.stands_still(stuck_ms_max=settings.stuck_ms_max):
                log.error("worker_stuck", stuck_ms_max=settings.stuck_ms_max)
                return EXIT_FAILURE
    return 0

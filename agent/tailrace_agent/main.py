"""The agent as a process: wires settings, servers and state together, and runs."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Mapping

from tailrace.clock import SystemClock
from tailrace.errors import ServiceUnavailable
from tailrace.kafka_producer import Producer
from tailrace.log import FilteringBoundLogger, logger
from tailrace.settings import Connections
from tailrace.wire import AgentLedger
from tailrace_agent.beginnings import Beginning
from tailrace_agent.checkpoint import Checkpoint, Condition
from tailrace_agent.config import AgentSettings
from tailrace_agent.delivery import Delivery
from tailrace_agent.discovery import Discovery
from tailrace_agent.hints import open_hints
from tailrace_agent.host import host_id_of, host_name_of, time_zone_of
from tailrace_agent.kafka_sink import KafkaSink
from tailrace_agent.known import KnownGenerations
from tailrace_agent.ledger_topic import read_ledger
from tailrace_agent.loop import AgentLoop
from tailrace_agent.protocols import CheckpointUnwritable
from tailrace_agent.records import Agent, Records
from tailrace_agent.registration import register
from tailrace_agent.restore import Restored, keep_restored, restore
from tailrace_agent.state_folder import StateFolder, take_folder
from tailrace_agent.status import AgentStatus, StatusFile, file_statuses
from tailrace_agent.table import FileTable
from tailrace_agent.turns import Turns

FOLDER_NAME = "agent"
LEDGER_RETRY_S_MIN = 0.5
LEDGER_RETRY_S_MAX = 10.0
LEDGER_ALARM_TRIES = 6


def run(
    *, connections: Connections, settings: AgentSettings, stop: threading.Event
) -> int:
    """Follow the sources until `stop` is set; return the exit code.

    Raises:
        DataDirInUse: another agent holds the state folder.
        CommandFailed: the state folder cannot be used.
    """
    log = logger("agent")
    folder = take_folder(connections.data_dir / FOLDER_NAME)
    try:
        agent = Agent(
            agent_id=folder.agent_id,
            host_id=host_id_of(settings.host_id, state_folder=folder.path),
            host_name=host_name_of(settings.host_name),
            time_zone=time_zone_of(),
        )
        registration = register(connections, settings=settings, agent=agent, log=log)
        try:
            _follow(connections, settings, agent=agent, folder=folder, stop=stop)
        finally:
            registration.close()
    finally:
        folder.release()
    return 0


def _follow(
    connections: Connections,
    settings: AgentSettings,
    *,
    agent: Agent,
    folder: StateFolder,
    stop: threading.Event,
) -> None:
    log, clock, wake = logger("agent"), SystemClock(), threading.Event()
    checkpoint = Checkpoint(folder.path, clock=clock)
    loaded = checkpoint.load()
    if loaded.condition is Condition.DAMAGED:
        log.error("checkpoint_damaged", why=loaded.detail, remedy="it was set aside")
    restored = restore(
        loaded,
        had_life=folder.had_life,
        now_ms=clock.now_ms(),
        read_ledger=lambda: _ledger(connections, agent, stop=stop, log=log),
    )
    if stop.is_set():
        checkpoint.close()
        return
    _say_restored(restored, log)
    sources = {source.name: source for source in settings.sources}
    records = Records(
        agent, namespace=connections.namespace, sources=sources, clock=clock
    )
    sink = KafkaSink(
        lambda: Producer.connect(connections, client_id=f"agent-{agent.agent_id}"),
        wake=wake.set,
    )
    delivery = Delivery(
        sink=sink, store=checkpoint, records=records, clock=clock, log=log
    )
    delivery.broken = "not connected yet"
    known = KnownGenerations(restored.records)
    is_later_life = loaded.condition is not Condition.INTACT and (
        folder.had_life or bool(restored.records)
    )
    table = FileTable(
        settings=settings,
        host_id=agent.host_id,
        known=known,
        beginning=Beginning(
            # Never from the end because a checkpoint is gone.
            frozenset(sources) if is_later_life else loaded.sources_seen,
            restored.is_rebuilt,
        ),
        delivery=delivery,
        clock=clock,
        log=log,
    )
    turns = Turns(settings, agent=agent, delivery=delivery, clock=clock, log=log)
    hints = open_hints(settings, wake=wake.set, log=log)
    status_file = StatusFile(folder.path)

    def write_status() -> None:
        files = file_statuses(table, delivery=delivery)
        status_file.write(
            AgentStatus(
                agent_id=agent.agent_id,
                host_id=agent.host_id,
                pid=os.getpid(),
                files_count=len(table.files),
                lag_bytes=sum(file.lag_bytes for file in files),
                in_flight_bytes=delivery.in_flight_bytes,
                shipped_events=delivery.shipped_events,
                kafka=delivery.broken or "connected",
                checkpoint=delivery.unwritable or "written",
                hints=hints.state,
                files=files,
            )
        )

    loop = AgentLoop(
        settings,
        discovery=Discovery(settings.sources, clock=clock, log=log),
        table=table,
        turns=turns,
        delivery=delivery,
        hints=hints,
        clock=clock,
        jitter=random.Random(),  # noqa: S311 - spreads retries, keeps no secret
        log=log,
        wake=wake,
        on_status=write_status,
    )
    try:
        keep_restored(checkpoint, loaded, known=known, sources=sorted(sources))
        folder.mark_life()
    except (CheckpointUnwritable, OSError) as error:
        log.warning("checkpoint_unwritable", why=str(error))
    log.info("agent_started", sources=sorted(sources), host_id=agent.host_id)
    try:
        loop.run(stop)
        write_status()
    finally:
        hints.close()
        sink.close()
        _close(checkpoint, log)
    log.info("agent_stopped", events=delivery.shipped_events)


def _ledger(
    connections: Connections,
    agent: Agent,
    *,
    stop: threading.Event,
    log: FilteringBoundLogger,
) -> Mapping[str, AgentLedger]:
    """Read the ledger, for as long as it takes: shipping without it could repeat."""
    wait_s, tries = LEDGER_RETRY_S_MIN, 0
    while not stop.is_set():
        try:
            return read_ledger(
                connections, host_id=agent.host_id, is_stopping=stop.is_set
            )
        except ServiceUnavailable as error:
            if tries % LEDGER_ALARM_TRIES == 0:
                why, remedy = str(error), f"{error.remedy}; the files wait until then"
                log.warning("ledger_unavailable", why=why, remedy=remedy)
            tries += 1
        stop.wait(wait_s)
        wait_s = min(LEDGER_RETRY_S_MAX, wait_s * 2)
    return {}


def _say_restored(restored: Restored, log: FilteringBoundLogger) -> None:
    count = len(restored.records)
    if restored.is_rebuilt:
        log.error(
            "identity_rebuilt",
            why="checkpoint and ledger are both gone",
            remedy="`tailrace audit` lists what may be stored twice",
        )
        return
    log.info("state_restored", generations=count, came_from=restored.came_from)


def _close(checkpoint: Checkpoint, log: FilteringBoundLogger) -> None:
    try:
        checkpoint.keep_copy()
    except CheckpointUnwritable as error:
        log.warning("checkpoint_copy_failed", why=str(error))
    checkpoint.close()

"""The agent as a process: wires settings, servers and state together, and runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from tailrace.clock import SystemClock
from tailrace.errors import ServiceUnavailable
from tailrace.log import FilteringBoundLogger, logger
from tailrace.settings import Connections
from tailrace.wire import AgentLedger
from tailrace_agent.checkpoint import Checkpoint, Condition
from tailrace_agent.config import AgentSettings
from tailrace_agent.hole_requests import HoleRequests
from tailrace_agent.host import host_id_of, host_name_of, time_zone_of
from tailrace_agent.known import KnownGenerations
from tailrace_agent.ledger_topic import read_ledger
from tailrace_agent.protocols import CheckpointUnwritable
from tailrace_agent.records import Agent
from tailrace_agent.registration import register
from tailrace_agent.restore import Restored, keep_restored, restore
from tailrace_agent.state_folder import StateFolder, take_folder
from tailrace_agent.wiring import assemble

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
            _follow(
                connections,
                settings,
                agent=agent,
                folder=folder,
                hole_requests=registration.holes,
                stop=stop,
            )
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
    hole_requests: HoleRequests,
    stop: threading.Event,
) -> None:
    log, clock = logger("agent"), SystemClock()
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
    known = KnownGenerations(restored.records)
    parts = assemble(
        connections,
        settings,
        agent=agent,
        folder=folder,
        checkpoint=checkpoint,
        loaded=loaded,
        restored=restored,
        known=known,
        hole_requests=hole_requests,
        clock=clock,
        log=log,
    )
    sources = sorted(source.name for source in settings.sources)
    try:
        keep_restored(checkpoint, loaded, known=known, sources=sources)
        folder.mark_life()
    except (CheckpointUnwritable, OSError) as error:
        log.warning("checkpoint_unwritable", why=str(error))
    log.info("agent_started", sources=sources, host_id=agent.host_id)
    try:
        parts.loop(settings, clock=clock, log=log).run(stop)
        parts.write_status()
    finally:
        parts.hints.close()
        parts.sink.close()
        _close(checkpoint, log)
    log.info("agent_stopped", events=parts.delivery.shipped_events)


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

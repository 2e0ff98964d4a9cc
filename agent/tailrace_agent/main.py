"""The agent as a process: wires settings, servers and state together, and runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial

from tailrace.clock import Clock, SystemClock
from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace.log import FilteringBoundLogger, logger
from tailrace.metrics import MetricsServer
from tailrace.settings import Connections
from tailrace.wire import AgentLedger
from tailrace_agent import descriptors
from tailrace_agent.allocation import keep_buffers
from tailrace_agent.checkpoint import Checkpoint, Condition, Loaded
from tailrace_agent.config import AgentSettings
from tailrace_agent.fleet_config import FleetConfig
from tailrace_agent.host import host_id_of, host_name_of, time_zone_of
from tailrace_agent.known import KnownGenerations
from tailrace_agent.ledger_topic import read_ledger
from tailrace_agent.observed import Observed
from tailrace_agent.opening import Opener
from tailrace_agent.protocols import CheckpointUnwritable
from tailrace_agent.records import Agent
from tailrace_agent.redactors import redactors_for
from tailrace_agent.registration import AgentRegistration, register
from tailrace_agent.rehearsal import list_once
from tailrace_agent.restore import Restored, keep_restored, restore
from tailrace_agent.set_back import LedgerWords, ask_in_time, stands_in_file
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
    keep_buffers()
    folder = take_folder(connections.data_dir / FOLDER_NAME)
    try:
        agent = Agent(
            agent_id=folder.agent_id,
            host_id=host_id_of(settings.host_id, state_folder=folder.path),
            host_name=host_name_of(settings.host_name),
            time_zone=time_zone_of(),
        )
        clock = SystemClock()
        with ExitStack() as cleanup:
            registration = register(
                connections, settings=settings, agent=agent, log=log
            )
            cleanup.callback(registration.close)
            observed = Observed(clock, on_held_up=registration.hold_up)
            metrics = _metrics(settings, observed=observed, log=log)
            if metrics is not None:
                cleanup.callback(metrics.close)
            fleet = registration.follow_fleet(
                connections,
                settings,
                folder=folder.path,
                # What could hinder a life is found out before there is one.
                check=lambda given: (
                    redactors_for(given, folder=folder.path),
                    # What the host itself names it lists all the time.
                    list_once(given.sources[len(settings.sources) :], clock=clock),
                ),
                log=log,
            )
            while not stop.is_set():
                # Other sources are another life: it goes on where this one is safe.
                given = _within_limits(fleet.begin(), log=log)
                try:
                    _follow(
                        connections,
                        given,
                        agent=agent,
                        folder=folder,
                        registration=registration,
                        observed=observed,
                        metrics_url="" if metrics is None else metrics.url,
                        clock=clock,
                        stop=stop,
                        fleet=fleet,
                    )
                except Exception as error:
                    if not fleet.blame(error):
                        raise
    finally:
        folder.release()
    return 0


def _follow(
    connections: Connections,
    settings: AgentSettings,
    *,
    agent: Agent,
    folder: StateFolder,
    registration: AgentRegistration,
    observed: Observed,
    metrics_url: str,
    clock: Clock,
    stop: threading.Event,
    fleet: FleetConfig,
) -> None:
    log = logger("agent")
    # First of all: without its rules nothing of a source may be read.
    redactors = redactors_for(settings, folder=folder.path)
    checkpoint = Checkpoint(folder.path, clock=clock)
    loaded = checkpoint.load()
    _say_loaded(loaded, log)
    ledger = partial(_ledger, connections, agent, observed=observed, stop=stop, log=log)
    restored = restore(
        loaded,
        had_life=folder.had_life,
        now_ms=clock.now_ms(),
        read_ledger=ledger,
        words=_words(connections, settings, agent=agent, stop=stop, log=log),
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
        hole_requests=registration.holes,
        paused_why=registration.pause.why,
        redactors=redactors,
        observed=observed,
        clock=clock,
        log=log,
    )
    sources = sorted(source.name for source in settings.sources)
    try:
        keep_restored(
            checkpoint,
            loaded,
            known=known,
            sources=sources,
            is_rebuilt=restored.is_rebuilt,
        )
        folder.mark_life()
    except (CheckpointUnwritable, OSError) as error:
        log.warning("checkpoint_unwritable", why=str(error))
    log.info("agent_started", sources=sources, host_id=agent.host_id)
    try:
        loop = parts.loop(settings, metrics_url=metrics_url, clock=clock, log=log)
        loop.run(stop, is_replaced=lambda: fleet.is_waiting, note_turn=fleet.note_lived)
        parts.write_status(clock=clock, metrics_url="")
    finally:
        parts.hints.close()
        parts.sink.close()
        _close(checkpoint, log)
    log.info("agent_stopped", events=parts.delivery.shipped_events)


def _metrics(
    settings: AgentSettings, *, observed: Observed, log: FilteringBoundLogger
) -> MetricsServer | None:
    """Answer `/metrics` and `/health`; where that cannot be, shipping goes on."""
    if not settings.use_metrics:
        return None
    try:
        server = MetricsServer.start(
            port=settings.metrics_port, collect=observed.figures, check=observed.health
        )
    except CommandFailed as error:
        log.warning("metrics_unavailable", why=str(error), remedy=error.remedy)
        return None
    log.info("metrics_answer", url=server.url)
    return server


def _ledger(
    connections: Connections,
    agent: Agent,
    *,
    observed: Observed,
    stop: threading.Event,
    log: FilteringBoundLogger,
) -> Mapping[str, AgentLedger]:
    """Read the ledger, for as long as it takes: shipping without it could repeat."""
    wait_s, tries = LEDGER_RETRY_S_MIN, 0
    while not stop.is_set():
        try:
            records = read_ledger(
                connections, host_id=agent.host_id, is_stopping=stop.is_set
            )
        except ServiceUnavailable as error:
            observed.hold_up(str(error))
            if tries % LEDGER_ALARM_TRIES == 0:
                why, remedy = str(error), f"{error.remedy}; the files wait until then"
                log.warning("ledger_unavailable", why=why, remedy=remedy)
            tries += 1
        else:
            observed.hold_up("")
            return records
        stop.wait(wait_s)
        wait_s = min(LEDGER_RETRY_S_MAX, wait_s * 2)
    return {}


def _words(
    connections: Connections,
    settings: AgentSettings,
    *,
    agent: Agent,
    stop: threading.Event,
    log: FilteringBoundLogger,
) -> LedgerWords:
    """Return how a whole checkpoint is completed: shipping does not depend on it."""

    def since(moment_ms: int) -> Mapping[str, AgentLedger]:
        read = partial(
            read_ledger, connections, host_id=agent.host_id, since_ms=moment_ms
        )
        return ask_in_time(
            lambda is_over: read(is_stopping=is_over), stop=stop, log=log
        )

    opener = Opener(settings)
    stands = partial(stands_in_file, opener=opener, settings=settings)
    return LedgerWords(agent.agent_id, since, stands)


def _within_limits(
    settings: AgentSettings, *, log: FilteringBoundLogger
) -> AgentSettings:
    """Return settings that ask for no more open files than the kernel gives."""
    wanted = settings.descriptors_max
    given = descriptors.files_open_max(wanted)
    if given == wanted:
        return settings
    log.warning(
        "descriptors_limited", files=given, wanted=wanted, remedy=descriptors.REMEDY
    )
    return settings.model_copy(update={"descriptors_max": given})


def _say_loaded(loaded: Loaded, log: FilteringBoundLogger) -> None:
    if loaded.condition is Condition.DAMAGED:
        log.error("checkpoint_damaged", why=loaded.detail, remedy="it was set aside")


def _say_restored(restored: Restored, log: FilteringBoundLogger) -> None:
    count = len(restored.records)
    if restored.is_rebuilt:
        log.error(
            "identity_rebuilt",
            why="checkpoint and ledger are both gone",
            remedy="`tailrace audit` lists what may be stored twice",
        )
        return
    if restored.knows_nothing:
        log.info(
            "no_past_found",
            why="neither checkpoint nor ledger tells of an earlier life on this host",
            remedy="none for a first start; else `tailrace audit` lists what may be stored"
            " twice",
        )
    log.info("state_restored", generations=count, came_from=restored.came_from)


def _close(checkpoint: Checkpoint, log: FilteringBoundLogger) -> None:
    try:
        checkpoint.keep_copy()
    except CheckpointUnwritable as error:
        log.warning("checkpoint_copy_failed", why=str(error))
    checkpoint.close()

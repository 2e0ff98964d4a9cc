"""What a running agent is made of, put together once what it knows is restored."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from tailrace.clock import Clock
from tailrace.kafka_producer import Producer
from tailrace.log import FilteringBoundLogger
from tailrace.redaction.rules import Redactors
from tailrace.settings import Connections
from tailrace.text import path_text
from tailrace_agent.beginnings import Beginning
from tailrace_agent.checkpoint import Checkpoint, Condition, Loaded
from tailrace_agent.chunking import Chunker, Limits
from tailrace_agent.config import AgentSettings
from tailrace_agent.copies import Copies
from tailrace_agent.delivery import Delivery
from tailrace_agent.discovery import Discovery
from tailrace_agent.heartbeats import Heartbeats
from tailrace_agent.hints import FileHints, open_hints
from tailrace_agent.holes import Holes, Requests
from tailrace_agent.kafka_sink import KafkaSink
from tailrace_agent.known import KnownGenerations
from tailrace_agent.loop import AgentLoop
from tailrace_agent.observed import Observed
from tailrace_agent.opening import Opener
from tailrace_agent.protocols import Sink
from tailrace_agent.records import Agent, Records
from tailrace_agent.restore import Restored, late_words
from tailrace_agent.state_folder import StateFolder
from tailrace_agent.status import (
    UNREADABLE_MAX,
    AgentStatus,
    StatusFile,
    file_statuses,
    lag_bytes_of,
)
from tailrace_agent.table import FileTable
from tailrace_agent.turns import Turns
from tailrace_agent.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts that `main` starts and stops."""

    agent: Agent
    sink: KafkaSink
    delivery: Delivery
    discovery: Discovery
    table: FileTable
    turns: Turns
    hints: FileHints
    holes: Holes
    status_file: StatusFile
    observed: Observed
    paused_why: Callable[[], str]
    """What is waited for before more is read; empty where nothing is."""
    wake: threading.Event
    waiting: Waiting = field(default_factory=Waiting)

    def write_status(self, *, clock: Clock, metrics_url: str) -> None:
        """Tell this machine how things stand."""
        files = file_statuses(
            self.table,
            delivery=self.delivery,
            waiting=self.waiting,
            now_ms=clock.now_ms(),
        )
        status = AgentStatus(
            agent_id=self.agent.agent_id,
            host_id=self.agent.host_id,
            pid=os.getpid(),
            files_count=len(self.table.files),
            lag_bytes=lag_bytes_of(self.table, files, delivery=self.delivery),
            in_flight_bytes=self.delivery.outbox.in_flight_bytes,
            shipped_events=self.delivery.shipped_events,
            lost_bytes=self.delivery.lost_bytes,
            held_back_bytes=self.turns.held_back_bytes,
            dropped_events=self.turns.overload.by_source(of_bytes=False),
            dropped_bytes=self.turns.overload.by_source(of_bytes=True),
            split_events=self.delivery.split_events,
            redacted=dict(self.delivery.redacted),
            cut_events=self.delivery.cut_events,
            dead_events=dict(self.delivery.dead_events),
            gone_unread_count=self.table.unreadable.gone_count
            + self.discovery.waiting.gone_count,
            gone_unread_bytes=self.table.unreadable.gone_bytes
            + self.discovery.waiting.gone_bytes,
            refused_count=self.table.unreadable.refused_count,
            unreadable_count=len(self.table.unreadable.whys),
            unreadable=dict(islice(self.table.unreadable.whys.items(), UNREADABLE_MAX)),
            unreadable_bytes=self.table.unreadable.size_bytes,
            away_bytes=sum(self.table.away.values()),
            waiting_bytes=self.discovery.waiting.size_bytes,
            waiting_count=self.discovery.waiting.files_count,
            waiting={
                path_text(folder): count
                for folder, count in islice(
                    self.discovery.waiting.folders.items(), UNREADABLE_MAX
                )
            },
            unmatched_globs=self.discovery.unmatched_globs,
            kafka=self.delivery.broken or "connected",
            checkpoint=self.delivery.unwritable or "written",
            paused=self.paused_why(),
            hints=self.hints.state,
            hints_overflows_count=self.hints.overflows_count,
            line_wait_ms=self.turns.line_wait_ms,
            metrics_url=metrics_url,
            files=files,
        )
        self.observed.tell(status)
        self.status_file.write(status)

    def loop(
        self,
        settings: AgentSettings,
        *,
        metrics_url: str,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> AgentLoop:
        """Return the loop that drives the parts."""
        return AgentLoop(
            settings,
            discovery=self.discovery,
            table=self.table,
            turns=self.turns,
            delivery=self.delivery,
            heartbeats=Heartbeats(
                settings.heartbeat_ms,
                agent=self.agent,
                table=self.table,
                delivery=self.delivery,
                clock=clock,
            ),
            hints=self.hints,
            holes=self.holes,
            clock=clock,
            jitter=random.Random(),  # noqa: S311 - spreads retries, keeps no secret
            log=log,
            wake=self.wake,
            on_status=partial(self.write_status, clock=clock, metrics_url=metrics_url),
            on_turn=self.observed.turn,
            paused_why=self.paused_why,
        )


def assemble(
    connections: Connections,
    settings: AgentSettings,
    *,
    agent: Agent,
    folder: StateFolder,
    checkpoint: Checkpoint,
    loaded: Loaded,
    restored: Restored,
    known: KnownGenerations,
    hole_requests: Requests,
    paused_why: Callable[[], str],
    redactors: Redactors,
    observed: Observed,
    clock: Clock,
    log: FilteringBoundLogger,
) -> Assembly:
    """Put the parts together; nothing is connected yet, and nothing read."""
    wake = threading.Event()
    sources = {source.name: source for source in settings.sources}
    sink = _sink_of(connections, agent=agent, wake=wake)
    namespace = connections.namespace
    records = Records(agent, namespace=namespace, sources=sources, clock=clock)
    delivery = delivery_of(
        sink, checkpoint, records=records, restored=restored, clock=clock, log=log
    )
    # The first recovery is the first connection.
    delivery.outbox.broken = "not connected yet"
    table = FileTable(
        settings=settings,
        host_id=agent.host_id,
        known=known,
        beginning=beginning_of(
            loaded, restored=restored, had_life=folder.had_life, sources=sources
        ),
        delivery=delivery,
        copies=Copies(delivery, Opener(settings), settings.sweep_ms),
        clock=clock,
        log=log,
    )
    return Assembly(
        agent=agent,
        sink=sink,
        delivery=delivery,
        discovery=_discovery_of(settings, known=known, clock=clock, log=log),
        table=table,
        turns=Turns(
            settings,
            agent=agent,
            delivery=delivery,
            redactors=redactors,
            clock=clock,
            log=log,
        ),
        hints=open_hints(settings, wake=wake.set, log=log),
        holes=Holes(
            requests=hole_requests,
            table=table,
            delivery=delivery,
            records=records,
            chunker=chunker_of(settings),
            redactors=redactors,
            clock=clock,
            log=log,
        ),
        status_file=StatusFile(folder.path, clock=clock),
        observed=observed,
        paused_why=paused_why,
        wake=wake,
    )


def chunker_of(settings: AgentSettings) -> Chunker:
    """Return a chunker of its own for who reads beside the files' turns."""
    return Chunker(Limits(settings.chunk_bytes, settings.event_bytes_max))


def paths_followed(known: KnownGenerations) -> Iterable[str]:
    """Return where the files of an earlier life are that it still followed."""
    return (record.path for record in known.records() if not record.is_closed)


def _discovery_of(
    settings: AgentSettings,
    *,
    known: KnownGenerations,
    clock: Clock,
    log: FilteringBoundLogger,
) -> Discovery:
    return Discovery(
        settings.sources, clock=clock, log=log, remembered=paths_followed(known)
    )


def _sink_of(
    connections: Connections, *, agent: Agent, wake: threading.Event
) -> KafkaSink:
    name = f"agent-{agent.agent_id}"
    return KafkaSink(
        lambda: Producer.connect(connections, client_id=name), wake=wake.set
    )


def delivery_of(
    sink: Sink,
    checkpoint: Checkpoint,
    *,
    records: Records,
    restored: Restored,
    clock: Clock,
    log: FilteringBoundLogger,
) -> Delivery:
    """Return the delivery of a new life, which tells again what may be unheard."""
    delivery = Delivery(
        sink=sink, store=checkpoint, records=records, clock=clock, log=log
    )
    for record in late_words(restored.records):
        delivery.tell_again(record)
    return delivery


def beginning_of(
    loaded: Loaded,
    *,
    restored: Restored,
    had_life: bool,
    sources: Iterable[str],
) -> Beginning:
    """Return what a new life believes of files that no record tells of."""
    is_lost = loaded.condition not in (Condition.INTACT, Condition.BEHIND)
    is_later_life = is_lost and (had_life or bool(restored.records))
    # Never from the end because a checkpoint is gone.
    seen = frozenset(sources) if is_later_life else loaded.sources_seen
    # One that began when the checkpoint, which was set back, was written already.
    seen |= {record.source for record in restored.records}
    return Beginning(
        seen,
        knows_nothing=restored.knows_nothing,
        was_rebuilt=restored.was_rebuilt,
        forgotten_at_ms=restored.forgotten_at_ms,
    )

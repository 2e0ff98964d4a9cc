"""The real agent on the simulated files: its own loop, table, delivery and checkpoint."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from random import Random

from pydantic import SecretStr

from tailrace.holes import HoleRequest
from tailrace.kafka_consumer import Partition, Record
from tailrace.ledger import decode_ledger
from tailrace.redaction.config import RedactRule
from tailrace.topics import LEDGER, PARTITIONS
from tailrace.wire import AgentLedger
from tailrace_agent import restore as restore_module
from tailrace_agent import wiring
from tailrace_agent.checkpoint import Checkpoint, Condition
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.discovery import Discovery
from tailrace_agent.heartbeats import Heartbeats
from tailrace_agent.known import KnownGenerations
from tailrace_agent.ledger_topic import newest_of_host
from tailrace_agent.loop import AgentLoop
from tailrace_agent.observed import Observed
from tailrace_agent.opening import Opener
from tailrace_agent.protocols import CheckpointUnwritable
from tailrace_agent.records import Agent
from tailrace_agent.redactors import redactors_for
from tailrace_agent.routing import RouteSettings, index_for
from tailrace_agent.set_back import LedgerWords, stands_in_file
from tailrace_agent.state_folder import StateFolder
from tailrace_agent.tracked import TrackedFile
from tests.simulation.application import EVENT_BYTES_MAX
from tests.simulation.backups import Backup
from tests.simulation.cluster import NAMESPACE, Cluster, connections_of_run
from tests.simulation.filesystem import Files, is_meant
from tests.simulation.logs import SILENT
from tests.simulation.world import HostClock, SimulatedCrash, World

STEP_MS = (15, 70)
BACKUP_CHANCE = 0.05
"""In a step of its agent a host keeps a copy of its checkpoint."""
REDACT_KEY = SecretStr("one key for all hosts and lives of a run")


class CheckpointOnSmallDisk(Checkpoint):
    """The real checkpoint, on a disk that is full while the storm lasts."""

    world: World

    def _write(self, statement: str, rows: list[tuple[object, ...]]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        if rows and self.world.strikes("disk.full"):
            raise CheckpointUnwritable("no space left", remedy="make room")
        super()._write(statement, rows)


class SimulatedWake(threading.Event):
    """Lets simulated time pass where the agent would wait."""

    def __init__(self, clock: HostClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.sleep_ms(round((timeout or 0) * 1_000))
        return self.is_set()


class NoHints:
    """Hears nothing: the sweep alone must do."""

    def take(self) -> bool:
        return False


class NoRequests:
    """Nobody asks for a hole to be filled."""

    def take(self) -> HoleRequest | None:
        return None

    def answered(self, request: HoleRequest) -> None:
        """Not met: none was taken."""


@dataclass(slots=True)
class AgentHost:
    """What of a host survives its agent: clock, files and the state folder."""

    name: str
    world: World
    files: Files
    cluster: Cluster
    clock: HostClock
    folder: Path
    glob: str
    checkpoint_lost_chance: float
    """At a restart: someone has cleaned up its folder."""
    is_redacting: bool = False
    """Whether secrets are taken out of events before they leave."""
    route_sets: tuple[tuple[RouteSettings, ...], ...] = ()
    """Which datasets go to which indices: each life begins with one of these."""
    set_back_chance: float = 0.0
    had_life: bool = False
    is_to_lose_all: bool = False
    """At the next start the ledger knows nothing of this host, either."""
    lost_all_at_ms: int | None = None
    """When that was so, by the host's clock."""
    forgotten: set[int] = field(default_factory=set[int])
    """Lives that stood at no name which the glob means when all was lost: of what was seen
    and not sent of them, no record is left (ARCHITECTURE.md, limits)."""
    settings: AgentSettings = field(init=False)
    backup: Backup = field(init=False)

    def __post_init__(self) -> None:
        self.settings = _settings(self.name, self.glob, is_redacting=self.is_redacting)
        self.backup = Backup(self.folder, self.world, self.clock, self.set_back_chance)

    def start(self) -> AgentLife:
        """Start as `tailrace_agent.main` does."""
        if self.route_sets:
            routes = self.world.random.choice(self.route_sets)
            self.settings = _settings(
                self.name, self.glob, is_redacting=self.is_redacting, routes=routes
            )
        may_lose = self.had_life and not self.world.is_calm
        if self.is_to_lose_all:
            self._lose_all()
        elif may_lose and self.world.has_luck(self.checkpoint_lost_chance):
            self.world.witness("checkpoint.deleted")
            shutil.rmtree(self.folder)
        elif may_lose:
            self.backup.put_back()
        self.folder.mkdir(exist_ok=True)
        checkpoint = CheckpointOnSmallDisk(self.folder, clock=self.clock)
        checkpoint.world = self.world
        try:
            return self._start_on(checkpoint)
        except BaseException:
            checkpoint.close()
            raise

    def _start_on(self, checkpoint: Checkpoint) -> AgentLife:
        loaded = checkpoint.load()
        restored = restore_module.restore(
            loaded,
            had_life=self.had_life,
            now_ms=self.clock.now_ms(),
            read_ledger=self._ledger,
            words=LedgerWords(
                f"agent-{self.name}",
                self._words_since,
                partial(
                    stands_in_file,
                    opener=Opener(self.settings),
                    settings=self.settings,
                ),
            ),
        )
        if loaded.condition is Condition.BEHIND:
            self.world.witness("checkpoint.behind")
        self.world.tell(f"{self.name} restores {restored.came_from}")
        agent = Agent(
            agent_id=f"agent-{self.name}",
            host_id=f"id-{self.name}",
            host_name=self.name,
            time_zone="UTC",
        )
        known = KnownGenerations(restored.records)
        routes = self.settings.sources[0].routing
        for placement in (record.placement for record in restored.records):
            if placement.index != index_for(placement.dataset, routes):
                self.world.witness("routes.changed_amid_a_file")
        parts = wiring.assemble(
            connections_of_run(),
            self.settings,
            agent=agent,
            folder=StateFolder(self.folder, agent.agent_id, self.had_life, -1),
            checkpoint=checkpoint,
            loaded=loaded,
            restored=restored,
            hole_requests=NoRequests(),
            paused_why=self.paused_why,
            redactors=redactors_for(self.settings, folder=self.folder),
            observed=Observed(self.clock),
            known=known,
            clock=self.clock,
            log=SILENT,
        )
        life = AgentLife(self, parts, checkpoint)
        try:
            restore_module.keep_restored(
                checkpoint,
                loaded,
                known=known,
                sources=["logs"],
                is_rebuilt=restored.is_rebuilt,
            )
        except CheckpointUnwritable:
            self.world.tell(f"{self.name} cannot keep what it restored")
        self.had_life = True
        return life

    def paused_why(self) -> str:
        """Return what the leader has agents wait for, while it does."""
        return "what is unread" if self.world.strikes("agents.paused") else ""

    def _lose_all(self) -> None:
        """Lose checkpoint and ledger, as a host and a cluster that are both new do."""
        self.is_to_lose_all, self.lost_all_at_ms = False, self.clock.now_ms()
        # Its whole folder, or all but the mark that there was a life before.
        self.had_life = self.world.has_luck(0.5)
        if not self.had_life:
            self.world.witness("storm.lost_the_folder")
        meant = {
            node.life.number
            for path, node in self.files.names.items()
            if is_meant(path, glob=self.glob)
        }
        own = {life.number for life in self.files.lives if life.host == self.name}
        self.forgotten |= own - meant
        shutil.rmtree(self.folder)
        self.backup.forget()
        for number in range(PARTITIONS):
            log = self.cluster.kafka.logs.get(Partition(LEDGER.name(NAMESPACE), number))
            if log is not None:
                log[:] = [kept for kept in log if not self._is_of_agent(kept.record)]
        self.world.witness("storm.lost_all")

    def _is_of_agent(self, record: Record) -> bool:
        if record.value is None:
            return False
        word = decode_ledger(record.value)
        return isinstance(word, AgentLedger) and word.host_id == f"id-{self.name}"

    def _ledger(self) -> dict[str, AgentLedger]:
        self.world.witness("agent.restored_from_ledger")
        return self._words_since(0)

    def _words_since(self, since_ms: int) -> dict[str, AgentLedger]:
        """Read the ledger as Kafka finds a moment: by the time that is in each record."""
        kafka, topic = self.cluster.kafka, LEDGER.name(NAMESPACE)
        kept: list[tuple[bytes | None, bytes | None]] = []
        for number in range(PARTITIONS):
            stored = kafka.read(Partition(topic, number), offset=0)
            has_begun = False
            for record in (one.record for one in stored):
                has_begun = has_begun or _written_at_ms(record) >= since_ms
                if has_begun:
                    kept.append((record.key, record.value))
        return newest_of_host(kept, host_id=f"id-{self.name}")


def _written_at_ms(record: Record) -> int:
    """Return the time that its writer's clock showed; a tombstone has none here."""
    if record.value is None:
        return 0
    return decode_ledger(record.value).updated_at_ms


@cache
def _settings(
    host: str,
    glob: str,
    *,
    is_redacting: bool,
    routes: tuple[RouteSettings, ...] = (),
) -> AgentSettings:
    """Return an agent's settings; made once, for it takes longer than many steps."""
    source = SourceSettings(
        name="logs",
        paths=(f"/{host}/logs/{glob}",),
        dataset="java.log",
        routing=routes,
        redact=(RedactRule(name="secrets"),) if is_redacting else (),
    )
    return AgentSettings(
        sources=(source,),
        redact_key=REDACT_KEY,
        sweep_ms=400,
        use_hints=False,
        linger_ms_max=200,
        chunk_bytes=EVENT_BYTES_MAX,
        event_bytes_max=EVENT_BYTES_MAX,
        flush_after_ms=700,
        rotated_grace_ms=900,
        checkpoint_ms=150,
        ledger_ms=900,
        heartbeat_ms=20_000,
        status_ms=60_000,
    )


class AgentLife:
    """One life of an agent."""

    def __init__(
        self, host: AgentHost, parts: wiring.Assembly, checkpoint: Checkpoint
    ) -> None:
        self._host = host
        self._parts = parts
        self._checkpoint = checkpoint
        wake = SimulatedWake(host.clock)
        self._loop = AgentLoop(
            host.settings,
            discovery=Discovery(host.settings.sources, clock=host.clock, log=SILENT),
            table=parts.table,
            turns=parts.turns,
            delivery=parts.delivery,
            hints=NoHints(),
            heartbeats=Heartbeats(
                host.settings.heartbeat_ms,
                agent=parts.agent,
                table=parts.table,
                delivery=parts.delivery,
                clock=host.clock,
            ),
            holes=parts.holes,
            clock=host.clock,
            jitter=Random(host.world.random.random()),
            log=SILENT,
            wake=wake,
            on_status=lambda: None,
            paused_why=parts.paused_why,
        )

    @property
    def is_idle(self) -> bool:
        """Whether everything that was seen is read, acknowledged and on the disk."""
        delivery, table = self._parts.delivery, self._parts.table
        return not (
            delivery.outbox.in_flight_records
            or delivery.is_dirty
            or any(
                _is_unread(tracked)
                or (tracked.archive_suffix is not None and key in table.due)
                for key, tracked in table.files.items()
            )
        )

    def follows(self, key: tuple[int, int]) -> bool:
        """Return whether a file is among those that are followed."""
        return key in self._parts.table.files

    def step(self) -> int:
        wait_ms = self._loop.step()
        self._host.backup.keep(self._checkpoint, chance=BACKUP_CHANCE)
        return self._host.world.now_ms + max(
            wait_ms, self._host.world.random.randint(*STEP_MS)
        )

    def crash(self, crash: SimulatedCrash) -> None:
        """It is on its way up to whoever stepped."""

    def kill(self) -> None:
        self._parts.sink.close(wait_ms_max=0)
        self._host.files.close_all_of(self._host.name)
        self._checkpoint.close()

    def lose_session(self) -> None:
        """An agent is in no group."""

    def stop(self) -> None:
        self._loop.drain()
        self._checkpoint.keep_copy()
        self.kill()


def _is_unread(tracked: TrackedFile) -> bool:
    """Return whether something waits, other than the newline of a flushed line."""
    is_flushed = any(cut.next_offset == tracked.position.offset for cut in tracked.cuts)
    return tracked.unread_bytes > (len(b"\r\n") if is_flushed else 0)

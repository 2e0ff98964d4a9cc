"""One simulated run of the whole pipeline: a seed in, a report out."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tailrace.audit.verdict import AuditReport
from tailrace.kill_points import armed
from tailrace.topics import MEBIBYTE
from tests.simulation.agent_process import AgentHost, AgentLife
from tests.simulation.application import TODAY, Applications, LogFile
from tests.simulation.audits import audited
from tests.simulation.checker import check
from tests.simulation.cluster import COMPACTION_LAG_MS, MEND_LOOK_MS, Cluster
from tests.simulation.director import Director
from tests.simulation.filesystem import DEVICE, Files, Volume, is_meant
from tests.simulation.indexer_process import IndexerLife
from tests.simulation.leader_process import QUOTA_DOCUMENTS, LeaderLife
from tests.simulation.process import Process
from tests.simulation.profiles import EVERYTHING, Profile
from tests.simulation.stand_ins import put_in_place, work_plainly
from tests.simulation.stream_process import StreamLife
from tests.simulation.world import HostClock, World

HOSTS = ("one", "two")
CHAOS_MS = 5_500
DRAIN_MS_MAX = 120_000
SETTLED_MS = 1_300
"""How long everything must have been done for before the run is over."""
LOOK_MS = 150
DOCS_BYTES_MAX = (8 * MEBIBYTE, 6_000)
COLUMNS_EVERY = 20
"""Each so manieth run works its chunks in columns, as the real worker does; the others
line by line, which takes a tenth of the time."""
REDACTION_CHANCE = 0.3
RETENTION_CHANCE = 0.35
SEQUEL_CHANCE = 0.25
COMPACTABLE_MS = COMPACTION_LAG_MS + 2 * MEND_LOOK_MS + 500
"""After which of all that is written by now, brokers leave each key's last record alone."""
AUDIT_AT_MS = (1_500, 5_000)
MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one run."""

    seed: int
    profile: str
    problems: tuple[str, ...]
    witnesses: Counter[str]
    not_fired: frozenset[str]
    """Faults that were planned, and never struck."""
    trace_hash: str
    trace: tuple[str, ...]
    event_count: int
    took_ms: int
    """Of simulated time."""

    def __str__(self) -> str:
        found = "\n".join(f"  - {problem}" for problem in self.problems)
        shown = "\n".join(self.trace)
        return (
            f"seed {self.seed}: {len(self.problems)} problems\n{found}\n"
            f"the end of its trace:\n{shown}\n"
            f"again: pytest tests/simulation --simulation-seed {self.seed}"
            f" -k {self.profile}"
        )


def simulate(
    seed: int,
    *,
    profile: Profile = EVERYTHING,
    mutate: Callable[[pytest.MonkeyPatch], None] | None = None,
) -> Report:
    """Run one seed to its end, and check what is in the index.

    `mutate` breaks a guarantee, to see it found; such runs work their chunks plainly.
    """
    with running(seed, profile=profile, mutate=mutate) as run:
        return run.to_end()


@contextmanager
def running(
    seed: int,
    *,
    profile: Profile = EVERYTHING,
    mutate: Callable[[pytest.MonkeyPatch], None] | None = None,
) -> Generator[Run, None, None]:
    """Give a run that has not begun, with every role standing on what it simulates."""
    parent = MEMORY if MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="tailrace-simulation-", dir=parent) as disk,
        pytest.MonkeyPatch.context() as patched,
    ):
        run = Run(World(seed), Path(disk), profile)
        put_in_place(patched, files=run.files, cluster=run.cluster)
        # By rules chunks are worked in columns; worked plainly once and in columns then,
        # one would have templates of two names.
        is_plain = seed % COLUMNS_EVERY or mutate is not None
        if is_plain and not profile.rule_sets:
            work_plainly(patched)
        if mutate is not None:
            mutate(patched)
        with armed(run):
            yield run


@dataclass(slots=True)
class Run:
    """Everything there is in one run."""

    world: World
    disk: Path
    profile: Profile
    files: Files = field(default_factory=Files)
    cluster: Cluster = field(init=False)
    hosts: list[AgentHost] = field(init=False)
    processes: list[Process] = field(init=False)
    applications: Applications = field(init=False)
    director: Director = field(init=False)
    current: Process | None = None
    audits: list[tuple[str, AuditReport]] = field(
        default_factory=list[tuple[str, AuditReport]]
    )

    def __post_init__(self) -> None:
        world = self.world
        self.cluster = Cluster(world, world.random.choice(DOCS_BYTES_MAX))
        glob = world.random.choice(("*.log", "*.log*"))
        is_redacting = world.has_luck(REDACTION_CHANCE)
        clocks = [HostClock(world) for _ in HOSTS]
        self.hosts = [
            AgentHost(
                name,
                world,
                self.files,
                self.cluster,
                clock,
                self.disk / name,
                glob,
                self.profile.checkpoint_lost_chance,
                is_redacting=is_redacting,
                route_sets=self.profile.route_sets,
                set_back_chance=self.profile.set_back_chance,
            )
            for name, clock in zip(HOSTS, clocks, strict=True)
        ]
        for host in self.hosts:
            self.files.volumes[host.name] = Volume(host.name, host.clock)
        logs = [LogFile(host, "app") for host in HOSTS]
        self.applications = self.profile.applications(world, self.files, logs)
        self.processes = [
            *(
                Process("agent", f"agent {host.name}", world, host.start)
                for host in self.hosts
            ),
            *(
                Process(
                    "stream",
                    f"stream {n}",
                    world,
                    self._start_stream,
                )
                for n in range(2)
            ),
            *(
                Process(
                    "indexer",
                    f"indexer {n}",
                    world,
                    lambda: IndexerLife(world, self.cluster),
                )
                for n in range(2)
            ),
        ]
        self._add_leaders()
        self.director = self.profile.director(
            world, self.applications, self.cluster, self.processes, self.hosts, CHAOS_MS
        )

    def _start_stream(self) -> StreamLife:
        sets = self.profile.rule_sets
        if not sets:
            return StreamLife(self.world, self.cluster)
        rules = self.world.random.choice(sets)
        self.world.witness("rules.chosen")
        return StreamLife(self.world, self.cluster, rules=rules)

    def _add_leaders(self) -> None:
        """Add two candidates for the lead.

        In some runs they keep a small quota, and lines tell of other days, too.
        """
        world = self.world
        quota_documents: int | None = None
        # Which lines are missing by right is told by the index that the dataset names.
        if world.has_luck(RETENTION_CHANCE) and not self.profile.route_sets:
            quota_documents = world.random.randint(*QUOTA_DOCUMENTS)
            self.applications.days = (TODAY - 2, TODAY - 1, TODAY, TODAY)
        self.processes += [
            Process(
                "leader",
                f"leader {n}",
                world,
                lambda: LeaderLife(
                    world, self.cluster, quota_documents=quota_documents
                ),
            )
            for n in range(2)
        ]

    def pass_(self, name: str) -> None:
        """Let the process that runs now pass a kill point."""
        if self.current is not None:
            self.current.reach(name)

    def to_end(self) -> Report:
        """Let everything go wrong, then let everything drain, and look."""
        self.applications.begin()
        self._chaos()
        self.end_faults()
        problems = self._drain()
        if self.world.has_luck(SEQUEL_CHANCE):
            problems += self._sequel()
        problems += [p for process in self.processes for p in process.problems]
        self.audits.append(("at the end", self.audit(is_deep=True)))
        found = check(
            self.files,
            self.cluster,
            self.hosts,
            audits=self.audits,
            has_rules=bool(self.profile.rule_sets),
        )
        for process in self.processes:
            if process.life is not None:
                process.life.kill()
        world = self.world
        return Report(
            seed=world.seed,
            profile=self.profile.name,
            problems=(*problems, *found.problems),
            witnesses=world.witnesses
            + found.witnesses
            + Counter({"commit.refused": self._refused_commits()}),
            not_fired=frozenset(world.planned - set(world.witnesses)),
            trace_hash=world.trace_hash,
            trace=tuple(world.trace),
            event_count=found.event_count,
            took_ms=world.now_ms,
        )

    def _refused_commits(self) -> int:
        """Return how often a zombie spoke up: a member of an older generation."""
        groups = (self.cluster.streams, self.cluster.indexers)
        return sum(group.refused_commits for group in groups)

    def audit(self, *, is_deep: bool) -> AuditReport:
        """Audit what is there now; while it asks, everything else goes on."""
        return audited(self.cluster, is_deep=is_deep, let_pass=self._let_pass)

    def _chaos(self) -> None:
        audit_at_ms = self.world.random.randint(*AUDIT_AT_MS)
        self._let_pass(audit_at_ms)
        report = self.audit(is_deep=False)
        self.audits.append(("in the middle", report))
        if any(each.stored_count and each.in_flight_count for each in report.verdicts):
            self.world.witness("audit.half_on_its_way")
        self._let_pass(CHAOS_MS - self.world.now_ms)

    def _let_pass(self, wait_ms: int) -> None:
        """Let everything go on for so long."""
        until_ms = self.world.now_ms + wait_ms
        while self.world.now_ms < until_ms:
            process = min(self.processes, key=lambda p: p.due_ms)
            director = self.director
            if director.due_ms <= process.due_ms and not self.world.is_calm:
                self.world.advance_to(director.due_ms)
                director.step()
            else:
                self._step(process)

    def end_faults(self) -> None:
        """End all faults: what is stalled wakes, what is dead starts again."""
        self.world.is_calm = True
        self.world.tell("calm")
        self.applications.finish_lines()
        # Who loses all that is known of it waits for what it sent to be known before that.
        waiting = {f"agent {host.name}" for host in self.hosts if host.is_to_lose_all}
        for process in self.processes:
            if process.name not in waiting:
                process.due_ms = min(process.due_ms, self.world.now_ms)

    def _drain(self) -> list[str]:
        settled_ms: int | None = None
        looked_ms = 0
        while self.world.now_ms < CHAOS_MS + DRAIN_MS_MAX:
            self._step(min(self.processes, key=lambda p: p.due_ms))
            if self.world.now_ms - looked_ms < LOOK_MS:
                continue
            looked_ms = self.world.now_ms
            if self._left_to_do():
                settled_ms = None
            elif settled_ms is None:
                settled_ms = self.world.now_ms
            elif self.world.now_ms - settled_ms > SETTLED_MS:
                return []
        return [f"not done after {DRAIN_MS_MAX} ms: {self._left_to_do()}"]

    def _step(self, process: Process) -> None:
        self.world.advance_to(process.due_ms)
        self.current = process
        process.step()
        self.current = None

    def _sequel(self) -> list[str]:
        """Let all that may be compacted be, then let new workers count on from the rest."""
        self._let_pass(COMPACTABLE_MS)
        self.cluster.compact()
        for process in self.processes:
            if process.role == "stream":
                process.stop()
        for log in self.applications.logs:
            self.applications.append(log)
        self.world.witness("kafka.all_compacted")
        return self._drain()

    def _left_to_do(self) -> str:
        """Return what is not done yet; nothing where all is."""
        for host, process in zip(self.hosts, self.processes, strict=False):
            life = process.life
            if not isinstance(life, AgentLife) or not life.is_idle:
                return f"{process.name} is not idle"
            for path, node in self.files.names.items():
                is_own = path.startswith(f"/{host.name}/")
                is_to_follow = is_own and is_meant(path, glob=host.glob)
                if is_to_follow and not life.follows((DEVICE, node.inode)):
                    return f"{path} is not followed"
        kafka = self.cluster.kafka
        if self.cluster.late_count:
            return "records are late"
        for group in (self.cluster.streams, self.cluster.indexers):
            for partition in group.partitions:
                # What was taken from its end with all that an agent said, nobody reads.
                log = kafka.logs.get(partition)
                next_offset = log[-1].offset + 1 if log else 0
                if group.commits.get(partition, 0) < next_offset:
                    return f"{partition} is not committed to its end"
        return ""

"""One run of chaos: write, strike, let go, drain, and compare."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tailrace.chaos import namespaces
from tailrace.chaos.arena import NotWitnessed
from tailrace.chaos.asked import Asked
from tailrace.chaos.checks import (
    RUNNING_CHECKS,
    CheckResult,
    Evidence,
    compared,
    made,
)
from tailrace.chaos.faults import FaultKind, Lane, Need
from tailrace.chaos.faults_copies import copy_faults
from tailrace.chaos.faults_network import network_faults
from tailrace.chaos.faults_roles import role_faults
from tailrace.chaos.faults_servers import revive, server_faults
from tailrace.chaos.lane_run import LaneRun, Struck
from tailrace.chaos.live import Live, Say
from tailrace.chaos.record import read_record, written_lives
from tailrace.chaos.report import ChaosReport, struck_reports
from tailrace.chaos.schedule import length_ms_of, plan_lane, possible
from tailrace.chaos.stage import Stage, StageOptions, hosts_of, set_stage
from tailrace.clock import Clock
from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace.kafka_admin import KafkaAdmin
from tailrace.topics import RATES
from tailrace_embedded.progress import Progress

FIRST_LINES_MS_MAX = 600_000
DRAIN_MS_MAX = 7_200_000
STALLED_MS_MAX = 150_000
"""Without one more document for this long, no more are waited for."""
LEDGER_MS_MAX = 120_000
LOOK_MS = 250
OVERTIME_MS = 900_000
"""How much longer than planned faults may take before the rest does not strike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosOptions:
    """What a user asks for."""

    seed: int
    minutes: float | None
    """How long faults strike; None: until each has struck once."""
    lines_per_s: int
    brokers: int
    nodes: int
    folder: Path | None
    only: Sequence[str] = ()
    """Parts of the names of the faults that strike alone; none: every fault."""


def run_chaos(
    options: ChaosOptions, *, progress: Progress, clock: Clock, asked: Asked
) -> ChaosReport:
    """Do all of it; the report says whether it ended exact.

    Raises:
        Interrupted: the user asked for the end; everything is put away.
        CommandFailed: the stage could not be set, or something of ours failed.
        DataDirInUse: a stack runs in the named folder.
    """
    why_not = namespaces.why_not()
    given = {Need.THREE} if min(options.brokers, options.nodes) > 1 else set[Need]()
    if why_not is None:
        with asked.interrupting():
            _fetch_before_leaving(progress)
        namespaces.leave_the_machine()
        given.add(Need.ROOT)
    kinds, left_out = possible(_kinds(options.only), given=frozenset(given))
    reasons = [
        f"{kind.name}: {'; '.join(sorted(kind.needs - given))}"
        + (f" ({why_not})" if Need.ROOT in kind.needs - given else "")
        for kind in left_out
    ]
    stage_options = StageOptions(
        seed=options.seed,
        lines_per_s=options.lines_per_s,
        brokers=options.brokers,
        nodes=options.nodes,
        has_network=why_not is None,
        folder=options.folder,
    )
    with set_stage(stage_options, progress=progress, clock=clock, asked=asked) as stage:
        return _Run(options, kinds, stage, asked, progress.step).do(reasons)


def _kinds(only: Sequence[str]) -> list[FaultKind]:
    kinds = [*role_faults(), *server_faults(), *copy_faults(), *network_faults()]
    for part in only:
        if not any(part in kind.name for kind in kinds):
            raise CommandFailed(
                f"No fault has {part!r} in its name.",
                remedy=f"the names are: {', '.join(kind.name for kind in kinds)}",
            )
    return [
        kind for kind in kinds if not only or any(part in kind.name for part in only)
    ]


def _fetch_before_leaving(progress: Progress) -> None:
    """Bring what the servers need while this process still has a network."""
    from tailrace_embedded import identity
    from tailrace_embedded.runtime import DefaultFetcher, ensure_runtime

    ensure_runtime(
        environ=os.environ,
        user=identity.run_as(),
        fetcher=DefaultFetcher(),
        progress=progress,
    )


class _Run:
    """The phases of one run, on a stage that is set."""

    def __init__(
        self,
        options: ChaosOptions,
        kinds: Sequence[FaultKind],
        stage: Stage,
        asked: Asked,
        say: Say,
    ) -> None:
        self._options = options
        self._stage = stage
        self._asked = asked
        self._arena = stage.arena
        self._clock: Clock = stage.arena.clock
        self._say = say
        plans = [
            plan_lane(kinds, lane=lane, seed=options.seed, minutes=options.minutes)
            for lane in Lane
        ]
        self._lanes = [
            LaneRun(
                self._arena,
                planned,
                length_ms=max(self._length_ms, length_ms_of(planned)) + OVERTIME_MS,
            )
            for planned in plans
        ]
        self._live = Live(stage, self._lanes, say)
        self._writing = threading.Thread(
            target=self._arena.writer.run, name="writer", daemon=True
        )

    def do(self, left_out: Sequence[str]) -> ChaosReport:
        """Run every phase, in order."""
        counts = self._arena.writer.counts
        try:
            self._arena.roles.start()
            began_ms = self._clock.monotonic_ms()
            self._writing.start()
            self._wait_for_first_lines()
            self._strike(began_ms)
        finally:
            self._arena.writer.stop.set()
            if self._writing.is_alive():
                self._writing.join()
        wrote_ms = self._clock.monotonic_ms() - began_ms
        self._say("No more faults; waiting until everything is stored.")
        self._heal()
        drain_ms = self._drain()
        results = self._check()
        return ChaosReport(
            is_exact=all(result.is_passed for result in results),
            seed=self._options.seed,
            minutes=self._options.minutes,
            lines=counts.lines,
            lines_per_s=round(counts.lines * 1_000 / wrote_ms, 1),
            documents=counts.wanted,
            renamed=counts.renamed,
            moved_away=counts.moved,
            copied_and_truncated=counts.copied,
            deleted=counts.deleted,
            inodes_reused=counts.inodes_reused,
            drain_s=round(drain_ms / 1_000, 1),
            unplanned_ends={
                name: role.unplanned
                for name, role in self._arena.roles.roles.items()
                if role.unplanned
            },
            memory_mb=self._live.memory,
            left_out=list(left_out),
            faults=struck_reports(self._struck),
            checks=results,
        )

    @property
    def _length_ms(self) -> int:
        """Return how long lines flow at least, however soon the last fault is over."""
        return int((self._options.minutes or 0) * 60_000)

    @property
    def _struck(self) -> list[Struck]:
        return [each for lane in self._lanes for each in lane.struck]

    def _check(self) -> list[CheckResult]:
        with self._asked.interrupting():
            evidence = self._evidence()
        results = made(RUNNING_CHECKS, evidence, self._asked)
        self._say("Stopping the roles, and comparing every line.")
        codes = self._arena.roles.stop()
        return [*results, _roles_ended(codes), *compared(evidence, self._asked)]

    def _wait_for_first_lines(self) -> None:
        def is_there() -> bool:
            self._look()
            return bool(self._live.indexed())

        if not self._arena.within(is_there, wait_ms_max=FIRST_LINES_MS_MAX):
            raise CommandFailed(
                "No line was stored before the first fault, within"
                f" {FIRST_LINES_MS_MAX // 1_000} s.",
                remedy="name a folder with --data-dir, and see the roles' logs in it",
            )

    def _strike(self, began_ms: int) -> None:
        for lane, run in zip(Lane, self._lanes, strict=True):
            run.start(f"faults of {lane.value}")
        end_ms = began_ms + self._length_ms

        def is_over() -> bool:
            self._look()
            return (
                all(lane.is_over for lane in self._lanes)
                and self._clock.monotonic_ms() >= end_ms
            )

        try:
            while not is_over():
                self._arena.wait(LOOK_MS)
        except BaseException:
            # Whatever ended the run: no fault may strike what is being put away.
            self._arena.stop.set()
            raise
        finally:
            for lane in self._lanes:
                lane.join()

    def _look(self) -> None:
        """Say how things stand, and end the run if something of ours has failed."""
        # What a fault leaves undone because the user asked for the end is no failure.
        self._asked.look()
        self._live.look()
        for what, error in (
            ("The writer", self._arena.writer.error),
            ("Tending the roles", self._arena.roles.error),
            *(("A fault", lane.error) for lane in self._lanes),
        ):
            if error is not None:
                raise CommandFailed(
                    f"{what} failed: {error!r}.", remedy="report this with its seed"
                ) from error

    def _heal(self) -> None:
        try:
            with self._asked.giving_up():
                for server in self._arena.stack.servers:
                    revive(self._arena, server)
        except NotWitnessed as error:
            raise CommandFailed(
                f"A server did not come back after the faults: {error}.",
                remedy="name a folder with --data-dir, and see the server's log in it",
            ) from None

    def _drain(self) -> int:
        """Wait until everything is stored and told; return how long it took."""
        began_ms = self._clock.monotonic_ms()
        wanted = self._arena.writer.counts.wanted

        seen, moved_ms = -1, began_ms

        def is_over() -> bool:
            nonlocal seen, moved_ms
            self._look()
            now_ms = self._clock.monotonic_ms()
            stored = self._live.indexed()
            if stored is not None and stored > seen:
                seen, moved_ms = stored, now_ms
            return seen >= wanted or now_ms - moved_ms > STALLED_MS_MAX

        self._arena.within(is_over, wait_ms_max=DRAIN_MS_MAX)
        took_ms = self._clock.monotonic_ms() - began_ms
        self._arena.within(
            lambda: self._stage.ledger.totals().shipped >= wanted,
            wait_ms_max=LEDGER_MS_MAX,
        )
        # The roles drain for seconds, and an index that was away is tried after longer.
        self._arena.within(self._has_all_rates, wait_ms_max=LEDGER_MS_MAX)
        return took_ms

    def _has_all_rates(self) -> bool:
        """Return whether the indexer has stored every count that it was sent."""
        connections = self._arena.connections
        namespace = connections.namespace
        try:
            with KafkaAdmin(connections) as admin:
                lags = admin.group_lag(
                    f"{namespace}-indexer", topics=[RATES.name(namespace)]
                )
        except ServiceUnavailable:
            return False
        return not sum(partition.lag_records for partition in lags)

    def _evidence(self) -> Evidence:
        stage = self._stage
        entries = read_record(stage.record_path)
        return Evidence(
            arena=stage.arena,
            lives=written_lives(entries, maker=stage.maker),
            agent_records=stage.ledger.agent_records(),
            struck=self._struck,
            environment=stage.environment,
            hosts=hosts_of,
        )


def _roles_ended(codes: dict[str, int | None]) -> CheckResult:
    problems = [f"{name} ended with {code}" for name, code in codes.items() if code]
    return CheckResult(
        name="roles",
        is_passed=not problems,
        detail=f"{len(codes) - len(problems)} of {len(codes)} drained and ended cleanly",
        problems=tuple(problems),
    )

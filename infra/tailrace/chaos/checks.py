"""What must be true at the end: a list of checks over what the run has left."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from tailrace.answers import field
from tailrace.chaos.arena import Arena
from tailrace.chaos.asked import Asked
from tailrace.chaos.compare import Gathered, compare
from tailrace.chaos.lane_run import Struck
from tailrace.chaos.ledger_watch import without_copies
from tailrace.chaos.rates import FIELDS as RATE_FIELDS
from tailrace.chaos.rates import counted_minutes, differences
from tailrace.chaos.record import WrittenLife
from tailrace.chaos.stored import stored_documents, stored_events, stored_hits
from tailrace.elasticsearch import Elastic
from tailrace.query import events_alias, rates_index
from tailrace.wire import AgentLedger

AUDIT_S_MAX = 3_600
"""Every document is read: six million take a quarter of an hour on two busy processors."""
AUDIT_LOOK_S = 0.5
"""What it says is read for so long between two looks at what the user asks."""
AUDIT = ("audit", "--deep", "--wait", "120")
"""It waits so many seconds for what is in flight."""
_SHOWN_MAX = 5


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found."""

    name: str
    is_passed: bool
    detail: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the checks look at; without slots, for what is read when first asked for."""

    arena: Arena
    lives: Sequence[WrittenLife]
    agent_records: Sequence[AgentLedger]
    struck: Sequence[Struck]
    environment: Mapping[str, str]
    """By which a command finds the servers and the namespace."""
    hosts: Callable[[str], tuple[str, ...]]
    """Which hosts read the file of that path: each of its lines is there once of each."""

    @cached_property
    def gathered(self) -> Gathered:
        """Every document of an event, read once: not before the roles have stopped."""
        gathered = Gathered()
        connections = self.arena.connections
        with Elastic(connections) as elastic:
            index = events_alias(connections.namespace)
            for event in stored_events(elastic, index=index):
                gathered.add(event)
        return gathered


Check = Callable[[Evidence], CheckResult]


def check_faults(evidence: Evidence) -> CheckResult:
    """Require that each planned fault struck, by its witness."""
    problems = [f"{each.name}: {each.problem}" for each in evidence.struck]
    problems = [p for p, s in zip(problems, evidence.struck, strict=True) if s.problem]
    count = len(evidence.struck)
    return CheckResult(
        name="faults",
        is_passed=count > 0 and not problems,
        detail=f"{count - len(problems)} of {count} faults struck, by their witnesses",
        problems=tuple(problems),
    )


def check_promises(evidence: Evidence) -> CheckResult:
    """Require that no role did, under a fault, what it must never do."""
    return promises_result(evidence.arena.broken_promises)


def promises_result(broken: Sequence[str]) -> CheckResult:
    """Return the verdict over the promises that faults saw broken."""
    return CheckResult(
        name="promises",
        is_passed=not broken,
        detail=f"{len(broken)} promises broken while a fault struck",
        problems=tuple(broken[:_SHOWN_MAX]),
    )


def check_lines(evidence: Evidence) -> CheckResult:
    """Require every line once, by id and content, in its place."""
    verdict = compare(evidence.lives, evidence.gathered, hosts=evidence.hosts)
    return CheckResult(
        name="lines",
        is_passed=verdict.is_exact,
        detail=f"{verdict.written} written, {verdict.stored} stored;"
        f" {verdict.missing} missing, {verdict.doubled} doubled,"
        f" {verdict.altered} altered, {verdict.misplaced} of another host or file,"
        f" {verdict.disordered} files out of order",
        problems=verdict.examples,
    )


def check_rates(evidence: Evidence) -> CheckResult:
    """Require that each generation's windows count what is stored of it."""
    connections = evidence.arena.connections
    index = rates_index(connections.namespace)
    with Elastic(connections) as elastic:
        hits = stored_hits(elastic, index=index, fields=RATE_FIELDS)
        try:
            counted = counted_minutes(hit["_source"] for hit in hits)
        except ValueError as error:
            return CheckResult(name="rates", is_passed=False, detail=str(error))
    wrong_count, examples = differences(evidence.gathered.minutes, counted)
    return CheckResult(
        name="rates",
        is_passed=bool(counted) and not wrong_count,
        detail=f"{counted.total()} events counted in {len(counted)} minutes of files;"
        f" {wrong_count} counts wrong",
        problems=examples,
    )


def check_dead_letters(evidence: Evidence) -> CheckResult:
    """Require each poison record once among the dead letters, and nothing else there."""
    arena = evidence.arena
    index = f"{arena.connections.namespace}-dead-*"
    with Elastic(arena.connections) as elastic:
        found = Counter(map(_original, stored_documents(elastic, index=index)))
    lost = [value for value in arena.poisons if not found[value]]
    doubled = [value for value, count in found.items() if count > 1]
    strange = [value for value in found if value not in set(arena.poisons_tried)]
    problems = [
        f"{what}: {value[:100]!r}"
        for what, values in (
            ("not among the dead letters", lost),
            ("there more than once", doubled),
            ("a dead letter that no fault explains", strange),
        )
        for value in values[:_SHOWN_MAX]
    ]
    return CheckResult(
        name="dead letters",
        is_passed=not problems,
        detail=f"{sum(found.values())} dead letters,"
        f" {len(arena.poisons)} poison records",
        problems=tuple(problems),
    )


def check_agent_ledger(evidence: Evidence) -> CheckResult:
    """Require that what the agents say they shipped is what was written, life by life."""
    told = Counter(
        (record.next_offset, record.next_event_number)
        for record in without_copies(evidence.agent_records)
        if record.next_event_number
    )
    wanted: Counter[tuple[int, int]] = Counter()
    for life in evidence.lives:
        readers = len(evidence.hosts(life.places.name))
        wanted[life.size_bytes, len(life.places)] += readers
    lost_bytes = sum(sum(r.lost_bytes.values()) for r in evidence.agent_records)
    problems = [
        f"{count} lives of {size} bytes and {events} lines {what}"
        for what, counts in (
            ("are in no record", wanted - told),
            ("are told and were never written", told - wanted),
        )
        for (size, events), count in list(counts.items())[:_SHOWN_MAX]
    ]
    if lost_bytes:
        problems.append(f"{lost_bytes} bytes are declared lost, and none were")
    return CheckResult(
        name="agent's ledger",
        is_passed=not problems,
        detail=f"{told.total()} generations,"
        f" {sum(events * n for (_, events), n in told.items())} lines told as shipped",
        problems=tuple(problems),
    )


def check_audit(evidence: Evidence) -> CheckResult:
    """Require that `tailrace audit --deep` finds that everything adds up."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "tailrace", *AUDIT],
        env=dict(evidence.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C in a terminal reaches us, and is no verdict of the audit's.
        start_new_session=True,
    ) as audit:
        try:
            said = _said_in_time(audit, evidence.arena)
        finally:
            # Where it was too late, or the user asked for the end.
            audit.kill()
    if said is None:
        return CheckResult(
            name="audit",
            is_passed=False,
            detail=f"`tailrace {' '.join(AUDIT)}` did not end within {AUDIT_S_MAX} s",
        )
    lines = said.strip().splitlines()
    return CheckResult(
        name="audit",
        is_passed=audit.returncode == 0,
        detail=f"`tailrace {' '.join(AUDIT)}` ended with {audit.returncode}",
        problems=tuple(lines[-_SHOWN_MAX:]) if audit.returncode else (),
    )


def _said_in_time(audit: subprocess.Popen[str], arena: Arena) -> str | None:
    """Return what it says until it ends, or None when it does not.

    Raises:
        Interrupted: the user asked for the end meanwhile.
    """
    said: list[str] = []

    def has_ended() -> bool:
        try:
            said.extend(audit.communicate(timeout=AUDIT_LOOK_S))
        except subprocess.TimeoutExpired:
            return False
        return True

    is_in_time = arena.within(has_ended, wait_ms_max=AUDIT_S_MAX * 1_000)
    return "".join(said) if is_in_time else None


def made(
    checks: Sequence[Check], evidence: Evidence, asked: Asked
) -> list[CheckResult]:
    """Make one check after the other.

    Raises:
        Interrupted: the user asked for the end, which is no check's verdict.
    """
    results: list[CheckResult] = []
    for check in checks:
        asked.look()
        results.append(check(evidence))
    asked.look()
    return results


def compared(evidence: Evidence, asked: Asked) -> list[CheckResult]:
    """Make the final checks, which read and compare for minutes and look at no event.

    Raises:
        Interrupted: the user asked for the end; the check at work is left.
    """
    with asked.interrupting():
        return made(FINAL_CHECKS, evidence, asked)


RUNNING_CHECKS: tuple[Check, ...] = (check_faults, check_promises, check_audit)
"""Made while the roles still run."""
FINAL_CHECKS: tuple[Check, ...] = (
    check_lines,
    check_rates,
    check_dead_letters,
    check_agent_ledger,
)
"""Made after the roles have stopped, so that nothing comes late."""


def _original(document: Mapping[str, object]) -> bytes:
    """Return the bytes of which a dead letter speaks."""
    raw = field(document, "dead.original_base64")
    return base64.b64decode(raw) if isinstance(raw, str) else b""

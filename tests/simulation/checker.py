"""Whether a run ended as promised: the documents tile the files, and all figures agree.

The oracle is what was written, life by life, and nothing that a role says. Each event found
in the index claims its bytes of one life. Where a file is still there, the claims leave
nothing out and never meet; where it is gone, what is missing of what an agent saw was
declared as lost.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from tailrace.topics import MEBIBYTE
from tests.simulation.agent_process import AgentHost
from tests.simulation.application import CONFLICT
from tests.simulation.claims import Claims
from tests.simulation.cluster import Cluster
from tests.simulation.filesystem import Files, Life
from tests.simulation.hops import Hops, hops_of
from tests.simulation.indexed import Indexed, indexed_events, indexed_rates

SHOWN_MAX = 5


@dataclass(slots=True)
class Findings:
    """What is wrong, and what was met on the way."""

    problems: list[str] = field(default_factory=list[str])
    witnesses: Counter[str] = field(default_factory=Counter[str])
    event_count: int = 0


def check(files: Files, cluster: Cluster, hosts: list[AgentHost]) -> Findings:
    """Compare what was written with what is in the index."""
    findings = Findings()
    indices = cluster.elasticsearch.indices
    events = list(indexed_events(indices))
    findings.event_count = len(events)
    present = _present(files, glob=hosts[0].glob)
    claims = Claims(files.lives, present)
    problems = findings.problems
    problems += claims.claim(events)
    hops = hops_of(cluster.kafka)
    problems += _missing(files.lives, claims, hops, present=present)
    problems += _dead(claims, findings.witnesses, limit=cluster.docs_bytes_max)
    problems += _rates(events, claims, indexed_rates(indices))
    problems += hops.disagreements(claims, present=present)
    del problems[SHOWN_MAX * 4 :]
    return findings


def _present(files: Files, *, glob: str) -> set[int]:
    """Return the lives that stand behind a name that the agents look for."""
    return {
        node.life.number
        for path, node in files.names.items()
        if path.endswith(".log") or glob.endswith("*")
    }


def _missing(
    lives: list[Life], claims: Claims, hops: Hops, *, present: set[int]
) -> list[str]:
    """Nothing is missing of what is there; what is gone was declared in bytes."""
    problems: list[str] = []
    lost: Counter[tuple[str, str]] = Counter()
    gone: Counter[tuple[str, str]] = Counter()
    for life in lives:
        gaps = claims.gaps(life)
        if life.was_copied:
            gone[life.host, life.log] += len(life.content)
        if life.number in present:
            problems += [
                f"missing: {life.host}/{life.log} life {life.number} {start}-{end}"
                f" {bytes(life.content[start:end])[:60]!r}"
                for start, end in gaps[:SHOWN_MAX]
            ]
            continue
        name = (life.host, life.log)
        gone[name] += 0 if life.was_copied else len(life.content)
        if not claims.by_life[life.number]:
            # Nothing of it was sent: a file that was replaced before its generation was
            # declared, while Kafka was away, tells nobody (ARCHITECTURE.md, limits).
            continue
        lost[name] += sum(
            max(0, min(end, life.seen_bytes) - start) for start, end in gaps
        )
    for name, lost_bytes in lost.items():
        declared = hops.lost_bytes[name]
        if declared < lost_bytes:
            problems.append(f"{name}: {lost_bytes} bytes lost, {declared} declared")
    for name, declared in hops.lost_bytes.items():
        if declared > gone[name]:
            problems.append(f"{name}: {declared} declared, {gone[name]} are gone")
    return problems


def _dead(claims: Claims, witnesses: Counter[str], *, limit: int) -> list[str]:
    """Only what no index and no topic takes is dead, and all of that is."""
    problems: list[str] = []
    for claim in claims.all():
        event = claim.event
        has_conflict = CONFLICT in claim.content
        if event.dead_reason:
            witnesses[f"dead.{event.dead_reason}"] += 1
        if event.dead_reason == "mapping_conflict" and has_conflict:
            continue
        if event.dead_reason == "document_refused" and limit < MEBIBYTE:
            continue
        if event.dead_reason or has_conflict:
            problems.append(f"dead or not, against what it is: {event}")
    return problems


def _rates(
    events: list[Indexed],
    claims: Claims,
    counted: dict[str, Counter[tuple[str, str]]],
) -> list[str]:
    """Each window holds what is in the index of its minute and level, no more, no less."""
    true: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    untimed: Counter[str] = Counter()
    for event in events:
        if event.minute:
            true[event.generation][event.minute, event.level] += 1
        else:
            untimed[event.generation] += 1
    problems: list[str] = []
    for generation in {*true, *untimed, *counted}:
        if claims.has_repeats(generation):
            continue  # Two contents in one place: stored both, counted as one.
        total = sum(true[generation].values()) + untimed[generation]
        found = counted.get(generation, Counter())
        if found.total() != total:
            problems.append(
                f"rates of {generation[:6]}: {found.total()} counted, {total} there"
            )
        for window, count in true[generation].items():
            if found[window] != count:
                problems.append(
                    f"rates of {generation[:6]} {window}: {found[window]}, not {count}"
                )
    return sorted(problems)

"""Whether a run ended as promised: the documents tile the files, and all figures agree.

The oracle is what was written, life by life, and nothing that a role says. Each event found
in the index claims its bytes of one life. Where a file is still there, the claims leave
nothing out and never meet; where it is gone, what is missing of what an agent saw was
declared as lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from tailrace.audit.verdict import AuditReport
from tailrace.topics import MEBIBYTE
from tests.simulation.agent_process import AgentHost
from tests.simulation.application import CONFLICT
from tests.simulation.audits import audit_problems
from tests.simulation.canaries import is_hidden, leaks
from tests.simulation.claims import Claims
from tests.simulation.cluster import NAMESPACE, Cluster
from tests.simulation.expired import Expired
from tests.simulation.filesystem import Files, Life, is_meant
from tests.simulation.floors_seen import read_floors
from tests.simulation.hops import Hops, hops_of
from tests.simulation.indexed import (
    indexed_events,
    indexed_rates,
    indexed_templates,
)
from tests.simulation.sent import sent_events
from tests.simulation.templates_told import template_problems

SHOWN_MAX = 5


@dataclass(slots=True)
class Findings:
    """What is wrong, and what was met on the way."""

    problems: list[str] = field(default_factory=list[str])
    witnesses: Counter[str] = field(default_factory=Counter[str])
    event_count: int = 0


def check(
    files: Files,
    cluster: Cluster,
    hosts: list[AgentHost],
    *,
    audits: list[tuple[str, AuditReport]],
    has_rules: bool = False,
) -> Findings:
    """Compare what was written with what is in the index."""
    findings = Findings()
    indices = cluster.elasticsearch.indices
    events = list(indexed_events(indices))
    findings.event_count = len(events)
    findings.witnesses["routes.elsewhere"] += sum(
        name.startswith((f"{NAMESPACE}-web-", f"{NAMESPACE}-shop-")) for name in indices
    )
    findings.witnesses["canary.hidden"] += sum(is_hidden(one.stored) for one in events)
    safe = safe_of(files, glob=hosts[0].glob)
    present = {n for n, size in safe.items() if size == len(files.lives[n].content)}
    forgetful = {
        host.name: host.lost_all_at_ms
        for host in hosts
        if host.lost_all_at_ms is not None
    }
    hops = hops_of(cluster.kafka)
    findings.witnesses["rules.left_out"] += hops.left_out_count
    findings.witnesses["rules.changed_amid_a_file"] += hops.changed_rules_count
    is_redacting = any(host.is_redacting for host in hosts)
    claims = Claims(
        files.lives,
        set(safe),
        is_redacting=is_redacting,
        rebuilt=hops.rebuilt(forgetful),
        nameless=nameless_of(files.lives, glob=hosts[0].glob),
        births_ns={
            name: agent.identity.born_at_ns for name, agent in hops.agents.items()
        },
    )
    problems = findings.problems
    expired = Expired(read_floors(cluster), has_rules=has_rules)
    if has_rules:
        claims.note_sent(sent_events(cluster.kafka))
    elif expired.floors and claims.rebuilt:
        # Of one that was declared to repeat another nothing may be kept but its rates.
        sent = sent_events(cluster.kafka)
        claims.note_sent(one for one in sent if one.generation in claims.rebuilt)
    problems += claims.claim(events)
    problems += missing(
        files.lives,
        claims,
        hops,
        safe=safe,
        expired=expired,
        forgotten={number for host in hosts for number in host.forgotten},
    )
    # Of what a host knew before it lost all that it knew, no copy reminds it.
    standing = {
        node.life.number: node.safe_bytes
        for path, node in files.names.items()
        if node.life.number not in safe and not _has_lost_all(path, hosts)
    }
    problems += _left_in_copies(
        files.lives, claims, findings.witnesses, standing=standing, expired=expired
    )
    problems += _dead(
        claims, findings.witnesses, limit=cluster.docs_bytes_max, expired=expired
    )
    problems += _rates(claims, indexed_rates(indices), present=present, expired=expired)
    problems += template_problems(
        events, indexed_templates(indices), has_expired=expired.may_be_missing
    )
    problems += hops.disagreements(
        claims,
        present=present,
        expired=expired,
        forgetful=forgetful.keys(),
    )
    if is_redacting:
        problems += leaks(cluster)
    for when, report in audits:
        problems += audit_problems(report, claims, when=when)
    del problems[SHOWN_MAX * 4 :]
    return findings


def safe_of(files: Files, *, glob: str) -> dict[int, int]:
    """Return how much of each life stands behind a name that the agents look for."""
    safe: dict[int, int] = {}
    for path, node in files.names.items():
        if is_meant(path, glob=glob):
            number = node.life.number
            safe[number] = max(safe.get(number, 0), node.safe_bytes)
    return safe


def nameless_of(lives: list[Life], *, glob: str) -> frozenset[int]:
    """Return the lives of which a copy that no glob meant went before it was seen."""
    return frozenset(
        life.number
        for life in lives
        if any(not is_meant(path, glob=glob) for path in life.unseen_copies)
    )


def _has_lost_all(path: str, hosts: list[AgentHost]) -> bool:
    return any(
        host.lost_all_at_ms is not None and path.startswith(f"/{host.name}/")
        for host in hosts
    )


def _between(
    gaps: list[tuple[int, int]], start: int, end: int
) -> list[tuple[int, int]]:
    """Return the parts of the gaps that lie in a span."""
    cut = [(max(first, start), min(last, end)) for first, last in gaps]
    return [(first, last) for first, last in cut if first < last]


def missing(
    lives: list[Life],
    claims: Claims,
    hops: Hops,
    *,
    safe: dict[int, int],
    expired: Expired,
    forgotten: Collection[int] = (),
) -> list[str]:
    """Nothing is missing of what is there; what is gone was declared in bytes.

    Lines of a day that is expired are missing by right; and nobody can declare what was
    seen of a life that is forgotten.
    """
    problems: list[str] = []
    lost: Counter[tuple[str, str]] = Counter()
    gone: Counter[tuple[str, str]] = Counter()
    for life in lives:
        gaps = expired.without(claims.gaps(life), life=life)
        if is_begun_again(life, lives):
            gaps = []
        gone[life.host, life.log] += life.written_over_bytes
        if life.was_copied:
            gone[life.host, life.log] += len(life.content)
        safe_bytes = safe.get(life.number, 0)
        problems += [
            f"missing: {life.host}/{life.log} life {life.number} {start}-{end}"
            f" {bytes(life.content[start:end])[:60]!r}"
            for start, end in _between(gaps, 0, safe_bytes)[:SHOWN_MAX]
        ]
        if safe_bytes == len(life.content):
            continue
        name = (life.host, life.log)
        gone[name] += 0 if life.was_copied else len(life.content)
        if life.number in forgotten or not claims.by_life[life.number]:
            # Nothing of it was sent: a file that was replaced before its generation was
            # declared, while Kafka was away, tells nobody (ARCHITECTURE.md, limits).
            continue
        unsafe = _between(gaps, safe_bytes, life.seen_bytes)
        lost[name] += sum(end - start for start, end in unsafe)
    for name, lost_bytes in lost.items():
        declared = hops.lost_bytes[name]
        if declared < lost_bytes:
            problems.append(f"{name}: {lost_bytes} bytes lost, {declared} declared")
    for name, declared in hops.lost_bytes.items():
        if declared > gone[name]:
            problems.append(f"{name}: {declared} declared, {gone[name]} are gone")
    return problems


def is_begun_again(life: Life, lives: list[Life]) -> bool:
    """Return whether a file was emptied amid its first line, and then begun likewise.

    What is there then is what stood there, and more: nobody can tell that from a line
    that was written on, nor a copy of the former from one of the latter. Its bytes are
    stored as those of the next life.
    """
    later = (
        one
        for one in lives[life.number + 1 :]
        if (one.host, one.log) == (life.host, life.log)
        and one.born_at_s == life.born_at_s
    )
    following = next(later, None)
    return (
        b"\n" not in life.content
        and following is not None
        and following.content.startswith(life.content)
    )


def _left_in_copies(
    lives: list[Life],
    claims: Claims,
    witnesses: Counter[str],
    *,
    standing: dict[int, int],
    expired: Expired,
) -> list[str]:
    """What a copy holds that no glob means was read from it, if any of it was sent."""
    problems: list[str] = []
    for life in lives:
        is_read = life.was_copied and life.number in standing
        if not is_read or not claims.by_life[life.number]:
            continue
        witnesses["copy.outside"] += 1
        gaps = expired.without(claims.gaps(life), life=life)
        problems += [
            f"left in a copy: {life.host}/{life.log} life {life.number} {start}-{end}"
            for start, end in _between(gaps, 0, standing[life.number])[:SHOWN_MAX]
        ]
    return problems


def _dead(
    claims: Claims, witnesses: Counter[str], *, limit: int, expired: Expired
) -> list[str]:
    """Only what no index and no topic takes is dead, and all of that is."""
    problems: list[str] = []
    for claim in claims.all():
        event = claim.event
        # Of a long line the document has the beginning, and that alone is refused.
        is_cut = len(event.stored) < event.size_bytes
        has_conflict = CONFLICT in (event.stored if is_cut else claim.content)
        if event.dead_reason:
            witnesses[f"dead.{event.dead_reason}"] += 1
        if event.dead_reason == "mapping_conflict" and has_conflict:
            continue
        if event.dead_reason == "document_refused" and limit < MEBIBYTE:
            continue
        is_expired = expired.is_expired(claim.content)
        if event.dead_reason == "index_expired" and is_expired:
            continue
        if event.dead_reason or has_conflict:
            problems.append(f"dead or not, against what it is: {event}")
    return problems


def _rates(
    claims: Claims,
    counted: dict[str, Counter[tuple[str, str]]],
    *,
    present: set[int],
    expired: Expired,
) -> list[str]:
    """Each window holds what is there of its minute and level, no more, no less.

    Or was there: what expired stays counted.
    """
    problems: list[str] = []
    for generation in sorted({*claims.generations(), *counted}):
        if claims.has_repeats(generation):
            continue  # Two contents in one place: stored both, counted as one.
        lives = claims.lives_behind(generation)
        if not lives and expired.may_be_missing:
            continue  # All of it has expired, and nothing tells which life it was.
        gone = [e for life in lives for e in expired.events(claims.gaps(life), life)]
        if gone and not {life.number for life in lives} <= present:
            continue  # Which of them was ever read, nobody knows.
        if not all(event.is_one for event in gone):
            continue
        true = Counter(
            (claim.event.minute, claim.event.level) for claim in claims.of(generation)
        )
        true += Counter((event.minute, event.level) for event in gone)
        found = counted.get(generation, Counter())
        if found.total() != true.total():
            problems.append(
                f"rates of {generation[:6]}: {found.total()} counted,"
                f" {true.total()} there"
            )
        for window, count in true.items():
            if window[0] and found[window] != count:
                problems.append(
                    f"rates of {generation[:6]} {window}: {found[window]}, not {count}"
                )
    return problems

"""Whether a storm on the real stack ended as promised, by the simulation's own oracle.

What is in Elasticsearch claims its bytes of the lives that were written. What is left out
where no file holds it any more must have been declared lost, in bytes, if it existed for at
least one scan after it was written, as the promise says, and the agent lived to claim a look
after it went.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tailrace.chaos.stored import stored_hits
from tailrace.elasticsearch import Elastic
from tailrace.floors import Floors
from tailrace.ledger import AgentHeartbeat, decode_ledger
from tailrace.ledger_topic import LedgerEntry, newest_of, read_ledger_topic
from tailrace.settings import Connections
from tests.end_to_end.storm.agent import StruckAgent
from tests.end_to_end.storm.disk import DiskFiles
from tests.end_to_end.storm.evidence import evidence_of
from tests.simulation.checker import missing, safe_of
from tests.simulation.claims import Claims
from tests.simulation.expired import Expired
from tests.simulation.hops import Hops
from tests.simulation.indexed import indexed_events

ALL_FILES = "*"
Indices = Mapping[str, Mapping[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the oracle found."""

    problems: tuple[str, ...]
    evidence: str
    """What is known of the logs of which they speak."""
    event_count: int
    repeated_generations: frozenset[str]
    """Those with a line that another has, too: of one of them that had to be declared."""
    rebuilt_generations: frozenset[str]
    """Those of which the agent declared that they may repeat others."""
    demanded_bytes: int
    """Of files that are gone: seen by the agent, and so stored or declared."""
    lost_bytes: int
    """Declared."""


def judge(files: DiskFiles, agent: StruckAgent, *, connections: Connections) -> Verdict:
    """Compare what was written with what is there, after everything has come to rest."""
    entries = list(
        read_ledger_topic(
            connections, client_id="tailrace-storm", is_stopping=lambda: False
        )
    )
    hops = Hops()
    for record in newest_of(entries).records.values():
        hops.note(record)
    demanded_bytes = _note_what_was_seen(files, agent, claims_ms=_claims_ms(entries))
    indices = _indices(connections)
    events = list(indexed_events(indices, namespace=connections.namespace))
    safe = safe_of(files, glob=ALL_FILES)
    present = {n for n, size in safe.items() if size == len(files.lives[n].content)}
    rebuilt = hops.rebuilt({})
    claims = Claims(files.lives, set(safe), rebuilt=rebuilt)
    expired = Expired(Floors())
    problems = claims.claim(events)
    problems += [f"dead: {event}" for event in events if event.dead_reason]
    problems += missing(files.lives, claims, hops, safe=safe, expired=expired)
    if not agent.lost_all_at_ms:
        problems += hops.disagreements(
            claims, present=present, expired=expired, forgetful=set()
        )
    return Verdict(
        problems=tuple(problems),
        evidence=evidence_of(problems, files=files, agent=agent, entries=entries),
        event_count=len(events),
        repeated_generations=_repeated(claims),
        rebuilt_generations=rebuilt,
        demanded_bytes=demanded_bytes,
        lost_bytes=hops.lost_bytes.total(),
    )


def _claims_ms(entries: list[LedgerEntry]) -> list[int]:
    """Return up to when the agent claimed to have looked at all files, in order."""
    records = [decode_ledger(entry.value) for entry in entries if entry.value]
    return sorted({r.swept_at_ms for r in records if isinstance(r, AgentHeartbeat)})


def _note_what_was_seen(
    files: DiskFiles, agent: StruckAgent, *, claims_ms: list[int]
) -> int:
    """Tell each life how much of it the agent is bound to; return it of those gone.

    A claim tells the moment at which its sweep began. When that came to a file is in no
    claim, but the next one is begun only once all files have been looked at: what stood
    there at the one and had not gone at the other existed for a scan.
    """
    demanded_bytes = 0
    for life in files.lives:
        left_at_ms = files.left_at_ms.get(life.number)
        if left_at_ms is None or left_at_ms < agent.lost_all_at_ms:
            continue
        for began_ms, ended_ms in agent.lives_ms:
            own = [at for at in claims_ms if began_ms <= at <= ended_ms]
            scanned = [at for at, next_at in pairwise(own) if next_at <= left_at_ms]
            if scanned and own[-1] > left_at_ms:
                life.seen_bytes = files.size_at(life, scanned[-1])
        demanded_bytes += life.seen_bytes
    return demanded_bytes


def _indices(connections: Connections) -> Indices:
    indices: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    with Elastic(connections) as elastic:
        hits = stored_hits(elastic, index=f"{connections.namespace}-*", fields=("*",))
        for hit in hits:
            indices[hit["_index"]][hit["_id"]] = hit["_source"]
    return indices


def _repeated(claims: Claims) -> frozenset[str]:
    """Return the generations one of whose events another generation has, too."""
    holders: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
    for generation, own in claims.by_generation.items():
        for claim in own:
            holders[claim.life.number, claim.event.offset].add(generation)
    shared = [those for those in holders.values() if len(those) > 1]
    return frozenset[str]().union(*shared)

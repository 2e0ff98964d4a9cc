"""Of which files lines may be stored twice: an earlier life sent them, and nothing tells of it.

An agent that finds neither checkpoint nor ledger knows of a life before it only where its
folder says that there was one. Where that is gone, too, it cannot tell: its words say how
much stood in each file, and the index says whether there was another. An agent's id is made
with its folder, so an earlier life has left documents of that host, of another id, that were
sent before this one saw the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tailrace.audit.facts import GenerationFacts

HOSTS_MAX = 1_000
"""Hosts of one question."""
SENDERS_MAX = 2
"""Agents of a host that are named, those that sent first: one of them may be the own."""
HOST = "host.name"
Senders = Mapping[str, Mapping[str, int]]
"""By host and agent's id, when it had read the first of the documents there, in
milliseconds since 1970."""


class _First(msgspec.Struct):
    value: float | None = None


class _AgentBucket(msgspec.Struct):
    key: str
    first: _First


class _Agents(msgspec.Struct):
    buckets: list[_AgentBucket] = []


class _HostBucket(msgspec.Struct):
    key: str
    agents: _Agents


class _Hosts(msgspec.Struct):
    buckets: list[_HostBucket] = []


class _Aggregations(msgspec.Struct):
    hosts: _Hosts = msgspec.field(default_factory=_Hosts)


class SendersAnswer(msgspec.Struct):
    """Which agents sent first; no aggregation stands where there is no index."""

    aggregations: _Aggregations = msgspec.field(default_factory=_Aggregations)

    @property
    def senders(self) -> dict[str, Mapping[str, int]]:
        """When each of them first did, by host."""
        return {
            host.key: {
                agent.key: int(agent.first.value or 0) for agent in host.agents.buckets
            }
            for host in self.aggregations.hosts.buckets
        }


def hosts_in_doubt(facts: Iterable[GenerationFacts]) -> list[str]:
    """Return the hosts of which the index is to tell whether there was an earlier life."""
    return sorted({each.host_name for each in facts if _is_in_doubt(each)})


def is_repeatable(facts: GenerationFacts, *, senders: Senders) -> bool:
    """Return whether lines of a file may be stored a second time."""
    word = facts.agent
    if word is None:
        return False
    return word.identity_rebuilt or (
        _is_in_doubt(facts)
        and any(
            agent_id != word.agent_id and first_at_ms < word.placement.anchor_ms
            for agent_id, first_at_ms in senders.get(word.host_name, {}).items()
        )
    )


def repeatable_bytes(facts: GenerationFacts) -> int:
    """Return how much of a file that is at most; of an archive, all that was seen of it."""
    word = facts.agent
    if word is None:
        return 0
    return word.seen_size_bytes if word.archive_size_bytes else word.repeatable_bytes


def _is_in_doubt(facts: GenerationFacts) -> bool:
    word = facts.agent
    return word is not None and word.repeatable_bytes > 0 and not word.identity_rebuilt

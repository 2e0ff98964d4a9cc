"""Who is in the fleet and what waits in Kafka, as values; the edges are `fleet_gateway`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, cast

import msgspec

from tailrace.ledger_tail import LedgerTail
from tailrace.purged import ReadToEnd
from tailrace.topics import DOCS, RAW

STREAM_GROUP = "stream"
INDEXER_GROUP = "indexer"
GROUPS = ((STREAM_GROUP, RAW), (INDEXER_GROUP, DOCS))
"""Who consumes what, by the ends of their names (`<namespace>-stream`)."""
NOTHING_WAITS = "nothing is waiting in Kafka"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent that is alive, as it registered itself."""

    agent_id: str
    host: str
    host_id: str
    version: str
    sources: tuple[str, ...]
    started_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """How far one group is with one partition; both offsets are the next to be read."""

    group: str
    topic: str
    partition: int
    next_offset: int
    end_offset: int

    @property
    def lag_records(self) -> int:
        """How many records the group has still to read."""
        return max(self.end_offset - self.next_offset, 0)


class FleetGateway(Protocol):
    """Who knows the agents that are alive."""

    def agents(self) -> Future[tuple[Agent, ...]]:
        """Return them, or `ServiceUnavailable`."""
        ...


class LagGateway(Protocol):
    """Who knows what the groups have still to read."""

    def lags(self) -> Future[tuple[PartitionLag, ...]]:
        """Return it by partition, or `ServiceUnavailable`."""
        ...

    def read_to_end(self) -> Future[ReadToEnd]:
        """Return of which partitions all was read, or `ServiceUnavailable`."""
        ...

    def ledger_tail(
        self, *, ask_index: Callable[[], Mapping[str, Any]], now_ms: int
    ) -> Future[LedgerTail]:
        """Return what of the ledger was not in its index, or an error of ours."""
        ...


def read_agent(agent_id: str, raw: bytes) -> Agent:
    """Read a registration; what is missing or strange is left empty, never an error."""
    try:
        decoded = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        decoded = None
    facts: Mapping[str, Any] = {}
    if isinstance(decoded, dict):
        facts = cast("Mapping[str, Any]", decoded)

    def text(*names: str) -> str:
        found = (facts.get(name) for name in names)
        return next((value for value in found if isinstance(value, str)), "")

    started = facts.get("started_at_ms")
    return Agent(
        agent_id=agent_id,
        host=text("host_name", "host", "hostname"),
        host_id=text("host_id"),
        version=text("version"),
        sources=tuple(_source_texts(facts.get("sources"))),
        started_at_ms=started if isinstance(started, int) else None,
    )


def shared_host_ids(agents: Iterable[Agent]) -> dict[str, list[str]]:
    """Return the host ids that several agents claim, with the hosts' names.

    Hosts cloned from one image share every fact that names a file's life, so the same
    line on two of them could be taken for one line.
    """
    hosts: dict[str, list[str]] = {}
    for agent in agents:
        if agent.host_id:
            hosts.setdefault(agent.host_id, []).append(agent.host or agent.agent_id)
    return {host_id: names for host_id, names in hosts.items() if len(names) > 1}


def waiting_records(lags: Iterable[PartitionLag], *, group: str) -> int:
    """Return how many records wait for the groups whose name ends with `group`."""
    return sum(lag.lag_records for lag in lags if lag.group.rsplit("-", 1)[-1] == group)


def waiting_text(lags: Iterable[PartitionLag]) -> str:
    """Say what Kafka still holds that a search cannot find."""
    known = tuple(lags)
    to_parse = waiting_records(known, group=STREAM_GROUP)
    to_index = waiting_records(known, group=INDEXER_GROUP)
    if not to_parse and not to_index:
        return NOTHING_WAITS
    parts = [
        f"{count:,} {one if count == 1 else many} {action}"
        for count, one, many, action in (
            (to_parse, "chunk of lines", "chunks of lines", "to be parsed"),
            (to_index, "batch", "batches", "to be indexed"),
        )
        if count
    ]
    return (
        f"{' and '.join(parts)} still waiting in Kafka, so the newest rows are missing"
    )


def kafka_text(lags: Iterable[PartitionLag] | None, *, told_lines: int) -> str:
    """Say what waits in Kafka beside the `told_lines` that the ledger counts as waiting.

    The ledger was asked a moment before Kafka was, which may not have answered: then
    `lags` is None. What both say stands in one line, and one does not take back the other.
    """
    if lags is not None:
        said = waiting_text(lags)
        is_over = told_lines and said == NOTHING_WAITS
        return f"by now {said}" if is_over else said
    if not told_lines:
        return "Kafka does not answer, so how much is still waiting there is not known"
    those = "that line is" if told_lines == 1 else "those lines are"
    return f"Kafka itself does not answer: {those} the ledger's last word of it"


def age_text(age_ms: int) -> str:
    """Return a length of time in its largest fitting unit."""
    seconds = max(age_ms, 0) // 1_000
    for size_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size_s:
            return f"{seconds // size_s} {unit}"
    return f"{seconds} s"


def _source_texts(sources: object) -> Iterable[str]:
    if not isinstance(sources, list):
        return
    for source in cast("list[object]", sources):
        match source:
            case str():
                yield source
            case {"name": str() as name}:
                yield name
            case _:
                continue

"""What the ledger says of one generation, hop by hop, and what follows from it alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from tailrace.ledger import (
    UNSENT,
    WINDOW_EVENTS,
    IndexerLedger,
    LedgerRecord,
    RetentionLedger,
    StreamLedger,
    is_of_rule,
    lost_of_seen,
    unread_bytes_of,
)
from tailrace.number_sets import NumberSet
from tailrace.topics import partition_of
from tailrace.wire import AgentLedger

FOREIGN_AGENT = "foreign"
"""Who shipped what came without our header; its event numbers are offsets of Kafka."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationFacts:
    """The newest word of each hop about one generation; None where it said none."""

    generation: str
    agent: AgentLedger | None = None
    stream: StreamLedger | None = None
    indexer: IndexerLedger | None = None
    retention: tuple[RetentionLedger, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether any hop has spoken of it; what retention takes is no such word."""
        return any((self.agent, self.stream, self.indexer))

    @property
    def is_foreign(self) -> bool:
        """Whether it is another collector's: its numbers need not follow each other."""
        named = self.agent or self.stream or self.indexer
        return named is not None and named.agent_id == FOREIGN_AGENT

    @property
    def first(self) -> int:
        """The first event number there can be."""
        if not self.is_foreign or self.stream is None:
            return 0
        return self.stream.first_event_number

    @property
    def cut(self) -> int:
        """Below it every event came through and is stored or dead, as the indexer says.

        Not beyond what the stream has spoken of: it tells which of the numbers it dropped,
        and that all the others have left it. The indexer may be ahead of its word, which
        comes once a second at most, and only when a worker has got so far: of a generation
        that no stream has spoken of, nothing lies below the cut.
        """
        told = self.told_number
        window = told // WINDOW_EVENTS
        if self.stream is None or told >= self.stream.next_event_number:
            return told
        if str(window) in self.stream.left_out:
            # How much of it was left out is told of the window as a whole.
            return max(window * WINDOW_EVENTS, self.first)
        return told

    @property
    def told_number(self) -> int:
        """Below it both indexer and stream have spoken of every event."""
        if self.indexer is None or self.stream is None:
            return self.first
        told = min(self.indexer.next_event_number, self.stream.next_event_number)
        return max(told, self.first)

    @property
    def sent_number(self) -> int:
        """The highest next event number that any hop has spoken of."""
        spoken = [self.cut]
        if self.agent is not None:
            spoken.append(self.agent.next_event_number)
        if self.stream is not None:
            spoken.append(self.stream.next_event_number)
        if self.indexer is not None:
            spoken.append(self.indexer.next_event_number)
        return max(spoken)

    @property
    def unread_bytes(self) -> int:
        """What the agent saw on disk and Kafka has not acknowledged."""
        if self.agent is None:
            return 0
        return unread_bytes_of(
            seen_size_bytes=self.agent.seen_size_bytes,
            next_offset=self.agent.next_offset,
            blank_bytes=self.agent.blank_bytes,
            lost_bytes=self.lost_of_seen_bytes,
            is_over=self.agent.is_closed or self.agent.held_by is not None,
        )

    @property
    def lost_bytes(self) -> int:
        """What the agent declared lost."""
        return sum(self.agent.lost_bytes.values()) if self.agent else 0

    @property
    def lost_of_seen_bytes(self) -> int:
        """What the agent declared lost of what it had seen of this very life."""
        return lost_of_seen(self.agent.lost_bytes) if self.agent else 0

    @property
    def unacked_gap_bytes(self) -> int:
        """What never came to the stream, behind all that its agent says Kafka has.

        Kafka may refuse a chunk and take the next; the agent counts as safe what lies
        before the refused one alone. 0 where any of the gaps lies before that: a hole.
        """
        agent, stream = self.agent, self.stream
        if agent is None or stream is None or self.is_foreign or not stream.gaps:
            return 0
        if stream.gaps[0][0] < agent.next_offset:
            return 0
        return sum(end - start for start, end in stream.gaps)

    @property
    def is_loss_unknown(self) -> bool:
        """Whether it was truncated or deleted while no agent looked."""
        return self.agent is not None and self.agent.unwatched_since_ms > 0

    @property
    def dropped_count(self) -> int:
        """Events of which the stream kept nothing, for a rule, sampling or their age."""
        return sum(self.stream.dropped.values()) if self.stream else 0

    @property
    def unsent_by_reason(self) -> Mapping[str, int]:
        """Those of them that their agent did not send, as they were beyond a rate."""
        dropped = self.stream.dropped if self.stream else {}
        return {r: count for r, count in dropped.items() if r in UNSENT}

    @property
    def left_out_by_reason(self) -> Mapping[str, int]:
        """Those of them that rules of the stream left out."""
        dropped = self.stream.dropped if self.stream else {}
        return {r: count for r, count in dropped.items() if is_of_rule(r)}

    def left_out(self) -> dict[int, tuple[int, int]]:
        """Return, by window, how many events these are and their numbers' sum."""
        told = self.stream.left_out if self.stream else {}
        return {int(name): sums for name, sums in told.items()}

    @property
    def unsent(self) -> NumberSet:
        """The numbers of these, as far as they are told."""
        told = self.stream.dropped_spans if self.stream else {}
        return NumberSet.of(span for r in UNSENT for span in told.get(r, ()))

    @property
    def stream_dead_count(self) -> int:
        """Events that the stream dead-lettered."""
        return sum(self.stream.dead.values()) if self.stream else 0

    @property
    def partition(self) -> int:
        """Which partition of raw, docs and ledger is its own."""
        if self.stream is not None:
            return self.stream.raw_partition
        if self.indexer is not None:
            return self.indexer.docs_partition
        return partition_of(self.generation.encode())

    @property
    def path(self) -> str:
        """The file, as the hop nearest to it names it."""
        named = self.agent or self.stream or self.indexer
        return named.path if named else ""

    @property
    def host_name(self) -> str:
        """The host, as the hop nearest to it names it."""
        named = self.agent or self.stream or self.indexer
        return named.host_name if named else ""

    @property
    def dataset(self) -> str:
        """What its lines are; empty where only the indexer has spoken."""
        if self.agent is not None:
            return self.agent.placement.dataset
        return self.stream.dataset if self.stream else ""

    def with_indices(self, indices: Collection[str]) -> GenerationFacts:
        """Return the facts where these indices, and what lies in them, are still there.

        Retention speaks of an index generation by generation before it takes it away, and
        may be held up in the middle: until then all of it counts as stored.
        """
        if not any(record.index in indices for record in self.retention):
            return self
        gone = tuple(r for r in self.retention if r.index not in indices)
        return replace(self, retention=gone)

    def gone_by_sums(self) -> dict[int, tuple[int, int]]:
        """Return, by window, all of which only count and sum of the numbers are known."""
        gone = self.expired()
        for window, (count, total) in self.left_out().items():
            before = gone.get(window, (0, 0))
            gone[window] = (before[0] + count, before[1] + total)
        return gone

    def expired(self) -> dict[int, tuple[int, int]]:
        """Return, by window, how many documents retention takes and their numbers' sum."""
        taken: dict[int, tuple[int, int]] = {}
        for record in self.retention:
            for name, (count, total) in record.windows.items():
                before = taken.get(int(name), (0, 0))
                taken[int(name)] = (before[0] + count, before[1] + total)
        return taken


def facts_of(records: Iterable[LedgerRecord]) -> dict[str, GenerationFacts]:
    """Return what is said of each generation; records of other things are passed over."""
    facts: dict[str, GenerationFacts] = {}
    retention: defaultdict[str, list[RetentionLedger]] = defaultdict(list)
    for record in records:
        match record:
            case AgentLedger():
                change = {"agent": record}
            case StreamLedger():
                change = {"stream": record}
            case IndexerLedger():
                change = {"indexer": record}
            case RetentionLedger():
                retention[record.generation].append(record)
                continue
            case _:
                continue
        known = facts.get(record.generation)
        known = known or GenerationFacts(generation=record.generation)
        facts[record.generation] = replace(known, **change)
    for generation, taken in retention.items():
        known = facts.get(generation) or GenerationFacts(generation=generation)
        facts[generation] = replace(known, retention=tuple(taken))
    return facts


def condemned_indices(facts: Iterable[GenerationFacts]) -> frozenset[str]:
    """Return the indices that retention has written off, whether they are gone yet or not."""
    return frozenset(record.index for each in facts for record in each.retention)

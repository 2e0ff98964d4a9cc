"""What each hop says of each generation, and whether they agree with what is there."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from tailrace.errors import WireError
from tailrace.kafka_consumer import Partition
from tailrace.ledger import (
    IndexerLedger,
    LedgerRecord,
    StreamLedger,
    decode_ledger,
    is_of_rule,
)
from tailrace.topics import DOCS, LEDGER, PARTITIONS, STATE
from tailrace.wire import AgentLedger, DocumentsOrigin, decode, header_of
from tailrace_stream.windows import GenerationState
from tests.simulation.claims import Claims
from tests.simulation.cluster import NAMESPACE
from tests.simulation.expired import Expired
from tests.simulation.indexed import log_of
from tests.support.fakes.kafka import MemoryKafka

NEVER_MS = 1 << 62


@dataclass(slots=True)
class Hops:
    """The newest record of each hop, by generation."""

    agents: dict[str, AgentLedger] = field(default_factory=dict[str, AgentLedger])
    streams: dict[str, StreamLedger] = field(default_factory=dict[str, StreamLedger])
    indexers: dict[str, IndexerLedger] = field(default_factory=dict[str, IndexerLedger])
    numbers: dict[str, dict[int, set[int]]] = field(
        default_factory=lambda: defaultdict[str, dict[int, set[int]]](
            lambda: defaultdict(set)
        )
    )
    """By generation and offset: which event number the documents give the place."""
    changed_rules_count: int = 0
    """States of generations that were judged by more than one edition of the rules."""
    has_halves: bool = False
    """Records were cut for their size; the parts all tell the span of the whole."""
    ambiguous: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    """Generations and revisions of which an agent told two different things."""
    _words: dict[tuple[str, int], AgentLedger] = field(
        default_factory=dict[tuple[str, int], AgentLedger]
    )

    def note(self, record: LedgerRecord) -> None:
        """Keep what a hop says, where it is newer than what is known."""
        match record:
            case AgentLedger():
                known = self.agents
                self._note_revision(record)
            case StreamLedger():
                known = self.streams
            case IndexerLedger():
                known = self.indexers
            case _:
                return
        before = known.get(record.generation)
        if before is None or record.revision >= before.revision:
            known[record.generation] = record  # pyright: ignore[reportArgumentType]

    def _note_revision(self, record: AgentLedger) -> None:
        """Of two words of one revision the ledger may keep either: there are no such."""
        name = (record.generation, record.revision)
        if self._words.setdefault(name, record) != record:
            self.ambiguous.add(name)

    @property
    def lost_bytes(self) -> Counter[tuple[str, str]]:
        """Return what was declared as lost, by host and log."""
        lost: Counter[tuple[str, str]] = Counter()
        for record in self.agents.values():
            name = (record.host_name, log_of(record.path))
            lost[name] += sum(record.lost_bytes.values())
        return lost

    def rebuilt(self, forgetful: Mapping[str, int]) -> frozenset[str]:
        """Return the generations of which duplicates are declared to be possible.

        `forgetful` tells when which host lost all that it knew: a life that does not know
        of that says how much there was, as the first of all does.
        """
        return frozenset(
            generation
            for generation, word in self.agents.items()
            if word.identity_rebuilt
            or (
                word.repeatable_bytes
                and word.placement.anchor_ms >= forgetful.get(word.host_name, NEVER_MS)
            )
        )

    def disagreements(
        self,
        claims: Claims,
        *,
        present: set[int],
        expired: Expired,
        forgetful: AbstractSet[str],
    ) -> list[str]:
        """Return where a hop's figures are not those of the index, and of what expired.

        Asked of generations whose file is there: all of it is read and acknowledged. The
        ledger does not know any more what an agent of a `forgetful` host said.
        """
        problems = [
            f"generation {generation[:6]}: two words of revision {revision}"
            for generation, revision in sorted(self.ambiguous)
        ]
        for generation in sorted({*claims.lives_of, *claims.sent_lives}):
            events = claims.of(generation)
            lives = claims.lives_behind(generation)
            if claims.has_repeats(generation):
                continue
            if not {life.number for life in lives} <= present:
                continue
            name = f"generation {generation[:6]}"
            count = sum(
                _event_count(claim.content, claim.event.checksum) for claim in events
            )
            told = self._told(generation)
            if told["agent"] is None and (
                forgetful & {life.host for life in lives} or (forgetful and not lives)
            ):
                continue  # It goes on under another name.
            gone = [
                e for life in lives for e in expired.events(claims.gaps(life), life)
            ]
            count += len(gone)
            is_clear = not expired.is_today_expired and all(e.is_one for e in gone)
            if set(told.values()) != {count} and is_clear:
                problems.append(f"{name}: {told} events, {count} are there")
            left_out = self._left_out(generation)
            if is_clear and not expired.floors and left_out != len(gone):
                problems.append(f"{name}: {left_out} left out, {len(gone)} are missing")
            problems += self._disorder(generation, name=name)
        return problems

    @property
    def left_out_count(self) -> int:
        """Return how many events rules left out."""
        return sum(map(self._left_out, self.streams))

    def _left_out(self, generation: str) -> int:
        stream = self.streams.get(generation)
        dropped = stream.dropped if stream else {}
        return sum(count for reason, count in dropped.items() if is_of_rule(reason))

    def _told(self, generation: str) -> dict[str, int | None]:
        """Return how many events each hop says that there are; None where it is silent."""
        agent = self.agents.get(generation)
        stream = self.streams.get(generation)
        indexer = self.indexers.get(generation)
        return {
            "agent": agent and agent.next_event_number,
            "stream": stream and stream.event_count,
            "indexer": indexer and indexer.next_event_number,
        }

    def _disorder(self, generation: str, *, name: str) -> list[str]:
        """The order of offsets is the order of event numbers, in every re-send."""
        last_number = -1
        for offset, numbers in sorted(self.numbers[generation].items()):
            if len(numbers) > 1 or min(numbers) <= last_number:
                return [f"{name}: event numbers {sorted(numbers)} at {offset}"]
            last_number = min(numbers)
        return []


def hops_of(kafka: MemoryKafka) -> Hops:
    """Read what the topics say, to their ends."""
    hops = Hops()
    for number in range(PARTITIONS):
        for kept in kafka.read(Partition(LEDGER.name(NAMESPACE), number), offset=0):
            if kept.record.value is not None:
                with contextlib.suppress(WireError):
                    hops.note(decode_ledger(kept.record.value))
        for kept in kafka.read(Partition(STATE.name(NAMESPACE), number), offset=0):
            with contextlib.suppress(WireError):
                state = decode(kept.record.value or b"", as_type=GenerationState)
                hops.changed_rules_count += len(state.rule_marks) > 1
        for kept in kafka.read(Partition(DOCS.name(NAMESPACE), number), offset=0):
            header = header_of(kept.record.headers)
            if header is not None:
                span = decode(header, as_type=DocumentsOrigin)
                hops.numbers[span.generation][span.first_offset].add(
                    span.first_event_number
                )
    return hops


def _event_count(content: bytes, checksum: int | None) -> int:
    """Return how many events a claim is: a dead chunk is as many as it has lines."""
    if checksum is not None:
        return 1
    return content.count(b"\n") + (not content.endswith(b"\n"))

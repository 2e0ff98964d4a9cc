"""What the agent's records look like on their topics: functions of values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from tailrace.clock import Clock
from tailrace.ledger import (
    REDIRECTED,
    LedgerRecord,
    ledger_key,
    ledger_partition,
)
from tailrace.topics import (
    DEAD,
    EVENT_BYTES_MAX,
    LEDGER,
    OVERFLOW,
    RAW,
    partition_of,
)
from tailrace.wire import (
    ORIGIN_HEADER,
    AgentLedger,
    DeadLetter,
    DroppedReason,
    Origin,
    decode,
    encode,
)
from tailrace_agent.config import SourceSettings
from tailrace_agent.positions import Chunk

RECORD_TOO_LARGE: Final = "record_too_large"
"""Why the agent itself sends events to the dead letters: their topic takes no such record."""
WORD_BYTES: Final = 1_024
"""What a chunk's header takes, where it is sent without the bytes."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record for Kafka."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    then: Outgoing | None = None
    """What follows in its place once it is acknowledged: the word of what it holds, after
    a dead letter, and after what overflows."""


@dataclass(frozen=True, slots=True)
class Agent:
    """Who speaks: what every origin of this agent has in common."""

    agent_id: str
    host_id: str
    host_name: str
    time_zone: str


class Records:
    """Builds the records of one agent in one namespace."""

    def __init__(
        self,
        agent: Agent,
        *,
        namespace: str,
        sources: dict[str, SourceSettings],
        clock: Clock,
    ) -> None:
        self.agent = agent
        self._sources = sources
        self._clock = clock
        self._raw = RAW.name(namespace)
        self._overflow = OVERFLOW.name(namespace)
        self._ledger = LEDGER.name(namespace)
        self._dead = DEAD.name(namespace)

    def repeat(self, record: AgentLedger, chunk: Chunk) -> Outgoing:
        """Return a chunk that fills a hole: of one that was sent before."""
        return self._chunk(record, chunk, is_repeat=True)

    def chunk(
        self, record: AgentLedger, chunk: Chunk, dropped_reason: DroppedReason = ""
    ) -> Outgoing:
        """Return a chunk with its origin.

        With a reason only the word of it: its origin without its bytes says to the stream
        which events do not come. Of a redirected one the whole of it goes before, to a
        topic of its own.
        """
        whole = self._chunk(record, chunk, is_repeat=False)
        if not dropped_reason:
            return whole
        origin = decode(dict(whole.headers)[ORIGIN_HEADER], as_type=Origin)
        dropped = msgspec.structs.replace(origin, dropped_reason=dropped_reason)
        word = self._word(whole, dropped)
        if dropped_reason != REDIRECTED:
            return word
        return replace(whole, topic=self._overflow, then=word)

    def _chunk(self, record: AgentLedger, chunk: Chunk, *, is_repeat: bool) -> Outgoing:
        source = self._sources.get(record.source)
        origin = Origin(
            agent_id=self.agent.agent_id,
            host_id=record.host_id,
            host_name=self.agent.host_name,
            path=record.path,
            generation=record.generation,
            born_at_ms=record.identity.born_at_ns // 1_000_000,
            first_offset=chunk.first_offset,
            size_bytes=chunk.size_bytes,
            skipped_before_bytes=chunk.skipped_before_bytes,
            first_event_number=chunk.first_event_number,
            event_count=chunk.event_count,
            source=record.source,
            placement=record.placement,
            tags=source.tags if source else (),
            fields=source.fields if source else {},
            time_zone=self.agent.time_zone,
            framing=chunk.framing,
            observed_at_ms=self._clock.now_ms(),
            is_repeat=is_repeat,
        )
        key = record.generation.encode()
        headers = ((ORIGIN_HEADER, encode(origin)),)
        return Outgoing(self._raw, partition_of(key), key, chunk.value, headers)

    def ledger(self, record: LedgerRecord) -> Outgoing:
        """Return a record of the ledger, in the partition of what it is about."""
        return Outgoing(
            self._ledger, ledger_partition(record), ledger_key(record), encode(record)
        )

    def dead_letter(
        self, record: AgentLedger, refused: Outgoing, *, detail: str
    ) -> Outgoing:
        """Return the dead letter for a chunk that its topic does not take.

        What is to follow it says to the stream which events died: with their place and
        numbers, and without bytes.
        """
        origin = decode(dict(refused.headers)[ORIGIN_HEADER], as_type=Origin)
        original = refused.value[:EVENT_BYTES_MAX]
        place = f"agent|{origin.generation}|{origin.first_offset}".encode()
        letter = DeadLetter(
            dead_id=hashlib.blake2b(place + original, digest_size=16).hexdigest(),
            stage="agent",
            reason=RECORD_TOO_LARGE,
            detail=detail[:2_000],
            original=original,
            truncated_size_bytes=(
                len(refused.value) if len(refused.value) > len(original) else 0
            ),
            died_at_ms=self._clock.now_ms(),
            topic=refused.topic,
            partition=refused.partition,
            offset=-1,
            generation=origin.generation,
            first_offset=origin.first_offset,
            first_event_number=origin.first_event_number,
            event_count=origin.event_count,
            host_name=origin.host_name,
            path=record.path,
            dataset=record.placement.dataset,
        )
        dead = msgspec.structs.replace(origin, dead_reason=RECORD_TOO_LARGE)
        then = self._word(refused, dead)
        return Outgoing(
            self._dead, refused.partition, refused.key, encode(letter), then=then
        )

    def _word(self, whole: Outgoing, origin: Origin) -> Outgoing:
        """Return what says to the stream what it will not get, in the chunk's place."""
        headers = ((ORIGIN_HEADER, encode(origin)),)
        return Outgoing(self._raw, whole.partition, whole.key, b"", headers)

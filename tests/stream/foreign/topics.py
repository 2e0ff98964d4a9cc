"""A foreign topic, its readers and where they deliver to, in memory: what is durable stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import structlog

from tailrace.clock import Clock
from tailrace.errors import ServiceUnavailable
from tailrace.kafka_consumer import Gap, Partition, Polled, Record
from tailrace.topics import RAW
from tailrace_stream.foreign.bridge import ForeignBridge
from tailrace_stream.foreign.config import ForeignSettings
from tailrace_stream.records import Outgoing
from tests.stream.builders import NAMESPACE
from tests.stream.foreign.builders import PARTITION, TOPIC, TOPIC_ID

WHERE = Partition(TOPIC, PARTITION)


@dataclass
class Topic:
    """One partition, and what its group has committed."""

    records: list[Record] = field(default_factory=list[Record])
    committed: tuple[int, str] | None = None
    topic_id: str = TOPIC_ID

    def add(self, value: bytes | None, *, at_ms: int, skip: int = 0) -> None:
        offset = self.records[-1].offset + 1 + skip if self.records else skip
        self.records.append(Record(WHERE, offset, None, value, (), at_ms))

    @property
    def is_done(self) -> bool:
        return bool(self.records) and (self.committed or (0, ""))[0] == (
            self.records[-1].offset + 1
        )


@dataclass
class Reader:
    """One member of the group, which has the partition until it is fenced."""

    topic: Topic
    random: Random
    is_fenced: bool = False
    _next: int = -1
    _note: str | None = None

    def poll(self, *, wait_ms_max: int) -> Polled:
        assert wait_ms_max
        if self._next < 0:
            committed = self.topic.committed
            self._next, self._note = committed or (self._oldest, None)
            return Polled(gained=frozenset({WHERE}))
        if self.topic.records and self._next < self._oldest:
            gap = Gap(WHERE, self._next, self._oldest)
            self._next = self._oldest
            return Polled(gaps=[gap])
        left = [r for r in self.topic.records if r.offset >= self._next]
        taken = left[: self.random.randint(1, 9)]
        if taken:
            self._next = taken[-1].offset + 1
        return Polled(records=taken)

    def note_of(self, partition: Partition) -> str | None:
        assert partition == WHERE
        return self._note

    def begin_at_oldest(self, partition: Partition) -> None:
        assert partition == WHERE
        self._next = self._oldest

    def commit(
        self,
        next_offsets: Mapping[Partition, int],
        *,
        notes: Mapping[Partition, str] | None = None,
    ) -> bool:
        if self.is_fenced:
            return False
        self.topic.committed = (next_offsets[WHERE], (notes or {})[WHERE])
        return True

    @property
    def _oldest(self) -> int:
        return self.topic.records[0].offset if self.topic.records else 0


@dataclass
class Target:
    """What is durable of what was sent; a record beyond the limit is refused."""

    sent: list[Outgoing] = field(default_factory=list[Outgoing])
    bytes_max: int = RAW.message_bytes_max
    fails_after: int | None = None

    def deliver(self, records: Sequence[Outgoing]) -> list[Outgoing]:
        refused: list[Outgoing] = []
        for record in records:
            if self.fails_after is not None:
                if not self.fails_after:
                    self.fails_after = None
                    raise ServiceUnavailable("Kafka", address="here", reason="away")
                self.fails_after -= 1
            is_raw = record.topic == RAW.name(NAMESPACE)
            if is_raw and len(record.value) > self.bytes_max:
                refused.append(record)
            else:
                self.sent.append(record)
        return refused

    @property
    def raw(self) -> list[Outgoing]:
        return [one for one in self.sent if one.topic == RAW.name(NAMESPACE)]

    @property
    def dead(self) -> list[Outgoing]:
        return [one for one in self.sent if one.topic != RAW.name(NAMESPACE)]


def bridge_of(
    reader: Reader,
    target: Target,
    *,
    clock: Clock,
    source: ForeignSettings | None = None,
    counts: Counter[str] | None = None,
) -> ForeignBridge:
    return ForeignBridge(
        reader,
        target,
        sources=[source or ForeignSettings(topic=TOPIC)],
        topic_ids={TOPIC: reader.topic.topic_id},
        namespace=NAMESPACE,
        clock=clock,
        log=structlog.get_logger(),
        counts=counts,
    )

"""Documents and records as the stream writes them, and a delivery on doubles."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import crc32c

from tailrace.identity import document_id
from tailrace.kafka_consumer import Partition
from tailrace.wire import ORIGIN_HEADER, DocumentsOrigin, encode
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.contracts import Sink
from tailrace_indexer.delivery import Delivery
from tailrace_indexer.flow import DeliveryPolicy
from tests.indexer.doubles import (
    ImmediateSink,
    ManualClock,
    MemoryDeadLetters,
    MemoryLedger,
)
from tests.support.fakes.elasticsearch import MemoryElasticsearch
from tests.support.fakes.kafka import MemoryKafka, MemoryMember

NAMESPACE = "t"
GENERATION = "00112233445566778899aabbccddeeff"
INDEX = "t-app.log-2026.11.24"
DOCS = Partition("t.docs", 0)
DEAD = Partition("t.dead", 0)


def line_id(text: str, offset: int) -> str:
    return document_id(
        generation=GENERATION,
        born_at_ms=1_795_480_000_000,
        offset=offset,
        checksum=crc32c.crc32c(text.encode()),
    )


def document(text: str, *, offset: int, index: str = INDEX, **fields: object) -> bytes:
    action = {"create": {"_index": index, "_id": line_id(text, offset)}}
    source = {
        "@timestamp": "2026-11-24T01:02:03.456789Z",
        "message": text,
        "event.dataset": "app.log",
        "host.name": "web-1",
        "log.file.path": "/var/log/app.log",
        "log.offset": offset,
        "tailrace.generation": GENERATION,
        **fields,
    }
    compact = (",", ":")
    return (
        json.dumps(action, separators=compact).encode()
        + b"\n"
        + json.dumps(source, separators=compact).encode()
        + b"\n"
    )


def documents(texts: Sequence[str], *, first: int = 0, index: str = INDEX) -> bytes:
    return b"".join(
        document(text, offset=first + number, index=index)
        for number, text in enumerate(texts)
    )


def header(
    *,
    first: int,
    count: int,
    documents: int | None = None,
    generation: str = GENERATION,
    observed_at_ms: int = 5,
    is_repeat: bool = False,
) -> tuple[tuple[str, bytes], ...]:
    """Return the header of a docs record that holds `count` events of ten bytes each."""
    origin = DocumentsOrigin(
        agent_id="agent-1",
        host_name="web-1",
        path="/var/log/app.log",
        generation=generation,
        first_offset=first * 10,
        next_offset=(first + count) * 10,
        first_event_number=first,
        event_count=count,
        document_count=count if documents is None else documents,
        observed_at_ms=observed_at_ms,
        raw_partition=0,
        raw_offset=0,
        is_repeat=is_repeat,
    )
    return ((ORIGIN_HEADER, encode(origin)),)


@dataclass
class Bench:
    """A delivery with its doubles; `restart` is what a crash and a new start do."""

    partitions: Sequence[Partition] = (DOCS, DEAD)
    sink_of: Callable[[MemoryElasticsearch], Sink] = ImmediateSink
    policy: DeliveryPolicy = field(default_factory=DeliveryPolicy)
    has_index: bool = True
    at_point: Callable[[str], None] = lambda _name: None

    def __post_init__(self) -> None:
        self.kafka = MemoryKafka(self.partitions)
        self.elasticsearch = MemoryElasticsearch()
        if self.has_index:
            self.elasticsearch.create_index(INDEX)
        self.clock = ManualClock()
        self.dead_letters = MemoryDeadLetters()
        self.ledger = MemoryLedger()
        self.alarms = Alarms()
        self.sink = self.sink_of(self.elasticsearch)
        self.member: MemoryMember
        self.start()

    def start(self) -> None:
        self.member = self.kafka.join()
        self.delivery = Delivery(
            source=self.member,
            sink=self.sink,
            dead_letters=self.dead_letters,
            ledger=self.ledger,
            clock=self.clock,
            chance=random.Random(1),
            namespace=NAMESPACE,
            policy=self.policy,
            alarms=self.alarms,
            at_point=self.at_point,
        )

    def restart(self) -> None:
        """Lose everything in memory, and join the group again."""
        self.kafka.leave(self.member)
        self.sink.finished(wait_ms_max=0)
        self.start()

    def step(self, count: int = 1, *, wait_ms: int = 0) -> None:
        for _ in range(count):
            self.clock.at_ms += wait_ms
            self.delivery.step(wait_ms_max=0)

    def run(self, *, steps: int = 200, wait_ms: int = 300) -> None:
        """Step while time passes, long enough for every wait to end."""
        self.step(steps, wait_ms=wait_ms)

    def stored(self, index: str = INDEX) -> list[str]:
        held = self.elasticsearch.indices.get(index, {})
        return sorted(str(source["message"]) for source in held.values())

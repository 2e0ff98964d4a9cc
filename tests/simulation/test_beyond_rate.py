"""An agent that dies and a Kafka that takes what it likes: every line beyond a rate is told.

The real agent on real files, its records read by the stream's own functions in the order in
which a partition has them. Each written line ends as exactly one of a document and a dropped
event, whatever was sent twice, out of its order, or cut otherwise by the next life.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec
import pytest

from tailrace.ledger import StreamLedger, decode_ledger
from tailrace.topics import DOCS
from tailrace.wire import DocumentsOrigin, decode
from tailrace_agent.records import Outgoing
from tailrace_stream.records import RawRecord
from tailrace_stream.work import parse_record, work_of
from tests.agent.harness import (
    AgentHarness,
    RecordingSink,
    SteppedClock,
    events_on,
    words_of,
)

KIBIBYTE = 1_024
STEPS = 40
LINE = b"%06d " + b"x" * 40 + b"\n"


class _Document(msgspec.Struct):
    number: int = msgspec.field(name="event.sequence")
    message: str


@dataclass(slots=True)
class _Partition:
    """What a stream makes of the records of one generation."""

    state: bytes | None = None
    told: StreamLedger | None = None
    documents: Counter[tuple[int, str]] = field(
        default_factory=Counter[tuple[int, str]]
    )
    passed: set[int] = field(default_factory=set[int])
    """The numbers of which the indexer hears, with or without a document."""

    def read(self, records: list[Outgoing]) -> None:
        for offset, record in enumerate(records):
            raw = RawRecord(
                topic="t.raw",
                partition=record.partition,
                offset=offset,
                key=record.key,
                value=record.value,
                headers=record.headers,
                appended_at_ms=0,
            )
            parsed = parse_record(raw, topic_id="t", namespace="t", now_ms=0)
            work = work_of(parsed, state=self.state, namespace="t", now_ms=0)
            self.state = self.state if work.state is None else work.state.value
            assert work.ledger is not None
            told = decode_ledger(work.ledger.value)
            assert isinstance(told, StreamLedger)
            self.told = told
            for sent in work.outputs:
                if sent.topic == DOCS.name("t"):
                    span = decode(sent.header, as_type=DocumentsOrigin)
                    first = span.first_event_number
                    self.passed.update(range(first, first + span.event_count))
                    for document in sent.value.split(b"\n")[1::2]:
                        made = msgspec.json.decode(document, type=_Document)
                        self.documents[made.number, made.message] += 1


@dataclass(slots=True)
class _Host:
    """A host whose agent dies now and then, before a Kafka that is not always there."""

    folder: Path
    policy: str
    luck: Random
    sink: RecordingSink = field(default_factory=RecordingSink)
    clock: SteppedClock = field(default_factory=SteppedClock)
    written: int = 0
    lives: int = 0

    def start(self) -> AgentHarness:
        self.lives += 1
        overload = {"bytes_per_s": KIBIBYTE, "burst_bytes": 4 * KIBIBYTE}
        return AgentHarness(
            self.folder,
            source={
                "overload": {**overload, "policy": self.policy},
                "dataset": "plain",
            },
            chunk_bytes=4 * KIBIBYTE,
            ledger_ms=700,
            sink=self.sink,
            clock=self.clock,
            had_life=self.lives > 1,
        )

    def write(self, agent: AgentHarness, count: int) -> None:
        numbers = range(self.written, self.written + count)
        agent.write("a.log", b"".join(LINE % n for n in numbers))
        self.written += count

    def storm(self) -> AgentHarness:
        luck, agent = self.luck, self.start()
        for _ in range(STEPS):
            self.write(agent, luck.choice((0, 1, 10, 200, 400)))
            topics = ("", "", "t.raw", "t.overflow")
            self.sink.holding_topic = luck.choice(topics)
            agent.pass_ms(luck.choice((100, 400, 2_000)))
            held = len(self.sink.held)
            self.sink.release(
                count=luck.randint(0, held), backwards=luck.random() < 0.5
            )
            if luck.random() < 0.3:
                agent.crash()
                self.sink.held.clear()
                self.sink.outcomes()
                if luck.random() < 0.2:
                    shutil.rmtree(agent.state)
                agent = self.start()
        self.sink.holding_topic = ""
        self.sink.release()
        agent.pass_ms(20_000)
        return agent


@pytest.mark.parametrize("policy", ["drop", "redirect"])
@pytest.mark.parametrize("seed", range(12))
def test_p1_k15_every_line_is_a_document_or_is_told_as_dropped(
    tmp_path: Path, policy: str, seed: int
) -> None:
    host = _Host(tmp_path, policy, Random(seed))
    agent = host.storm()
    raw = [r for r in host.sink.stored if r.topic == "t.raw"]
    assert len({r.key for r in raw}) == 1
    partition = _Partition()
    partition.read(raw)

    told = partition.told
    assert told is not None
    dropped = [
        number
        for spans in told.dropped_spans.values()
        for start, stop in spans
        for number in range(start, stop)
    ]
    stored = {number for number, _ in partition.documents}
    assert sorted([*stored, *dropped]) == list(range(host.written))
    assert partition.passed == set(range(host.written))
    for number, message in partition.documents:
        assert message.startswith(f"{number:06d} ")
    assert (told.gaps, told.event_count) == ((), host.written)
    assert told.document_count == len(stored)
    reason = {"drop": "overload", "redirect": "redirected"}[policy]
    assert told.dropped == {reason: len(dropped)}
    beside = {event.number for event in events_on(host.sink, ".overflow")}
    assert beside >= (set(dropped) if policy == "redirect" else set())
    assert host.lives > 1
    assert words_of(host.sink)
    agent.crash()

"""A whole agent on real files, with a sink and a clock that do as a test says."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import structlog
from structlog.testing import LogCapture

from tailrace.errors import ServiceUnavailable
from tailrace.framing import decode_mapped
from tailrace.holes import HoleRequest
from tailrace.kafka_producer import FailureKind, SendFailure
from tailrace.ledger import AgentHeartbeat, LedgerRecord, decode_ledger
from tailrace.wire import (
    ORIGIN_HEADER,
    AgentLedger,
    DeadLetter,
    Origin,
    decode,
)
from tailrace_agent.checkpoint import Checkpoint
from tailrace_agent.chunking import Chunker, Limits
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.copies import Copies
from tailrace_agent.discovery import Discovery
from tailrace_agent.heartbeats import Heartbeats
from tailrace_agent.holes import Holes
from tailrace_agent.known import KnownGenerations
from tailrace_agent.ledger_topic import KEY_PREFIX, newest_of_host
from tailrace_agent.loop import AgentLoop
from tailrace_agent.opening import Opener
from tailrace_agent.protocols import CheckpointUnwritable, Outcome
from tailrace_agent.records import Agent, Outgoing, Records
from tailrace_agent.redactors import redactors_for
from tailrace_agent.restore import Restored, keep_restored, restore
from tailrace_agent.rules import rules_of
from tailrace_agent.set_back import LedgerWords, stands_in_file
from tailrace_agent.table import FileTable
from tailrace_agent.turns import Turns
from tailrace_agent.wiring import beginning_of, delivery_of, paths_followed

AGENT = Agent(agent_id="agent-1", host_id="host-1", host_name="box", time_zone="UTC")


DEFAULT_RULES = rules_of(AgentSettings(), None)


@dataclass(slots=True)
class SteppedClock:
    """A clock that moves when it is told to; its wall time begins at the real one."""

    at_ms: int = 10_000_000
    wall_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_ms(self) -> int:
        return self.at_ms

    def sleep_ms(self, wait_ms: int) -> None:
        self.at_ms += wait_ms
        self.wall_ms += wait_ms


class RecordingSink:
    """Stores every record, and acknowledges it at once unless it is told to hold."""

    def __init__(self) -> None:
        self.stored: list[Outgoing] = []
        self.is_holding = False
        self.holding_topic = ""
        """The one topic whose records are held, where not all are."""
        self.held: deque[tuple[int, Outgoing]] = deque()
        self._outcomes: deque[Outcome] = deque()

    def send(self, record: Outgoing, *, ticket: int) -> None:
        if self.is_holding or record.topic == self.holding_topic:
            self.held.append((ticket, record))
            return
        self._store(ticket, record)

    def outcomes(self) -> Sequence[Outcome]:
        taken = list(self._outcomes)
        self._outcomes.clear()
        return taken

    def renew(self) -> None:
        self.held.clear()
        self._outcomes.clear()

    def release(self, *, count: int | None = None, backwards: bool = False) -> None:
        """Acknowledge what is held: the oldest first, or the newest."""
        for _ in range(len(self.held) if count is None else count):
            self._store(*(self.held.pop() if backwards else self.held.popleft()))

    def _store(self, ticket: int, record: Outgoing) -> None:
        self.stored.append(record)
        self._outcomes.append(Outcome(ticket, None))


class FailingSink(RecordingSink):
    """Fails what it is told to: sends, outcomes, or being renewed."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False
        self.fail_next: FailureKind | None = None
        self.refuses_repeats = False
        self.renewed_count = 0

    def send(self, record: Outgoing, *, ticket: int) -> None:
        if self.is_down:
            raise ServiceUnavailable("Kafka", address="nowhere", reason="it is down")
        if self.refuses_repeats and _is_repeat(record):
            self.fail_next = FailureKind.TOO_LARGE
        if self.fail_next is not None:
            kind, self.fail_next = self.fail_next, None
            self._outcomes.append(
                Outcome(ticket, SendFailure(kind, "as the test asks"))
            )
            return
        super().send(record, ticket=ticket)

    def renew(self) -> None:
        if self.is_down:
            raise ServiceUnavailable("Kafka", address="nowhere", reason="it is down")
        self.renewed_count += 1
        super().renew()


class NoHints:
    """Hears nothing: the sweep alone must do."""

    def take(self) -> bool:
        return False


class ListedRequests:
    """Holes as a test asks for them."""

    def __init__(self) -> None:
        self.asked: deque[HoleRequest] = deque()
        self.done: list[HoleRequest] = []

    def take(self) -> HoleRequest | None:
        return self.asked.popleft() if self.asked else None

    def answered(self, request: HoleRequest) -> None:
        self.done.append(request)


def words_since(topic: RecordingSink, since_ms: int) -> dict[str, AgentLedger]:
    """Return what a topic holds of the host from a moment on, as Kafka would find it."""
    pairs = [(r.key, r.value) for r in topic.stored if r.key.startswith(KEY_PREFIX)]
    begin = next(
        (
            index
            for index, (_, value) in enumerate(pairs)
            if decode(value, as_type=AgentLedger).updated_at_ms >= since_ms
        ),
        len(pairs),
    )
    return newest_of_host(pairs[begin:], host_id=AGENT.host_id)


@dataclass(frozen=True, slots=True)
class Event:
    """One event as the topic holds it."""

    path: str
    generation: str
    offset: int
    number: int
    stored: bytes


class AgentHarness:
    """One life of an agent; another one on the same folder is its restart."""

    def __init__(
        self,
        folder: Path,
        *,
        glob: str = "*.log",
        sink: RecordingSink | None = None,
        clock: SteppedClock | None = None,
        ledger: RecordingSink | None = None,
        source: dict[str, object] | None = None,
        on_status: Callable[[], None] = lambda: None,
        had_life: bool | None = None,
        **settings: int | tuple[str, ...],
    ) -> None:
        self.logs = folder / "logs"
        self.logs.mkdir(exist_ok=True)
        self.state = folder / "state"
        if had_life is None:
            had_life = self.state.exists()  # As `has-shipped` tells the real one.
        self.state.mkdir(exist_ok=True)
        self.sink = sink or RecordingSink()
        self.clock = clock or SteppedClock()
        values: dict[str, object] = {
            "name": "test",
            "paths": (f"{self.logs}/{glob}",),
            **(source or {}),
        }
        self.settings = AgentSettings(
            sources=(SourceSettings.model_validate(values),),
            **cast("dict[str, Any]", settings),
        )
        self.logged = LogCapture()
        log = structlog.wrap_logger(None, processors=[self.logged])
        self.checkpoint = Checkpoint(self.state, clock=self.clock)
        loaded = self.checkpoint.load()
        known_topic = ledger or self.sink
        opener = Opener(self.settings)
        self.restored: Restored = restore(
            loaded,
            had_life=had_life,
            now_ms=self.clock.now_ms(),
            read_ledger=lambda: newest_of_host(
                ((r.key, r.value) for r in known_topic.stored), host_id=AGENT.host_id
            ),
            words=LedgerWords(
                AGENT.agent_id,
                lambda since_ms: words_since(known_topic, since_ms),
                partial(stands_in_file, opener=opener, settings=self.settings),
            ),
        )
        self.condition = loaded.condition
        sources = {s.name: s for s in self.settings.sources}
        records = Records(AGENT, namespace="t", sources=sources, clock=self.clock)
        self.delivery = delivery_of(
            self.sink,
            checkpoint=self.checkpoint,
            records=records,
            restored=self.restored,
            clock=self.clock,
            log=log,
        )
        self.requests = ListedRequests()
        self.paused = ""
        """What the agent is to wait for; it may be changed at any time."""
        known = KnownGenerations(self.restored.records)
        self.table = FileTable(
            settings=self.settings,
            host_id=AGENT.host_id,
            known=known,
            beginning=beginning_of(
                loaded, restored=self.restored, had_life=had_life, sources=sources
            ),
            delivery=self.delivery,
            copies=Copies(self.delivery, Opener(self.settings), self.settings.sweep_ms),
            clock=self.clock,
            log=log,
        )
        with contextlib.suppress(CheckpointUnwritable):  # As the real one: it goes on.
            keep_restored(
                self.checkpoint,
                loaded,
                known=known,
                sources=sorted(sources),
                is_rebuilt=self.restored.is_rebuilt,
            )
        self.told: list[tuple[dict[str, str], tuple[str, ...]]] = []
        """What each status told of paths that cannot be read, and globs without file."""
        self.discovery = Discovery(
            self.settings.sources,
            clock=self.clock,
            log=log,
            remembered=paths_followed(known),
        )
        self.heartbeats = Heartbeats(
            self.settings.heartbeat_ms,
            agent=AGENT,
            table=self.table,
            delivery=self.delivery,
            clock=self.clock,
        )
        redactors = redactors_for(self.settings, folder=self.state)
        self.holes = Holes(
            requests=self.requests,
            table=self.table,
            delivery=self.delivery,
            records=records,
            chunker=Chunker(
                Limits(self.settings.chunk_bytes, self.settings.event_bytes_max)
            ),
            redactors=redactors,
            clock=self.clock,
            log=log,
        )
        self.turns = Turns(
            self.settings,
            agent=AGENT,
            delivery=self.delivery,
            redactors=redactors,
            clock=self.clock,
            log=log,
        )
        self.loop = AgentLoop(
            self.settings,
            discovery=self.discovery,
            table=self.table,
            turns=self.turns,
            delivery=self.delivery,
            heartbeats=self.heartbeats,
            hints=NoHints(),
            holes=self.holes,
            clock=self.clock,
            jitter=random.Random(1),
            log=log,
            wake=threading.Event(),
            on_status=lambda: self._tell(on_status),
            paused_why=lambda: self.paused,
        )

    def _tell(self, on_status: Callable[[], None]) -> None:
        self.told.append((self.table.unreadable.whys, self.discovery.unmatched_globs))
        on_status()

    def write(self, name: str, content: bytes) -> Path:
        """Append to a log file."""
        path = self.logs / name
        with path.open("ab") as file:
            file.write(content)
        return path

    def pass_ms(self, wait_ms: int = 3_000, *, step_ms: int = 100) -> None:
        """Let time go by, and the agent do in it what it would."""
        for _ in range(max(1, wait_ms // step_ms)):
            self.loop.step()
            self.clock.sleep_ms(step_ms)

    def crash(self) -> None:
        """End without a word: nothing that is not on the disk is remembered."""
        for tracked in self.table.files.values():
            tracked.close()
        self.checkpoint.close()

    def stop(self) -> None:
        """End as a SIGTERM does."""
        self.loop.drain()
        self.checkpoint.keep_copy()
        self.crash()

    def said(self, event: str) -> list[dict[str, object]]:
        """Return what was logged under a name."""
        return [dict(e) for e in self.logged.entries if e["event"] == event]


def _is_repeat(record: Outgoing) -> bool:
    header = dict(record.headers).get(ORIGIN_HEADER)
    return header is not None and decode(header, as_type=Origin).is_repeat


def events_of(sink: RecordingSink) -> list[Event]:
    """Return every event of every chunk stored, repeats included."""
    return events_on(sink, ".raw")


def events_on(sink: RecordingSink, suffix: str) -> list[Event]:
    """Return every event that came with its bytes on a topic, repeats included."""
    events: list[Event] = []
    for record in sink.stored:
        if record.topic.endswith(suffix):
            origin = origin_of(record)
            if not origin.dropped_reason:
                events.extend(_events(origin, record.value))
    return events


def origin_of(record: Outgoing) -> Origin:
    """Return the origin that a record bears."""
    return decode(dict(record.headers)[ORIGIN_HEADER], as_type=Origin)


def words_of(sink: RecordingSink) -> list[Origin]:
    """Return what the agent told of what it did not send, in order."""
    origins = [origin_of(r) for r in sink.stored if r.topic.endswith(".raw")]
    return [each for each in origins if each.dropped_reason]


def unique_lines(sink: RecordingSink) -> list[bytes]:
    """Return each event's bytes once a place, as the index would hold them."""
    places = {(e.generation, e.offset, e.stored): e.stored for e in events_of(sink)}
    return sorted(places.values())


def ledger_of(sink: RecordingSink) -> list[AgentLedger]:
    """Return every record of a generation in the ledger, in order."""
    return [r for r in ledger_records_of(sink) if isinstance(r, AgentLedger)]


def lost_in(sink: RecordingSink) -> int:
    """Return how many bytes the newest records declare as lost."""
    newest = {record.generation: record for record in ledger_of(sink)}
    return sum(sum(record.lost_bytes.values()) for record in newest.values())


def ledger_records_of(sink: RecordingSink) -> list[LedgerRecord]:
    """Return every ledger record stored, whatever it tells, in order."""
    return [
        decode_ledger(record.value)
        for record in sink.stored
        if record.topic.endswith(".ledger")
    ]


def heartbeats_of(sink: RecordingSink) -> list[AgentHeartbeat]:
    """Return every heartbeat stored, in order."""
    return [r for r in ledger_records_of(sink) if isinstance(r, AgentHeartbeat)]


def dead_letters_of(sink: RecordingSink) -> list[DeadLetter]:
    """Return every dead letter stored."""
    return [
        decode(record.value, as_type=DeadLetter)
        for record in sink.stored
        if record.topic.endswith(".dead")
    ]


def _events(origin: Origin, value: bytes) -> list[Event]:
    if origin.framing == "mapped":
        return [
            Event(
                origin.path,
                origin.generation,
                mapped.offset,
                origin.first_event_number + index,
                mapped.stored,
            )
            for index, mapped in enumerate(decode_mapped(value))
        ]
    events: list[Event] = []
    offset = origin.first_offset
    for index, line in enumerate(_split(value)):
        events.append(
            Event(
                origin.path,
                origin.generation,
                offset,
                origin.first_event_number + index,
                line.removesuffix(b"\n"),
            )
        )
        offset += len(line)
    assert len(events) == origin.event_count
    assert offset == origin.next_offset
    return events


def _split(value: bytes) -> list[bytes]:
    """Split behind each newline, and nowhere else."""
    pieces = value.split(b"\n")
    lines = [piece + b"\n" for piece in pieces[:-1]]
    return [*lines, pieces[-1]] if pieces[-1] else lines

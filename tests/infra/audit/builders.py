"""Ledger records and an index in memory, and the doubles that an audit can be given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import crc32c
import msgspec

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.look import Looker
from tailrace.audit.repeats import Senders
from tailrace.audit.run import audit
from tailrace.audit.sources import (
    Drained,
    Passed,
    SnapshotLost,
    StoredDocument,
    StoredLetter,
    StoredPlace,
    Told,
    Unnumbered,
    Unreached,
)
from tailrace.audit.tally import Numbers
from tailrace.audit.verdict import AuditReport
from tailrace.audit.windows import EXACT_MAX, Sums, WindowSum
from tailrace.clock import Clock
from tailrace.digest import with_digest
from tailrace.identity import document_id
from tailrace.ledger import (
    AgentHeartbeat,
    IndexerLedger,
    RetentionLedger,
    StreamLedger,
)
from tailrace.ledger_topic import UnreadableEntry
from tailrace.topics import PARTITIONS
from tailrace.wire import AgentLedger, DeadLetter, FileIdentity, Placement, encode

WINDOW = 10
"""Small windows, so that a handful of events fills several."""
GENERATION = "0123456789abcdef" * 2
LINE_BYTES = 20
NAMED = 2
"""Documents that no number places, and that are named."""
ALL_PASSED = frozenset(range(PARTITIONS))
LETTERS = "tailrace-dead-2026.11.24"
HEARTBEAT_MS = 5_000
BORN_AT_MS = 1_700_000_000_000


def agent_word(*, number: int, **changes: object) -> AgentLedger:
    word = AgentLedger(
        generation=GENERATION,
        revision=1,
        agent_id="agent-1",
        host_id="host",
        host_name="web-1",
        path="/srv/app.log",
        source="app",
        identity=FileIdentity(
            host_id="host",
            filesystem_id="fs",
            inode=1,
            born_at_ns=BORN_AT_MS * 1_000_000,
            born_at_known=True,
            truncation_count=0,
        ),
        placement=Placement(
            dataset="generic",
            parser="auto",
            time_rule="generation",
            time_zone="UTC",
            anchor_ms=0,
            earliest_ms=0,
            latest_ms=1,
        ),
        head_size_bytes=0,
        head_hash="",
        tail_size_bytes=0,
        tail_hash="",
        next_offset=number * LINE_BYTES,
        next_event_number=number,
        seen_size_bytes=number * LINE_BYTES,
        updated_at_ms=0,
    )
    return msgspec.structs.replace(word, **changes)


def stream_word(*, number: int, **changes: object) -> StreamLedger:
    word = StreamLedger(
        generation=GENERATION,
        revision=1,
        agent_id="agent-1",
        host_name="web-1",
        path="/srv/app.log",
        dataset="generic",
        first_event_number=0,
        next_event_number=number,
        next_offset=number * LINE_BYTES,
        event_count=number,
        document_count=number,
        observed_at_ms=0,
        raw_partition=3,
        raw_next_offset=1,
        updated_at_ms=0,
    )
    return msgspec.structs.replace(word, **changes)


def indexer_word(*, number: int, **changes: object) -> IndexerLedger:
    word = IndexerLedger(
        generation=GENERATION,
        revision=number,
        agent_id="agent-1",
        host_name="web-1",
        path="/srv/app.log",
        next_offset=number * LINE_BYTES,
        next_event_number=number,
        observed_at_ms=0,
        docs_partition=3,
        docs_next_offset=1,
        updated_at_ms=0,
    )
    return msgspec.structs.replace(word, **changes)


def heartbeat(
    agent_id: str, *, said_at_ms: int, host_name: str = "web-1"
) -> AgentHeartbeat:
    return AgentHeartbeat(
        agent_id=agent_id,
        host_id=host_name,
        host_name=host_name,
        swept_at_ms=said_at_ms - 2_000,
        files=1,
        unread_bytes=0,
        lost_bytes=0,
        interval_ms=HEARTBEAT_MS,
        updated_at_ms=said_at_ms,
    )


def retention_word(
    numbers: Collection[int], *, index: str, window_events: int = WINDOW
) -> RetentionLedger:
    windows: dict[str, tuple[int, int]] = {}
    for number in numbers:
        name = str(number // window_events)
        count, total = windows.get(name, (0, 0))
        windows[name] = (count + 1, total + number)
    return RetentionLedger(
        generation=GENERATION,
        index=index,
        revision=len(numbers),
        document_count=len(numbers),
        windows=windows,
        updated_at_ms=0,
    )


def dead_letter(number: int, *, count: int = 1, **changes: object) -> bytes:
    """Return a record of `tailrace.dead` that names some events."""
    letter = DeadLetter(
        dead_id=f"{number:032x}",
        stage="stream",
        reason="parser_raised",
        detail="it raised",
        original=b"\xff\x00 line",
        died_at_ms=BORN_AT_MS,
        topic="t.raw",
        partition=3,
        offset=number,
        generation=GENERATION,
        first_event_number=number,
        event_count=count,
    )
    return encode(msgspec.structs.replace(letter, **changes))


def facts_at_rest(number: int) -> GenerationFacts:
    """Return what every hop says of a generation whose `number` events all came through."""
    return GenerationFacts(
        generation=GENERATION,
        agent=agent_word(number=number),
        stream=stream_word(number=number),
        indexer=indexer_word(number=number),
    )


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """One document, as the stream would have made it."""

    number: int
    copy: int = 0
    index: str = "t-generic-2023.11.14"
    generation: str = GENERATION
    text: str = ""
    """What somebody made of the line afterwards; empty where nobody did."""
    born_at_ms: int = BORN_AT_MS
    """Of its `_id`."""
    says: Mapping[str, object] = field(default_factory=dict[str, object])
    """What else stands in it, or otherwise; its digest fits all the same."""

    @property
    def offset(self) -> int:
        # Somebody's own number may be higher than there are offsets.
        return self.number % 2**40 * LINE_BYTES

    @property
    def line(self) -> str:
        return f"line {self.number}".ljust(LINE_BYTES - 1)

    @property
    def document_id(self) -> str:
        checksum = crc32c.crc32c(self.line.encode()) + self.copy
        return document_id(
            generation=self.generation,
            born_at_ms=self.born_at_ms,
            offset=self.offset,
            checksum=checksum,
        )

    @property
    def source(self) -> bytes:
        source = with_digest(
            msgspec.json.encode(
                {
                    "message": self.line,
                    "log.offset": self.offset,
                    "event.sequence": self.number,
                    "tailrace.generation": self.generation,
                    **self.says,
                }
            )
        )
        return source.replace(self.line.encode(), (self.text or self.line).encode())


@dataclass(slots=True)
class HeldIndex:
    """An index in memory, seen as a snapshot; a copy is taken at each look."""

    documents: list[HeldDocument] = field(default_factory=list[HeldDocument])
    dead: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """First number and count of each dead letter."""
    late: Collection[int] = ()
    """First numbers of those dead letters whose index had expired."""
    letter_sources: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """The documents of dead letters, by `_id`."""
    letter_ids: Collection[tuple[str, str]] = ()
    """Under which `_id` dead letters stand, and what they say their own is."""
    surplus: dict[str, int] = field(default_factory=dict[str, int])
    """By index, generations beyond one of each document."""
    unnumbered_count: int = 0
    unnamed_letter_count: int = 0
    """Dead letters that name no event."""
    first_sent: Senders = field(default_factory=dict[str, Mapping[str, int]])
    """By host and agent, when it first sent a document."""
    before_look: Callable[[int], None] = lambda _look: None
    """Called before each snapshot, with how many there were."""
    lost_snapshots: int = 0
    looks: int = 0

    @contextmanager
    def snapshot(self) -> Generator[HeldSnapshot, None, None]:
        self.before_look(self.looks)
        self.looks += 1
        if self.looks <= self.lost_snapshots:
            raise SnapshotLost
        yield HeldSnapshot(
            list(self.documents),
            list(self.dead),
            self.late,
            self.unnumbered_count,
            self.unnamed_letter_count,
            dict(self.letter_sources),
            self.letter_ids,
            self.surplus,
            self.first_sent,
        )


@dataclass(frozen=True, slots=True)
class HeldSnapshot:
    """What `HeldIndex` held at one moment."""

    held: Sequence[HeldDocument]
    dead: Sequence[tuple[int, int]]
    late: Collection[int]
    unnumbered_count: int
    unnamed_letter_count: int
    letter_sources: Mapping[str, bytes]
    letter_ids: Collection[tuple[str, str]]
    surplus: Mapping[str, int]
    first_sent: Senders

    def holding(self, indices: Collection[str]) -> frozenset[str]:
        return frozenset(each.index for each in self.held if each.index in indices)

    def sums(self, generations: Collection[str] | None) -> dict[str, Sums]:
        stored: dict[str, dict[int, list[int]]] = {}
        for each in self.held:
            if each.number >= EXACT_MAX:
                continue
            if generations is None or each.generation in generations:
                windows = stored.setdefault(each.generation, {})
                windows.setdefault(each.number // WINDOW, []).append(each.number)
        dead: dict[int, list[tuple[int, int]]] = {}
        for first, count in self.dead:
            dead.setdefault(first // WINDOW, []).append((first, count))
        known = {*stored, GENERATION} if dead else {*stored}
        return {
            generation: Sums(
                stored={
                    window: window_sum(numbers)
                    for window, numbers in stored.get(generation, {}).items()
                },
                dead={
                    window: replace(
                        window_sum([first for first, _ in letters]),
                        is_single=all(count == 1 for _, count in letters),
                    )
                    for window, letters in dead.items()
                }
                if generation == GENERATION
                else {},
            )
            for generation in known
        }

    def numbers(self, generation: str, *, spans: Sequence[range]) -> Numbers:
        numbers = Numbers.of_windows(WINDOW)
        for each in self.held:
            if each.generation == generation and any(each.number in s for s in spans):
                numbers.stored.add(each.number)
        within = range(min(s.start for s in spans), max(s.stop for s in spans))
        for first, count in self.dead:
            numbers.dead.add_span(first, count=count, within=within)
            if first in self.late:
                numbers.late.add_span(first, count=count, within=within)
        for name, dead_id in self.letter_ids:
            numbers.note_letter(LETTERS, name, dead_id=dead_id, number=0)
        return numbers

    def places(
        self, generation: str, *, numbers: Collection[int]
    ) -> Sequence[StoredPlace]:
        return [
            StoredPlace(
                number=each.number,
                document=f"{each.index}/{each.document_id}",
                offset=each.offset,
                size_bytes=LINE_BYTES - 1,
                newline_bytes=1,
                path="/srv/app.log",
                host_name="web-1",
            )
            for each in self.held
            if each.generation == generation and each.number in numbers
        ]

    def unnumbered(self) -> Unnumbered:
        return Unnumbered(count=self.unnumbered_count, named=())

    def unnamed_letters(self) -> int:
        return self.unnamed_letter_count

    def ambiguous(self) -> dict[str, int]:
        return dict(self.surplus)

    def unreached(self) -> Unreached:
        named = [
            (each.number, f"{each.index}/{each.document_id}")
            for each in self.held
            if each.number >= EXACT_MAX
        ]
        return Unreached(count=len(named), named=tuple(named[:NAMED]))

    def senders(self, hosts: Collection[str]) -> Senders:
        return {
            host: self.first_sent[host] for host in hosts if host in self.first_sent
        }

    def documents(
        self, generations: Collection[str] | None
    ) -> Iterator[StoredDocument]:
        for each in self.held:
            if generations is None or each.generation in generations:
                yield StoredDocument(
                    index=each.index,
                    document_id=each.document_id,
                    generation=each.generation,
                    number=each.number,
                    source=msgspec.Raw(each.source),
                )

    def letters(self) -> Iterator[StoredLetter]:
        for name, source in self.letter_sources.items():
            yield StoredLetter(
                index=LETTERS,
                document_id=name,
                source=msgspec.Raw(source),
            )


def window_sum(numbers: Sequence[int]) -> WindowSum:
    return WindowSum(
        count=len(numbers),
        total=sum(numbers),
        lowest=min(numbers),
        highest=max(numbers),
        squares=sum(number * number for number in numbers),
    )


@dataclass(slots=True)
class ToldLedger:
    """Says what it was given; a list of several is what it says read after read."""

    told: list[dict[str, GenerationFacts]]
    unreadable: tuple[UnreadableEntry, ...] = ()
    heartbeats: Callable[[], tuple[AgentHeartbeat, ...]] = tuple
    reads: int = 0

    def read(self) -> Told:
        told = self.told[min(self.reads, len(self.told) - 1)]
        self.reads += 1
        return Told(
            facts=told, unreadable=self.unreadable, heartbeats=self.heartbeats()
        )


@dataclass(slots=True)
class FixedProgress:
    """Groups that stand where they are."""

    value: Drained
    passed_partitions: frozenset[int] = ALL_PASSED
    passed_documents: frozenset[int] | None = None
    """Where they differ."""

    def drained(self, *, wait_ms_max: int) -> Drained:
        del wait_ms_max
        return self.value

    def passed(self, *, wait_ms_max: int) -> Passed:
        del wait_ms_max
        documents = self.passed_documents
        return Passed(
            all=self.passed_partitions,
            documents=self.passed_partitions if documents is None else documents,
        )


class SteppingClock(Clock):
    """Time that passes only by sleeping."""

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> int:
        return self._now_ms

    def sleep_ms(self, wait_ms: int) -> None:
        self._now_ms += wait_ms


def report_of(
    index: HeldIndex,
    *told: GenerationFacts | dict[str, GenerationFacts],
    drained: Drained | None = None,
    unreadable: tuple[UnreadableEntry, ...] = (),
    passed: frozenset[int] = ALL_PASSED,
    passed_documents: frozenset[int] | None = None,
    is_deep: bool = False,
    wait_ms_max: int = 0,
    heartbeats: Callable[[], tuple[AgentHeartbeat, ...]] = tuple,
    clock: Clock | None = None,
) -> AuditReport:
    """Audit an index against what the ledger says, read after read."""
    words = [
        each if isinstance(each, dict) else {each.generation: each} for each in told
    ]
    looker = Looker(
        ledger=ToldLedger(words, unreadable, heartbeats),
        progress=FixedProgress(drained or Drained(), passed, passed_documents),
        index=index,
        window_events=WINDOW,
    )
    return audit(
        looker,
        clock=clock or SteppingClock(),
        is_deep=is_deep,
        wait_ms_max=wait_ms_max,
        tell=lambda _text: None,
    )


def held(*numbers: int) -> HeldIndex:
    """Return an index with one document for each number; a repeated one is a copy."""
    documents: list[HeldDocument] = []
    for number in numbers:
        copies = sum(1 for each in documents if each.number == number)
        documents.append(HeldDocument(number, copy=copies))
    return HeldIndex(documents)

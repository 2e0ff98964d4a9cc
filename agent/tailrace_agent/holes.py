"""How a hole is filled: the span is read again as it was read, sent again, and answered.

The audit finds event numbers of which the index holds nothing, and asks the agent for the
span around them. What the agent sends has the offsets and event numbers of the first time,
so the ids are the same, and what was there already stays once. Three steps:

1. The file is found that holds the span (`hole_files.py`), an archive is inflated for that. Of a
   container's log it is asked where to begin (`hole_spans.py`). The
   whole span is read and counted. Where it does not hold just as many events between
   the same two offsets, nothing is sent, and the answer says why.
2. It is read once more and sent, beside the file's own reading, whose position is not
   touched.
3. When Kafka has all of it, or refuses some for good, the answer goes into the ledger; when Kafka has that, too, the
   request is removed.

A crash anywhere before the end of step 3 begins again at step 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from tailrace.clock import Clock
from tailrace.holes import HOLE_BYTES_MAX, HoleRequest
from tailrace.ledger import HoleAnswer
from tailrace.log import FilteringBoundLogger
from tailrace.multiline.streams import StreamsJoiner
from tailrace.redaction.rules import Redactors
from tailrace.wire import AgentLedger, Cut
from tailrace_agent.archives import AnyFile, ArchiveFile
from tailrace_agent.building import LongEvent
from tailrace_agent.chunking import Chunker
from tailrace_agent.config import SourceSettings
from tailrace_agent.delivery import Delivery
from tailrace_agent.forms import (
    MARK_BYTES_MAX,
    Form,
    form_of,
    with_redactor,
    with_rule,
)
from tailrace_agent.heirs import INFLATE_BYTES_MAX
from tailrace_agent.hole_files import HeldFile, HoleFiles, HoleUnfillable
from tailrace_agent.hole_spans import SpanEnds, begin_of, end_before, narrowed
from tailrace_agent.nuls import HOLE_BYTES_MIN
from tailrace_agent.outbox import Sent
from tailrace_agent.positions import (
    START,
    Chunk,
    OpenEvent,
    Position,
    Reading,
)
from tailrace_agent.records import Records
from tailrace_agent.table import FileTable


class Requests(Protocol):
    """Where requests come from, and where their end is told."""

    def take(self) -> HoleRequest | None:
        """Return one that was not taken yet."""
        ...

    def answered(self, request: HoleRequest) -> None:
        """Say that the ledger holds the answer."""
        ...


class _Step(Enum):
    FIND = "step 1: is it the file that holds them"
    ENDS = "step 1: is it lines that tell where the span begins and ends"
    COUNT = "step 1: does the span still hold these events"
    SEND = "step 2: each chunk once more"
    AWAIT = "step 3: Kafka has all of it, then the answer"


@dataclass(slots=True)
class _Filling:
    """One request that is being worked on."""

    request: HoleRequest
    held: HeldFile
    source: SourceSettings
    form: Form
    position: Position = START
    step: _Step = _Step.FIND
    long_event: LongEvent | None = None
    ends: SpanEnds | None = None
    """Of a span that may begin and end amid other events."""
    event_number: int = 0
    """Of the next event to be counted or sent."""
    sent: list[Sent] = field(default_factory=list[Sent])

    @property
    def record(self) -> AgentLedger:
        return self.held.record

    @property
    def file(self) -> AnyFile:
        return self.held.file

    @property
    def is_at_end(self) -> bool:
        return self.position.offset >= self.request.next_offset


@dataclass(slots=True)
class Holes:
    """Works on one request at a time, a chunk a call, in the agent's own loop."""

    requests: Requests
    table: FileTable
    delivery: Delivery
    records: Records
    chunker: Chunker
    redactors: Redactors
    clock: Clock
    log: FilteringBoundLogger
    _current: _Filling | None = None
    _answer: tuple[HoleRequest, Sent] | None = None
    """The request whose answer is on its way, and that answer."""

    @property
    def is_busy(self) -> bool:
        """Whether there is something to do at once."""
        return self._current is not None or self._answer is not None

    def step(self) -> None:
        """Do one piece of work; the caller has seen that there is room to send."""
        if self._answer is not None:
            request, sent = self._answer
            if sent.is_done:
                self.requests.answered(request)
                self._answer = None
            return
        if self._current is None:
            request = self.requests.take()
            if request is not None:
                self._begin(request)
            return
        filling = self._current
        try:
            self._advance(filling)
        except (HoleUnfillable, OSError) as error:
            self._end(filling, refusal=str(error))

    def _begin(self, request: HoleRequest) -> None:
        try:
            held, source = self._open(request)
            form = self._form(held, source)
        except (HoleUnfillable, OSError) as error:
            self._send_answer(request, refusal=str(error))
            return
        self._current = _Filling(request, held, source, form)

    def _advance(self, filling: _Filling) -> None:
        if filling.step is _Step.AWAIT:
            if all(sent.is_done for sent in filling.sent):
                self._end(filling, refusal=_refusal_of(filling.sent))
            return
        if filling.step is _Step.FIND:
            if self._files().is_held(filling.held, source=filling.source):
                filling.form = self._form(filling.held, filling.source)
                self._begin_reading(filling)
            return
        if not _is_reached(filling):
            return
        if filling.step is _Step.ENDS:
            self._note_ends(filling)
            return
        chunk = self._read(filling)
        if chunk is not None:
            self._take(filling, chunk)
        if not filling.is_at_end:
            return
        if filling.step is _Step.SEND:
            filling.step = _Step.AWAIT
            return
        self._check_count(filling)
        self._restart(filling, step=_Step.SEND)

    def _begin_reading(self, filling: _Filling) -> None:
        if not isinstance(filling.form.joiner, StreamsJoiner):
            self._restart(filling, step=_Step.COUNT)
            return
        filling.ends = SpanEnds(filling.request)
        filling.position = end_before(filling.request, filling.record)
        filling.step = _Step.ENDS

    def _note_ends(self, filling: _Filling) -> None:
        """Read one chunk more of what tells where the span's events are to be read."""
        assert filling.ends is not None, "asked where nothing else tells"
        read = self._result(filling, cuts=())
        if isinstance(read, LongEvent):
            filling.long_event = read
        elif isinstance(read, Chunk):
            filling.ends.note(read)
            filling.position, filling.long_event = read.after, None
        is_over = not isinstance(read, LongEvent | Chunk) and read is not Reading.MORE
        if is_over or filling.position.offset > filling.request.next_offset:
            self._restart(filling, step=_Step.COUNT)

    def _restart(self, filling: _Filling, *, step: _Step) -> None:
        """Go back to where the span is read from."""
        filling.step, filling.long_event = step, None
        filling.event_number = filling.request.first_event_number
        filling.position = begin_of(filling.request, filling.record, filling.ends)

    def _take(self, filling: _Filling, chunk: Chunk) -> None:
        """Count a chunk, and send it where the span is known to be as it was."""
        filling.position, filling.long_event = chunk.after, None
        if filling.ends is not None:
            part = narrowed(chunk, filling.request, event_number=filling.event_number)
            if part is None:
                return
            chunk = part
        filling.event_number += chunk.event_count
        if chunk.split_count:
            # Where time ended an event before, a limit would end others now, and
            # the count alone would not tell.
            raise HoleUnfillable(
                f"{filling.request.path} has, from byte {chunk.first_offset} on, an"
                " event that a limit ends: where it was ended when"
                " it was sent is not known"
            )
        if filling.step is _Step.SEND:
            # Of what no hop has told, the indexer is to tell as of a first sending.
            is_untold = filling.request.is_untold
            record_of = self.records.chunk if is_untold else self.records.repeat
            outgoing = record_of(filling.record, chunk)
            sent = self.delivery.outbox.send(
                outgoing,
                generation=filling.request.generation,
                size_bytes=len(chunk.value),
            )
            filling.sent.append(sent)

    def _read(self, filling: _Filling) -> Chunk | None:
        """Return the next chunk of the span, None where another call is needed.

        Raises:
            HoleUnfillable: the file does not hold these events any more.
            OSError: it cannot be read.
        """
        request = filling.request
        # The span's end is a boundary like one that was made by time.
        end = Cut(
            offset=request.first_offset,
            next_offset=request.next_offset,
            reason="flushed",
        )
        is_met = filling.ends is not None and filling.ends.is_end_met
        read = self._result(filling, cuts=() if is_met else (end,))
        if isinstance(read, LongEvent):
            filling.long_event = read
            return None
        if read is Reading.MORE:
            return None
        if isinstance(read, OpenEvent):
            read = Reading.PARTIAL
        if isinstance(read, Reading):
            raise HoleUnfillable(
                f"{request.path} does not hold bytes {filling.position.offset} to"
                f" {request.next_offset} as it did: {read.value}"
            )
        return read

    def _result(
        self, filling: _Filling, *, cuts: tuple[Cut, ...]
    ) -> Chunk | LongEvent | OpenEvent | Reading:
        if filling.long_event is not None:
            return self.chunker.pass_event(
                filling.file,
                filling.long_event,
                position=filling.position,
                cuts=cuts,
                form=filling.form,
            )
        truncations = filling.record.identity.truncation_count
        return self.chunker.next_chunk(
            filling.file,
            position=filling.position,
            cuts=cuts,
            hole_bytes_min=1 if truncations else HOLE_BYTES_MIN,
            form=filling.form,
        )

    def _check_count(self, filling: _Filling) -> None:
        request = filling.request
        count = filling.event_number - request.first_event_number
        is_at_end = (
            filling.ends is not None or filling.position.offset == request.next_offset
        )
        is_same = is_at_end and count == request.event_count
        if not is_same:
            raise HoleUnfillable(
                f"{request.path} holds {count} events from byte {request.first_offset}"
                f" to {filling.position.offset}, and {request.event_count} up to"
                f" {request.next_offset} were read the first time"
            )

    def _open(self, request: HoleRequest) -> tuple[HeldFile, SourceSettings]:
        """Return the file that may hold the generation, opened anew.

        Raises:
            HoleUnfillable: it is gone, or has another life now.
            OSError: it cannot be opened or read.
        """
        record = self._files().record_of(request)
        size_bytes = request.next_offset - request.first_offset
        if not 0 < size_bytes <= HOLE_BYTES_MAX or request.first_offset < 0:
            raise HoleUnfillable(
                f"bytes {request.first_offset} to {request.next_offset} are no span of"
                f" at most {HOLE_BYTES_MAX} bytes"
            )
        if request.next_offset > record.next_offset:
            raise HoleUnfillable(
                f"byte {request.next_offset} of {request.path} is not sent yet:"
                f" {record.next_offset} is"
            )
        source = self._source(record)
        if source is None or not self.redactors.knows(record.source):
            raise HoleUnfillable(
                f"source {record.source!r} of {request.path} is not configured any more,"
                " so nobody can tell what of its lines must not leave this host"
            )
        return self._files().open(request, record, source=source), source

    def _files(self) -> HoleFiles:
        return HoleFiles(self.table, self.delivery)

    def _form(self, held: HeldFile, source: SourceSettings) -> Form:
        record, file = held.record, held.file
        head = bytearray(MARK_BYTES_MAX)
        size = file.read_into((memoryview(head),), offset=0)
        form = form_of(
            bytes(head[:size]),
            encoding=source.encoding,
            is_archive=isinstance(file, ArchiveFile),
        )
        form = with_rule(form, record.placement.multiline)
        return with_redactor(form, self.redactors.of(record.source))

    def _source(self, record: AgentLedger) -> SourceSettings | None:
        sources = {source.name: source for source in self.table.settings.sources}
        return sources.get(record.source)

    def _end(self, filling: _Filling, *, refusal: str) -> None:
        filling.file.close()
        self._current = None
        self._send_answer(filling.request, refusal=refusal)

    def _send_answer(self, request: HoleRequest, *, refusal: str) -> None:
        now_ms = self.clock.now_ms()
        answer = HoleAnswer(
            generation=request.generation,
            revision=now_ms,
            agent_id=self.records.agent.agent_id,
            first_offset=request.first_offset,
            next_offset=request.next_offset,
            first_event_number=request.first_event_number,
            event_count=0 if refusal else request.event_count,
            refusal=refusal,
            updated_at_ms=now_ms,
        )
        sent = self.delivery.outbox.send(
            self.records.ledger(answer), generation=request.generation
        )
        self._answer = (request, sent)
        facts = {
            "path": request.path,
            "first_offset": request.first_offset,
            "next_offset": request.next_offset,
        }
        if refusal:
            self.log.error("hole_not_filled", why=refusal, **facts)
        else:
            self.log.warning("hole_filled", events=request.event_count, **facts)


def _refusal_of(sent: Iterable[Sent]) -> str:
    """Return why not all of it is in Kafka; empty where it is."""
    refused = next((each.refusal for each in sent if each.refusal), "")
    if not refused:
        return ""
    remedy = "`tailrace provision` sets the topic's max.message.bytes"
    return f"Kafka does not take these lines: {refused}; {remedy}"


def _is_reached(filling: _Filling) -> bool:
    """Return whether reading can go on at once; an archive is inflated a piece a call."""
    file = filling.file
    return not isinstance(file, ArchiveFile) or file.reach(
        filling.position.offset, budget_bytes=INFLATE_BYTES_MAX
    )

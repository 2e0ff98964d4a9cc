"""Which events the agent would make of a file as it stands: read once, and shipped nowhere.

The reading is the agent's own, so whoever looks before a start, or asks about a line
afterwards, sees events and not lines. At its end a file is taken for over: what would wait
for more is an event then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from crc32c import crc32c

from tailrace.framing import MappedEvent, decode_mapped
from tailrace.redaction.redactor import Redactor
from tailrace.topics import EVENT_BYTES_MAX, KIBIBYTE
from tailrace.wire import Cut, Placement
from tailrace_agent.building import LongEvent
from tailrace_agent.chunking import Chunker, Limits
from tailrace_agent.config import SourceSettings
from tailrace_agent.door import NotARegularFile
from tailrace_agent.first_bytes import SAMPLE_BYTES, as_utf8
from tailrace_agent.forms import (
    MARK_BYTES_MAX,
    Encoding,
    Form,
    form_of,
    with_redactor,
    with_rule,
)
from tailrace_agent.open_file import OpenFile
from tailrace_agent.placement import placement_of
from tailrace_agent.positions import (
    START,
    TAIL_BYTES,
    Chunk,
    OpenEvent,
    Position,
    Reading,
    Source,
)

CHUNK_BYTES = 512 * KIBIBYTE
KEPT_BEFORE_BYTES = 2 * TAIL_BYTES
"""How much is kept of what was read, for a tail and the newline behind it."""


@dataclass(frozen=True, slots=True)
class Preview:
    """How a file would be read, and its chunks, made as they are asked for."""

    placement: Placement
    chunks: Iterator[Chunk]


@dataclass(frozen=True, slots=True)
class Around:
    """An event that a line belongs to."""

    event: MappedEvent
    line_starts: tuple[int, ...] = ()
    """Where each of its lines begins, if they need not stand one behind the other: then
    nothing but that tells which lines are its own."""

    def part(self, offset: int, *, starts: Collection[int]) -> MappedEvent:
        """Return the part that holds the line at `offset`, if events begin at `starts`.

        Time may have ended it where no line tells that; others' places say nothing.
        """
        begins = [place for place in self.line_starts if place in starts]
        if not begins:
            return self.event
        first = max((b for b in begins if b <= offset), default=self.line_starts[0])
        end = min((b for b in begins if b > offset), default=self.line_starts[-1] + 1)
        lines = self.event.stored.split(b"\n")
        stored = b"\n".join(
            line
            for place, line in zip(self.line_starts, lines, strict=True)
            if first <= place < end
        )
        return MappedEvent(first, len(stored), crc32c(stored), stored)


class StreamFile:
    """A pipe, which is read once: what stands before a place is let go of."""

    def __init__(self, file: BinaryIO, *, read_bytes: int = CHUNK_BYTES) -> None:
        # What a pipe has, at once: a reader at a terminal is not kept waiting for more.
        self._read = getattr(file, "read1", file.read)
        self._read_bytes = read_bytes
        self._kept = bytearray()
        self._kept_offset = 0

    @property
    def kept_bytes(self) -> int:
        """Return how much of what was read is still held."""
        return len(self._kept)

    def read_into(self, buffers: Sequence[memoryview], *, offset: int) -> int:
        """Fill the buffers from `offset` on, as far as it was read."""
        at = offset - self._kept_offset
        assert at >= 0, "what was let go of is read again"
        count = 0
        kept = memoryview(self._kept)
        for buffer in buffers:
            piece = kept[at + count : at + count + len(buffer)]
            buffer[: len(piece)] = piece
            count += len(piece)
        return count

    def data_offset(self, offset: int = 0) -> int:
        """Return `offset`: of a pipe nobody knows where its holes end."""
        return offset

    def grow(self) -> bool:
        """Read some more; return false where there is no more.

        Raises:
            OSError: the file cannot be read.
        """
        block = self._read(self._read_bytes)
        self._kept += block
        return bool(block)

    def forget_before(self, offset: int) -> None:
        """Let go of what nobody asks for any more."""
        count = offset - self._kept_offset
        if count > 0:
            del self._kept[:count]
            self._kept_offset = offset


def first_bytes_of(file: OpenFile | StreamFile, *, count: int) -> bytes:
    """Return the first bytes, fewer where a line or all ends before; a pipe keeps them.

    Raises:
        OSError: the file cannot be read.
    """
    return _head(file, size_max=count)


def preview(
    file: OpenFile | StreamFile,
    *,
    path: str,
    source: SourceSettings,
    host_time_zone: str,
    now_ms: int,
    redactor: Redactor | None = None,
) -> Preview:
    """Return how `source` has a file read, and what it becomes.

    Events are as they stand in the file, unless a `redactor` takes something out of them.

    Raises:
        NotARegularFile: it is a pipe, and there is a redactor, which looks back.
        OSError: the file cannot be read.
    """
    sample = _sample(file)
    form = form_of(sample[:MARK_BYTES_MAX], encoding=source.encoding, is_archive=False)
    placement = placement_of(
        as_utf8(sample.lstrip(b"\0"), form=form),
        path=path,
        source=source,
        host_time_zone=host_time_zone,
        first_seen_at_ms=now_ms,
    )
    whole = with_redactor(with_rule(form, placement.multiline), redactor)
    if isinstance(file, OpenFile):
        return Preview(placement, chunks_of(file, form=whole))
    if redactor is not None:
        raise NotARegularFile("what is secret is told by what stands before it")
    chunks = chunks_of(
        file, form=whole, grow=file.grow, forget_before=file.forget_before
    )
    return Preview(placement, chunks)


def event_around(
    source: Source,
    offset: int,
    *,
    end_offset: int,
    placement: Placement,
    encoding: Encoding,
    start: int = 0,
    cut: Cut | None = None,
) -> Around | None:
    """Return the first event of the line from `offset` to the newline at `end_offset`.

    It may be a part of that line or hold more than it; None where none is made of it.
    Reading begins at `start`, where an event begins; `cut` is where one was ended.

    Raises:
        OSError: the file cannot be read.
    """
    head = bytearray(MARK_BYTES_MAX)
    size = source.read_into((memoryview(head),), offset=0)
    form = form_of(bytes(head[:size]), encoding=encoding, is_archive=False)
    position = Position(start, 0, START.tail)
    for chunk in chunks_of(
        source,
        form=with_rule(form, placement.multiline),
        position=position,
        cuts=() if cut is None else (cut,),
    ):
        if chunk.after.offset <= offset:
            continue
        spans = {chunk.first_offset + one.start: one.spans for one in chunk.parted}
        for event in events_of(chunk):
            starts: tuple[int, ...] = ()
            if placement.multiline is not None and placement.multiline.container:
                here = spans.get(event.offset)
                starts = _line_starts(event, spans=here, start=chunk.first_offset)
            if event.offset in spans:
                if offset in starts:
                    return Around(event, starts)
            elif event.offset + event.original_size_bytes >= offset:
                return Around(event, starts) if event.offset <= end_offset else None
    return None


def _line_starts(
    event: MappedEvent, *, spans: Sequence[tuple[int, int]] | None, start: int
) -> tuple[int, ...]:
    """Return where the lines of an event begin; `spans` are places in a chunk at `start`."""
    if spans is None:
        spans = ((0, event.original_size_bytes),)
        start = event.offset
    if len(event.stored) != event.original_size_bytes:
        return ()  # A line that was cut, and alone is one event.
    sizes = [len(line) for line in event.stored.split(b"\n")]
    places: list[int] = []
    for run_start, run_end in spans:
        at = start + run_start
        while at <= start + run_end:
            at_next = at + sizes[len(places)] + 1
            places.append(at)
            at = at_next
    return tuple(places)


def events_of(chunk: Chunk) -> list[MappedEvent]:
    """Return the events of a chunk, each with its place and checksum."""
    if chunk.framing == "mapped":
        return decode_mapped(chunk.value)
    events: list[MappedEvent] = []
    offset = chunk.first_offset
    for line in chunk.value.removesuffix(b"\n").split(b"\n"):
        events.append(MappedEvent(offset, len(line), crc32c(line), line))
        offset += len(line) + 1
    return events


def chunks_of(
    source: Source,
    *,
    form: Form,
    position: Position = START,
    cuts: Sequence[Cut] = (),
    grow: Callable[[], bool] = lambda: False,
    forget_before: Callable[[int], None] = lambda _: None,
) -> Iterator[Chunk]:
    """Yield the chunks from `position` on; at the end nothing waits for more.

    `grow` has more of the file read, and says whether there was any; `forget_before`
    hears what is not asked for again.

    Raises:
        OSError: the file cannot be read.
    """
    chunker = Chunker(Limits(CHUNK_BYTES, EVENT_BYTES_MAX))
    long_event: LongEvent | None = None
    is_over = False
    while True:
        result = _read(
            chunker,
            source,
            long_event,
            position=position,
            cuts=cuts,
            form=form,
            is_over=is_over,
        )
        if isinstance(result, Chunk):
            yield result
            if is_over and result.cut is not None:
                return  # Whatever is written meanwhile is not looked at.
            position, long_event = result.after, None
            forget_before(position.offset - KEPT_BEFORE_BYTES)
        elif isinstance(result, LongEvent):
            long_event = result
        elif result is Reading.REWRITTEN or is_over:
            return
        elif result is not Reading.MORE:
            is_over = not grow()
        if long_event is not None:
            forget_before(long_event.next_offset - KEPT_BEFORE_BYTES)


def _read(
    chunker: Chunker,
    source: Source,
    long_event: LongEvent | None,
    *,
    position: Position,
    cuts: Sequence[Cut],
    form: Form,
    is_over: bool,
) -> Chunk | LongEvent | OpenEvent | Reading:
    if long_event is None:
        return chunker.next_chunk(
            source,
            position=position,
            cuts=cuts,
            form=form,
            is_flushing=is_over,
            is_settled=is_over,
        )
    return chunker.pass_event(
        source,
        long_event,
        position=position,
        cuts=cuts,
        form=form,
        is_flushing=is_over,
        is_fixed=True,
    )


def _sample(file: OpenFile | StreamFile) -> bytes:
    """Return what a parser is chosen by: whole lines, if any come, from the head."""
    return _head(file, size_max=SAMPLE_BYTES)


def _head(file: OpenFile | StreamFile, *, size_max: int) -> bytes:
    buffer = memoryview(bytearray(size_max))
    while True:
        size = file.read_into((buffer,), offset=0)
        is_enough = size == size_max or b"\n" in bytes(buffer[:size])
        if is_enough or isinstance(file, OpenFile) or not file.grow():
            return bytes(buffer[:size])

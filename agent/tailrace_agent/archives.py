"""One compressed file, read as the log that it holds: offsets are those of its content.

It is inflated from its head, once, in bounded memory: a window of the newest content, the
head, and the places that were asked for beforehand are kept. Going back beyond the window
inflates anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tailrace.redaction.redactor import LOOK_BACK_BYTES
from tailrace_agent.facts import FileFacts
from tailrace_agent.inflating import (
    MAGIC,
    MAGIC_BYTES_MAX,
    ArchiveDamaged,
    Inflater,
    inflater,
)
from tailrace_agent.open_file import OpenFile
from tailrace_agent.positions import TAIL_BYTES

READ_BYTES = 64 * 1_024
HEAD_BYTES_KEPT = 1_024
BEHIND_BYTES = 2 * LOOK_BACK_BYTES + TAIL_BYTES
"""Kept of what was read: a look back costs no inflating anew. Text of UTF-16 takes two
bytes a character."""
RATIO_FROM_BYTES = 16 * 1_024 * 1_024
"""Content below this is no bomb, whatever its ratio: equal lines compress well."""
BLANK_BYTES_MAX = 256 * 1_024 * 1_024
"""Nor are so many NULs: a writer that does not append leaves them where its log was
emptied. They are passed in one turn, which takes a second for as many."""


class ArchiveState(Enum):
    """How far an archive was inflated."""

    OPEN = "there is more to inflate"
    SHORT = "its last stream is not complete: it may still be written"
    ENDED = "all of its content was inflated"
    DAMAGED = "what follows cannot be inflated"
    REFUSED = "its content is beyond the limits"


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What may come out of one archive."""

    window_bytes: int
    content_bytes_max: int
    ratio_max: int


@dataclass(slots=True)
class ArchiveFile:
    """A file that is read through its compression."""

    file: OpenFile
    suffix: str
    limits: ArchiveLimits
    state: ArchiveState = ArchiveState.OPEN
    ending: ArchiveState | None = None
    """How it was seen to end, once: so it does wherever inflating begins anew."""
    detail: str = ""
    """Why it ends so."""
    is_closed: bool = False
    probes: dict[int, bytes] = field(default_factory=dict[int, bytes])
    """What stands before the places that `probe` was given, where they were passed."""
    _wanted: tuple[int, ...] = ()
    _head: bytes = b""
    _window: bytearray = field(default_factory=bytearray)
    _window_offset: int = 0
    _pending: bytes = b""
    _read_offset: int = 0
    _stream: Inflater | None = None
    _blank_bytes: int = 0
    """Of what was inflated, pieces of nothing but NULs."""

    @property
    def facts(self) -> FileFacts:
        """Return the facts of the file itself."""
        return self.file.facts

    @property
    def descriptor(self) -> int:
        """Return the descriptor of the file itself."""
        return self.file.descriptor

    @property
    def inflated_bytes(self) -> int:
        """Return how much content was seen."""
        return self._window_offset + len(self._window)

    @property
    def read_bytes(self) -> int:
        """Return how much of the file itself was read."""
        return self._read_offset

    @property
    def unread_bytes(self) -> int:
        """Return how many compressed bytes were not understood."""
        rest = self.file.status().st_size - self._read_offset
        return max(0, rest) + len(self._pending)

    @property
    def is_over(self) -> bool:
        """Return whether no more content will come, unless the file changes."""
        return self.ending is not None

    @property
    def is_bad(self) -> bool:
        """Return whether there is content that cannot be had, or must not."""
        is_bad = self.ending in (ArchiveState.DAMAGED, ArchiveState.REFUSED)
        return is_bad and self.file.status().st_size > 0

    def status(self) -> os.stat_result:
        """Return what stat knows of the file itself.

        Raises:
            OSError: the file system fails.
        """
        return self.file.status()

    def data_offset(self, offset: int = 0) -> int:
        """Return `offset`: content has no holes."""
        return offset

    def close(self) -> None:
        """Give the descriptor and the window back."""
        self.is_closed = True
        self._window = bytearray()
        self.file.close()

    def probe(self, offsets: Iterable[int]) -> None:
        """Ask for what stands before these offsets; inflating may begin anew for it."""
        wanted = tuple(sorted(set(offsets) - {0}))
        if not set(wanted) <= set(self._wanted):
            self._wanted = tuple(sorted({*self._wanted, *wanted}))
            self._restart()

    def give_up(self) -> None:
        """Take an incomplete archive for what it is: nobody writes it any more."""
        if self.state is ArchiveState.SHORT:
            self._end(ArchiveState.DAMAGED, "it ends before its content does")

    def reach(self, offset: int, *, budget_bytes: int) -> bool:
        """Inflate up to `offset`, at most so many bytes of content now.

        Returns whether all is done that can be: the place is reached, or nothing more
        can be inflated.

        Raises:
            OSError: the file cannot be read.
        """
        if offset < self._window_offset:
            self._restart()
        start = self.inflated_bytes
        while self.inflated_bytes < offset and self._inflate():
            behind = self.inflated_bytes - self.limits.window_bytes // 2
            self._trim(min(offset, behind))
            if self.inflated_bytes - start >= budget_bytes:
                return self.inflated_bytes >= offset
        return True

    def read_into(self, buffers: Sequence[memoryview], *, offset: int) -> int:
        """Fill the buffers with content from `offset` on; return the bytes read.

        Raises:
            OSError: the file cannot be read.
        """
        size = sum(len(buffer) for buffer in buffers)
        if offset + size <= len(self._head):
            return _fill(buffers, self._head[offset : offset + size])
        for place, before in self.probes.items():
            if offset + size == place and size <= len(before):
                return _fill(buffers, before[-size:])
        if offset < self._window_offset:
            self._restart()
        while self.inflated_bytes < offset + size and self._inflate():
            self._trim(offset)
        start = offset - self._window_offset
        with memoryview(self._window) as window:
            return _fill(buffers, window[start : start + size])

    def _restart(self) -> None:
        self.state = ArchiveState.OPEN
        self._window, self._window_offset = bytearray(), 0
        self._pending, self._read_offset, self._stream = b"", 0, None
        self._blank_bytes = 0

    def _trim(self, offset: int) -> None:
        """Let go of the window's beginning, where it is too long and nobody wants it."""
        extra = min(offset, self.inflated_bytes) - BEHIND_BYTES
        extra -= self._window_offset
        if extra > 0 and len(self._window) > self.limits.window_bytes:
            del self._window[:extra]
            self._window_offset += extra

    def _inflate(self) -> bool:
        """Inflate one piece more; return whether there may be more after it."""
        if self.state not in (ArchiveState.OPEN, ArchiveState.SHORT):
            return False
        if not self._pending and not self._refill():
            return False
        try:
            is_between = self._stream is None or self._stream.is_ended
            if is_between and not self._next_stream():
                return False
            assert self._stream is not None
            piece, self._pending = self._stream.step(self._pending)
        except ArchiveDamaged as error:
            self._end(ArchiveState.DAMAGED, str(error))
            return False
        self.state = ArchiveState.OPEN
        self._take(piece)
        return self.state is ArchiveState.OPEN

    def _refill(self) -> bool:
        self._pending = os.pread(self.descriptor, READ_BYTES, self._read_offset)
        self._read_offset += len(self._pending)
        if self._pending:
            return True
        is_ended = self._stream is not None and self._stream.is_ended
        if is_ended:
            self._end(ArchiveState.ENDED)
        else:
            self.state = ArchiveState.SHORT
        return False

    def _next_stream(self) -> bool:
        """Begin the stream that stands next; padding behind the last one is passed."""
        while self._stream is not None:
            self._pending = self._pending.lstrip(b"\0")
            if self._pending:
                break
            if not self._refill():
                return False
        magic = MAGIC[self.suffix]
        if len(self._pending) < len(magic):
            more = os.pread(self.descriptor, READ_BYTES, self._read_offset)
            self._pending += more
            self._read_offset += len(more)
            if len(self._pending) < len(magic):
                self._read_offset -= len(self._pending)
                self._pending = b""
                self.state = ArchiveState.SHORT
                return False
        if not self._pending.startswith(magic):
            raise ArchiveDamaged(
                f"{self._pending[:4]!r} begins no {self.suffix} stream"
            )
        self._stream = inflater(self.suffix)
        return True

    def _take(self, piece: bytes) -> None:
        if len(self._head) < HEAD_BYTES_KEPT and self._window_offset == 0:
            head = bytes(self._window[:HEAD_BYTES_KEPT]) + piece[:HEAD_BYTES_KEPT]
            self._head = head[:HEAD_BYTES_KEPT]
        before = self.inflated_bytes
        self._window += piece
        for place in self._wanted:
            if before < place <= self.inflated_bytes:
                end = place - self._window_offset
                self.probes[place] = bytes(self._window[max(0, end - TAIL_BYTES) : end])
        if self._blank_bytes < BLANK_BYTES_MAX and not piece.strip(b"\0"):
            self._blank_bytes += len(piece)
        counted_bytes = self.inflated_bytes - self._blank_bytes
        ratio = counted_bytes / max(1, self._read_offset - len(self._pending))
        limits = self.limits
        if self.inflated_bytes > limits.content_bytes_max:
            self._end(
                ArchiveState.REFUSED,
                f"more than {limits.content_bytes_max} bytes of content",
            )
        elif counted_bytes > RATIO_FROM_BYTES and ratio > limits.ratio_max:
            self._end(
                ArchiveState.REFUSED,
                f"{ratio:.0f} bytes of content in a byte of archive",
            )

    def _end(self, state: ArchiveState, why: str = "") -> None:
        self.state = self.ending = state
        self.detail = why


AnyFile = OpenFile | ArchiveFile


def as_archive(file: OpenFile, suffix: str | None, *, limits: ArchiveLimits) -> AnyFile:
    """Return the file, read through its compression where name and content say so.

    Raises:
        OSError: the file cannot be read.
    """
    if suffix is None:
        return file
    magic = os.pread(file.descriptor, MAGIC_BYTES_MAX, 0)
    if magic and not MAGIC[suffix].startswith(magic[: len(MAGIC[suffix])]):
        return file  # It only bears such a name.
    return ArchiveFile(file, suffix, limits)


def _fill(buffers: Sequence[memoryview], content: bytes | memoryview) -> int:
    filled = 0
    for buffer in buffers:
        piece = content[filled : filled + len(buffer)]
        buffer[: len(piece)] = piece
        filled += len(piece)
    return filled

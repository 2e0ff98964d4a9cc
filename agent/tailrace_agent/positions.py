"""Where reading of a file stands, and what a reader of chunks asks of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

from tailrace.multiline.joining import Joined
from tailrace.wire import Cut

TAIL_BYTES = 1_024
"""How much of what stands before a position is remembered to know the place again."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The bytes directly before a position, as their length and hash."""

    size_bytes: int
    hash: str


NO_TAIL = Tail(0, "")


@dataclass(frozen=True, slots=True)
class Position:
    """Where reading goes on: always the start of an event."""

    offset: int
    event_number: int
    tail: Tail


START = Position(0, 0, NO_TAIL)


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """Whole lines that were read of an event which the next line may continue."""

    offset: int
    value: bytes
    before: bytes = b""
    """Of the text before it what tells that something in it is secret; mostly nothing."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole events of one file, and where it goes on after them."""

    first_offset: int
    size_bytes: int
    skipped_before_bytes: int
    first_event_number: int
    event_count: int
    framing: Literal["newline", "mapped"]
    value: bytes
    after: Position
    cut: Cut | None = None
    """The boundary made by time at its end; to be on disk before the chunk is sent."""
    split_count: int = 0
    """Events that a limit on several lines ended."""
    redacted: tuple[tuple[str, int], ...] = ()
    """How often each rule took something out of its events."""
    is_cut: bool = False
    """It is one event beyond the limit, of which it holds the beginning."""
    parted: tuple[Joined, ...] = ()
    """Its events between whose lines others stand, as places in the chunk."""
    follower: OpenEvent | None = None
    """The event that begins behind it, as far as whole lines of it were read."""


class Reading(Enum):
    """Why there is no chunk."""

    EMPTY = "nothing stands after the position"
    PARTIAL = "the last line has no newline yet"
    MORE = "a very long event is being passed; ask again"
    REWRITTEN = "what stands before the position is not what stood there"


class Source(Protocol):
    """A file that can be read at any place."""

    def read_into(self, buffers: Sequence[memoryview], *, offset: int) -> int:
        """Fill the buffers one after another from `offset`; return the bytes read.

        Raises:
            OSError: the file cannot be read.
        """
        ...

    def data_offset(self, offset: int = 0) -> int:
        """Return where, from `offset` on, the first bytes are that take room on disk.

        Raises:
            OSError: the file cannot be read.
        """
        ...


def tail_of(data: bytes | bytearray | memoryview) -> Tail:
    """Return the tail that `data`, at most `TAIL_BYTES`, is."""
    return Tail(len(data), hashlib.blake2b(data, digest_size=8).hexdigest())


def tail_at(source: Source, offset: int, size_bytes: int) -> Tail:
    """Return the tail that stands before `offset`, shorter where the file ends.

    Raises:
        OSError: the file cannot be read.
    """
    tail = memoryview(bytearray(size_bytes))
    read = source.read_into((tail,), offset=offset - size_bytes)
    return tail_of(tail[:read])


def stands_before(source: Source, offset: int, tail: Tail) -> bool:
    """Return whether `tail` stands before `offset`; one of no bytes stands anywhere.

    Raises:
        OSError: the file cannot be read.
    """
    return not tail.size_bytes or tail_at(source, offset, tail.size_bytes) == tail

"""Where the lines of a block stand, by the offsets of the newlines that end them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Lines(Protocol):
    """Lines of a block that begins with one; a newline is named by its first byte."""

    @property
    def newline_bytes(self) -> int:
        """Return how many bytes a newline has."""
        ...

    @property
    def end(self) -> int:
        """Return where the last line ends: its newline, or the end of the block."""
        ...

    def end_behind(self, newline: int) -> int:
        """Return where the line ends that begins behind a newline."""
        ...

    def start_before(self, end: int) -> int:
        """Return where the line begins that ends at `end`."""
        ...


@dataclass(frozen=True, slots=True)
class PlainLines:
    """Lines that end with the byte `\\n`, in `block[:size]`."""

    block: bytes | bytearray
    size: int
    newline_bytes: int = 1

    @property
    def end(self) -> int:
        """Return where the last line ends."""
        return self.size - self.block.endswith(b"\n", 0, self.size)

    def end_behind(self, newline: int) -> int:
        """Return where the line ends that begins behind a newline."""
        end = self.block.find(b"\n", newline + 1, self.size)
        return self.size if end < 0 else end

    def start_before(self, end: int) -> int:
        """Return where the line begins that ends at `end`."""
        return self.block.rfind(b"\n", 0, end) + 1


class ListedLines:
    """Lines of any writing, given by their sizes without newlines."""

    def __init__(self, sizes: Sequence[int], *, newline_bytes: int) -> None:
        self.newline_bytes = newline_bytes
        self.ends: list[int] = []
        """Where each line ends."""
        self._next_end: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        start, before = 0, -1
        for size in sizes:
            end = start + size
            self.ends.append(end)
            self._starts[end] = start
            if before >= 0:
                self._next_end[before] = end
            start, before = end + newline_bytes, end

    @property
    def end(self) -> int:
        """Return where the last line ends."""
        return self.ends[-1]

    def end_behind(self, newline: int) -> int:
        """Return where the line ends that begins behind a newline."""
        return self._next_end[newline]

    def start_before(self, end: int) -> int:
        """Return where the line begins that ends at `end`."""
        return self._starts[end]

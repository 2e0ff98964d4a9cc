r"""Where the entries of systemd's Journal Export Format end: fields, then an empty line.

A field is a line `NAME=value`; or, where its value may hold newlines or is no text, the line
`NAME`, eight bytes with the value's size (little endian), the value, and a newline. So an
empty line within a value ends nothing, and sizes must be followed to know where fields begin.

What decides is the entry's own bytes from its first one on, never how much of them was read.
A writer that died leaves half an entry, and the next one begins behind it: `__CURSOR=`, with
which journald begins every entry, begins one wherever a field may stand. Empty lines before the
first field belong to the entry that follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto

JOURNALD = "journald"
"""The name of this format, of its parser, and of the rule that finds its entries."""
CURSOR = b"__CURSOR="
SIZE_BYTES = 8
BINARY_BYTES_MAX = 768 * 1_024 * 1_024
"""The longest value that systemd itself takes; a greater size is the text of a line."""

NAME = re.compile(rb"[A-Z0-9_]{1,64}+(?![A-Z0-9_])")
_TEXT_FIELDS = re.compile(rb"(?:(?!__CURSOR=)[^\n=]++=[^\n]*+\n)++")
"""Most of an entry in one step: whole lines of text."""

_NAME_LINE = re.compile(rb"^[A-Z0-9_]{1,64}\n", re.MULTILINE)
"""The first line of a binary field."""

Block = bytes | bytearray


class _At(Enum):
    FIELD = auto()
    TEXT = auto()
    VALUE = auto()
    NEWLINE = auto()


class EntryScan:
    """Looks for the end of one entry, in blocks of any size that follow one another."""

    def __init__(self) -> None:
        self._at = _At.FIELD
        self._value_bytes = 0
        """What of a binary value is still to be passed."""
        self._has_fields = False

    def feed(self, block: Block, start: int, size: int) -> tuple[int, bool]:
        """Go on in `block[start:size]`; return how far it came, and whether it has ended.

        At the end that is the newline which ends the entry's last line: the next entry
        begins behind it. Before it, it is where the next block must begin: a few bytes
        may be needed again with what follows them.
        """
        at = start
        while True:
            before, state = at, self._at
            if state is _At.NEWLINE:
                at, is_ended = self._behind_newline(block, at, size)
                if is_ended:
                    return at, True
            elif state is _At.FIELD:
                at = self._field(block, at, size)
            elif state is _At.TEXT:
                newline = block.find(b"\n", at, size)
                at = size if newline < 0 else newline
                self._at = state if newline < 0 else _At.NEWLINE
            else:
                at = self._value(block, at, size)
            if at == before and self._at is state:
                return at, False

    def _value(self, block: Block, at: int, size: int) -> int:
        """Pass what is there of a binary value, and look at the byte behind it."""
        passed = min(self._value_bytes, size - at)
        self._value_bytes -= passed
        at += passed
        if not self._value_bytes and at < size:
            # Anything else than a newline was no value: the line goes on.
            self._at = _At.NEWLINE if block[at] == 0x0A else _At.TEXT
        return at

    def _behind_newline(self, block: Block, at: int, size: int) -> tuple[int, bool]:
        """Tell by what follows the newline at `at` whether the entry ends there."""
        self._has_fields = True
        following = bytes(block[at + 1 : min(size, at + 1 + len(CURSOR))])
        if following.startswith(b"\n"):
            return at + 1, True
        if following == CURSOR:
            return at, True
        if CURSOR.startswith(following):
            return at, False  # It may yet be one.
        self._at = _At.FIELD
        return at + 1, False

    def _field(self, block: Block, at: int, size: int) -> int:
        """Tell of what kind the field at `at` is; return where to go on."""
        if not self._has_fields:
            while at < size and block[at] == 0x0A:
                at += 1
        run = _TEXT_FIELDS.match(block, at, size)
        if run is not None:
            self._at = _At.NEWLINE
            return run.end() - 1
        if at == size:
            return at
        name = NAME.match(block, at, size)
        end = at if name is None else name.end()
        if name is not None and end == size:
            return at
        if name is None or block[end] != 0x0A:
            self._at = _At.TEXT
            return at
        if end + 1 + SIZE_BYTES > size:
            return at
        value_bytes = size_of_value(block, end + 1)
        if value_bytes is None:
            self._at = _At.NEWLINE
            return end
        self._value_bytes = value_bytes
        self._at = _At.VALUE
        return end + 1 + SIZE_BYTES


def size_of_value(block: Block, at: int) -> int | None:
    """Return the size that stands at `at`, None where no value can have it."""
    size = int.from_bytes(block[at : at + SIZE_BYTES], "little")
    return size if size <= BINARY_BYTES_MAX else None


def binary_values(entry: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each binary value of an entry begins, and where its size says it ends.

    Its size stands in the bytes before it. Of a cut entry the last value may end behind
    what there is of it.
    """
    at = 0
    while (head := _NAME_LINE.search(entry, at)) is not None:
        at = head.end()
        size = size_of_value(entry, at)
        start = at + SIZE_BYTES
        if start > len(entry) or size is None:
            continue  # A line of no field.
        yield start, start + size
        # Should no newline follow, the rest of that line is nobody's.
        at = entry.find(b"\n", start + size) + 1 or len(entry)


def size_bytes(size: int) -> bytes:
    """Return the size that stands before a value of `size` bytes."""
    return min(size, BINARY_BYTES_MAX).to_bytes(SIZE_BYTES, "little")


def whole_entries(block: Block, size: int) -> list[tuple[int, int]]:
    """Return where the entries of `block[:size]` begin and end that are surely whole."""
    found: list[tuple[int, int]] = []
    start = 0
    while start < size:
        end, is_ended = EntryScan().feed(block, start, size)
        if not is_ended:
            break
        found.append((start, end))
        start = end + 1
    return found


def begins_entry(text: bytes) -> bool:
    """Tell whether a text begins as journald begins each entry, and so each export."""
    return text.lstrip(b"\n").startswith(CURSOR)

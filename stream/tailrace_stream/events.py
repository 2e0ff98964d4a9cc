"""Which events a chunk holds: each with its place in the file, its checksum and its text."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, replace
from itertools import pairwise

import crc32c
import numpy as np
import numpy.typing as npt
import polars as pl

from tailrace.framing import (
    COUNT,
    FLAG_CONVERTED,
    FLAG_CUT,
    FLAG_REDACTED,
    ROW,
    check_end,
    table_end,
)
from tailrace.multiline.container import with_whole_characters
from tailrace.wire import Origin

BYTE_ORDER_MARK = "\ufeff"
"""What some editors and Windows begin a file with; a part of no line (F32)."""

_ROWS = np.dtype(
    {
        "names": ["offset", "original_size", "stored_size", "checksum", "flags"],
        "formats": ["<u8", "<u8", "<u4", "<u4", "<u4"],
        "offsets": [0, 8, 16, 20, 24],
        "itemsize": ROW.size,
    }
)
"""A row of a mapped chunk's table, as `tailrace.framing` packs it."""
_NOT_AS_IT_WAS = FLAG_CUT | FLAG_REDACTED | FLAG_CONVERTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """The events of one chunk, as columns of equal length, in file order."""

    text: pl.Series
    r"""The event without its newline and one `\r` before that; bytes that are not UTF-8
    are written `\xNN`. Without the mark that a file may begin with."""
    offsets: npt.NDArray[np.int64]
    """Where each begins in the file."""
    checksums: npt.NDArray[np.uint32]
    """CRC-32C of each one's original bytes."""
    stored: list[bytes]
    """The bytes that came, for a dead letter."""
    base64: pl.Series | None = None
    """Those bytes in base64 where they were not UTF-8; None where all were."""
    are_cut: pl.Series | None = None
    """Which of them were cut; None where none was."""
    original_sizes: pl.Series | None = None
    """True lengths in bytes of events that do not stand here as they were: cut, redacted, or
    written in another form. None where all do."""
    has_mark: bool = False
    """The first event's line begins with the byte order mark of its file."""
    first_position: int = 0
    """How many events of the chunk stand before the first one here."""

    def __len__(self) -> int:
        """Return how many events there are."""
        return len(self.stored)

    def part(self, start: int, stop: int) -> Events:
        """Return the events from `start` up to `stop`."""
        count = stop - start
        return Events(
            text=self.text.slice(start, count),
            offsets=self.offsets[start:stop],
            checksums=self.checksums[start:stop],
            stored=self.stored[start:stop],
            base64=None if self.base64 is None else self.base64.slice(start, count),
            are_cut=None if self.are_cut is None else self.are_cut.slice(start, count),
            original_sizes=(
                None
                if self.original_sizes is None
                else self.original_sizes.slice(start, count)
            ),
            has_mark=self.has_mark and start == 0,
            first_position=self.first_position + start,
        )

    def numbers(self, *, origin: Origin) -> npt.NDArray[np.int64]:
        """Return each one's number in its generation."""
        first = origin.first_event_number + self.first_position
        return np.arange(first, first + len(self), dtype=np.int64)

    def lines(self) -> pl.Series:
        """Return each event as it is written: `text`, and the mark before the first."""
        if not self.has_mark:
            return self.text
        # A clone, because `scatter` changes the series that it is asked of.
        return self.text.clone().scatter(0, BYTE_ORDER_MARK + self.text[0])


def read_events(value: bytes, *, origin: Origin) -> Events:
    """Return the events of a chunk's value.

    Raises:
        WireError: the table of a mapped chunk does not fit its bytes.
    """
    events = (
        _mapped(value)
        if origin.framing == "mapped"
        else _newline(value, first_offset=origin.first_offset)
    )
    return _without_mark(events)


def _without_mark(events: Events) -> Events:
    """Take the mark off the text alone: identity stays that of the bytes as they are."""
    if not len(events) or events.offsets[0] != 0:
        return events
    first: str = events.text[0]
    if not first.startswith(BYTE_ORDER_MARK):
        return events
    text = events.text.clone().scatter(0, first.removeprefix(BYTE_ORDER_MARK))
    return replace(events, text=text, has_mark=True)


def _newline(value: bytes, *, first_offset: int) -> Events:
    lines = value.split(b"\n")
    if not lines[-1]:
        lines.pop()
    sizes = np.fromiter(map(len, lines), np.int64, len(lines))
    offsets = np.empty(len(lines), np.int64)
    if len(lines):
        offsets[0] = 0
        np.cumsum(sizes[:-1] + 1, out=offsets[1:])
    text, base64 = _text_of(value, lines)
    return Events(
        text=text,
        offsets=offsets + first_offset,
        checksums=np.fromiter(map(crc32c.crc32c, lines), np.uint32, len(lines)),
        stored=lines,
        base64=base64,
    )


def _mapped(value: bytes) -> Events:
    begin = table_end(value)
    rows = np.frombuffer(value[COUNT.size : begin], _ROWS)
    ends: list[int] = (begin + np.cumsum(rows["stored_size"], dtype=np.int64)).tolist()
    check_end(value, ends[-1] if ends else begin)
    stored = [value[start:end] for start, end in pairwise([begin, *ends])]
    text, base64 = _text_of_many(value[begin:], stored)
    is_cut = rows["flags"] & FLAG_CUT != 0
    is_other = rows["flags"] & _NOT_AS_IT_WAS != 0
    sizes = rows["original_size"].astype(np.int64)
    return Events(
        text=text,
        offsets=rows["offset"].astype(np.int64),
        checksums=rows["checksum"].astype(np.uint32),
        stored=stored,
        base64=base64,
        original_sizes=(
            pl.Series(np.where(is_other, sizes, -1)).replace(-1, None)
            if is_other.any()
            else None
        ),
        are_cut=pl.Series(is_cut) if is_cut.any() else None,
    )


def _text_of_many(
    stored: bytes, events: list[bytes]
) -> tuple[pl.Series, pl.Series | None]:
    """Return the text of events that may have several lines; `stored` is all of them.

    A byte that stands in none of them parts them, so that all are decoded at once.
    """
    mark = next((mark for mark in (b"\n", b"\0") if mark not in stored), None)
    if mark is None:
        return text_of_lines(events)
    try:
        decoded = mark.join(events).decode("utf-8").split(mark.decode())
    except UnicodeDecodeError:
        return text_of_lines(events)
    text = pl.Series(decoded if events else [], dtype=pl.String)
    return text.str.strip_suffix("\r") if b"\r" in stored else text, None


def _text_of(value: bytes, lines: list[bytes]) -> tuple[pl.Series, pl.Series | None]:
    try:
        # Whole, so that the common case costs no call a line. A newline is one byte in
        # UTF-8 and part of no other character, so both splits agree.
        decoded = value.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return text_of_lines(lines)
    text = pl.Series(decoded[: len(lines)], dtype=pl.String)
    if b"\r" in value:
        text = text.str.strip_suffix("\r")
    return text, None


def text_of_lines(lines: list[bytes]) -> tuple[pl.Series, pl.Series | None]:
    """Return the text of each event, and its bytes in base64 where they are no UTF-8.

    There is no column of base64 where all are.
    """
    texts: list[str] = []
    base64: list[str | None] = [None] * len(lines)
    is_any_broken = False
    for row, line in enumerate(lines):
        try:
            texts.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            whole = with_whole_characters(line) if b"\n" in line else line
            texts.append(whole.decode("utf-8", "backslashreplace"))
            base64[row] = b64encode(line).decode("ascii")
            is_any_broken = True
    text = pl.Series(texts, dtype=pl.String).str.strip_suffix("\r")
    return text, pl.Series(base64, dtype=pl.String) if is_any_broken else None

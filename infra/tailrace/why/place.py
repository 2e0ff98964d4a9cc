"""Where a line stands in a file of this host: by its number, or by its words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tailrace.errors import CommandFailed
from tailrace.text import path_text

READ_BYTES = 1 << 20
LINE_BYTES_MAX = 64 << 20
"""Of a longer line the beginning is held in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How the lines of a file are written, as its agent reads them."""

    newline: bytes = b"\n"
    mark: bytes = b""
    """The byte order mark that the file begins with, which is no part of its first line."""
    codec: str = "utf-8"

    @property
    def unit_bytes(self) -> int:
        """Return how many bytes a code unit has: lines begin at multiples of it."""
        return len(self.newline)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLine:
    """One line of a file."""

    path: Path
    line_number: int
    """From 1."""
    offset: int
    line: bytes
    """Without its newline."""
    size_bytes: int
    is_complete: bool = True
    """Whether a newline ends it; one that time ended may still have none."""

    @property
    def end_offset(self) -> int:
        """Return where its newline stands, or is to stand."""
        return self.offset + self.size_bytes


def line_at(
    content: BinaryIO, *, path: Path, line_number: int, written: Written, sent_to: int
) -> FileLine:
    """Return a line by its number, which counts from 1.

    The agent has sent what stands before byte `sent_to`: a last line that begins there was
    ended by time, and needs no newline.

    Raises:
        CommandFailed: the file has fewer lines, or the line has no newline yet, and was
            not sent without one.
        OSError: it cannot be read.
    """
    if line_number < 1:
        raise CommandFailed(
            f"Line {line_number} cannot be asked for.", remedy="count lines from 1"
        )
    complete = 0
    is_rest = False
    for line in _lines(content, offset=0, written=written):
        is_sent = line.is_complete or line.offset < sent_to
        if complete == line_number - 1 and is_sent:
            return _file_line(path, line, number=line_number)
        is_rest = not line.is_complete
        complete += line.is_complete
    if complete == line_number - 1 and is_rest:
        raise _unfinished(path, line_number)
    raise _beyond(path, line_number, lines=complete)


def lines_like(
    content: BinaryIO,
    *,
    path: Path,
    line: str,
    begin: int,
    bytes_max: int,
    written: Written,
) -> Iterator[FileLine]:
    """Yield each complete line that is `line`, in `bytes_max` from byte `begin` on.

    Line numbers are not counted, and 0.

    Raises:
        OSError: the file cannot be read.
    """
    # On a terminal of UTF-8, bytes that are none come in as surrogates.
    errors = "surrogateescape" if written.unit_bytes == 1 else "surrogatepass"
    try:
        wanted = line.encode(written.codec, errors)
    except UnicodeEncodeError:
        return
    begin -= begin % written.unit_bytes
    content.seek(begin)
    if not _may_hold(content, wanted, bytes_max=bytes_max):
        return
    carriage_return = "\r".encode(written.codec)
    content.seek(begin)
    for found in _lines(content, offset=begin, written=written):
        if found.offset - begin > bytes_max:
            return
        is_part = begin > 0 and found.offset == begin
        if not found.is_complete or is_part:
            continue
        if found.text in (wanted, wanted + carriage_return):
            yield _file_line(path, found, number=0)


def unreadable(path: Path, error: OSError) -> CommandFailed:
    """Return that a file cannot be read, in words."""
    return CommandFailed(
        f"{path_text(str(path))} cannot be read: {error.strerror or error}.",
        remedy="check its name and who may read it",
    )


@dataclass(frozen=True, slots=True)
class _Line:
    offset: int
    text: bytes
    size_bytes: int
    is_complete: bool


def _lines(file: BinaryIO, *, offset: int, written: Written) -> Iterator[_Line]:
    """Yield the lines from `offset` on, where the file is; only the last may be open.

    The mark at the head of the file is passed over.
    """
    newline, unit_bytes = written.newline, written.unit_bytes
    is_little = unit_bytes > 1 and newline.startswith(b"\n")
    if not offset:
        offset = len(file.read(len(written.mark)))
    pending, size = bytearray(), 0
    while read := file.readline(READ_BYTES):
        if is_little and read.endswith(b"\n") and (size + len(read)) % unit_bytes:
            read += file.read(1)  # The rest of what may be a newline.
        size += len(read)
        pending += read
        del pending[LINE_BYTES_MAX:-unit_bytes]
        if pending.endswith(newline) and size % unit_bytes == 0:
            text = bytes(pending[:-unit_bytes])
            yield _Line(offset, text, size - unit_bytes, is_complete=True)
            offset += size
            pending, size = bytearray(), 0
    if size:
        yield _Line(offset, bytes(pending), size, is_complete=False)


def _may_hold(content: BinaryIO, wanted: bytes, *, bytes_max: int) -> bool:
    """Return whether some bytes stand anywhere: most files are passed over by that alone."""
    before = b""
    left_bytes = bytes_max
    while left_bytes > 0 and (read := content.read(READ_BYTES)):
        if wanted in before + read:
            return True
        before = read[-len(wanted) :] if wanted else b""
        left_bytes -= len(read)
    return not wanted


def _file_line(path: Path, line: _Line, *, number: int) -> FileLine:
    return FileLine(
        path=path,
        line_number=number,
        offset=line.offset,
        line=line.text,
        size_bytes=line.size_bytes,
        is_complete=line.is_complete,
    )


def _unfinished(path: Path, line_number: int) -> CommandFailed:
    return CommandFailed(
        f"Line {line_number} of {path_text(str(path))} is not complete: no newline has"
        " been written after it.",
        remedy="wait until the application ends the line; the agent sends one without a"
        " newline only after it has been quiet (`flush_after_ms`)",
    )


def _beyond(path: Path, line_number: int, *, lines: int) -> CommandFailed:
    count = f"{lines:,} complete line{'' if lines == 1 else 's'}"
    return CommandFailed(
        f"{path_text(str(path))} has {count}, and no line {line_number}.",
        remedy="if it was rotated, name the file that the line is in now",
    )

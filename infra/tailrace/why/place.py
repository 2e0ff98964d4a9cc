"""Where a line stands in a file of this host: by its number, or by its words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tailrace.errors import CommandFailed
from tailrace.text import path_text

READ_BYTES = 1 << 20
LINE_BYTES_MAX = 64 << 20
"""A line is held in memory as a whole, since it is parsed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLine:
    """One complete line of a file."""

    path: Path
    line_number: int
    """From 1."""
    offset: int
    line: bytes
    """Without its newline."""
    inode: int


def line_at(path: Path, *, line_number: int) -> FileLine:
    """Return a line by its number, which counts from 1.

    Raises:
        CommandFailed: the file cannot be read, has fewer lines, or the line has no
            newline yet.
    """
    if line_number < 1:
        raise CommandFailed(
            f"Line {line_number} cannot be asked for.", remedy="count lines from 1"
        )
    try:
        with path.open("rb") as file:
            inode = path.stat().st_ino
            offset = lines = 0
            while block := file.read(READ_BYTES):
                count = block.count(b"\n")
                if lines + count >= line_number - 1:
                    begin = _after_newlines(block, line_number - 1 - lines)
                    line = _line_from(path, offset + begin)
                    if line is not None:
                        return FileLine(
                            path=path,
                            line_number=line_number,
                            offset=offset + begin,
                            line=line,
                            inode=inode,
                        )
                    total = lines + count
                    raise _unfinished(path, line_number, lines=total)
                lines += count
                offset += len(block)
    except OSError as error:
        raise CommandFailed(
            f"{path_text(str(path))} cannot be read: {error.strerror}.",
            remedy="check its name and who may read it",
        ) from None
    raise _beyond(path, line_number, lines=lines)


def lines_like(path: Path, *, line: bytes, bytes_max: int) -> Iterator[FileLine]:
    """Yield each complete line that is `line`, within the last `bytes_max` of the file.

    Line numbers are not counted, and 0. A file that cannot be read has none.
    """
    try:
        with path.open("rb") as file:
            status = path.stat()
            start = max(status.st_size - bytes_max, 0)
            file.seek(start)
            if start:
                start += len(file.readline(LINE_BYTES_MAX))
            offset = start
            for read in file:
                if read.endswith(b"\n") and read[:-1].removesuffix(b"\r") == line:
                    yield FileLine(
                        path=path,
                        line_number=0,
                        offset=offset,
                        line=read[:-1],
                        inode=status.st_ino,
                    )
                offset += len(read)
    except OSError:
        return


def _after_newlines(block: bytes, count: int) -> int:
    position = 0
    for _ in range(count):
        position = block.index(b"\n", position) + 1
    return position


def _line_from(path: Path, offset: int) -> bytes | None:
    with path.open("rb") as file:
        file.seek(offset)
        read = file.readline(LINE_BYTES_MAX)
    return read[:-1] if read.endswith(b"\n") else None


def _unfinished(path: Path, line_number: int, *, lines: int) -> CommandFailed:
    if lines < line_number - 1 or not _has_rest(path, line_number):
        return _beyond(path, line_number, lines=lines)
    return CommandFailed(
        f"Line {line_number} of {path_text(str(path))} is not complete: no newline has"
        " been written after it.",
        remedy="wait until the application ends the line; the agent sends one without a"
        " newline only after it has been quiet (`flush_after_ms`)",
    )


def _has_rest(path: Path, line_number: int) -> bool:
    with path.open("rb") as file:
        for _ in range(line_number - 1):
            file.readline(LINE_BYTES_MAX)
        return bool(file.read(1))


def _beyond(path: Path, line_number: int, *, lines: int) -> CommandFailed:
    return CommandFailed(
        f"{path_text(str(path))} has {lines} complete lines, and no line {line_number}.",
        remedy="if it was rotated, name the file that the line is in now",
    )

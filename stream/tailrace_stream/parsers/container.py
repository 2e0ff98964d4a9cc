"""What a container wrote, out of the lines that Docker and CRI make of it.

An event may hold several lines of its file: pieces of one, which the agent joined.
"""

from __future__ import annotations

import re

import msgspec
import polars as pl

from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
    extract,
)
from tailrace_stream.times import (
    ISO,
    iso_columns_ns,
)

STREAM = "stream"
_HEAD = r"(stdout|stderr) [PF](?::[^ \n]{0,64})?(?: |$)"
_CRI = rf"^{ISO} {_HEAD}((?s:.*))$"
_CRI_NEXT = re.compile(
    r"\n\d{4}-\d\d-\d\dT[0-9:.]{8,18}(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr)"
    r" ([PF])(?::[^ \n]{0,64})?(?: |$)",
    re.MULTILINE,
)
_CRI_FIRST = re.compile(r"\S{1,64} (?:stdout|stderr) ([PF])")


class _DockerLine(msgspec.Struct, frozen=True):
    log: str
    stream: str
    time: str


_docker_line = msgspec.json.Decoder(_DockerLine)


def parse_cri(lines: pl.Series, *, time_zone: str) -> pl.DataFrame:
    """Return the fields of each line as CRI runtimes write them."""
    names = ("moment", "fraction", "zone", STREAM, "text")
    frame = extract(lines, _CRI, names)
    if lines.str.contains("\n", literal=True).any():
        texts = [
            text if text is None or "\n" not in text else _joined(text, line)
            for text, line in zip(frame.get_column("text"), lines, strict=True)
        ]
        frame = frame.with_columns(pl.Series("text", texts, pl.String))
    return _fields(frame, time_zone=time_zone)


def parse_docker(lines: pl.Series, *, time_zone: str) -> pl.DataFrame:
    """Return the fields of each line as Docker's json-file writes them."""
    found = [_docker(line) for line in lines]
    times = pl.Series([one and one.time for one in found], dtype=pl.String)
    frame = extract(times, rf"^{ISO}$", ("moment", "fraction", "zone"))
    frame = frame.with_columns(
        pl.Series(MATCHED, [one is not None for one in found], pl.Boolean),
        pl.Series(STREAM, [one and one.stream for one in found], pl.String),
        pl.Series("text", [one and one.log for one in found], pl.String),
    )
    return _fields(frame, time_zone=time_zone)


def _fields(frame: pl.DataFrame, *, time_zone: str) -> pl.DataFrame:
    zone = pl.col("zone")
    return frame.select(
        MATCHED,
        iso_columns_ns(time_zone).alias(TIME_NS),
        (pl.col("moment").is_not_null() & zone.is_null()).alias(GUESSED),
        STREAM,
        pl.col("text").str.strip_suffix("\n").str.strip_suffix("\r").alias(MESSAGE),
    )


def _joined(text: str, line: str) -> str:
    """Take the heads out of the lines that follow the first one.

    Behind a piece the text goes straight on; behind a whole line a new one begins.
    """
    first = _CRI_FIRST.match(line)
    tag = first[1] if first else "F"
    parts: list[str] = []
    start = 0
    for head in _CRI_NEXT.finditer(text):
        parts += (text[start : head.start()], "" if tag == "P" else "\n")
        start, tag = head.end(), head[1]
    return "".join([*parts, text[start:]])


def _docker(line: str) -> _DockerLine | None:
    try:
        read = [_docker_line.decode(piece) for piece in line.split("\n")]
    except (msgspec.DecodeError, UnicodeError):
        return None
    first = read[0]
    if len(read) == 1:
        return first
    return _DockerLine("".join(one.log for one in read), first.stream, first.time)

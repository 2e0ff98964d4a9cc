"""`tailrace parse`: what the stream would make of a file, with no server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tailrace.commands.common import console
from tailrace.detect import AUTO, PARSER_OF_DATASET
from tailrace.errors import CommandFailed
from tailrace.extras import require
from tailrace.shown import harmless_json

WRITE_BYTES = 1 << 16
DELETE = b"\x7f"


def parse(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="- is standard input.")],
    dataset: Annotated[
        str, typer.Option(help="Such as nginx.access; auto detects it.")
    ] = "auto",
    timezone: Annotated[
        str, typer.Option(help="The IANA zone of times that name none.")
    ] = "UTC",
) -> None:
    """Print one ECS document for each event of FILE, as NDJSON, in file order."""
    _say_if_unknown(dataset)
    output = sys.stdout.buffer
    pending: list[bytes] = []
    pending_bytes = 0
    for document in documents(file, dataset=dataset, time_zone=timezone):
        line = document if document.endswith(b"\n") else document + b"\n"
        pending.append(line)
        pending_bytes += len(line)
        if pending_bytes >= WRITE_BYTES:
            output.write(harmless(b"".join(pending)))
            pending, pending_bytes = [], 0
    output.write(harmless(b"".join(pending)))
    output.flush()


def harmless(lines: bytes) -> bytes:
    """Return the same lines of JSON, with nothing in them that could steer a terminal.

    Many at a time, as hardly any line has to be looked at by itself.
    """
    if lines.isascii() and DELETE not in lines:
        return lines  # Of ASCII, JSON escapes all control characters but one.
    text = lines.decode()
    if text.replace("\n", "").isprintable():
        return lines
    return "\n".join(map(harmless_json, text.split("\n"))).encode()


def _say_if_unknown(dataset: str) -> None:
    """Names are free, but one that was mistyped is not to pass in silence."""
    if dataset == AUTO or dataset in PARSER_OF_DATASET:
        return
    known = ", ".join(sorted(PARSER_OF_DATASET))
    console().print(
        f"{dataset!r} names no parser of ours, so lines are recognised one by one;"
        f" known datasets: {known}",
        markup=False,
        highlight=False,
    )


def documents(file: str, *, dataset: str, time_zone: str) -> Iterator[bytes]:
    """Yield the documents of `file`; every problem with it is a user's error.

    Raises:
        CommandFailed: the file cannot be read.
        RoleNotInstalled: the stream's extra is missing.
        ConfigError: the dataset or the time zone is not known.
    """
    require("stream")
    from tailrace_stream.parse_file import parse_lines

    source = "-" if file == "-" else Path(file)
    if isinstance(source, Path) and source.is_dir():
        raise CommandFailed(
            f"{file} is a folder.", remedy=f"name a file in it, such as {file}/x.log"
        )
    try:
        yield from parse_lines(source, dataset=dataset, time_zone=time_zone)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandFailed(
            f"{file} cannot be read: {error.strerror}.",
            remedy="check its name and who may read it",
        ) from None

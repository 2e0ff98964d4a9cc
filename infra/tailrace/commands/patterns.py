"""`tailrace patterns`: which templates a file's lines have, and how many each, with no server."""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from tailrace.commands.common import AsJson, FileFormat, Multiline
from tailrace.commands.parsed_file import chunks_of, source_of_options
from tailrace.detect import AUTO
from tailrace.errors import CommandFailed
from tailrace.extras import require
from tailrace.shown import harmless_json
from tailrace.text import printable

if TYPE_CHECKING:
    from tailrace.wire import Origin
    from tailrace_stream.patterns import Patterns

COUNT_WIDTH = 9
BATCH_LINES = 1_000


def patterns(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="- is standard input.")],
    file_format: FileFormat = AUTO,
    multiline: Multiline = None,
    as_json: AsJson = False,
) -> None:
    """Print the templates of FILE: what its lines say, with <*> for what varies.

    The most frequent first, each with its count and its id. With --json, an object for
    each event in file order, and then one for each template.
    """
    require("stream")
    from tailrace_stream.patterns import Patterns

    source = source_of_options(
        dataset=AUTO, time_zone="UTC", file_format=file_format, multiline=multiline
    )
    with closing(Patterns(keeps_events=as_json)) as found:
        for value, origin in chunks_of(file, source=source):
            _add(found, value, origin=origin)
        if as_json:
            _write_json(found)
        else:
            _write_table(found)


def _add(found: Patterns, value: bytes, *, origin: Origin) -> None:
    try:
        found.add(value, origin=origin)
    except OSError as error:
        raise CommandFailed(
            f"The list of events does not fit into {tempfile.gettempdir()}:"
            f" {error.strerror or error}.",
            remedy="name a folder with more room in TMPDIR, or leave out --json",
        ) from None


def _write_table(found: Patterns) -> None:
    for one in found.templates():
        sys.stdout.write(
            f"{one.count:>{COUNT_WIDTH}}  {one.id}  {printable(one.text)}\n"
        )
    sys.stdout.flush()


def _write_json(found: Patterns) -> None:
    output = sys.stdout.buffer
    lines: list[bytes] = []
    for offset, template in found.events():
        lines.append(orjson.dumps({"log.offset": offset, "template.id": template}))
        if len(lines) >= BATCH_LINES:
            output.write(b"\n".join(lines) + b"\n")
            lines.clear()
    for one in found.templates():
        record = {"template": {"id": one.id, "text": one.text, "count": one.count}}
        lines.append(harmless_json(orjson.dumps(record).decode()).encode())
    if lines:
        output.write(b"\n".join(lines) + b"\n")
    output.flush()

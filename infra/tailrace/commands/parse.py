"""`tailrace parse`: what agent and stream would make of a file, with no server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.commands.common import FileFormat, Multiline, console
from tailrace.commands.parse_explained import explain_file
from tailrace.commands.parsed_file import (
    enrichment_of_config,
    own_of_config,
    parsed_documents,
    source_of_config,
    source_of_options,
)
from tailrace.detect import AUTO, PARSER_OF_DATASET
from tailrace.errors import ConfigError
from tailrace.extras import require
from tailrace.shown import harmless_json

if TYPE_CHECKING:
    from tailrace_agent.config import SourceSettings
    from tailrace_stream.own.parser import OwnParsers

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
    file_format: FileFormat = AUTO,
    multiline: Multiline = None,
    config: Annotated[
        Path | None,
        typer.Option(help="Read FILE as agent and stream do with these settings."),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Say which pattern took each line, and why."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --explain: an object an event.")
    ] = False,
) -> None:
    """Print one ECS document for each event of FILE, as NDJSON, in file order.

    With --config and --dataset, the stream's parser of that dataset reads any FILE.
    """
    require("stream")
    own: OwnParsers = own_of_config(config) if config is not None else {}
    source = _source(
        file,
        dataset=dataset,
        timezone=timezone,
        file_format=file_format,
        multiline=multiline,
        config=config,
        own=own,
    )
    enrichment = enrichment_of_config(config)
    for alarm in enrichment.alarms():
        console().print(f"Left out: {alarm}", markup=False, highlight=False)
    if explain:
        explain_file(
            file,
            source=source,
            time_zone=timezone,
            own=own,
            enrichment=enrichment,
            as_json=as_json,
        )
        return
    output = sys.stdout.buffer
    pending: list[bytes] = []
    pending_bytes = 0
    documents = parsed_documents(
        file,
        source=source,
        time_zone=timezone,
        own=own,
        enrichment=enrichment,
    )
    for document in documents:
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


def _source(
    file: str,
    *,
    dataset: str,
    timezone: str,
    file_format: str,
    multiline: str | None,
    config: Path | None,
    own: OwnParsers,
) -> SourceSettings:
    """Return how the file is to be read.

    Raises:
        ConfigError: an option, or the configuration, is wrong.
        CommandFailed: no source of the configuration takes the file.
        RoleNotInstalled: the stream's extra is missing.
    """
    if config is None or dataset in own:
        if dataset not in own:
            _say_if_unknown(dataset)
        return source_of_options(
            dataset=dataset,
            time_zone=timezone,
            file_format=file_format,
            multiline=multiline,
        )
    if (dataset, file_format, multiline) != (AUTO, AUTO, None):
        known = ", ".join(own) or "it has none"
        problem = (
            "--config says how a file is read, so the other options cannot, unless"
            f" --dataset names one of its parsers ({known}), got {dataset!r}"
        )
        raise ConfigError(
            [problem],
            source="the command line",
        )
    return source_of_config(Path(file), config=config)


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

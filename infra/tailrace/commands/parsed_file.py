"""A file's documents as agent and stream would make them, one after another, with no server."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, get_args

import msgspec

from tailrace.archive_kinds import HEAD_BYTES, archive_kind
from tailrace.clock import Clock, SystemClock
from tailrace.errors import ArchiveGiven, CommandFailed, ConfigError
from tailrace.extras import require
from tailrace.text import path_text
from tailrace.wire import Origin

if TYPE_CHECKING:
    from collections.abc import Generator

    from tailrace.redaction.redactor import Redactor
    from tailrace_agent.config import SourceSettings
    from tailrace_agent.open_file import OpenFile
    from tailrace_agent.preview import StreamFile
    from tailrace_stream.config import StreamSettings
    from tailrace_stream.enrich.enrichment import Enrichment
    from tailrace_stream.own.parser import OwnParsers

STANDARD_INPUT = "-"


def source_of_options(
    *, dataset: str, time_zone: str, file_format: str, multiline: str | None
) -> SourceSettings:
    """Return a source that a command line describes.

    Raises:
        ConfigError: an option names what there is not; all are listed.
    """
    from tailrace_agent.config import Format, SourceSettings
    from tailrace_agent.event_rules import Rule
    from tailrace_stream.parse_file import check_arguments

    problems = check_arguments(dataset=dataset, time_zone=time_zone)
    for option, value, names in (
        ("--format", file_format, get_args(Format)),
        ("--multiline", multiline, get_args(Rule)),
    ):
        if value is not None and value not in names:
            problems.append(
                f"{option} must be one of {', '.join(names)}, got {value!r}"
            )
    if problems:
        raise ConfigError(problems, source="the command line")
    return SourceSettings.model_validate(
        {
            "name": "parse",
            "paths": ("/**",),
            "dataset": dataset,
            "time_zone": time_zone,
            "format": file_format,
            "multiline": multiline,
        }
    )


def source_of_config(path: Path, *, config: Path) -> SourceSettings:
    """Return the source of a configuration whose globs take a file.

    Raises:
        CommandFailed: none does.
        ConfigError: the configuration is wrong.
    """
    from tailrace.settings import read_role_settings
    from tailrace_agent.config import AgentSettings
    from tailrace_agent.globs import taken_by

    settings = read_role_settings(AgentSettings, config_file=config)
    name = str(path.absolute())
    for source in settings.sources:
        if taken_by(name, globs=source.paths, exclude=source.exclude):
            return source
    raise CommandFailed(
        f"No source of {config} takes {path_text(name)}.",
        remedy="correct its `paths`, or leave out --config and say --dataset, --format"
        " and --multiline yourself",
    )


def stream_settings_of(config: Path | None) -> StreamSettings:
    """Return the stream's settings, of a configuration or the environment.

    Raises:
        ConfigError: they are wrong; all problems are listed.
    """
    from tailrace.settings import read_role_settings
    from tailrace_stream.config import StreamSettings

    return read_role_settings(StreamSettings, config_file=config)


def own_of_config(config: Path | None) -> OwnParsers:
    """Return the stream's parsers of the user's own.

    Raises:
        ConfigError: the stream's settings are wrong; all are listed.
    """
    from tailrace_stream.own.build import own_parsers

    return own_parsers(stream_settings_of(config).parsers)


def enrichment_of_config(config: Path | None) -> Enrichment:
    """Return what enriches in the stream.

    Raises:
        ConfigError: the stream's settings are wrong; all are listed.
    """
    from tailrace_stream.enrich.build import enrichment_of

    return enrichment_of(stream_settings_of(config).enrichment, clock=SystemClock())


def parsed_documents(
    file: str,
    *,
    source: SourceSettings,
    time_zone: str = "UTC",
    redactor: Redactor | None = None,
    clock: Clock | None = None,
    own: OwnParsers | None = None,
    enrichment: Enrichment | None = None,
) -> Iterator[bytes]:
    """Yield the document of each event of a file or of standard input, as JSON.

    One a line, without a newline, in file order. Memory is bounded however long the
    file or a line is. `time_zone` is that of times which name none, where the source
    does not say; `redactor` is what takes out of events what is not to be shown; `own`
    are the stream's parsers of the user's own, `enrichment` what it adds.

    Raises:
        CommandFailed: the file cannot be read.
        RoleNotInstalled: the stream's extra is missing.
    """
    require("stream")
    from tailrace_stream.enrich.enrichment import NO_ENRICHMENT
    from tailrace_stream.parse_file import chunk_documents

    chunks = chunks_of(
        file, source=source, time_zone=time_zone, redactor=redactor, clock=clock
    )
    for value, origin in chunks:
        yield from chunk_documents(
            value,
            origin=origin,
            own=own or {},
            enrichment=enrichment or NO_ENRICHMENT,
        )


def chunks_of(
    file: str,
    *,
    source: SourceSettings,
    time_zone: str = "UTC",
    redactor: Redactor | None = None,
    clock: Clock | None = None,
) -> Iterator[tuple[bytes, Origin]]:
    """Yield the chunks that the agent would send of a file, each with its origin.

    Raises:
        ArchiveGiven: the file is compressed.
        CommandFailed: the file cannot be read.
        RoleNotInstalled: the stream's extra is missing.
    """
    require("stream")
    try:
        yield from _chunks(
            file, source, time_zone, redactor=redactor, clock=clock or SystemClock()
        )
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandFailed(
            f"{path_text(file)} cannot be read: {error.strerror or error}.",
            remedy="check its name and who may read it",
        ) from None


def _chunks(
    file: str,
    source: SourceSettings,
    time_zone: str,
    *,
    redactor: Redactor | None,
    clock: Clock,
) -> Iterator[tuple[bytes, Origin]]:
    with opened_file(file) as opened:
        require_text(opened, file=file)
        yield from origins_of(
            opened, file, source, time_zone, redactor=redactor, now_ms=clock.now_ms()
        )


def origins_of(
    opened: OpenFile | StreamFile,
    file: str,
    source: SourceSettings,
    time_zone: str,
    *,
    redactor: Redactor | None,
    now_ms: int,
) -> Iterator[tuple[bytes, Origin]]:
    """Yield the chunks of a file that is open, each with its origin.

    Raises:
        OSError: it cannot be read.
    """
    from tailrace_agent.preview import preview
    from tailrace_stream.parse_file import origin_of

    path = file if file == STANDARD_INPUT else path_text(str(Path(file).absolute()))
    seen = preview(
        opened,
        path=path,
        source=source,
        redactor=redactor,
        host_time_zone=time_zone,
        now_ms=now_ms,
    )
    origin = origin_of(path, placement=seen.placement, now_ms=now_ms)
    for chunk in seen.chunks:
        here = msgspec.structs.replace(
            origin,
            first_offset=chunk.first_offset,
            first_event_number=chunk.first_event_number,
            framing=chunk.framing,
        )
        yield chunk.value, here


def require_text(opened: OpenFile | StreamFile, *, file: str) -> None:
    """Return where lines can be read.

    Raises:
        ArchiveGiven: what a compressor wrote would be read as lines.
        OSError: it cannot be read.
    """
    from tailrace_agent.preview import first_bytes_of

    kind = archive_kind(first_bytes_of(opened, count=HEAD_BYTES))
    if kind is None:
        return
    if file == STANDARD_INPUT:
        raise ArchiveGiven(
            "Standard input", kind=kind.name, reader=f"{kind.command} FILE"
        )
    raise ArchiveGiven(file, kind=kind.name, reader=f"{kind.command} {quote(file)}")


@contextmanager
def opened_file(file: str) -> Generator[OpenFile | StreamFile]:
    """Open a file as the agent does, or a pipe, or a terminal.

    Raises:
        CommandFailed: it is a folder, or a device, which need not have an end.
        OSError: it cannot be read.
    """
    from tailrace_agent.open_file import open_file
    from tailrace_agent.preview import StreamFile
    from tailrace_agent.rules import rules_of_user

    if file == STANDARD_INPUT:
        yield StreamFile(sys.stdin.buffer)
        return
    mode = Path(file).stat().st_mode
    if stat.S_ISDIR(mode):
        raise CommandFailed(
            f"{file} is a folder.", remedy=f"name a file in it, such as {file}/x.log"
        )
    if not stat.S_ISREG(mode):
        with Path(file).open("rb") as pipe:
            if not stat.S_ISFIFO(mode) and not pipe.isatty():
                raise CommandFailed(
                    f"{path_text(file)} is a device.", remedy="name a file or a pipe"
                )
            yield StreamFile(pipe)
        return
    opened = open_file(Path(file).absolute(), rules=rules_of_user())
    try:
        yield opened
    finally:
        opened.close()

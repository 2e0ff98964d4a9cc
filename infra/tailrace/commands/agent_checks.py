"""`tailrace agent --check`, `--dry-run` and `--fsck`: to look before it ships."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tailrace.commands.common import escaped, write_line
from tailrace.commands.parsed_file import parsed_documents
from tailrace.errors import CommandFailed, TailraceError
from tailrace.text import path_text, printable

if TYPE_CHECKING:
    from tailrace.redaction.redactor import Redactor
    from tailrace_agent.config import AgentSettings, SourceSettings
    from tailrace_agent.dry_run import MatchedFile
    from tailrace_agent.fsck import Inspected

FILES_SHOWN_MAX = 20
EVENTS_SHOWN_MAX = 3
FILES_PARSED_MAX = 3


def check(settings: AgentSettings, *, name: str) -> None:
    """Say what a configuration, which could be read, holds.

    Raises:
        CommandFailed: it names no source.
    """
    count = len(settings.sources)
    if not count:
        raise CommandFailed(
            f"{name} names no source, so there is nothing to follow.",
            remedy='add a table [[agent.sources]] with name = "app" and'
            ' paths = ["/srv/app/logs/*.log"]',
        )
    write_line(f"{printable(name)}: good; {count} source{'s' * (count != 1)}")
    for source in settings.sources:
        write_line(f"  {source.name}: {', '.join(map(printable, source.paths))}")


def show_dry_run(settings: AgentSettings) -> None:
    """Say which files each source means, and show the first events of some."""
    from tailrace.clock import SystemClock
    from tailrace.log import logger
    from tailrace_agent.dry_run import dry_run

    found = dry_run(settings, clock=SystemClock(), log=logger("agent"))
    for source in settings.sources:
        files = list(found.of(source))
        count = sum(not file.same_as for file in files)
        write_line(f"{source.name}: {count} file{'s' * (count != 1)}")
        for file in files[:FILES_SHOWN_MAX]:
            write_line(f"  {_file_line(file)}")
        if len(files) > FILES_SHOWN_MAX:
            write_line(f"  and {len(files) - FILES_SHOWN_MAX} more names")
        for glob in source.paths:
            if glob in found.unmatched_globs:
                write_line(f"  {printable(glob)} matches no file now")
        readable = [
            file
            for file in files
            if file.size_bytes and not (file.trouble or file.same_as)
        ]
        for file in readable[:FILES_PARSED_MAX]:
            _show_events(file, source=source, redactor=found.redactors.of(source.name))
    if not found.files:
        raise CommandFailed(
            "No source matches any file now.",
            remedy="correct the paths, or start the agent all the same: it goes on looking",
        )


def _file_line(file: MatchedFile) -> str:
    rule = f", lines joined by {file.multiline}" if file.multiline else ""
    to = f" for the indices of {file.index}" if file.index else ""
    same = file.same_as and f"the same file as {path_text(file.same_as)}, sent once"
    what = file.trouble or same or f"{file.size_bytes} bytes, {file.dataset}{to}{rule}"
    return f"{printable(path_text(file.path))}: {printable(what)}"


def _show_events(
    file: MatchedFile, *, source: SourceSettings, redactor: Redactor | None
) -> None:
    from tailrace_agent.host import time_zone_of

    write_line(f"  first events of {printable(path_text(file.path))}:")
    try:
        events = parsed_documents(
            file.path, source=source, time_zone=time_zone_of(), redactor=redactor
        )
        for event in islice(events, EVENTS_SHOWN_MAX):
            write_line(f"    {printable(event.decode('utf-8', 'replace').rstrip())}")
    except TailraceError as error:
        write_line(f"    cannot be shown: {printable(str(error))}")


def fsck(data_dir: Path, *, is_repair: bool) -> None:
    """Show the agent's checkpoint, and save what can be saved where it is damaged.

    Raises:
        CommandFailed: it is damaged, and no repair was asked for; or it failed.
        DataDirInUse: an agent runs in the folder, so nothing can be repaired.
    """
    from tailrace_agent.checkpoint import Condition
    from tailrace_agent.fsck import inspect
    from tailrace_agent.main import FOLDER_NAME

    folder = data_dir / FOLDER_NAME
    current, previous = inspect(folder)
    _show_inspected("checkpoint", current)
    _show_inspected("previous copy", previous)
    if not folder.is_dir():
        note = (
            f"no agent has run with {data_dir}; TAILRACE_DATA_DIR names another folder"
        )
        typer.echo(f"note: {escaped(note)}", err=True)
    for record in sorted(current.records, key=lambda one: one.path):
        closed = ", closed" if record.is_closed else ""
        lost = sum(record.lost_bytes.values())
        write_line(
            f"  {printable(record.path)}: offset {record.next_offset} of"
            f" {record.seen_size_bytes}, {record.next_event_number} events,"
            f" {lost} bytes lost{closed} ({printable(record.generation)})"
        )
    if current.condition is not Condition.DAMAGED:
        return
    if not is_repair:
        raise CommandFailed(
            f"The checkpoint {current.path} is damaged: {current.detail}.",
            remedy="start the agent, which asks the ledger; or stop it, and save what is"
            " whole with `tailrace agent --fsck --repair`",
        )
    _repair(folder)


def _repair(folder: Path) -> None:
    from tailrace.clock import SystemClock
    from tailrace_agent.fsck import repair
    from tailrace_agent.protocols import CheckpointUnwritable
    from tailrace_agent.state_folder import take_folder

    held = take_folder(folder)
    try:
        done = repair(folder, clock=SystemClock())
    except (OSError, CheckpointUnwritable) as error:
        raise CommandFailed(
            f"The checkpoint in {folder} cannot be repaired: {error}.",
            remedy="make room on that disk, or look at its health",
        ) from error
    finally:
        held.release()
    write_line(
        f"Saved {len(done.saved)} generations; the damaged file is set aside, and the"
        " next start asks the ledger for the rest."
    )


def _show_inspected(name: str, inspected: Inspected) -> None:
    why = f" ({printable(inspected.detail)})" if inspected.detail else ""
    write_line(
        f"{name}: {inspected.condition.name.lower()}{why};"
        f" {len(inspected.records)} generations, {inspected.damaged_count} damaged"
    )

"""What is said where nothing is known of the line or the file that was asked about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tailrace.archive_kinds import HEAD_BYTES, archive_kind
from tailrace.audit.facts import GenerationFacts
from tailrace.errors import CommandFailed
from tailrace.text import path_text

HOSTS_SHOWN_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """How a source would take a file that it excludes."""

    source: str
    glob: str
    by: str
    """The pattern of `exclude` that means the file."""


def nowhere(line: str) -> CommandFailed:
    """Return that a line stands nowhere."""
    what = f"No line {path_text(line[:200])!r}" if line else "No empty line"
    return CommandFailed(
        f"{what} is stored, nor in a watched file on this machine.",
        remedy="give the whole line as it is written, or PATH:LINENO on the host that"
        " has the file",
    )


def no_file(path: Path, *, line: str, told: Iterable[GenerationFacts]) -> CommandFailed:
    """Return that a file is not here, and which hosts have or had one of its name."""
    name = path_text(str(path.absolute()))
    hosts = sorted({facts.host_name for facts in told if facts.path == name})
    remedy = "check its name; if it was rotated, name the file that the line is in now"
    if hosts:
        shown = ", ".join(hosts[:HOSTS_SHOWN_MAX])
        remedy = (
            f"the ledger knows one of that name on {shown}: ask there, or by the whole"
            " line as it is written"
        )
    return CommandFailed(
        f"There is no file {path_text(str(path))} here, and {path_text(line[:200])!r} is"
        " no line that is stored, or in a watched file on this machine.",
        remedy=remedy,
    )


def untold(
    path: Path,
    line_number: int,
    *,
    size_bytes: int,
    is_archive: bool,
    glob: str,
    exclusion: Exclusion | None = None,
) -> CommandFailed:
    """Return why no agent's word is of a file, as far as that can be seen from here."""
    if not size_bytes:
        return CommandFailed(
            f"{path_text(str(path))} is empty, and has no line {line_number}.",
            remedy="if it was rotated, name the file that the line is in now",
        )
    if is_archive or _is_archive(path):
        return CommandFailed(
            f"{path_text(str(path))} is an archive, and no agent's word in the ledger is of"
            " it.",
            remedy="ask by the whole line as it is written: `tailrace why 'LINE'`; what was"
            " shipped before the file was compressed is stored under the name that it had"
            " then",
        )
    shown = path_text(str(path))
    if glob:
        return CommandFailed(
            f"{shown} is watched, by the glob {glob}, and no agent's word in the ledger"
            " is of this file.",
            remedy="wait for the agent's first look if it is new; `tailrace status` says"
            " whether the agent runs, and which files it cannot read",
        )
    if exclusion is not None:
        return CommandFailed(
            f"{shown} is not watched: the glob {exclusion.glob} of the source"
            f" {exclusion.source!r} takes it, and its `exclude` leaves it out, by"
            f" {exclusion.by}.",
            remedy=f"take {exclusion.by} out of the source's `exclude` if the file is to"
            " be shipped",
        )
    return CommandFailed(
        f"{shown} is not watched: no agent's word in the ledger is of this file.",
        remedy="add a glob that takes it to the agent's `sources`, or wait for the"
        " agent's first look if it is new",
    )


def rewritten(path: Path) -> CommandFailed:
    """Return that no word is of what a file holds by now."""
    return CommandFailed(
        f"{path_text(str(path))} was written anew: it does not hold what its agent has"
        " read of it, and no agent's word in the ledger is of what it holds now.",
        remedy="wait for the agent's next look, and ask again; `tailrace status` says"
        " whether it runs",
    )


def behind_copy(path: Path, line_number: int, *, of: GenerationFacts) -> CommandFailed:
    """Return that a file is a copy, and of what, but not as far as a line of it."""
    return CommandFailed(
        f"{path_text(str(path))} begins as {of.host_name}:{of.path} did (generation"
        f" {of.generation}), but its line {line_number} is not known to stand there, and"
        " no agent's word in the ledger is of this file itself.",
        remedy="wait for the agent's next look, and ask again; or ask by the whole line"
        " as it is written: `tailrace why 'LINE'`",
    )


def no_event(path: Path, line_number: int) -> CommandFailed:
    """Return that a line is there, and no event is made of it."""
    return CommandFailed(
        f"The agent makes no event of line {line_number} of {path_text(str(path))}"
        " as the file stands now.",
        remedy="ask again if it was written to meanwhile",
    )


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return archive_kind(file.read(HEAD_BYTES)) is not None

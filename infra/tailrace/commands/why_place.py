"""Which event `tailrace why` is asked about: by a line's number in its file, or its words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.archive_kinds import HEAD_BYTES, archive_kind
from tailrace.audit.facts import GenerationFacts
from tailrace.commands.why_roles import event_around, written_of
from tailrace.errors import CommandFailed
from tailrace.text import path_text
from tailrace.why.hops import LinePlace
from tailrace.why.lookup import Lookup
from tailrace.why.place import FileLine, line_at, lines_like, unreadable

if TYPE_CHECKING:
    from tailrace_agent.forms import Encoding

MATCHES_SHOWN_MAX = 10
FILES_READ_MAX = 200
FILE_BYTES_MAX = 64 << 20
"""Of the end of one file that is searched for a line; the files together:"""
ALL_BYTES_MAX = 512 << 20
_NUMBERED = re.compile(r"(?s)(.+):(\d{1,12})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What is known of the files in which a line may stand."""

    told: Mapping[str, GenerationFacts]
    lookup: Lookup
    encodings: Mapping[str, Encoding]
    """By source, how its files are written; `auto` where it is not known here."""
    glob_of: Callable[[str], str] = lambda _path: ""
    """Which glob of this machine's agent takes a path; "" where none does."""

    def encoding(self, facts: GenerationFacts) -> Encoding:
        """Return what the source of a generation says of its files."""
        source = facts.agent.source if facts.agent else ""
        return self.encodings.get(source, "auto")


def place_of(line: str, *, places: Places) -> LinePlace:
    """Return where the event stands that the line is, or is a part of.

    Raises:
        CommandFailed: it is in no file that is watched, or in several places.
        ServiceUnavailable: Elasticsearch cannot be asked.
    """
    numbered = _NUMBERED.fullmatch(line)
    if numbered and Path(numbered[1]).is_file():
        return _numbered_place(Path(numbered[1]), int(numbered[2]), places=places)
    found = [match.place for match in places.lookup.lines(line)]
    found = found or _in_files(line, places=places)
    return _as_in_its_file(_only(line, found, told=places.told), places=places)


def _numbered_place(path: Path, line_number: int, *, places: Places) -> LinePlace:
    try:
        status = path.stat()
        if _is_archive(path):
            raise _archive(path)
    except OSError as error:
        raise unreadable(path, error) from None
    inode = status.st_ino
    names = {path_text(str(path.absolute())), path_text(str(path.resolve()))}
    candidates = [
        facts
        for facts in places.told.values()
        if facts.agent is not None
        and (facts.agent.identity.inode == inode or facts.path in names)
    ]
    # Both the file and its name: a rotated file keeps its inode, another has its name.
    ranked = sorted(candidates, key=lambda facts: _likeness(facts, inode, names))
    if not ranked or _likeness(ranked[-1], inode, names)[0] == 0:
        if not status.st_size:
            raise _empty(path, line_number)
        raise _untold(path, glob=places.glob_of(str(path.absolute())))
    facts = ranked[-1]
    assert facts.agent is not None
    try:
        written = written_of(path, encoding=places.encoding(facts))
        found = line_at(
            path,
            line_number=line_number,
            written=written,
            sent_to=facts.agent.next_offset,
        )
        place = _event_place(found, facts=facts, places=places)
    except OSError as error:
        raise unreadable(path, error) from None
    if place is None:
        raise CommandFailed(
            f"The agent makes no event of line {line_number} of {path_text(str(path))}"
            " as the file stands now.",
            remedy="ask again if it was written to meanwhile",
        )
    return place


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return archive_kind(file.read(HEAD_BYTES)) is not None


def _archive(path: Path) -> CommandFailed:
    return CommandFailed(
        f"{path_text(str(path))} is an archive, in which lines are not asked for by number.",
        remedy="ask by the whole line as it is written: `tailrace why 'LINE'`; what was"
        " shipped before the file was compressed is stored under the name that it had then",
    )


def _empty(path: Path, line_number: int) -> CommandFailed:
    return CommandFailed(
        f"{path_text(str(path))} is empty, and has no line {line_number}.",
        remedy="if it was rotated, name the file that the line is in now",
    )


def _untold(path: Path, *, glob: str) -> CommandFailed:
    """Return why no agent's word is of a file, as far as that can be seen from here."""
    shown = path_text(str(path))
    if glob:
        return CommandFailed(
            f"{shown} is watched, by the glob {glob}, and no agent's word in the ledger"
            " is of this file.",
            remedy="wait for the agent's first look if it is new; `tailrace status` says"
            " whether the agent runs, and which files it cannot read",
        )
    return CommandFailed(
        f"{shown} is not watched: no agent's word in the ledger is of this file.",
        remedy="add a glob that takes it to the agent's `sources`, or wait for the"
        " agent's first look if it is new",
    )


def _event_place(
    found: FileLine, *, facts: GenerationFacts, places: Places
) -> LinePlace | None:
    """Return where the event stands that a line of a file belongs to, if there is one.

    Raises:
        OSError: the file cannot be read.
    """
    agent, encoding = facts.agent, places.encoding(facts)
    assert agent is not None, "a file is known by its agent's word"
    event = event_around(found, agent=agent, encoding=encoding)
    if event is None:
        return None
    starts = places.lookup.event_offsets(
        facts.generation,
        first=event.offset + 1,
        last=event.offset + event.original_size_bytes,
    )
    if starts:
        event = event_around(found, agent=agent, encoding=encoding, starts=starts)
    if event is None:
        return None
    return LinePlace(
        generation=facts.generation,
        offset=event.offset,
        line=event.stored,
        event=event,
    )


def _as_in_its_file(place: LinePlace, *, places: Places) -> LinePlace:
    """Return a place that a document told with the bytes of its file, where it is here.

    The document holds the text alone, and not in which bytes it was written.
    """
    facts = places.told.get(place.generation)
    if place.event is not None or facts is None or facts.agent is None:
        return place
    path = Path(facts.path)
    try:
        inode = path.stat().st_ino
        if inode != facts.agent.identity.inode:
            return place
        known = FileLine(
            path=path,
            line_number=0,
            offset=place.offset,
            line=b"",
            size_bytes=0,
            inode=inode,
        )
        seen = _event_place(known, facts=facts, places=places)
    except OSError:
        return place
    if seen is None or seen.offset != place.offset:
        return place
    return replace(seen, event_number=place.event_number)


def _likeness(
    facts: GenerationFacts, inode: int, names: set[str]
) -> tuple[int, bool, int]:
    """Return how well a generation fits a file: by inode, by name, then the newest."""
    agent = facts.agent
    assert agent is not None
    return (
        int(agent.identity.inode == inode),
        facts.path in names,
        agent.identity.truncation_count,
    )


def _in_files(line: str, *, places: Places) -> list[LinePlace]:
    """Look for a line in the watched files that are on this machine, the newest first."""
    known = sorted(
        (facts for facts in places.told.values() if facts.agent is not None),
        key=lambda facts: facts.agent.updated_at_ms if facts.agent else 0,
        reverse=True,
    )
    standing: list[LinePlace] = []
    left_bytes = ALL_BYTES_MAX
    for facts in known[:FILES_READ_MAX]:
        agent, path = facts.agent, Path(facts.path)
        if agent is None or not path.is_file() or left_bytes <= 0:
            continue
        with suppress(OSError):  # It is read by nobody here, or gone since.
            left_bytes -= min(path.stat().st_size, FILE_BYTES_MAX)
            for found in lines_like(
                path,
                line=line,
                bytes_max=FILE_BYTES_MAX,
                written=written_of(path, encoding=places.encoding(facts)),
            ):
                if found.inode != agent.identity.inode:
                    continue
                place = _event_place(found, facts=facts, places=places)
                if place is not None:
                    standing.append(place)
                if len(standing) > MATCHES_SHOWN_MAX:
                    return standing
    return standing


def _only(
    line: str, places: Iterable[LinePlace], *, told: Mapping[str, GenerationFacts]
) -> LinePlace:
    """Return the one place there is.

    Raises:
        CommandFailed: there is none, or more than one.
    """
    distinct = {(place.generation, place.offset): place for place in places}
    if not distinct:
        raise CommandFailed(
            f"No line {line[:200]!r} is stored, nor in a watched file on this machine.",
            remedy="give the whole line as it is written, or PATH:LINENO on the host that"
            " has the file",
        )
    if len(distinct) > 1:
        newest = [key for key in distinct if key[0] in told][:MATCHES_SHOWN_MAX]
        listed = "\n".join(
            f"  {told[generation].host_name}:{told[generation].path} at offset {offset}"
            for generation, offset in newest
        )
        raise CommandFailed(
            f"The line stands in {len(distinct)} places, the newest of them:\n{listed}",
            remedy="name one by PATH:LINENO, on the host that has the file",
        )
    (place,) = distinct.values()
    return place

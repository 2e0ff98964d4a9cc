"""Which event `tailrace why` is asked about: by a line's number in its file, or its words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tailrace.audit.facts import GenerationFacts
from tailrace.commands.why_roles import event_around
from tailrace.errors import CommandFailed
from tailrace.text import path_text
from tailrace.why.hops import LinePlace
from tailrace.why.lookup import Lookup
from tailrace.why.place import FileLine, line_at, lines_like

MATCHES_SHOWN_MAX = 10
FILES_READ_MAX = 200
FILE_BYTES_MAX = 64 << 20
"""Of the end of one file that is searched for a line; the files together:"""
ALL_BYTES_MAX = 512 << 20
_NUMBERED = re.compile(r"(?s)(.+):(\d{1,12})")


def place_of(
    line: str, *, told: Mapping[str, GenerationFacts], lookup: Lookup
) -> LinePlace:
    """Return where the event stands that the line is, or is a part of.

    Raises:
        CommandFailed: it is in no file that is watched, or in several places.
        ServiceUnavailable: Elasticsearch cannot be asked.
    """
    numbered = _NUMBERED.fullmatch(line)
    if numbered and Path(numbered[1]).is_file():
        return _numbered_place(
            Path(numbered[1]), int(numbered[2]), told=told, lookup=lookup
        )
    places = [match.place for match in lookup.lines(line)]
    places = places or _in_files(line, told=told, lookup=lookup)
    return _only(line, places, told=told)


def _numbered_place(
    path: Path,
    line_number: int,
    *,
    told: Mapping[str, GenerationFacts],
    lookup: Lookup,
) -> LinePlace:
    found = line_at(path, line_number=line_number)
    names = {path_text(str(path.absolute())), path_text(str(path.resolve()))}
    candidates = [
        facts
        for facts in told.values()
        if facts.agent is not None
        and (facts.agent.identity.inode == found.inode or facts.path in names)
    ]
    # Both the file and its name: a rotated file keeps its inode, another has its name.
    ranked = sorted(candidates, key=lambda facts: _likeness(facts, found.inode, names))
    if not ranked or _likeness(ranked[-1], found.inode, names)[0] == 0:
        raise CommandFailed(
            f"{path_text(str(path))} is not watched: no agent's word in the ledger is of"
            " this file.",
            remedy="add a glob that takes it to the agent's `sources`, or wait for the"
            " agent's first look if it is new",
        )
    return _event_place(found, facts=ranked[-1], lookup=lookup)


def _event_place(
    found: FileLine, *, facts: GenerationFacts, lookup: Lookup
) -> LinePlace:
    """Return where the event stands that a line of a file belongs to."""
    assert facts.agent is not None, "a file is known by its agent's word"
    event = event_around(found.path, found.offset, agent=facts.agent)
    if event is not None:
        starts = lookup.event_offsets(
            facts.generation,
            first=event.offset + 1,
            last=event.offset + event.original_size_bytes,
        )
        if starts:
            event = event_around(
                found.path, found.offset, agent=facts.agent, starts=starts
            )
    return LinePlace(
        generation=facts.generation,
        offset=found.offset if event is None else event.offset,
        line=found.line if event is None else event.stored,
        event=event,
    )


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


def _in_files(
    line: str, *, told: Mapping[str, GenerationFacts], lookup: Lookup
) -> list[LinePlace]:
    """Look for a line in the watched files that are on this machine, the newest first."""
    known = sorted(
        (facts for facts in told.values() if facts.agent is not None),
        key=lambda facts: facts.agent.updated_at_ms if facts.agent else 0,
        reverse=True,
    )
    places: list[LinePlace] = []
    left_bytes = ALL_BYTES_MAX
    wanted = line.encode("utf-8", "surrogateescape")
    for facts in known[:FILES_READ_MAX]:
        agent, path = facts.agent, Path(facts.path)
        if agent is None or not path.is_file() or left_bytes <= 0:
            continue
        left_bytes -= min(path.stat().st_size, FILE_BYTES_MAX)
        for found in lines_like(path, line=wanted, bytes_max=FILE_BYTES_MAX):
            if found.inode == agent.identity.inode:
                places.append(_event_place(found, facts=facts, lookup=lookup))
            if len(places) > MATCHES_SHOWN_MAX:
                return places
    return places


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

"""Which event `tailrace why` is asked about: by a line's number in its file, or its words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.audit.facts import GenerationFacts
from tailrace.commands.why_events import Places, event_place
from tailrace.commands.why_files import (
    content_of,
    copied_of,
    holders_of,
    is_inflated,
    is_known,
    opened,
)
from tailrace.commands.why_roles import written_of
from tailrace.commands.why_untold import (
    behind_copy,
    no_event,
    no_file,
    nowhere,
    rewritten,
    untold,
)
from tailrace.commands.why_words import PLACES_SHOWN_MAX, standing_of
from tailrace.errors import CommandFailed
from tailrace.text import path_text
from tailrace.why.hops import LinePlace
from tailrace.why.place import FileLine, Written, line_at, unreadable

if TYPE_CHECKING:
    from tailrace_agent.archives import AnyFile

_NUMBERED = re.compile(r"(?s)(.+):(\d{1,12})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Where the events stand that were asked about."""

    places: tuple[LinePlace, ...]
    """At least one, and at most `PLACES_SHOWN_MAX`."""
    more_count: int = 0
    """Other places that the same line stands in, as far as they were counted."""


def places_of(line: str, *, places: Places) -> Asked:
    """Return where the events stand that the line is, or is a part of.

    What can be read as a line of a file here is that first. A log may have such a line of
    its own, so where there is none by its number, its words are looked for.

    Raises:
        CommandFailed: it is in no file that is watched.
        ServiceUnavailable: Elasticsearch cannot be asked.
    """
    numbered = _NUMBERED.fullmatch(line)
    path = Path(numbered[1]) if numbered else None
    refusal: CommandFailed | None = None
    if numbered and path is not None:
        try:
            if _is_file(path):
                return Asked(places=_numbered(path, int(numbered[2]), places=places))
        except CommandFailed as error:
            refusal = error
    asked = _worded(line, places=places)
    if asked is not None:
        return asked
    if refusal is not None:
        raise refusal
    if path is not None and _is_meant_as_path(str(path)):
        raise no_file(path, line=line, told=places.told.values())
    raise nowhere(line)


def _worded(line: str, *, places: Places) -> Asked | None:
    """Return where a line stands by its words, None where it stands nowhere.

    Raises:
        ServiceUnavailable: Elasticsearch cannot be asked.
    """
    stored = {
        (match.place.generation, match.place.offset): match.place
        for match in places.lookup.lines(line)
        if not places.is_of_one_host or match.place.generation in places.told
    }
    standing = standing_of(line, stored=stored.keys(), places=places)
    found = [*standing.missing, *stored.values(), *standing.stored]
    if not found:
        return None
    return Asked(
        places=tuple(
            _as_in_its_file(place, places=places) for place in found[:PLACES_SHOWN_MAX]
        ),
        more_count=max(len(found) - PLACES_SHOWN_MAX, 0),
    )


def _is_file(path: Path) -> bool:
    """Return whether there is such a file; a long line that ends in a number is no name.

    Raises:
        CommandFailed: nobody can tell, for want of a right.
    """
    try:
        return path.is_file()
    except PermissionError as error:
        if _is_meant_as_path(str(path)):
            raise unreadable(path, error) from None
        return False
    except OSError:
        return False


def _is_meant_as_path(text: str) -> bool:
    """Return whether what stands before a number was meant to name a file."""
    return text.startswith(("/", "./", "../")) or not re.search(r"\s", text)


def _numbered(path: Path, line_number: int, *, places: Places) -> tuple[LinePlace, ...]:
    """Return where a line of a file stands, in the generation of each host that reads it."""
    told = places.told.values()
    try:
        with opened(path) as file:
            holders = holders_of(file, told=told)
            if holders:
                return _held(path, line_number, file=file, by=holders, places=places)
            return _copied(path, line_number, file=file, places=places)
    except OSError as error:
        raise unreadable(path, error) from None


def _held(
    path: Path,
    line_number: int,
    *,
    file: AnyFile,
    by: Sequence[GenerationFacts],
    places: Places,
) -> tuple[LinePlace, ...]:
    """Return where a line stands in each of the generations that a file holds.

    Raises:
        CommandFailed: there is no such line, or no event is made of it.
        OSError: the file cannot be read.
    """
    # What time ended for one agent may still be open for the next.
    sent_to = max(facts.agent.next_offset for facts in by if facts.agent)
    found = [
        _place_for_host(
            path, line_number, sent_to, file=file, facts=facts, places=places
        )
        for facts in by
    ]
    known = tuple(place for place in found if place is not None)
    if not known:
        raise no_event(path, line_number)
    return known


def _place_for_host(
    path: Path,
    line_number: int,
    sent_to: int,
    *,
    file: AnyFile,
    facts: GenerationFacts,
    places: Places,
) -> LinePlace | None:
    agent = facts.agent
    assert agent is not None, "a file is known by its agent's word"
    written = written_of(file, encoding=places.encoding(facts))
    line = _line_at(path, line_number, sent_to, file=file, written=written)
    if line.is_complete or line.offset < agent.next_offset:
        return event_place(line, file=file, facts=facts, places=places)
    text = line.line.decode(written.codec, "surrogateescape")
    return LinePlace(
        generation=facts.generation,
        offset=line.offset,
        line=text.encode("utf-8", "surrogateescape"),
    )


def _line_at(
    path: Path, line_number: int, sent_to: int, *, file: AnyFile, written: Written
) -> FileLine:
    content = content_of(file)
    return line_at(
        content, path=path, line_number=line_number, written=written, sent_to=sent_to
    )


def _copied(
    path: Path, line_number: int, *, file: AnyFile, places: Places
) -> tuple[LinePlace, ...]:
    """Return where a line of a copy stands in the generations that it is a copy of.

    Raises:
        CommandFailed: it is a copy of none, or not as far as there.
        OSError: the file cannot be read.
    """
    absolute = path_text(str(path.absolute()))
    copies = copied_of(file, path=absolute, told=places.told.values())
    if not copies:
        size_bytes = file.status().st_size
        if size_bytes and is_known(file, told=places.told.values()):
            raise rewritten(path)
        raise untold(
            path,
            line_number,
            size_bytes=size_bytes,
            is_archive=is_inflated(file),
            glob=places.glob_of(str(path.absolute())),
            exclusion=places.exclusion_of(str(path.absolute())),
        )
    found: list[LinePlace] = []
    for copy in copies:
        written = written_of(file, encoding=places.encoding(copy.facts))
        line = _line_at(path, line_number, 0, file=file, written=written)
        if line.end_offset < copy.alike_bytes:
            place = event_place(line, file=file, facts=copy.facts, places=places)
            if place is not None:
                found.append(replace(place, copy_path=absolute))
    if not found:
        raise behind_copy(path, line_number, of=copies[0].facts)
    return tuple(found)


def _as_in_its_file(place: LinePlace, *, places: Places) -> LinePlace:
    """Return a place that a document told with the bytes of its file, where it is here.

    The document holds the text alone, and not in which bytes it was written.
    """
    facts = places.told.get(place.generation)
    if place.event is not None or facts is None or facts.agent is None:
        return place
    known = FileLine(
        path=Path(facts.path),
        line_number=0,
        offset=place.offset,
        line=b"",
        size_bytes=0,
    )
    with suppress(OSError), opened(known.path) as file:
        if facts in holders_of(file, told=(facts,)):
            seen = event_place(known, file=file, facts=facts, places=places)
            if seen is not None and seen.offset == place.offset:
                return replace(seen, event_number=place.event_number)
    return place

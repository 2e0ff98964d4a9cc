"""Where in the watched files of this machine a line stands: the missing ones before others."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.audit.facts import GenerationFacts
from tailrace.commands.why_events import Places, event_place
from tailrace.commands.why_files import (
    content_of,
    holders_of,
    inodes_of,
    is_inflated,
    opened,
)
from tailrace.commands.why_roles import written_of
from tailrace.why.hops import LinePlace
from tailrace.why.place import FileLine, lines_like
from tailrace.wire import AgentLedger

if TYPE_CHECKING:
    from tailrace_agent.archives import AnyFile

PLACES_SHOWN_MAX = 10
FILES_READ_MAX = 200
FILE_BYTES_MAX = 64 << 20
"""Of the end of one file that is searched for a line, and of the head of an archive; the
files together:"""
ALL_BYTES_MAX = 512 << 20
LINES_MAX = 5_000
"""Lines of one file that are asked about whether they are stored."""
EVENTS_READ_MAX = 50
"""Lines of one file whose event must be read to know where it begins."""

ENTRIES_MAX = 20_000
"""Names of one folder that are looked at for a file that was renamed."""


@dataclass(slots=True)
class Standing:
    """The places of a line in files, as the index has them or not."""

    missing: list[LinePlace] = field(default_factory=list[LinePlace])
    """No document is there: lost, refused, dropped, or on its way."""
    stored: list[LinePlace] = field(default_factory=list[LinePlace])
    """Stored, though their words did not find them."""


@dataclass(slots=True)
class _Found:
    """Lines of one file that are the one asked for, in one generation."""

    facts: GenerationFacts
    lines: list[FileLine]


def standing_of(
    line: str, *, stored: Collection[tuple[str, int]], places: Places
) -> Standing:
    """Look for a line in the watched files here, the newest first, within the limits.

    Left out is what is known to be `stored`, by generation and offset.

    Raises:
        ServiceUnavailable: Elasticsearch cannot be asked.
    """
    standing = Standing()
    wanted = line.encode("utf-8", "surrogateescape")
    for file, found in _files_with(line, places=places):
        with suppress(OSError):
            _judge(found, file=file, stored=stored, places=places, into=standing)
        if sum(_is(place, wanted) for place in standing.missing) > PLACES_SHOWN_MAX:
            break
    # An event that is the line comes before one that it is a line of.
    standing.missing.sort(key=lambda place: not _is(place, wanted))
    standing.stored.sort(key=lambda place: not _is(place, wanted))
    if not line.strip():
        _without_parts(standing, wanted)
    return standing


@dataclass(slots=True)
class _Folders:
    """Finds files that were renamed in their folder; each folder is listed once."""

    _names: dict[str, dict[int, str]] = field(default_factory=dict[str, dict[int, str]])

    def paths_of(self, agent: AgentLedger) -> Iterator[Path]:
        """Yield where a generation's file may be: at its path, or renamed beside it."""
        path = Path(agent.path)
        yield path
        names = self._names_in(str(path.parent))
        for inode in inodes_of(agent):
            if inode in names:
                yield path.parent / names[inode]

    def _names_in(self, folder: str) -> dict[int, str]:
        if folder not in self._names:
            try:
                with os.scandir(folder) as entries:
                    found = {e.inode(): e.name for e in islice(entries, ENTRIES_MAX)}
            except OSError:
                found = {}
            self._names[folder] = found
        return self._names[folder]


def _without_parts(standing: Standing, wanted: bytes) -> None:
    """Leave out blank lines amid a trace where there are some of their own."""
    all_places = [*standing.missing, *standing.stored]
    if any(_is(place, wanted) for place in all_places):
        standing.missing = [each for each in standing.missing if _is(each, wanted)]
        standing.stored = [each for each in standing.stored if _is(each, wanted)]


def _is(place: LinePlace, wanted: bytes) -> bool:
    return place.line.removesuffix(b"\r") == wanted


def _files_with(line: str, *, places: Places) -> Iterator[tuple[AnyFile, _Found]]:
    """Yield each file that has the line, for each generation that it holds."""
    known = sorted(
        (facts for facts in places.told.values() if facts.agent is not None),
        key=lambda facts: facts.agent.updated_at_ms if facts.agent else 0,
        reverse=True,
    )
    folders = _Folders()
    seen: set[tuple[int, int]] = set()
    left_bytes = ALL_BYTES_MAX
    paths = dict.fromkeys(
        path
        for facts in known
        if facts.agent is not None
        for path in folders.paths_of(facts.agent)
    )
    by_inode = _by_inode(known)
    for path in paths:
        if left_bytes <= 0 or len(seen) >= FILES_READ_MAX:
            return
        # It is read by nobody here, or gone since.
        with suppress(OSError), opened(path) as file:
            if file.facts.key in seen:
                continue
            seen.add(file.facts.key)
            size_bytes = file.status().st_size
            is_archive = is_inflated(file)
            begin = 0 if is_archive else max(size_bytes - FILE_BYTES_MAX, 0)
            for facts in holders_of(file, told=by_inode.get(file.facts.inode, ())):
                left_bytes -= min(size_bytes, FILE_BYTES_MAX)
                found = lines_like(
                    content_of(file),
                    path=path,
                    line=line,
                    begin=begin,
                    bytes_max=FILE_BYTES_MAX,
                    written=written_of(file, encoding=places.encoding(facts)),
                )
                lines = list(islice(found, LINES_MAX))
                if lines:
                    yield file, _Found(facts, lines)


def _judge(
    found: _Found,
    *,
    file: AnyFile,
    stored: Collection[tuple[str, int]],
    places: Places,
    into: Standing,
) -> None:
    """Sort the lines of one generation by whether a document is there.

    Raises:
        OSError: the file cannot be read.
    """
    generation = found.facts.generation
    agent = found.facts.agent
    lines = found.lines
    if agent is not None and agent.placement.multiline is not None:
        lines = lines[-EVENTS_READ_MAX:]
        begins = None
    else:
        offsets = [line.offset for line in lines]
        begins = places.lookup.stored_offsets(generation, offsets=offsets)
        lines = [line for line in lines if (generation, line.offset) not in stored]
    known: set[int] = set()
    missing: list[LinePlace] = []
    present: list[LinePlace] = []
    for line in lines:
        is_stored = begins is not None and line.offset in begins
        if len(present if is_stored else missing) > PLACES_SHOWN_MAX:
            continue
        place = event_place(line, file=file, facts=found.facts, places=places)
        if (
            place is None
            or place.offset in known
            or (generation, place.offset) in stored
        ):
            continue
        known.add(place.offset)
        if begins is None or place.offset != line.offset:
            is_stored = bool(
                places.lookup.stored_offsets(generation, offsets=[place.offset])
            )
        (present if is_stored else missing).append(place)
    into.missing += missing
    into.stored += present


def _by_inode(
    told: Iterable[GenerationFacts],
) -> Mapping[int, Sequence[GenerationFacts]]:
    """Return what a file may hold by its inode's number alone, which is little."""
    found: defaultdict[int, list[GenerationFacts]] = defaultdict(list)
    for facts in told:
        for inode in inodes_of(facts.agent) if facts.agent else ():
            found[inode].append(facts)
    return found

"""`tailrace why`: what each hop did with one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.commands.common import (
    AsJson,
    ConfigFile,
    DataDir,
    write_json,
    write_line,
)
from tailrace.extras import require

if TYPE_CHECKING:
    from tailrace.audit.facts import GenerationFacts
    from tailrace.elasticsearch import Elastic
    from tailrace.settings import Connections
    from tailrace.why.hops import HopVerdict, LinePlace, Witness
    from tailrace.why.lookup import Lookup

MATCHES_SHOWN_MAX = 10
FILES_READ_MAX = 200
FILE_BYTES_MAX = 64 << 20
"""Of the end of one file that is searched for a line; the files together:"""
ALL_BYTES_MAX = 512 << 20
_NUMBERED = re.compile(r"(?s)(.+):(\d{1,12})")


def why(
    line: Annotated[
        str,
        typer.Argument(
            metavar="LINE|PATH:LINENO", help="A whole line, or its number in a file."
        ),
    ],
    as_json: AsJson = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Tell what each hop did with one line: exit 0 only where it is stored, once."""
    require("indexer")
    from tailrace.audit.kafka import KafkaLedger
    from tailrace.elasticsearch import INTERACTIVE_TIMEOUT_S, Elastic
    from tailrace.own_stack import names_own_stack
    from tailrace.settings import read_connections
    from tailrace.text import printable
    from tailrace.why.hops import hops

    connections = read_connections(config, data_dir=data_dir)
    with (
        names_own_stack(connections),
        Elastic(connections, timeout_s=INTERACTIVE_TIMEOUT_S) as elastic,
    ):
        told = KafkaLedger(connections).read().facts
        place = _place(line, told=told, elastic=elastic, connections=connections)
        witness = _witness(
            place, told=told, elastic=elastic, connections=connections, config=config
        )
    verdicts = hops(witness)
    if as_json:
        write_json(_json(witness, verdicts))
    else:
        facts = witness.facts
        write_line(
            printable(
                f"{facts.host_name}:{facts.path}, offset {place.offset},"
                f" generation {place.generation}"
            )
        )
        for verdict in verdicts:
            text = f"{verdict.hop:8} {verdict.state.value:8} {verdict.text}"
            write_line(printable(text))
    is_stored_once = len(witness.found.documents) == 1
    if not is_stored_once:
        raise typer.Exit(1)


def _place(
    line: str,
    *,
    told: Mapping[str, GenerationFacts],
    elastic: Elastic,
    connections: Connections,
) -> LinePlace:
    """Return where the line stands.

    Raises:
        CommandFailed: it is in no file that is watched, or in several places.
        ServiceUnavailable: Elasticsearch cannot be asked.
    """
    from tailrace.why.lookup import Lookup

    numbered = _NUMBERED.fullmatch(line)
    if numbered and Path(numbered[1]).is_file():
        return _numbered_place(Path(numbered[1]), int(numbered[2]), told=told)
    lookup = Lookup(elastic, namespace=connections.namespace)
    places = [match.place for match in lookup.lines(line)]
    return _only(line, places or _in_files(line, told=told), told=told)


def _numbered_place(
    path: Path, line_number: int, *, told: Mapping[str, GenerationFacts]
) -> LinePlace:
    from tailrace.errors import CommandFailed
    from tailrace.text import path_text
    from tailrace.why.hops import LinePlace
    from tailrace.why.place import line_at

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
    return LinePlace(
        generation=ranked[-1].generation, offset=found.offset, line=found.line
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


def _in_files(line: str, *, told: Mapping[str, GenerationFacts]) -> list[LinePlace]:
    """Look for a line in the watched files that are on this machine, the newest first."""
    from tailrace.why.hops import LinePlace
    from tailrace.why.place import lines_like

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
                places.append(
                    LinePlace(
                        generation=facts.generation,
                        offset=found.offset,
                        line=found.line,
                    )
                )
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
    from tailrace.errors import CommandFailed

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


def _witness(
    place: LinePlace,
    *,
    told: Mapping[str, GenerationFacts],
    elastic: Elastic,
    connections: Connections,
    config: Path | None,
) -> Witness:
    """Ask every hop about the line.

    Raises:
        ServiceUnavailable: a server cannot be asked.
    """
    from tailrace.audit.facts import GenerationFacts
    from tailrace.commands.why_roles import glob_of, held_indices, made_of
    from tailrace.kafka_admin import KafkaAdmin
    from tailrace.topics import DOCS, RAW
    from tailrace.why.hops import Witness
    from tailrace.why.lookup import Lookup

    namespace = connections.namespace
    facts = told.get(place.generation) or GenerationFacts(generation=place.generation)
    made = made_of(place, facts=facts, namespace=namespace)
    lookup = Lookup(elastic, namespace=namespace)
    found = lookup.found(place, made=made)
    place = _with_number(place, lookup=lookup, documents=found.documents)
    with KafkaAdmin(connections, client_id="tailrace-why") as admin:
        raw = admin.committed_offsets(f"{namespace}-stream")
        docs = admin.committed_offsets(f"{namespace}-indexer")
    source = facts.agent.source if facts.agent else ""
    return Witness(
        place=place,
        facts=facts,
        glob=glob_of(facts.path, config=config, source=source),
        made=made,
        found=found,
        raw_committed=raw.get((RAW.name(namespace), facts.partition)),
        docs_committed=docs.get((DOCS.name(namespace), facts.partition)),
        held_indices=held_indices(connections.data_dir),
    )


def _with_number(
    place: LinePlace, *, lookup: Lookup, documents: Iterable[str]
) -> LinePlace:
    """Return the place with the event number that its document has, if it is stored."""
    if place.event_number is not None:
        return place
    numbers = {lookup.event_number(document) for document in documents} - {None}
    return replace(place, event_number=numbers.pop()) if len(numbers) == 1 else place


def _json(witness: Witness, verdicts: Iterable[HopVerdict]) -> dict[str, object]:
    made, place, facts = witness.made, witness.place, witness.facts
    return {
        "host": facts.host_name,
        "path": facts.path,
        "generation": place.generation,
        "offset": place.offset,
        "event_number": place.event_number,
        "source_glob": witness.glob,
        "expected_id": made.document_id if made else None,
        "expected_index": made.index if made else None,
        "documents": list(witness.found.documents),
        "dead": list(witness.found.dead),
        "hops": [
            {"hop": each.hop, "state": each.state.value, "text": each.text}
            for each in verdicts
        ],
    }

"""`tailrace why`: what each hop did with one line."""

from __future__ import annotations

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
    from tailrace.settings import Connections
    from tailrace.why.hops import HopVerdict, LinePlace, Witness
    from tailrace.why.lookup import Lookup


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
    from tailrace.commands.why_place import Places, place_of
    from tailrace.commands.why_roles import encodings_of, glob_of
    from tailrace.elasticsearch import INTERACTIVE_TIMEOUT_S, Elastic
    from tailrace.own_stack import names_own_stack
    from tailrace.settings import read_connections
    from tailrace.text import printable
    from tailrace.why.hops import hops
    from tailrace.why.lookup import Lookup

    connections = read_connections(config, data_dir=data_dir)
    with (
        names_own_stack(connections),
        Elastic(connections, timeout_s=INTERACTIVE_TIMEOUT_S) as elastic,
    ):
        told = KafkaLedger(connections).read().facts
        lookup = Lookup(elastic, namespace=connections.namespace)
        places = Places(
            told=told,
            lookup=lookup,
            encodings=encodings_of(config),
            glob_of=lambda path: glob_of(path, config=config),
        )
        place = place_of(line, places=places)
        witness = _witness(
            place, told=told, lookup=lookup, connections=connections, config=config
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


def _witness(
    place: LinePlace,
    *,
    told: Mapping[str, GenerationFacts],
    lookup: Lookup,
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

    namespace = connections.namespace
    facts = told.get(place.generation) or GenerationFacts(generation=place.generation)
    made = made_of(place, facts=facts, namespace=namespace, config=config)
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
        "expected_id": made.document_id or None if made else None,
        "expected_index": made.index if made else None,
        "documents": list(witness.found.documents),
        "dead": list(witness.found.dead),
        "hops": [
            {"hop": each.hop, "state": each.state.value, "text": each.text}
            for each in verdicts
        ],
    }

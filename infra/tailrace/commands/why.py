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
from tailrace.errors import CommandFailed
from tailrace.extras import require

if TYPE_CHECKING:
    from tailrace.audit.facts import GenerationFacts
    from tailrace.kafka_admin import KafkaAdmin
    from tailrace.partition_lag import PartitionLag
    from tailrace.settings import Connections
    from tailrace.why.hops import Found, HopVerdict, LinePlace, Witness
    from tailrace.why.lookup import Lookup

HOSTS_SHOWN_MAX = 20


def why(
    line: Annotated[
        str,
        typer.Argument(
            metavar="LINE|PATH:LINENO", help="A whole line, or its number in a file."
        ),
    ],
    host: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of this host alone, by its name or id; else of all."
        ),
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Tell what each hop did with one line: exit 0 only where it is stored, once, unaltered.

    Where it stands in several places, or several hosts read its file, all of them are told
    of, and each must be stored once. With --json each is an object on a line of its own.
    """
    require("indexer")
    from tailrace.audit.kafka import KafkaLedger
    from tailrace.commands.why_events import Places
    from tailrace.commands.why_place import places_of
    from tailrace.commands.why_roles import encodings_of, exclusion_of, glob_of
    from tailrace.elasticsearch import INTERACTIVE_TIMEOUT_S, Elastic
    from tailrace.own_stack import names_own_stack, own_config
    from tailrace.settings import read_connections
    from tailrace.shut_indices import require_open
    from tailrace.why.hops import is_stored_once
    from tailrace.why.lookup import Lookup

    connections = read_connections(config, data_dir=data_dir)
    config = config or own_config(connections)
    with (
        names_own_stack(connections),
        Elastic(connections, timeout_s=INTERACTIVE_TIMEOUT_S) as elastic,
    ):
        require_open(elastic, namespace=connections.namespace)
        told = of_host(KafkaLedger(connections).read().facts, host=host)
        lookup = Lookup(
            elastic,
            namespace=connections.namespace,
            host_names={facts.host_name for facts in told.values()} if host else (),
        )
        places = Places(
            told=told,
            is_of_one_host=host is not None,
            lookup=lookup,
            encodings=encodings_of(config),
            glob_of=lambda path: glob_of(path, config=config),
            exclusion_of=lambda path: exclusion_of(path, config=config),
        )
        asked = places_of(line, places=places)
        witnesses = _witnesses(
            asked.places,
            told=told,
            lookup=lookup,
            connections=connections,
            config=config,
        )
    _tell(witnesses, more_count=asked.more_count, as_json=as_json)
    if not all(map(is_stored_once, witnesses)):
        raise typer.Exit(1)


def of_host(
    told: Mapping[str, GenerationFacts], *, host: str | None
) -> Mapping[str, GenerationFacts]:
    """Return what is said of the files of one host, of all where none is named.

    Raises:
        CommandFailed: the ledger knows no such host.
    """
    if host is None:
        return told
    chosen = {
        generation: facts
        for generation, facts in told.items()
        if host in {facts.host_name, facts.agent.host_id if facts.agent else ""}
    }
    if not chosen:
        known = sorted({facts.host_name for facts in told.values()})
        shown = ", ".join(known[:HOSTS_SHOWN_MAX]) or "none"
        raise CommandFailed(
            f"The ledger knows no host {host!r}.", remedy=f"it knows: {shown}"
        )
    return chosen


def _witnesses(
    places: Iterable[LinePlace],
    *,
    told: Mapping[str, GenerationFacts],
    lookup: Lookup,
    connections: Connections,
    config: Path | None,
) -> list[Witness]:
    """Ask every hop about each place.

    Raises:
        ServiceUnavailable: a server cannot be asked.
    """
    from tailrace.audit.facts import GenerationFacts
    from tailrace.commands.why_roles import (
        glob_of,
        held_indices,
        made_of,
        placed_index,
    )
    from tailrace.kafka_admin import KafkaAdmin
    from tailrace.topics import DOCS, RAW
    from tailrace.why.hops import Witness
    from tailrace.why.letters import end_number_of

    namespace = connections.namespace
    with KafkaAdmin(connections, client_id="tailrace-why") as admin:
        raw = _lags(admin, f"{namespace}-stream", topic=RAW.name(namespace))
        docs = _lags(admin, f"{namespace}-indexer", topic=DOCS.name(namespace))
    witnesses: list[Witness] = []
    for place in places:
        facts = told.get(place.generation)
        facts = facts or GenerationFacts(generation=place.generation)
        made = made_of(place, facts=facts, namespace=namespace, config=config)
        end_number = end_number_of(place, facts)
        found = lookup.found(place, made=made, end_number=end_number)
        source = facts.agent.source if facts.agent else ""
        witnesses.append(
            Witness(
                place=_with_number(place, lookup=lookup, documents=found.documents),
                facts=facts,
                glob=glob_of(facts.path, config=config, source=source),
                made=made,
                found=found,
                raw_committed=_committed(raw.get(facts.partition)),
                docs_committed=_committed(docs.get(facts.partition)),
                raw_missed=_missed(raw.get(facts.partition)),
                docs_missed=_missed(docs.get(facts.partition)),
                around=_around(place, facts, lookup=lookup, found=found),
                placed_index=placed_index(facts, namespace=namespace),
                held_indices=held_indices(connections.data_dir),
            )
        )
    return witnesses


def _around(
    place: LinePlace, facts: GenerationFacts, *, lookup: Lookup, found: Found
) -> range:
    """Return which numbers a line may have of which there is nothing, if some were dropped.

    Raises:
        ServiceUnavailable: Elasticsearch cannot be asked.
    """
    from tailrace.ledger import UNSENT

    stream = facts.stream
    if stream is None or not UNSENT & stream.dropped.keys():
        return range(0)
    if place.event_number is not None or found.documents or found.dead:
        return range(0)
    before, after = lookup.numbers_around(place.generation, offset=place.offset)
    return range(before + 1, stream.next_event_number if after is None else after)


def _lags(admin: KafkaAdmin, group: str, *, topic: str) -> dict[int, PartitionLag]:
    return {lag.partition: lag for lag in admin.group_lag(group, topics=[topic])}


def _committed(lag: PartitionLag | None) -> int | None:
    return lag.next_offset if lag is not None and lag.has_committed else None


def _missed(lag: PartitionLag | None) -> int:
    """Return how many records are gone unread, once there is nothing left to read."""
    return lag.missed_records if lag is not None and not lag.lag_records else 0


def _with_number(
    place: LinePlace, *, lookup: Lookup, documents: Iterable[str]
) -> LinePlace:
    """Return the place with the event number that its document has, if it is stored."""
    if place.event_number is not None:
        return place
    numbers = {lookup.event_number(document) for document in documents} - {None}
    return replace(place, event_number=numbers.pop()) if len(numbers) == 1 else place


def _tell(witnesses: Iterable[Witness], *, more_count: int, as_json: bool) -> None:
    """Write each place's verdicts.

    Raises:
        CommandFailed: there are places more, of which nothing is known.
    """
    from tailrace.why.hops import hops

    for number, witness in enumerate(witnesses):
        if as_json:
            write_json(_json(witness, hops(witness)))
            continue
        if number:
            write_line("")
        _show(witness, hops(witness))
    if more_count:
        raise CommandFailed(
            f"The line stands in at least {more_count} places more, of which nothing is"
            " said here.",
            remedy="name one by PATH:LINENO on the host that has the file, or a host by"
            " --host",
        )


def _show(witness: Witness, verdicts: Iterable[HopVerdict]) -> None:
    from tailrace.text import printable

    facts, place = witness.facts, witness.place
    copy = f", the same bytes as in {place.copy_path}" if place.copy_path else ""
    write_line(
        printable(
            f"{facts.host_name}:{facts.path}, offset {place.offset},"
            f" generation {place.generation}{copy}"
        )
    )
    for verdict in verdicts:
        text = f"{verdict.hop:8} {verdict.state.value:8} {verdict.text}"
        write_line(printable(text))


def _json(witness: Witness, verdicts: Iterable[HopVerdict]) -> dict[str, object]:
    from tailrace.why.hops import index_of

    made, place, facts = witness.made, witness.place, witness.facts
    return {
        "host": facts.host_name,
        "path": facts.path,
        "copy_path": place.copy_path or None,
        "generation": place.generation,
        "offset": place.offset,
        "event_number": place.event_number,
        "source_glob": witness.glob,
        "expected_id": made.document_id or None if made else None,
        "expected_index": index_of(witness) or None,
        "documents": list(witness.found.documents),
        "altered": list(witness.found.altered),
        "dead": list(witness.found.dead),
        "perhaps_dead": list(witness.found.perhaps_dead),
        "hops": [
            {"hop": each.hop, "state": each.state.value, "text": each.text}
            for each in verdicts
        ],
    }

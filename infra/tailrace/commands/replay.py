"""`tailrace replay`: a span of the raw topic, read again by the present pipeline."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.commands.common import (
    AsJson,
    ConfigFile,
    DataDir,
    console,
    write_line,
)
from tailrace.errors import CommandFailed

if TYPE_CHECKING:
    from tailrace.clock import Clock
    from tailrace.elasticsearch import Elastic
    from tailrace.floor_topic import FloorReader
    from tailrace.replay.made import Remade
    from tailrace.replay.raw_topic import SpanRecord
    from tailrace.replay.run import Replaying
    from tailrace.replay.span import Choice
    from tailrace.replay.tally import Tally
    from tailrace.settings import Connections
    from tailrace_stream.replaying import Remaking

SEARCH_TIMEOUT_S = 60.0
SAMPLES_MAX = 1_000


class Into(StrEnum):
    """Where what changes goes."""

    SHADOW = "shadow"
    REVISION = "revision"


Since = Annotated[
    str, typer.Option(help="An age such as 2h, or a time: what came to Kafka since.")
]
Until = Annotated[str, typer.Option(help="An age or a time.", show_default="now")]
Partitions = Annotated[
    list[int] | None, typer.Option(min=0, help="Of the raw topic; may be repeated.")
]
Offsets = Annotated[
    str,
    typer.Option(
        metavar="FROM:TO",
        help="Offsets of the raw topic; `:` is all that Kafka holds.",
    ),
]
Hosts = Annotated[
    list[str] | None, typer.Option(help="Lines of this host; * is any text.")
]
Files = Annotated[
    list[str] | None, typer.Option(help="Lines of this file; * is any text.")
]
Datasets = Annotated[
    list[str] | None, typer.Option(help="Lines of this dataset; * is any text.")
]
IntoWhat = Annotated[
    Into, typer.Option(help="shadow shows what would change; revision publishes it.")
]
Size = Annotated[
    int,
    typer.Option(
        min=0, max=SAMPLES_MAX, help="Changed events that are shown of a dataset."
    ),
]
Wait = Annotated[
    float,
    typer.Option(
        min=0,
        max=86_400,
        metavar="SECONDS",
        help="How long the indexers are waited for, of what is no longer dead.",
    ),
]


def replay(
    since: Since = "",
    until: Until = "",
    partition: Partitions = None,
    offsets: Offsets = "",
    host: Hosts = None,
    file: Files = None,
    dataset: Datasets = None,
    into: IntoWhat = Into.SHADOW,
    size: Size = 5,
    wait: Wait = 60.0,
    as_json: AsJson = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Show what the present parsers make otherwise of lines that are stored, or publish it.

    --into shadow writes nothing anywhere. --into revision stores the changed documents in
    indices of their own, `...-r1`, and then shows them instead of the former ones, all at
    one moment; run again, it finds nothing to do.
    """
    from tailrace.replay.shown import done_lines, replay_json, tally_lines
    from tailrace.replay.tally import Tally

    choice = _choice(
        since=since,
        until=until,
        partitions=partition or (),
        offsets=offsets,
        hosts=host or (),
        files=file or (),
        datasets=dataset or (),
    )
    tally = Tally(samples_max=size)
    told = console()
    with (
        ExitStack() as closing,
        told.status("Reading the raw topic") as status,
    ):
        place = closing.enter_context(_place(config, data_dir, into=into))
        # A span that is not there is refused before anything is written.
        records = _remade(closing, place, choice=choice, config=config)
        replaying = _replaying(
            closing,
            place,
            tally=tally,
            into=into,
            wait_ms_max=round(wait * 1_000),
            tell=status.update,
        )
        done = replaying.run(records)
    is_published = into is Into.REVISION
    if as_json:
        write_line(replay_json(tally, done if is_published else None))
    else:
        for line in tally_lines(tally):
            write_line(line)
        if is_published:
            for line in done_lines(done):
                write_line(line)
    if not done.is_whole:
        raise typer.Exit(1)


def _choice(
    *,
    since: str,
    until: str,
    partitions: Sequence[int],
    offsets: str,
    hosts: Sequence[str],
    files: Sequence[str],
    datasets: Sequence[str],
) -> Choice:
    """Read which span is meant.

    Raises:
        CommandFailed: none is named.
        QueryInvalid: a moment cannot be read.
    """
    from tailrace.clock import SystemClock
    from tailrace.moments import parse_moment
    from tailrace.replay.span import Choice, parse_offsets

    if not since and not offsets:
        raise CommandFailed(
            "No span of the raw topic is named.",
            remedy="say --since 2h, or --offsets FROM:TO with or without --partition;"
            " --offsets : is all that Kafka holds",
        )
    now_ms = SystemClock().now_ms()
    first_offset, end_offset = parse_offsets(offsets) if offsets else (None, None)
    return Choice(
        since_ms=parse_moment(since, now_ms=now_ms) if since else None,
        until_ms=parse_moment(until, now_ms=now_ms) if until else None,
        partitions=frozenset(partitions),
        first_offset=first_offset,
        end_offset=end_offset,
        hosts=tuple(hosts),
        files=tuple(files),
        datasets=tuple(datasets),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The servers of one installation."""

    connections: Connections
    elastic: Elastic
    floors: FloorReader
    clock: Clock


@contextmanager
def _place(
    config: Path | None, data_dir: Path | None, *, into: Into
) -> Generator[_Place]:
    from tailrace.extras import require

    require("stream", "indexer")
    from tailrace.clock import SystemClock
    from tailrace.elasticsearch import Elastic
    from tailrace.floor_topic import FloorReader
    from tailrace.own_stack import names_own_stack
    from tailrace.replay.raw_topic import CLIENT_ID
    from tailrace.settings import read_connections

    connections = read_connections(config, data_dir=data_dir)
    # Whoever publishes makes indices and changes aliases, as a leader does.
    known = connections if into is Into.SHADOW else connections.for_leader()
    with (
        names_own_stack(connections),
        Elastic(known, timeout_s=SEARCH_TIMEOUT_S) as elastic,
    ):
        floors = FloorReader(connections, client_id=f"{CLIENT_ID}-floors")
        try:
            yield _Place(
                connections=connections,
                elastic=elastic,
                floors=floors,
                clock=SystemClock(),
            )
        finally:
            floors.close()


def _replaying(
    closing: ExitStack,
    place: _Place,
    *,
    tally: Tally,
    into: Into,
    wait_ms_max: int,
    tell: Callable[[str], None],
) -> Replaying:
    """Wire a replay; only one that publishes has anything that writes."""
    from tailrace.dead.index import LetterIndex
    from tailrace.dead.retry import Retrying
    from tailrace.dead.topic import KafkaDocuments
    from tailrace.index_templates import events_alias
    from tailrace.kafka_admin import KafkaAdmin
    from tailrace.replay.alone import alone
    from tailrace.replay.publish import Publishing
    from tailrace.replay.raw_topic import CLIENT_ID
    from tailrace.replay.revised_elastic import RevisedElastic
    from tailrace.replay.run import Replaying
    from tailrace.replay.stored_index import StoredEvents

    connections, elastic, clock = place.connections, place.elastic, place.clock
    namespace = connections.namespace
    letters = LetterIndex(elastic, namespace=namespace, clock=clock)
    stored = StoredEvents(elastic, letters=letters, namespace=namespace, clock=clock)
    if into is Into.SHADOW:
        return Replaying(stored=stored, tally=tally, tell=tell)
    admin = closing.enter_context(KafkaAdmin(connections, client_id=CLIENT_ID))
    return Replaying(
        stored=stored,
        tally=tally,
        tell=tell,
        publishing=Publishing(
            revisions=RevisedElastic(elastic, namespace=namespace, clock=clock),
            alias=events_alias(namespace),
            namespace=namespace,
            read_floors=place.floors.read,
            is_alone=closing.enter_context(alone(connections)),
        ),
        letters=Retrying(
            stored=letters,
            documents=KafkaDocuments(connections, admin=admin, clock=clock),
            clock=clock,
            namespace=namespace,
            wait_ms_max=wait_ms_max,
            tell=tell,
        ),
    )


def _remade(
    closing: ExitStack, place: _Place, *, choice: Choice, config: Path | None
) -> Iterator[Remade]:
    """Return what the present pipeline makes of each record of the span.

    Raises:
        CommandFailed: retention took a part of the span.
        ServiceUnavailable: Kafka does not answer.
    """
    from tailrace.commands.parsed_file import stream_settings_of
    from tailrace.kafka_reader import topic_reader
    from tailrace.replay.raw_topic import CLIENT_ID, RawTopic
    from tailrace.replay.span import spans_of
    from tailrace.topics import FLOORS, RAW
    from tailrace_stream.enrich.build import enrichment_of
    from tailrace_stream.guard.guard import guard_of
    from tailrace_stream.main import check_topics
    from tailrace_stream.own.build import own_parsers
    from tailrace_stream.redact.build import redaction_of
    from tailrace_stream.replaying import Remaking
    from tailrace_stream.shaping.config import rules_of

    connections, clock = place.connections, place.clock
    settings = stream_settings_of(config)
    enrichment = enrichment_of(settings.enrichment, clock=clock)
    closing.callback(enrichment.close)
    remaking = Remaking(
        topic_id=check_topics(connections, topics=(RAW, FLOORS)),
        namespace=connections.namespace,
        floors=place.floors.read(),
        own=own_parsers(settings.parsers),
        enrichment=enrichment,
        redaction=redaction_of(settings.redaction),
        guard=guard_of(settings.attribute_keys_max),
        rules=rules_of(settings.shaping),
        takes=choice.takes,
    )
    topic = RawTopic(
        closing.enter_context(topic_reader(connections, client_id=CLIENT_ID)),
        namespace=connections.namespace,
        brokers=connections.kafka_bootstrap,
        clock=clock,
    )
    held = topic.held(since_ms=choice.since_ms, until_ms=choice.until_ms)
    spans = spans_of(choice, held, now_ms=clock.now_ms())

    return _each_remade(topic.records(spans), remaking, clock=clock)


def _each_remade(
    records: Iterable[SpanRecord], remaking: Remaking, *, clock: Clock
) -> Iterator[Remade]:
    from tailrace_stream.records import RawRecord

    for record in records:
        raw = RawRecord(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            headers=record.headers,
            appended_at_ms=record.appended_at_ms,
        )
        made = remaking.remake(raw, now_ms=clock.now_ms())
        if made is not None:
            yield made

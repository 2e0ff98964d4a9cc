"""What `tailrace why` asks of the roles' own code: globs, events, parsers, held indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.audit.facts import GenerationFacts
from tailrace.commands.why_untold import Exclusion
from tailrace.errors import ConfigError, TailraceError
from tailrace.extras import missing_modules
from tailrace.framing import MappedEvent
from tailrace.identity import index_name
from tailrace.why.hops import LinePlace, Made
from tailrace.why.place import FileLine, Written
from tailrace.wire import AgentLedger, Cut, Origin

if TYPE_CHECKING:
    from tailrace_agent.archives import AnyFile
    from tailrace_agent.config import AgentSettings
    from tailrace_agent.forms import Encoding
    from tailrace_agent.preview import Around
    from tailrace_stream.enrich.enrichment import Enrichment
    from tailrace_stream.own.parser import OwnParsers
    from tailrace_stream.shaping.fates import Ruling

INDEXER_STATUS = Path("indexer", "status.json")


def glob_of(path: str, *, config: Path | None, source: str = "") -> str:
    """Return which glob of this machine's agent takes a path, "" where none does.

    `source` names the source to look in; without it, all are looked at.
    """
    from tailrace_agent.globs import taken_by

    settings = _agent_settings(config)
    for each in settings.sources if settings else ():
        if source and each.name != source:
            continue
        if glob := taken_by(path, globs=each.paths, exclude=each.exclude):
            return glob
    return ""


def exclusion_of(path: str, *, config: Path | None) -> Exclusion | None:
    """Return how this machine's agent would take a path if it did not exclude it."""
    from tailrace_agent.globs import excluder, taken_by

    settings = _agent_settings(config)
    for each in settings.sources if settings else ():
        glob = taken_by(path, globs=each.paths, exclude=())
        by = next((one for one in each.exclude if excluder((one,))(path)), None)
        if glob and by is not None:
            return Exclusion(source=each.name, glob=glob, by=by)
    return None


def encodings_of(config: Path | None) -> Mapping[str, Encoding]:
    """Return how each source of this machine's agent says that its files are written."""
    settings = _agent_settings(config)
    return {each.name: each.encoding for each in settings.sources} if settings else {}


def written_of(file: AnyFile, *, encoding: Encoding) -> Written:
    """Return how the agent takes the lines of a file to be written.

    Raises:
        OSError: the file cannot be read.
    """
    from tailrace_agent.forms import MARK_BYTES_MAX, form_of

    buffer = memoryview(bytearray(MARK_BYTES_MAX))
    head = bytes(buffer[: file.read_into((buffer,), offset=0)])
    form = form_of(head, encoding=encoding, is_archive=False)
    return Written(
        newline=form.newline,
        mark=form.mark if head.startswith(form.mark) else b"",
        codec=form.codec or "utf-8",
    )


def made_of(
    place: LinePlace,
    *,
    facts: GenerationFacts,
    namespace: str,
    config: Path | None = None,
) -> Made | None:
    """Return what the stream makes of a line; None where its code is not installed.

    With the user's own parsers and rules, as far as `config` or the environment has them
    here.
    """
    agent = facts.agent
    if agent is None or missing_modules("stream"):
        return None
    import orjson

    from tailrace.framing import encode_mapped
    from tailrace_stream.chunk import process_chunk

    event = place.event or _event_of_text(place)
    value = place.line + b"\n" if event is None else encode_mapped([event])
    enrichment, ruling = _rules_of(config)
    processed = process_chunk(
        value,
        origin=_origin(place, agent, event),
        namespace=namespace,
        own=_own_of(config),
        enrichment=enrichment,
        ruling=ruling,
    )
    placement = agent.placement
    if processed.dead:
        first = processed.dead[0]
        return Made(
            dataset=placement.dataset,
            parser=placement.parser,
            dead_reason=f"{first.reason}: {first.detail}",
        )
    action, _, document = processed.pieces[0].body.partition(b"\n")
    create = orjson.loads(action)["create"]
    source = orjson.loads(document)
    return Made(
        # Only the bytes of the file give it; text may have been written in many ways.
        document_id=create["_id"] if place.event is not None else "",
        index=create["_index"],
        dataset=placement.dataset,
        parser=placement.parser,
        is_recognised=source.get("event.kind") != "pipeline_error",
        left_out_by=next(iter(processed.left_out.reasons), ""),
    )


def placed_index(facts: GenerationFacts, *, namespace: str) -> str:
    """Return the index of a file's documents, empty where each event's time decides."""
    agent = facts.agent
    if agent is None or agent.placement.time_rule != "generation":
        return ""
    return index_name(
        None,
        namespace=namespace,
        placement=agent.placement,
        born_at_ms=agent.identity.born_at_ns // 1_000_000,
    )


def _own_of(config: Path | None) -> OwnParsers:
    from tailrace.commands.parsed_file import own_of_config

    try:
        return own_of_config(config)
    except ConfigError:
        return {}  # The line is told of all the same; its stream says what is wrong.


def _rules_of(config: Path | None) -> tuple[Enrichment, Ruling]:
    """Return the rules of today, and what they need to know of a line."""
    from tailrace.commands.parsed_file import enrichment_of_config, stream_settings_of
    from tailrace_stream.enrich.enrichment import NO_ENRICHMENT
    from tailrace_stream.shaping.config import rules_of
    from tailrace_stream.shaping.fates import NO_RULING, Ruling

    try:
        rules = rules_of(stream_settings_of(config).shaping)
        if not rules:
            return NO_ENRICHMENT, NO_RULING
        return enrichment_of_config(config), Ruling(((0, rules),), keeps_all=True)
    except TailraceError:
        return (
            NO_ENRICHMENT,
            NO_RULING,
        )  # As with parsers: its stream says what is wrong.


def event_around(
    line: FileLine,
    *,
    file: AnyFile,
    agent: AgentLedger,
    encoding: Encoding,
    starts: Sequence[int] = (),
) -> Around | None:
    """Return the first event that the agent makes of a line, or of more around it.

    None where it makes none of it. At `starts` events are known to begin: time may have
    ended one where no line tells it, and the documents alone know.

    Raises:
        OSError: the file cannot be read.
    """
    from tailrace_agent import preview

    # A mark is where a chunk ended, so an event begins there: less is read again.
    begins = [*(mark.offset for mark in agent.marks), *starts]
    if agent.placement.multiline is None:
        begins.append(line.offset)
    start = max((place for place in begins if place <= line.offset), default=0)
    end = min((place for place in starts if place > line.offset), default=None)
    if end is None and not line.is_complete:
        # Time ended it there; more may have been written since.
        end = agent.next_offset
    cut = None if end is None else Cut(offset=start, next_offset=end, reason="flushed")
    return preview.event_around(
        file,
        line.offset,
        end_offset=line.end_offset,
        placement=agent.placement,
        encoding=encoding,
        start=start,
        cut=cut,
    )


def _agent_settings(config: Path | None) -> AgentSettings | None:
    """Return what this machine's agent is told; None where it is not known here."""
    from tailrace.settings import read_role_settings
    from tailrace_agent.config import AgentSettings

    try:
        return read_role_settings(AgentSettings, config_file=config)
    except TailraceError:
        return None  # Another machine's agent read it, or its settings are elsewhere.


def _event_of_text(place: LinePlace) -> MappedEvent | None:
    """Return an event of several lines of which only the document is at hand."""
    import crc32c

    line = place.line
    if b"\n" not in line:
        return None
    return MappedEvent(place.offset, len(line), crc32c.crc32c(line), line)


def held_indices(data_dir: Path) -> Mapping[str, str]:
    """Return which indices this machine's indexer holds, and why; nothing where none runs."""
    import orjson

    try:
        status = orjson.loads((data_dir / INDEXER_STATUS).read_bytes())
        return {str(k): str(v) for k, v in status["held_indices"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _origin(place: LinePlace, agent: AgentLedger, event: MappedEvent | None) -> Origin:
    return Origin(
        agent_id=agent.agent_id,
        host_id=agent.host_id,
        host_name=agent.host_name,
        path=agent.path,
        generation=agent.generation,
        born_at_ms=agent.identity.born_at_ns // 1_000_000,
        first_offset=place.offset,
        size_bytes=len(place.line) + 1,
        first_event_number=place.event_number or 0,
        event_count=1,
        source=agent.source,
        placement=agent.placement,
        time_zone=agent.placement.time_zone,
        framing="newline" if event is None else "mapped",
        observed_at_ms=agent.updated_at_ms,
    )

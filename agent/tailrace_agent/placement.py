"""Where a generation's documents will go: decided once, from its first bytes."""

from __future__ import annotations

from tailrace.detect import (
    AUTO,
    CSV,
    DATASET_OF_CONTAINER,
    DATASET_OF_JOURNALD,
    detect,
    has_time,
    inner_parser,
    parser_for,
)
from tailrace.identity import EARLIEST_BEFORE_MS
from tailrace.multiline.auto import RULE_OF_PARSER, rule_for
from tailrace.multiline.container import KINDS, format_of, head_text
from tailrace.multiline.journald import JOURNALD, begins_entry
from tailrace.multiline.shapes import LANGUAGES
from tailrace.multiline.streams import PIECES
from tailrace.tables import table_of
from tailrace.topics import EVENT_BYTES_MAX
from tailrace.wire import MultilineRule, Placement, Table
from tailrace_agent.config import SourceSettings
from tailrace_agent.event_rules import DAY_MS, MultilineSettings
from tailrace_agent.routing import index_for

LATEST_AFTER_MS = 731 * DAY_MS
"""Two years: a file is followed for long, but a line from 2099 is a mistake."""

PIECES_MAX = 500
"""Lines of a container's log that may be pieces of one; its bytes end it before."""
PIECES_BYTES_MAX = 1_024 * 1_024
"""A piece that would make the event longer begins the next one, and that is counted."""
ENTRY_LINES_MAX = 10_000
"""Of a statement in a slow log; it may be a whole INSERT of a dump."""


DATASET_OF_FORMAT = {**DATASET_OF_CONTAINER, JOURNALD: DATASET_OF_JOURNALD}
ENTRIES = MultilineRule(rule=JOURNALD, max_lines=1, max_bytes=EVENT_BYTES_MAX)


def placement_of(
    sample: bytes,
    *,
    path: str,
    source: SourceSettings,
    host_time_zone: str,
    first_seen_at_ms: int,
) -> Placement:
    """Return the placement of a generation that begins with `sample`.

    The bounds are relative to first sight and not to now, so that a line that is sent
    again next year goes to the same index.
    """
    written_by = _format_of(source, sample)
    table: Table | None = None
    if written_by is not None:
        is_named = source.dataset != AUTO
        dataset = source.dataset if is_named else DATASET_OF_FORMAT[written_by]
        parser = written_by
    elif source.dataset == AUTO:
        detection = detect(sample, path=path)
        dataset, parser = detection.dataset, detection.parser
        table = detection.table
    else:
        dataset, parser = source.dataset, parser_for(source.dataset)
    if parser == CSV and (source.columns or table is None):
        table = table_of(sample, path=path, columns=source.columns, is_told=True)
        # What has no columns is read line by line, whatever it is called.
        parser = CSV if table is not None else AUTO
    return Placement(
        dataset=dataset,
        index=index_for(dataset, source.routing),
        parser=parser,
        time_rule="event" if has_time(parser) else "generation",
        time_zone=source.time_zone or host_time_zone,
        anchor_ms=first_seen_at_ms,
        earliest_ms=first_seen_at_ms - EARLIEST_BEFORE_MS,
        latest_ms=first_seen_at_ms + LATEST_AFTER_MS,
        inner=(inner_parser(source.inner) or "")
        if written_by in DATASET_OF_CONTAINER
        else "",
        multiline=ENTRIES
        if written_by == JOURNALD
        else _rule_of(source.multiline, sample, parser=parser, container=written_by),
        table=table,
    )


def _format_of(source: SourceSettings, sample: bytes) -> str | None:
    if source.format == AUTO:
        # Whoever named a dataset of another parser meant that one.
        is_free = (
            source.dataset == AUTO or parser_for(source.dataset) in DATASET_OF_FORMAT
        )
        if not is_free:
            return None
        return JOURNALD if begins_entry(sample) else format_of(sample)
    return None if source.format == "lines" else source.format


def _rule_of(
    settings: MultilineSettings | None,
    sample: bytes,
    *,
    parser: str,
    container: str | None,
) -> MultilineRule | None:
    """Return what joins lines: what a user says, or what the shape cannot be without."""
    if settings is None:
        if container is not None:
            return MultilineRule(
                rule=PIECES,
                max_lines=PIECES_MAX,
                max_bytes=PIECES_BYTES_MAX,
                container=container,
            )
        if parser not in RULE_OF_PARSER:
            return None
        return MultilineRule(
            rule=RULE_OF_PARSER[parser],
            max_lines=ENTRY_LINES_MAX,
            max_bytes=EVENT_BYTES_MAX,
        )
    name, pattern = settings.rule, ""
    if settings.start is not None:
        name, pattern = "start", settings.start
    elif settings.continuation is not None:
        name, pattern = "continuation", settings.continuation
    elif name == AUTO and container is not None:
        name = _rule_in(sample, container=container)
    elif name == AUTO:
        name = rule_for(sample, parser=parser)
    if name is None:
        return None
    return MultilineRule(
        rule=name,
        pattern=pattern,
        max_lines=settings.max_lines,
        max_bytes=settings.max_bytes,
        container=container or "",
    )


def _rule_in(sample: bytes, *, container: str) -> str:
    """Return the rule that what a container wrote wants, asked of each stream's lines.

    One whose lines are each an event does not speak against another stream's traces.
    Where they want different ones, any language's is for both.
    """
    texts: dict[bytes, list[bytes]] = {}
    start = 0
    while (end := sample.find(b"\n", start)) >= 0:
        stream, _ = KINDS[container](sample, start, end)
        if stream is not None:
            texts.setdefault(stream, []).append(head_text(sample, start, end))
        start = end + 1
    wanted: set[str | None] = set()
    for lines in texts.values():
        text = b"\n".join(lines) + b"\n"
        wanted.add(rule_for(text, parser=detect(text, path="").parser))
    if len(wanted) <= 1:
        return next(iter(wanted), None) or PIECES
    named = wanted - {None}
    is_of_one = len(named) == 1 and named <= set(LANGUAGES)
    return named.pop() or PIECES if is_of_one else "trace"

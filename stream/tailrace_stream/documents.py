"""How events become documents: one line of JSON each, in the order of the file.

What all documents of a chunk have in common is encoded once and joined on as text; the
columns that differ are encoded by polars, and nulls are then cut out of that text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import msgspec
import polars as pl

from tailrace.detect import DATASET_OF_CONTAINER
from tailrace.wire import Origin
from tailrace_stream.categories import KIND, NO_WORDS, Words, words_of
from tailrace_stream.container_paths import container_fields
from tailrace_stream.enrich import user_agents
from tailrace_stream.events import Events
from tailrace_stream.parsers.columns import (
    ATTRIBUTES,
    CONFLICTS,
    ENRICHED,
    GUESSED,
    INNER_UNREAD,
    LABELS,
    MATCHED,
    OF_ANOTHER,
    TIME_NS,
    TOLD,
)
from tailrace_stream.placing import within_bounds
from tailrace_stream.templates.naming import templates_of
from tailrace_stream.templates.sightings import Named
from tailrace_stream.times import iso_texts

ECS_VERSION = "8.17.0"
CUT_TAG = "cut"
TEMPLATE_ID = "tailrace.template.id"
_NS_PER_MS = 1_000_000
_LOOKED_UP = user_agents.ORIGINAL
"""What is added for it follows from it, and is added first."""
_NO_FIELDS = frozenset(
    {
        *(TIME_NS, GUESSED, MATCHED, ATTRIBUTES, INNER_UNREAD, ENRICHED, LABELS, TOLD),
        *(OF_ANOTHER, "message"),
    }
)
"""Columns of a parser that are no field as they stand."""
_ORIGIN_FIELDS: Mapping[str, Callable[[Origin], str]] = {
    "host.name": lambda origin: origin.host_name,
    "agent.id": lambda origin: origin.agent_id,
    "log.file.path": lambda origin: origin.path,
}
"""What every document has: from its origin, unless its line says it itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What all documents of a chunk have of its origin, beside what they always have."""

    facts: Mapping[str, str]
    """Fields, each unless a line says it itself."""
    labels: Mapping[str, str]

    @classmethod
    def of(cls, origin: Origin) -> Common:
        """Return the labels alone."""
        return cls(facts={}, labels=origin.fields)


@dataclass(frozen=True, slots=True)
class Documents:
    """One document an event, as columns of equal length."""

    open_bodies: pl.Series
    """The document as one line of JSON, all but its closing brace: what comes behind it
    on its way to the index is added there."""
    times_ns: pl.Series
    """The time in the line; null where it has none."""
    levels: pl.Series
    """Lower case; null where the line has none."""
    inner_unread_count: int = 0
    """Lines of containers whose own text is none of the parser that was named for it."""
    templates: Named | None = None
    """Where they are asked for."""
    conflicts: tuple[tuple[str, int], ...] = ()
    """How many name each field as one whose value did not fit."""


def documents_of(
    events: Events,
    parsed: pl.DataFrame,
    *,
    origin: Origin,
    common: Common | None = None,
    has_templates: bool = False,
) -> Documents:
    """Return the documents of `events`, whose fields are in `parsed`."""
    common = Common.of(origin) if common is None else common
    times_ns = parsed.get_column(TIME_NS)
    facts = _facts(parsed, origin=origin, common=common)
    fields = [
        _filled(column, facts)
        for column in parsed.get_columns()
        if column.name not in _NO_FIELDS and column.null_count() < len(column)
    ]
    told = parsed.get_column(TOLD) if TOLD in parsed.columns else None
    templates = templates_of(events.text, told=told) if has_templates else None
    words = words_of(origin.placement)
    others = _none_of_dataset(parsed, events.text) if words else None
    if others is not None:
        # What the rest of them are stands in each, then.
        fields = [one for one in fields if one.name not in words]
        fields += _words(parsed, words, others=others)
        words = NO_WORDS
    # In the order that packs best, by 6 bytes a line of an access log (ARCHITECTURE.md):
    # what differs always, then fields, then the line that repeats them, and last the one
    # that says what is joined on behind.
    columns = [
        *_times(parsed, origin=origin),
        pl.Series("log.offset", events.offsets),
        pl.Series("event.sequence", events.numbers(origin=origin)),
        *([] if templates is None else [templates[0].alias(TEMPLATE_ID)]),
        *(field for field in fields if field.name != _LOOKED_UP),
        *_messages(events, parsed),
        *_marks(events),
        *(field for field in fields if field.name == _LOOKED_UP),
    ]
    level = "log.level"
    return Documents(
        open_bodies=_open_bodies(
            pl.DataFrame([c for c in columns if c.null_count() < len(c)]),
            parsed,
            events=events,
            origin=origin,
            common=common,
            words=words,
        ),
        times_ns=times_ns,
        inner_unread_count=int(parsed.get_column(INNER_UNREAD).sum())
        if INNER_UNREAD in parsed.columns
        else 0,
        conflicts=_conflicts(parsed),
        levels=(
            parsed.get_column(level)
            if level in parsed.columns
            else pl.Series([None], dtype=pl.String).new_from_index(0, len(events))
        ),
        templates=templates,
    )


def _times(parsed: pl.DataFrame, *, origin: Origin) -> list[pl.Series]:
    """Return the time of each line, and where it is from if not from the line alone."""
    observed_ns = pl.lit(origin.observed_at_ms * _NS_PER_MS, pl.Int64)
    time = pl.col(TIME_NS)
    is_doubted = pl.lit(value=False)
    if origin.placement.time_rule == "event":
        event_ms = time.floordiv(_NS_PER_MS)
        is_doubted = ~within_bounds(event_ms, placement=origin.placement)
    source = (
        pl.when(time.is_null())
        .then(pl.lit("observed"))
        # It stays as it is written, and the document lies by the file's birth.
        .when(is_doubted)
        .then(pl.lit("out_of_bounds"))
        .when(pl.col(GUESSED))
        .then(pl.lit("guessed"))
    )
    times = parsed.select(
        pl.coalesce(time, observed_ns).alias("time"),
        source.alias("tailrace.time_source"),
    )
    return [
        iso_texts(times.get_column("time")).alias("@timestamp"),
        times.get_column("tailrace.time_source"),
    ]


def _facts(
    parsed: pl.DataFrame, *, origin: Origin, common: Common
) -> Mapping[str, str]:
    """Return what stands in a field of lines where a line says nothing.

    Records of another collector say themselves where they come from, or some of them do.
    """
    said = [name for name in _ORIGIN_FIELDS if name in parsed.columns]
    if not said:
        return common.facts
    return {**common.facts, **{name: _ORIGIN_FIELDS[name](origin) for name in said}}


def _filled(column: pl.Series, facts: Mapping[str, str]) -> pl.Series:
    """Return a field of lines, with its origin's word where a line says nothing."""
    if column.name not in facts or column.dtype != pl.String:
        return column
    return column.fill_null(facts[column.name])


def _none_of_dataset(parsed: pl.DataFrame, text: pl.Series) -> pl.Series | None:
    """Tell which lines are empty or not their parser's; None where none is."""
    others = text.str.strip_chars() == ""
    if KIND in parsed.columns:
        others |= parsed.get_column(KIND).is_not_null()
    if OF_ANOTHER in parsed.columns:
        others |= parsed.get_column(OF_ANOTHER).is_not_null()
    return others if others.any() else None


def _words(parsed: pl.DataFrame, words: Words, *, others: pl.Series) -> list[pl.Series]:
    """Return what stands in the lines of their dataset, and what the others say."""
    columns: list[pl.Series] = []
    for name, word in words.items():
        value = pl.Series([word] if isinstance(word, str) else [list(word)])
        own = pl.Series([None], dtype=value.dtype).new_from_index(0, len(others))
        if name in parsed.columns:
            own = parsed.get_column(name)
        many = value.new_from_index(0, len(others))
        columns.append(own.zip_with(others, many).alias(name))
    return columns


def _conflicts(parsed: pl.DataFrame) -> tuple[tuple[str, int], ...]:
    if CONFLICTS not in parsed.columns:
        return ()
    named = parsed.get_column(CONFLICTS).drop_nulls().explode()
    return tuple(sorted(Counter(cast("list[str]", named.to_list())).items()))


def _messages(events: Events, parsed: pl.DataFrame) -> list[pl.Series]:
    """Return `message`, and the line itself where that is another text."""
    text, line = events.text, events.lines()
    if "message" in parsed.columns:
        own = parsed.get_column("message")
    elif events.has_mark:
        own = text
    else:
        return [text.alias("message")]
    frame = pl.DataFrame([own.alias("own"), text.alias("text"), line.alias("line")])
    both = frame.select(
        pl.coalesce("own", "text").alias("message"),
        pl.when(pl.coalesce("own", "text") != pl.col("line"))
        .then(pl.col("line"))
        .alias("event.original"),
    )
    return both.get_columns()


def _marks(events: Events) -> list[pl.Series]:
    marks: list[pl.Series] = []
    if events.base64 is not None:
        marks.append(events.base64.alias("tailrace.original_base64"))
    if events.original_sizes is not None:
        marks.append(events.original_sizes.alias("tailrace.original_size_bytes"))
    return marks


def _open_bodies(
    frame: pl.DataFrame,
    parsed: pl.DataFrame,
    *,
    events: Events,
    origin: Origin,
    common: Common,
    words: Words,
) -> pl.Series:
    """Encode each row, leave its nulls out, and join on what all have in common."""
    body = pl.struct(pl.all()).struct.json_encode()
    nulls = [column.name for column in frame.get_columns() if column.null_count()]
    if nulls:
        # Inside a text a quote is always escaped, so `,"name":null` can only be a field.
        # The first field is never null, so there is always a comma before one.
        names = "|".join(name.replace(".", r"\.") for name in nulls)
        body = body.str.replace_all(f',"(?:{names})":null', "")
    parts: list[pl.Expr] = [body.str.strip_suffix("}")]
    extra: list[pl.Series] = []
    if ATTRIBUTES in parsed.columns:
        attributes = pl.col(ATTRIBUTES)
        text = pl.when(attributes.is_not_null()).then(
            pl.concat_str(pl.lit(',"attributes":'), attributes)
        )
        parts.append(text.fill_null(""))
        extra.append(parsed.get_column(ATTRIBUTES))
    if ENRICHED in parsed.columns:
        parts.append(pl.col(ENRICHED))
        extra.append(parsed.get_column(ENRICHED))
    facts = {k: v for k, v in common.facts.items() if k not in frame.columns}
    labels = dict(common.labels)
    if LABELS in parsed.columns:
        parts.append(_labels(labels))
        extra.append(parsed.get_column(LABELS))
        labels.clear()
    shared, tags = _common(
        origin, facts=facts | dict(words), labels=labels, said=frozenset(frame.columns)
    )
    parts.append(pl.lit(shared))
    if events.are_cut is not None:
        extra.append(events.are_cut.alias("_cut"))
        cut = _tags((*origin.tags, CUT_TAG))
        parts.append(pl.when("_cut").then(pl.lit(cut)).otherwise(pl.lit(tags)))
    else:
        parts.append(pl.lit(tags))
    encoded = frame.select(parts[0].alias("_body"))
    return (
        encoded.with_columns(extra)
        .select(pl.concat_str(pl.col("_body"), *parts[1:]))
        .to_series()
    )


def _labels(common: Mapping[str, str]) -> pl.Expr:
    """Return the labels of each line: its own, and those of all that it has not itself."""
    own = pl.col(LABELS)
    whole: pl.Expr = own
    for name, text in common.items():
        key, value = (msgspec.json.encode(one).decode() for one in (name, text))
        is_own = own.str.contains(f",{key}:", literal=True)
        shared = pl.lit(f",{key}:{value}")
        whole = pl.concat_str(whole, pl.when(is_own).then(pl.lit("")).otherwise(shared))
    inner = whole.str.strip_prefix(",")
    text = pl.concat_str(pl.lit(',"labels":{'), inner, pl.lit("}"))
    return pl.when(inner == "").then(pl.lit("")).otherwise(text)


def _common(
    origin: Origin,
    *,
    facts: Mapping[str, object],
    labels: Mapping[str, str],
    said: Collection[str],
) -> tuple[str, str]:
    """Return the fields all documents of a chunk share, and their tags, as JSON text.

    `said` are the names that each document has for itself.
    """
    created = datetime.fromtimestamp(origin.observed_at_ms / 1_000, tz=UTC)
    common: dict[str, object] = {
        **facts,
        "event.dataset": origin.placement.dataset,
        "event.created": created.isoformat(timespec="milliseconds").replace(
            "+00:00", "Z"
        ),
        **{name: of(origin) for name, of in _ORIGIN_FIELDS.items() if name not in said},
        "tailrace.generation": origin.generation,
        "ecs.version": ECS_VERSION,
    }
    # A file that is only looked at has no agent and no life of its own.
    for name in ("agent.id", "tailrace.generation"):
        if not common.get(name, True):
            del common[name]
    if origin.placement.parser in DATASET_OF_CONTAINER:
        common |= dict(container_fields(origin.path))
    if labels:
        common["labels"] = labels
    text = msgspec.json.encode(common).decode()
    return f",{text[1:-1]}", _tags(origin.tags)


def _tags(tags: tuple[str, ...]) -> str:
    return f',"tags":{msgspec.json.encode(tags).decode()}' if tags else ""

"""What the records of other collectors say: their own fields, and those of their messages.

Each record is read as its collector writes it; what it carries as its message is then read
as a line of a file is, by the dataset's parser or by its own shape. What the collector says
wins over what is read out of the message, but for the time: a time that stands whole in the
line is when it was written, the collector's mostly when it was read, and only by that can
it be believed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import polars as pl

from tailrace.identity import EARLIEST_BEFORE_MS
from tailrace_stream.foreign.collectors import (
    filebeat,
    fluent_bit,
    rsyslog,
    shape_of,
    vector,
)
from tailrace_stream.foreign.names import NUMBERS, Json
from tailrace_stream.foreign.otlp_fields import otlp
from tailrace_stream.foreign.places import AHEAD_MS_MAX, BELIEVED_FROM_MS
from tailrace_stream.inner import Read, read_or_unmatched
from tailrace_stream.parsers.columns import (
    ATTRIBUTES,
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
    UNREADABLE,
)
from tailrace_stream.parsers.fields import Fields, fields_of
from tailrace_stream.parsers.json_objects import object_of
from tailrace_stream.parsers.structured import frame_of

PREFIX = "foreign."
"""Begins the parser's name in the placement of another collector's events."""
_READERS: dict[str, Callable[[Json], Fields]] = {
    "filebeat": filebeat,
    "fluent_bit": fluent_bit,
    "otlp": otlp,
    "rsyslog": rsyslog,
    "vector": vector,
}
_MAY_BE_TEXT = frozenset({"auto", "rsyslog"})
"""Shapes whose records may be lines: rsyslog's templates are, unless they say JSON."""
_AGENT_TYPES = {"fluent_bit": "fluent-bit", "rsyslog": "rsyslog", "vector": "vector"}
_NS_PER_MS = 1_000_000
_OUTER, _INNER, _ROW = "_outer.", "_inner.", "_row"
_json_object = msgspec.json.Decoder(dict[str, object])


def parse(
    lines: pl.Series,
    *,
    shape: str,
    time_zone: str,
    read_message: Read,
    message_parser: str,
    error_kind: str,
) -> pl.DataFrame:
    """Return the fields of each record, and in `UNREADABLE` why one is none of its shape.

    `message_parser` is whose messages they are said to be, empty where each is looked at
    by itself.
    """
    found, unreadable = _read(lines, shape)
    frame = frame_of(found, time_zone=time_zone, numbers=NUMBERS)
    frame = frame.with_columns(pl.lit(value=True).alias(MATCHED))
    if any(unreadable):
        frame = frame.with_columns(pl.Series(UNREADABLE, unreadable, pl.String))
    messages = _messages(frame, lines, found)
    # An empty line is nobody's mistake.
    asked = messages.is_not_null() & (messages.str.strip_chars() != "")
    rows = pl.int_range(len(lines), eager=True).filter(asked)
    if not len(rows):
        return _with_host(frame)
    inner = read_or_unmatched(messages.gather(rows), read=read_message)
    joined = _with_host(_joined(frame, inner, rows))
    unread = rows.filter(~inner.get_column(MATCHED))
    if not message_parser or not len(unread):
        return joined
    is_unread = pl.int_range(pl.len()).is_in(unread.implode())
    words = {
        "event.kind": error_kind,
        "error.message": f"not a line of {message_parser}",
    }
    return joined.with_columns(
        pl.when(is_unread)
        .then(pl.lit(word))
        .otherwise(pl.col(name) if name in joined.columns else None)
        .alias(name)
        for name, word in words.items()
    )


def _read(lines: pl.Series, shape: str) -> tuple[list[Fields | None], list[str | None]]:
    found: list[Fields | None] = []
    unreadable: list[str | None] = []
    for line in lines:
        record = _object(line)
        fields = None if record is None else _fields(record, shape)
        is_lost = fields is None and shape not in _MAY_BE_TEXT
        found.append(fields)
        unreadable.append(
            f"not one JSON object, as {shape} writes it" if is_lost else None
        )
    return found, unreadable


def _object(line: str) -> dict[str, object] | None:
    return object_of(line) if "{" in line[:64] else None


def _fields(record: Json, shape: str) -> Fields:
    named = shape_of(record) if shape == "auto" else shape
    fields = _READERS.get(named, fields_of)(record)
    if named in _AGENT_TYPES:
        fields.known.setdefault("agent.type", _AGENT_TYPES[named])
    return fields


def _messages(
    frame: pl.DataFrame, lines: pl.Series, found: Sequence[Fields | None]
) -> pl.Series:
    """Return the text in each record that a parser may read: of a plain line, itself."""
    is_plain = pl.Series([fields is None for fields in found], dtype=pl.Boolean)
    own = (
        frame.get_column(MESSAGE)
        if MESSAGE in frame.columns
        else pl.Series([None], dtype=pl.String).new_from_index(0, len(lines))
    )
    if UNREADABLE in frame.columns:
        is_plain &= frame.get_column(UNREADABLE).is_null()
    both = pl.DataFrame(
        [own.alias("own"), lines.alias("line"), is_plain.alias("plain")]
    )
    return both.select(pl.when("plain").then("line").otherwise("own")).to_series()


def _joined(frame: pl.DataFrame, inner: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """Add what messages say to what their records say."""
    said = inner.with_columns(rows.alias(_ROW)).filter(pl.col(MATCHED)).drop(MATCHED)
    said = said.rename({n: _INNER + n for n in said.columns if n != _ROW})
    whole = frame.with_columns(pl.int_range(pl.len()).alias(_ROW)).join(
        said, on=_ROW, how="left", maintain_order="left"
    )
    columns: list[pl.Expr] = []
    for name in (n.removeprefix(_INNER) for n in said.columns if n != _ROW):
        own, other = pl.col(name), pl.col(_INNER + name)
        if name in (TIME_NS, GUESSED):
            continue
        if name not in frame.columns:
            columns.append(other.alias(name))
        elif name == MESSAGE:
            columns.append(pl.coalesce(other, own).alias(name))
        elif name == ATTRIBUTES:
            columns.append(pl.lit(_attributes(whole, name)).alias(name))
        else:
            cast = own.cast(inner.schema[name], strict=False)
            columns.append(pl.coalesce(cast, other).alias(name))
    if _INNER + TIME_NS in whole.columns:
        columns += _times()
    return whole.with_columns(columns).select(
        pl.exclude(_ROW, *(n for n in whole.columns if n.startswith(_INNER)))
    )


def _with_host(frame: pl.DataFrame) -> pl.DataFrame:
    """Name the host by what a line of syslog says, where its collector says nothing."""
    names = [name for name in ("host.name", "host.hostname") if name in frame.columns]
    if names[-1:] != ["host.hostname"]:
        return frame
    return frame.with_columns(pl.coalesce(names).alias("host.name"))


def _times() -> list[pl.Expr]:
    """Choose whose time it is: the line's where it is whole and believed, else the collector's.

    A line's time without year or zone may be hours off, and is better than none, or than
    one of a collector that has no clock.
    """
    own, other = pl.col(TIME_NS), pl.col(_INNER + TIME_NS)
    is_guessed = pl.col(_INNER + GUESSED).fill_null(value=False)
    # In milliseconds no difference of two times is too large for its column.
    own_ms, other_ms = own.floordiv(_NS_PER_MS), other.floordiv(_NS_PER_MS)
    has_clock = (own_ms >= BELIEVED_FROM_MS).fill_null(value=False)
    is_near = (other_ms >= own_ms - EARLIEST_BEFORE_MS) & (
        other_ms < own_ms + AHEAD_MS_MAX
    )
    is_inner = other.is_not_null() & (~has_clock | (~is_guessed & is_near))
    return [
        pl.when(is_inner).then(other).otherwise(own).alias(TIME_NS),
        pl.when(is_inner).then(is_guessed).otherwise(pl.col(GUESSED)).alias(GUESSED),
    ]


def _attributes(whole: pl.DataFrame, name: str) -> pl.Series:
    """Join the attributes of records and of their messages."""
    pairs = zip(whole[name], whole[_INNER + name], strict=True)
    return pl.Series(name, [_both(own, other) for own, other in pairs], dtype=pl.String)


def _both(own: str | None, other: str | None) -> str | None:
    if own is None or other is None:
        return own or other
    joined = _json_object.decode(other) | _json_object.decode(own)
    return msgspec.json.encode(joined).decode()

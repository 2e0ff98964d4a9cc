"""What the lines of a chunk say: each line to the parser that its placement names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import polars as pl

from tailrace import evidence
from tailrace.datasets import HEADS
from tailrace.detect import AUTO, DATASET_OF_CONTAINER
from tailrace.multiline.journald import JOURNALD
from tailrace.wire import Placement
from tailrace_stream.foreign import reading as foreign
from tailrace_stream.inner import with_inner
from tailrace_stream.own.parser import NO_OWN, OwnParser, OwnParsers
from tailrace_stream.parsers import (
    access,
    container,
    datasets,
    journald,
    log4j,
    plain,
    structured,
    syslog,
)
from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    OF_ANOTHER,
    TIME_NS,
    TOLD,
    in_order,
    with_rows,
)
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.times import known_zone

PIPELINE_ERROR = "pipeline_error"

# What a line of its own must begin with, before the parser itself is asked.
_AUTO = (
    ("json", r"^\s*\{"),
    (
        "access",
        (
            r'^(?:[^ ]+ [^ ]+ [^"\[]+ \[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:'
            r"|\[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} [+-][0-9]{4}\] [^ ]+ (?:TLS|SSL)v)"
        ),
    ),
    (
        "syslog",
        (
            r"^(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d "
            r"(?:<[a-z0-9]{1,16}\.[a-z0-9]{1,16}> )?[^\s<]"
            r"|1 |\d{4}-\d\d-\d\dT[0-9:.,]{8,18}(?:Z|[+-]\d\d:?\d\d) [^\s<]\S{0,254}"
            r" [^\s:\[]{1,128}(?:\[\d{1,10}\])?: )"
        ),
    ),
    ("log4j", r"^\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d"),
    ("logfmt", f"^{evidence.LOGFMT}"),
)
_SERVERS = tuple((parser, f"^(?:{head})") for parser, head in HEADS.items())
_ANY_SERVER = "^(?:" + "|".join(HEADS.values()) + ")"


def parse(
    lines: pl.Series,
    *,
    stored: Sequence[bytes],
    placement: Placement,
    own: OwnParsers = NO_OWN,
) -> pl.DataFrame:
    """Return the fields of each line, in their order, and why one has none.

    `stored` are the same lines as bytes, for a parser that text says too little; `own` are
    a user's parsers, each for a dataset that no parser of ours is for.
    A line that its parser does not know is read by its own shape; if it has none it is
    dated like plain text, and says in `error.message` what it is not. Parsers never raise for a line that is only odd; if
    one does all the same, the caller asks again for the lines one by one.
    """
    reader = own.get(placement.dataset)
    if placement.parser == AUTO:
        if reader is None:
            return _each_by_its_own_shape(lines, placement=placement)
        frame = _read_own(reader, lines, placement=placement)
    elif placement.parser == JOURNALD:
        frame = journald.parse(stored)
    elif placement.parser.startswith(foreign.PREFIX):
        return _read_foreign(lines, placement=placement, reader=reader)
    else:
        frame = parse_as(placement.parser, lines, placement=placement)
    is_asked = bool(placement.inner) or reader is not None
    if is_asked and placement.parser in DATASET_OF_CONTAINER:
        frame = _with_inner(frame, placement=placement, reader=reader)
    if frame.get_column(MATCHED).all():
        return frame
    may_be_any = is_read_by_shape(placement, own=own)
    return _with_unmatched(frame, lines, placement=placement, may_be_any=may_be_any)


def is_read_by_shape(placement: Placement, *, own: OwnParsers = NO_OWN) -> bool:
    """Tell whether a line that its parser does not know may be one of another program.

    Not in a runtime's log, whose lines are around others; and what a user's patterns do
    not take is to be seen.
    """
    is_of_runtime = placement.parser in {JOURNALD, *DATASET_OF_CONTAINER}
    return not is_of_runtime and own.get(placement.dataset) is None


def parse_as(parser: str, lines: pl.Series, *, placement: Placement) -> pl.DataFrame:
    """Return what one parser makes of the lines; a parser nobody knows reads plainly."""
    time_zone = known_zone(placement.time_zone)
    if parser == "access":
        return access.parse(lines)
    if parser == "syslog":
        return syslog.parse(lines, time_zone=time_zone, anchor_ms=placement.anchor_ms)
    if parser == "log4j":
        return log4j.parse(lines, time_zone=time_zone)
    if parser == "json":
        return structured.parse_json(lines, time_zone=time_zone)
    if parser == "cri":
        return container.parse_cri(lines, time_zone=time_zone)
    if parser == "docker":
        return container.parse_docker(lines, time_zone=time_zone)
    if parser == "logfmt":
        return structured.parse_logfmt(lines, time_zone=time_zone)
    of_server = datasets.PARSERS.get(parser)
    if of_server is not None:
        dating = Dating(time_zone, placement.anchor_ms, placement.table)
        return of_server(lines, dating)
    return plain.parse(lines, time_zone=time_zone)


def _read_own(
    reader: OwnParser, lines: pl.Series, *, placement: Placement
) -> pl.DataFrame:
    return reader.parse(
        lines, time_zone=placement.time_zone, anchor_ms=placement.anchor_ms
    )


def _with_inner(
    frame: pl.DataFrame, *, placement: Placement, reader: OwnParser | None
) -> pl.DataFrame:
    return with_inner(
        frame,
        parser=placement.inner or placement.dataset,
        read=_reader_of_inner(placement, reader=reader),
        error_kind=PIPELINE_ERROR,
    )


def _reader_of_inner(
    placement: Placement, *, reader: OwnParser | None
) -> Callable[[pl.Series], pl.DataFrame]:
    """Return what reads the text that another program's line is around."""

    def read(texts: pl.Series) -> pl.DataFrame:
        if reader is not None and not placement.inner:
            return _read_own(reader, texts, placement=placement)
        if placement.inner in {AUTO, ""}:
            frame = _each_by_its_own_shape(texts, placement=placement)
        else:
            frame = parse_as(placement.inner, texts, placement=placement)
        # Masks are for the line around it.
        return frame.drop(TOLD, strict=False)

    return read


def _read_foreign(
    lines: pl.Series, *, placement: Placement, reader: OwnParser | None
) -> pl.DataFrame:
    """Read records of another collector, whose messages are lines of the dataset."""
    is_named = placement.inner not in {AUTO, ""} or reader is not None
    return foreign.parse(
        lines,
        shape=placement.parser.removeprefix(foreign.PREFIX),
        time_zone=known_zone(placement.time_zone),
        read_message=_reader_of_inner(placement, reader=reader),
        message_parser=placement.dataset if is_named else "",
        error_kind=PIPELINE_ERROR,
    )


def _with_unmatched(
    frame: pl.DataFrame, lines: pl.Series, *, placement: Placement, may_be_any: bool
) -> pl.DataFrame:
    rows = pl.int_range(len(lines), eager=True)
    is_matched = frame.get_column(MATCHED)
    parts = [with_rows(frame, rows).filter(is_matched)]
    left = rows.filter(~is_matched)
    if may_be_any:
        read, left = _read_by_shape(left, lines=lines, placement=placement)
        is_another = pl.lit(value=True).alias(OF_ANOTHER)
        parts += [part.with_columns(is_another) for part in read]
    if len(left):
        others = lines.gather(left)
        # An empty line is nobody's mistake.
        is_empty = others.str.strip_chars() == ""
        plainly = parse_as("plain", others, placement=placement).with_columns(
            pl.when(~is_empty).then(pl.lit(PIPELINE_ERROR)).alias("event.kind"),
            pl.when(~is_empty)
            .then(pl.lit(f"not a line of {placement.dataset}"))
            .alias("error.message"),
        )
        parts.append(with_rows(plainly, left))
    return in_order(parts)


def _each_by_its_own_shape(lines: pl.Series, *, placement: Placement) -> pl.DataFrame:
    rows = pl.int_range(len(lines), eager=True)
    parts, rows = _read_by_shape(rows, lines=lines, placement=placement)
    read = parse_as("plain", lines.gather(rows), placement=placement)
    parts.append(with_rows(read, rows))
    return in_order(parts)


def _read_by_shape(
    rows: pl.Series, *, lines: pl.Series, placement: Placement
) -> tuple[list[pl.DataFrame], pl.Series]:
    """Return what is read of rows whose lines have a shape, and the rows that are left."""
    parts, rows = _read_by(_AUTO, rows, lines=lines, placement=placement)
    if not len(rows):
        return parts, rows
    # Of what nothing general reads, one look tells whether any server wrote it.
    is_servers = lines.gather(rows).str.contains(_ANY_SERVER)
    asked, others = rows.filter(is_servers), rows.filter(~is_servers)
    read, left = _read_by(_SERVERS, asked, lines=lines, placement=placement)
    return parts + read, pl.concat([others, left]).sort()


def _read_by(
    shapes: Iterable[tuple[str, str]],
    rows: pl.Series,
    *,
    lines: pl.Series,
    placement: Placement,
) -> tuple[list[pl.DataFrame], pl.Series]:
    """Return what the shapes' parsers read of some rows, and the rows that are left."""
    parts: list[pl.DataFrame] = []
    for parser, start in shapes:
        if not len(rows):
            break
        looks_so = lines.gather(rows).str.contains(start)
        asked = rows.filter(looks_so)
        if not len(asked):
            continue
        frame = parse_as(parser, lines.gather(asked), placement=placement)
        is_matched = frame.get_column(MATCHED)
        parts.append(with_rows(frame, asked).filter(is_matched))
        left = pl.concat([rows.filter(~looks_so), asked.filter(~is_matched)])
        rows = left.sort()
    return parts, rows


def time_columns(frame: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Return the times, and whether each was guessed in part."""
    return frame.get_column(TIME_NS), frame.get_column(GUESSED)


def auto_shapes() -> tuple[tuple[str, str], ...]:
    """Return the parsers that a line of no told shape is shown to, in their order, each
    with what a line must begin with before it is asked.
    """
    return _AUTO + _SERVERS

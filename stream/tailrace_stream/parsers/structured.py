"""JSON lines and logfmt: keys and values, of which each line has its own.

The one shape whose columns are not known beforehand, so a line becomes one Python object
here before it becomes cells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec
import polars as pl

from tailrace_stream.parsers.alike import read_alike
from tailrace_stream.parsers.columns import (
    ATTRIBUTES,
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
    in_order,
    with_rows,
)
from tailrace_stream.parsers.conflicts import with_marks
from tailrace_stream.parsers.fields import NUMBER_FIELDS, TIME, Fields, fields_of, kept
from tailrace_stream.parsers.json_objects import object_of
from tailrace_stream.parsers.logfmt import read_logfmt, record_of
from tailrace_stream.parsers.record_times import times_of
from tailrace_stream.parsers.records import Cells, cells_of

_encode = msgspec.json.Encoder().encode


def parse_json(lines: pl.Series, *, time_zone: str) -> pl.DataFrame:
    """Return the fields of each line that is one JSON object."""
    parts, rows = read_alike(lines, time_zone=time_zone)
    if len(rows):
        left = lines.gather(rows) if parts else lines
        parts.append(with_rows(_read_by_objects(left, time_zone=time_zone), rows))
    return in_order(parts)


def parse_logfmt(lines: pl.Series, *, time_zone: str) -> pl.DataFrame:
    """Return the fields of each line of `key=value` pairs, in logfmt's quoting."""
    cells, matched = read_logfmt(lines)
    return _frame(
        cells,
        matched=matched,
        fields_at=lambda row: fields_of(record_of(lines[row]) or {}),
        time_zone=time_zone,
        numbers=NUMBER_FIELDS,
    )


def frame_of(
    found: list[Fields | None],
    *,
    time_zone: str,
    numbers: Collection[str] = NUMBER_FIELDS,
) -> pl.DataFrame:
    """Turn the fields of the lines into columns, a column for each that any line has.

    `numbers` names those that hold numbers.
    """
    cells = Cells(len(found))
    for row, fields in enumerate(found):
        if fields is not None:
            cells.put(row, fields)

    def fields_at(row: int) -> Fields:
        fields = found[row]
        assert fields is not None
        return fields

    return _frame(
        cells,
        matched=[fields is not None for fields in found],
        fields_at=fields_at,
        time_zone=time_zone,
        numbers=numbers,
    )


def _read_by_objects(lines: pl.Series, *, time_zone: str) -> pl.DataFrame:
    records = list(map(_json_record, lines.to_list()))
    is_plain = not lines.str.contains(r"\u0000", literal=True).any()
    return _frame_of_records(records, is_plain=is_plain, time_zone=time_zone)


def _frame_of_records(
    records: list[dict[str, object] | None], *, is_plain: bool, time_zone: str
) -> pl.DataFrame:
    def fields_at(row: int) -> Fields:
        return fields_of(records[row] or {})

    return _frame(
        cells_of(records, is_plain=is_plain),
        matched=[record is not None for record in records],
        fields_at=fields_at,
        time_zone=time_zone,
        numbers=NUMBER_FIELDS,
    )


def _frame(
    cells: Cells,
    *,
    matched: list[bool],
    fields_at: Callable[[int], Fields],
    time_zone: str,
    numbers: Collection[str],
) -> pl.DataFrame:
    times = cells.columns.pop(TIME, None)
    times_ns, guessed = times_of(times, row_count=cells.row_count, time_zone=time_zone)
    if times is not None:
        _keep_unread(times, times_ns, cells, fields_at)
    series = [
        pl.Series(
            name,
            values,
            dtype=pl.Int64 if name in numbers else pl.String,
            strict=True,
        )
        for name, values in cells.columns.items()
    ]
    frame = pl.DataFrame(
        [
            pl.Series(MATCHED, matched, pl.Boolean),
            pl.Series(ATTRIBUTES, cells.attributes, pl.String),
            *series,
            times_ns.alias(TIME_NS),
            guessed.alias(GUESSED),
        ]
    )
    if cells.conflicts:
        frame = with_marks(frame, cells.conflicts)
    if MESSAGE in frame.columns:
        # Docker's own JSON keeps the newline of the line that it wraps.
        frame = frame.with_columns(pl.col(MESSAGE).str.strip_suffix("\n"))
    return frame


def _keep_unread(
    times: list[str | int | float | None],
    times_ns: pl.Series,
    cells: Cells,
    fields_at: Callable[[int], Fields],
) -> None:
    """Put each time that nobody can read among the attributes of its line."""
    rows: list[int] = times_ns.is_null().arg_true().to_list()
    for row in rows:
        time = times[row]
        if time is None or time == "":
            continue
        cells.conflicts[row] = (*cells.conflicts.get(row, ()), TIME)
        attributes = fields_at(row).attributes
        # Some parsers keep it under its own name.
        if time not in attributes.values():
            text = _encode({**attributes, TIME: kept(time)}).decode()
            cells.attributes[row] = text


def _json_record(line: str) -> dict[str, object] | None:
    return object_of(line) if "{" in line[:64] else None

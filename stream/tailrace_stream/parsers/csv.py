"""Separated values: cells in the order of the columns that the file's head named.

Which columns there are stands in the placement, so a line means the same whichever lines
are in its chunk. A line with another number of cells, or that names other columns, is no line
of the file's table: it is kept as text and says so, and nothing of it gets a wrong name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import polars as pl

from tailrace.tables import SEPARATORS, cells_of, is_header
from tailrace.wire import Table
from tailrace_stream.parsers.columns import GUESSED, TIME_NS, unmatched
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.parsers.fields import ALIASES, FIELDS, Fields, fields_of
from tailrace_stream.parsers.structured import frame_of

NOTHING = frozenset({"", "-", "NULL", "null", "\\N"})
"""What is written where there is no value."""
NEW_HEADER_SHARE_MIN = 0.5
"""Of the names of the columns: so many in a line of other names make it a header, too."""
_KNOWN = FIELDS | {alias for aliases in ALIASES.values() for alias in aliases}
_DATE, _TIME = "date", "time"


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line; the one that names the columns has none."""
    table = dating.table
    if table is None or table.separator not in SEPARATORS:
        nothing = pl.lit(None, pl.Int64).alias(TIME_NS)
        frame = unmatched(len(lines))
        return frame.with_columns(nothing, pl.lit(value=False).alias(GUESSED))
    found = [_fields(line, table) for line in lines]
    return frame_of(found, time_zone=dating.time_zone)


def _fields(line: str, table: Table) -> Fields | None:
    cells = cells_of(line, separator=table.separator)
    if cells is None or len(cells) != len(table.columns):
        return None
    if _names_columns(cells, table):
        return Fields()
    if _names_others(cells, table):
        return None
    record: dict[str, object] = {
        key: cell.strip()
        for key, cell in zip(_keys(table), cells, strict=True)
        if cell.strip() not in NOTHING
    }
    date = record.get(_DATE)
    if isinstance(date, str) and isinstance(record.get(_TIME), str):
        # One time in two columns; the day alone stays an attribute.
        record[_TIME] = f"{date} {record[_TIME]}"
    return fields_of(record)


def _names_columns(cells: Sequence[str], table: Table) -> bool:
    # The last cells differ in all lines but one, so few lines are looked at whole.
    return cells[-1].strip() == table.columns[-1] and all(
        cell.strip() in {name, ""}
        for cell, name in zip(cells, table.columns, strict=True)
    )


def _names_others(cells: Sequence[str], table: Table) -> bool:
    known = _lowered(table)
    named = sum(cell.strip().lower() in known for cell in cells)
    return named >= NEW_HEADER_SHARE_MIN * len(cells) and is_header(cells)


@lru_cache(maxsize=256)
def _lowered(table: Table) -> frozenset[str]:
    return frozenset(name.lower() for name in table.columns)


@lru_cache(maxsize=256)
def _keys(table: Table) -> tuple[str, ...]:
    """Return the names of the columns, as fields are called where they are fields."""
    keys: list[str] = []
    for name in table.columns:
        plain = name.lower().replace(" ", "_")
        is_known = plain in _KNOWN or plain == _DATE
        keys.append(plain if is_known and plain not in keys else name)
    return tuple(keys)

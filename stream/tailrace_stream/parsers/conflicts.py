"""How a line says which fields it names values of that are not of their type."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tailrace_stream.parsers.columns import CONFLICTS


def marks(named: Mapping[int, tuple[str, ...]], *, row_count: int) -> pl.Series:
    """Return the column of marks: the names of some rows, null in all others."""
    names = [list(named[row]) if row in named else None for row in range(row_count)]
    return pl.Series(CONFLICTS, names, dtype=pl.List(pl.String))


def with_marks(
    frame: pl.DataFrame, named: Mapping[int, tuple[str, ...]]
) -> pl.DataFrame:
    """Return a frame in which some rows name some more fields."""
    if CONFLICTS not in frame.columns:
        return frame.with_columns(marks(named, row_count=frame.height))
    known: list[list[str] | None] = frame.get_column(CONFLICTS).to_list()
    joined = {row: tuple(names) for row, names in enumerate(known) if names}
    for row, names in named.items():
        joined[row] = tuple(dict.fromkeys((*joined.get(row, ()), *names)))
    return frame.with_columns(marks(joined, row_count=frame.height))


def rows_of(fields: Mapping[str, pl.Series]) -> dict[int, tuple[str, ...]]:
    """Return by row the fields that are true of it."""
    named: dict[int, tuple[str, ...]] = {}
    for name, rows in fields.items():
        for row in rows.arg_true():
            named[row] = (*named.get(row, ()), name)
    return named

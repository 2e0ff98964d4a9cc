"""What every parser gives back: a frame with one row a line, named as in ECS.

Beside the fields of ECS a parser may fill these columns of ours, which end up elsewhere:
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

MATCHED = "_matched"
"""Boolean: is this a line of the shape at all? Always there."""
TIME_NS = "_time_ns"
"""Int64: the time in the line, nanoseconds since 1970 in UTC; null where there is none."""
GUESSED = "_guessed"
"""Boolean: the year or the zone of that time was not in the line."""
MESSAGE = "message"
"""The parser's own message; null where the line itself is the message."""
ATTRIBUTES = "_attributes"
"""A JSON object of what ECS has no name for, as text; null where there is nothing."""
CONFLICTS = "tailrace.conflicts"
"""Texts, where it is there: fields whose value in the line is not of their type, and stands
in `attributes` for that; null where there is none."""
OF_ANOTHER = "_of_another"
"""Boolean, where it is there: the line is none of its file's dataset, and was read by its
own shape; null for the others."""
INNER_UNREAD = "_inner_unread"
"""Boolean, where it is there: the text in a container's line is none of its own parser."""
UNREADABLE = "_unreadable"
"""Text, where it is there: why a record is none of its collector's, and a dead letter."""
TOLD = "_told"
"""Text, where it is there: what masks take out of a line of JSON as its message, as it is
written there; null where they are to look themselves."""
ENRICHED = "_enriched"
"""Fields as JSON text, which stand behind the others; never null where it is there."""
LABELS = "_labels"
"""Labels as such text, without the object around them."""

_ROW = "_row"


def extract(lines: pl.Series, pattern: str, names: Sequence[str]) -> pl.DataFrame:
    """Return the groups of `pattern` as columns `names`, null where a line differs.

    Column `_matched` tells whether the whole pattern fitted, since a group may be
    optional; the first group never is.
    """
    groups = lines.str.extract_groups(pattern).struct.rename_fields(list(names))
    frame = groups.struct.unnest()
    return frame.with_columns(pl.col(names[0]).is_not_null().alias(MATCHED))


def unmatched(row_count: int) -> pl.DataFrame:
    """Return what a parser says of lines of which it knows nothing."""
    return pl.DataFrame({MATCHED: pl.repeat(False, row_count, eager=True)})  # noqa: FBT003


def by_shape(
    lines: pl.Series, shapes: Sequence[tuple[str, Sequence[str]]]
) -> pl.DataFrame:
    """Try the patterns one after another, each on what the ones before left over.

    The order is fixed, so what a line becomes depends on no other line of the chunk.
    """
    rows: pl.Series | None = None
    """Which lines are left; None while all are."""
    found: list[pl.DataFrame] = []
    for pattern, names in shapes:
        left = lines if rows is None else lines.gather(rows)
        if not len(left):
            break
        frame = extract(left, pattern, names)
        if rows is None:
            if frame.get_column(MATCHED).all():
                return frame  # As of a whole log in one shape, so at no more cost.
            rows = pl.int_range(len(lines), eager=True).alias(_ROW)
        frame = frame.with_columns(rows)
        found.append(frame.filter(pl.col(MATCHED)))
        rows = frame.filter(~pl.col(MATCHED)).get_column(_ROW)
    if rows is None:
        return unmatched(len(lines))
    found.append(unmatched(len(rows)).with_columns(rows))
    return in_order(found)


def in_order(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Join parts that carry the column `_row`, in the order of that column."""
    filled = [part for part in parts if part.height]
    if not filled:
        return parts[-1].drop(_ROW)
    joined = pl.concat(filled, how="diagonal_relaxed")
    if len(filled) > 1:
        joined = joined.sort(_ROW)
    return joined.drop(_ROW)


def with_rows(frame: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """Return `frame` with the row numbers that `in_order` needs."""
    return frame.with_columns(rows.alias(_ROW))


def has(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Return `frame` with the named text columns there, null where no shape had them."""
    missing = [name for name in names if name not in frame.columns]
    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in missing)


def filled(column: str) -> pl.Expr:
    """Return a text column with `-` and empty text as null, as logs write *nothing*."""
    value = pl.col(column)
    return pl.when((value != "-") & (value != "")).then(value)

"""What of a chunk's parsed fields goes on to be counted: the columns that windows ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from tailrace_stream.parsers.columns import TIME_NS

Counted = Mapping[str, tuple[str, type[pl.DataType]]]
"""Columns by their names: the field each is of, and what its values are taken for; others
are null."""
NOTHING: Counted = {}

_OF_ONE_EVENT = pl.DataFrame([pl.Series(TIME_NS, [None], dtype=pl.Int64)])


def counted_fields(
    parts: Sequence[pl.DataFrame | None], *, counted: Counted
) -> pl.DataFrame:
    """Return the fields to count by, null where a part has none of that name.

    A part is None where it is one event that no document could be made of.
    """
    frames = [
        _OF_ONE_EVENT
        if parsed is None
        else parsed.select(
            TIME_NS,  # It is always there, and so keeps the height.
            *(
                pl.col(field).cast(dtype, strict=False).alias(name)
                for name, (field, dtype) in counted.items()
                if field in parsed.columns and not parsed.schema[field].is_nested()
            ),
        )
        for parsed in parts
    ]
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal")

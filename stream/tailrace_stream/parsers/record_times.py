"""When structured lines say they were written: times as text, or as counts since 1970."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import polars as pl

from tailrace_stream.parsers.iso_matrix import iso_matrix_ns
from tailrace_stream.times import ISO, LAST_NS, iso_columns_ns

_EPOCH = re.compile(r"-?\d{1,19}(?:\.\d{1,12})?")
# Below the first, a number counts seconds; and so on: the year 5138 in each unit.
_UNITS_NS = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000), (1e20, 1))

Times = tuple[pl.Series, pl.Series]
"""Nanoseconds since 1970, null where nobody can read them; and whether each was guessed in
part."""


def times_of(
    times: Sequence[object] | None, *, row_count: int, time_zone: str
) -> Times:
    """Return the times of lines that have texts, numbers or nothing; None where none has
    anything.
    """
    if times is None:
        nothing = pl.Series([None], dtype=pl.Int64).new_from_index(0, row_count)
        return nothing, pl.repeat(False, row_count, eager=True)  # noqa: FBT003
    texts = [time if isinstance(time, str) else None for time in times]
    written, is_guessed = written_times(
        pl.Series(texts, dtype=pl.String), time_zone=time_zone
    )
    rows: list[int] = written.is_null().arg_true().to_list()
    if not rows:
        return written, is_guessed
    # A date that is none is no number either, so only these are asked.
    counted = pl.Series([epoch_ns(times[row]) for row in rows], dtype=pl.Int64)
    return written.scatter(rows, counted), is_guessed


def written_times(texts: pl.Series, *, time_zone: str) -> Times:
    """Return the times of texts as ISO 8601 has them; null of all others."""
    plain = iso_matrix_ns(texts)
    if plain is not None:
        return plain, pl.repeat(False, len(texts), eager=True)  # noqa: FBT003
    groups = texts.str.extract_groups(rf"^{ISO}$")
    parts = groups.struct.rename_fields(["moment", "fraction", "zone"]).struct.unnest()
    written = parts.select(iso_columns_ns(time_zone)).to_series()
    return written, parts["moment"].is_not_null() & parts["zone"].is_null()


def epoch_ns(time: object) -> int | None:
    """Return a count since 1970 as nanoseconds; its size tells its unit."""
    if isinstance(time, str):
        if not _EPOCH.fullmatch(time):
            return None
        time = float(time) if "." in time else int(time)
    if isinstance(time, bool) or not isinstance(time, int | float):
        return None
    return _scaled(time) if math.isfinite(time) else None


def _scaled(time: float) -> int | None:
    for limit, unit_ns in _UNITS_NS:
        if 0 <= time < limit:
            # A float of seconds is exact to a microsecond, not beyond.
            at_ns = (
                time * unit_ns
                if isinstance(time, int)
                else round(time * unit_ns / 1_000) * 1_000
            )
            return at_ns if at_ns <= LAST_NS else None
    return None

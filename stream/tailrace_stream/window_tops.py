"""Which values of a field are the most frequent in a window, and how wrong that may be.

Exact as long as a window has no more values than there are counters. Beyond, it is the summary
of Misra and Gries: the count behind the last counter is taken off all of them, and added to
`error`. A count is then too low by at most `error`, a value that is not told has at most
`error` events, and `error` is at most `total / (counters + 1)`. Summaries add up: the sum of
two, cut back the same way, errs by at most the sum of both. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

TOPS_MAX = 32
"""Open ones of one generation; those touched longest ago are closed."""
TOPS_BYTES_MAX = 48 * 1_024
"""Of them in the state. One that is larger by itself is closed with each record."""
VALUE_CHARACTERS_MAX = 200
"""Longer values count by their beginning."""

_encode = msgspec.json.Encoder().encode


class Top(msgspec.Struct, frozen=True, array_like=True):
    """The most frequent values of one field in one window of one generation."""

    start_ms: int
    field: str
    part: int
    """Kafka offset of the raw record that opened it."""
    total: int
    """Events that have the field."""
    error: int
    """By how much a count may be too low; at 0 all values are told, exactly."""
    values: tuple[str, ...]
    """The most frequent first."""
    counts: tuple[int, ...]

    @property
    def key(self) -> tuple[int, str]:
        """What it is of."""
        return self.start_ms, self.field


def with_texts(
    tops: Sequence[Top],
    columns: Mapping[str, pl.Series],
    *,
    starts_ms: npt.NDArray[np.int64],
    part: int,
    counters_max: int,
) -> tuple[tuple[Top, ...], list[Top]]:
    """Return the open tops with new values, and those that changed.

    `columns` has texts by field, `starts_ms` the window of each, all of equal length.
    """
    found = {top.key: top for top in tops}
    changed: list[Top] = []
    for name, texts in columns.items():
        for start_ms, counts in _by_window(texts, starts_ms):
            before = found.pop((start_ms, name), None)
            top = _added(
                before or Top(start_ms, name, part, 0, 0, (), ()),
                counts,
                counters_max=counters_max,
            )
            found[top.key] = top
            changed.append(top)
    return tuple(_kept(list(found.values()))), changed


def _by_window(
    texts: pl.Series, starts_ms: npt.NDArray[np.int64]
) -> Iterator[tuple[int, Mapping[str, int]]]:
    rows = (
        pl.DataFrame([pl.Series("start", starts_ms), texts.alias("value")])
        .filter(pl.col("value").is_not_null())
        .group_by("start", pl.col("value").str.slice(0, VALUE_CHARACTERS_MAX))
        .len()
        .sort("start")
        .group_by("start", maintain_order=True)
        .agg("value", "len")
    )
    for start_ms, values, counts in rows.iter_rows():
        yield start_ms, dict(zip(values, counts, strict=True))


def _added(top: Top, counts: Mapping[str, int], *, counters_max: int) -> Top:
    total = Counter(dict(zip(top.values, top.counts, strict=True)))
    total.update(counts)
    # By value where counts are equal, so that a record that comes again says the same.
    ranked = sorted(total.items(), key=lambda item: (-item[1], item[0]))
    taken = ranked[counters_max][1] if len(ranked) > counters_max else 0
    kept = [(value, count - taken) for value, count in ranked[:counters_max]]
    kept = [(value, count) for value, count in kept if count > 0]
    return Top(
        top.start_ms,
        top.field,
        top.part,
        top.total + sum(counts.values()),
        top.error + taken,
        tuple(value for value, _ in kept),
        tuple(count for _, count in kept),
    )


def _kept(tops: list[Top]) -> list[Top]:
    """Return the ones that stay open: so many from the last, and so many bytes."""
    size_bytes = 0
    kept: list[Top] = []
    for top in reversed(tops[-TOPS_MAX:]):
        size_bytes += len(_encode(top))
        if size_bytes > TOPS_BYTES_MAX:
            break
        kept.append(top)
    return kept[::-1]

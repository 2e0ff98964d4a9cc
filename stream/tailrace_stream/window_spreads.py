"""How the numbers of a window's events are spread: latency and size, as mergeable sketches.

Absolute values of one generation, as the counts are: a spread is sent whole each time it
changes, and what comes after it was closed opens another part. Sketches add up, so whoever
asks adds generations, hosts and parts. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from tailrace.sketches import GAMMA, Sketch, merged, sketch_of

SPREADS_MAX = 32
"""Open ones of one generation; those touched longest ago are closed."""
SPREADS_BYTES_MAX = 64 * 1_024
"""Of them in the state; most have some hundred bins, and few of them the most there may be."""
_BIN_BYTES_MAX = 18
_OTHER_BYTES_MAX = 300
_LOG_GAMMA = float(np.log(GAMMA))


class Spread(msgspec.Struct, frozen=True, array_like=True):
    """The values of one field in one window of one generation."""

    start_ms: int
    field: str
    part: int
    """Kafka offset of the raw record that opened it."""
    total: float
    lowest: float
    highest: float
    sketch: Sketch

    @property
    def key(self) -> tuple[int, str]:
        """What it is the spread of."""
        return self.start_ms, self.field


class SpreadColumn(NamedTuple):
    """The numbers of one field by their events' windows, in columns of equal length."""

    field: str
    starts_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


def with_values(
    spreads: Sequence[Spread], columns: Iterable[SpreadColumn], *, part: int
) -> tuple[tuple[Spread, ...], list[Spread]]:
    """Return the open spreads with new values, and those that changed."""
    found = {spread.key: spread for spread in spreads}
    changed: list[Spread] = []
    for column in columns:
        for start_ms, values in _by_window(column):
            before = found.pop((start_ms, column.field), None)
            spread = _spread(start_ms, column.field, values, part=part)
            if before is not None:
                spread = _added(before, spread)
            found[spread.key] = spread
            changed.append(spread)
    return tuple(_kept(list(found.values()))), changed


def column_of(
    field: str, values: pl.Series, *, starts_ms: npt.NDArray[np.int64]
) -> SpreadColumn | None:
    """Return what of a field is counted, None where no event has it.

    Whatever is no finite number is left out; one below zero counts as zero.
    """
    if values.null_count() == len(values):
        return None
    numbers = values.to_numpy()
    is_number = np.isfinite(numbers)
    if not is_number.all():
        numbers, starts_ms = numbers[is_number], starts_ms[is_number]
    return SpreadColumn(field, starts_ms, np.maximum(numbers, 0.0))


def _by_window(
    column: SpreadColumn,
) -> Iterable[tuple[int, npt.NDArray[np.float64]]]:
    """Yield the values of each window, in the order of the windows."""
    starts, values = column.starts_ms, column.values
    if not len(starts):
        return
    if starts[0] == starts[-1] and (starts == starts[0]).all():
        yield int(starts[0]), values  # As nearly always: a chunk is a few seconds.
        return
    order = np.argsort(starts, kind="stable")
    starts, values = starts[order], values[order]
    edges = np.flatnonzero(np.diff(starts)) + 1
    for first, piece in zip((0, *edges), np.split(values, edges), strict=True):
        yield int(starts[first]), piece


def _spread(
    start_ms: int, field: str, values: npt.NDArray[np.float64], *, part: int
) -> Spread:
    positive = values[values > 0]
    keys = np.ceil(np.log(positive) / _LOG_GAMMA).astype(np.int64)
    named, counts = np.unique(keys, return_counts=True)
    bins: Mapping[int, int] = dict(zip(named.tolist(), counts.tolist(), strict=True))
    return Spread(
        start_ms,
        field,
        part,
        float(values.sum()),
        float(values.min()),
        float(values.max()),
        sketch_of(len(values) - len(positive), bins),
    )


def _added(before: Spread, new: Spread) -> Spread:
    return Spread(
        before.start_ms,
        before.field,
        before.part,
        before.total + new.total,
        min(before.lowest, new.lowest),
        max(before.highest, new.highest),
        merged((before.sketch, new.sketch)),
    )


def _kept(spreads: list[Spread]) -> list[Spread]:
    """Return the ones that stay open: so many from the last, and so many bytes."""
    size_bytes = 0
    kept: list[Spread] = []
    for spread in reversed(spreads[-SPREADS_MAX:]):
        size_bytes += _OTHER_BYTES_MAX + _BIN_BYTES_MAX * len(spread.sketch.keys)
        if size_bytes > SPREADS_BYTES_MAX:
            break
        kept.append(spread)
    return kept[::-1]

"""When events were, and how far their file has come: its watermark. Pure.

The watermark is the latest time of the lines before, in the order in which they were counted
first. So it does not depend on how chunks are cut, and each file has its own: one that rests,
or is read a day later, neither holds up another nor makes its events late.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

_NS_PER_MS = 1_000_000


class Times(NamedTuple):
    """The times of the events that are counted, as columns of equal length."""

    at_ms: npt.NDArray[np.int64]
    """When an event has no time, it was when it was read."""
    watermarks_ms: npt.NDArray[np.int64]
    """How far their file had come before each."""
    watermark_ms: int
    """And behind the last."""


def times_of(
    times_ns: pl.Series,
    is_new: npt.NDArray[np.bool_],
    *,
    observed_at_ms: int,
    watermark_ms: int,
) -> Times:
    """Return the times of new events, which come behind `watermark_ms`.

    Lines without a time move no watermark, nor do those of which the time had yet to come
    when they were read: a clock that is wrong once must not make all that follows late.
    """
    observed_ns = observed_at_ms * _NS_PER_MS
    at_ms = times_ns.fill_null(observed_ns).to_numpy()[is_new] // _NS_PER_MS
    moving = np.where(at_ms <= observed_at_ms, at_ms, 0)
    if times_ns.null_count():
        moving[times_ns.is_null().to_numpy()[is_new]] = 0
    reached = np.maximum.accumulate(np.concatenate(([watermark_ms], moving)))
    return Times(at_ms, reached[:-1], int(reached[-1]))

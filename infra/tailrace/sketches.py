"""How values are spread, to within one percent, in sketches that add up: DDSketch.

A sketch counts its values in bins whose bounds grow by a constant factor. So any quantile is
told to within a relative error, sketches of different files, hosts and minutes are added
by adding bins, and the sum is the sketch that one look at all the values would have made.
Pure; the arithmetic is that of the library `ddsketch`, which the tests compare with.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

ACCURACY = 0.01
"""A quantile is off by at most this share of itself."""
GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
"""The factor between two bounds; the bin `key` holds values in `(GAMMA ** (key - 1), GAMMA ** key]`."""
KEYS_MAX = 1_024
"""From the highest bin down: a factor of 800 million. What lies below counts in the lowest of
these, so that the upper quantiles keep their accuracy."""


class Sketch(msgspec.Struct, frozen=True, array_like=True):
    """The bins of some values, none of them negative."""

    zero_count: int = 0
    keys: tuple[int, ...] = ()
    """Ascending."""
    counts: tuple[int, ...] = ()
    """Of each key, at least 1."""

    @property
    def count(self) -> int:
        """How many values there are."""
        return self.zero_count + sum(self.counts)


def sketch_of(zero_count: int, bins: Mapping[int, int]) -> Sketch:
    """Return the sketch of bins, the lowest joined where they are too many.

    Joined bins are joined again when a higher one comes, so that the order in which values
    come leaves no trace.
    """
    if not bins:
        return Sketch(zero_count)
    lowest = max(bins) - KEYS_MAX + 1
    if min(bins) < lowest:
        joined: Counter[int] = Counter()
        for key, count in bins.items():
            joined[max(key, lowest)] += count
        bins = joined
    keys = sorted(bins)
    return Sketch(zero_count, tuple(keys), tuple(bins[key] for key in keys))


def merged(sketches: Iterable[Sketch]) -> Sketch:
    """Return the sketch of the values of all."""
    zero_count = 0
    bins: Counter[int] = Counter()
    for sketch in sketches:
        zero_count += sketch.zero_count
        for key, count in zip(sketch.keys, sketch.counts, strict=True):
            bins[key] += count
    return sketch_of(zero_count, bins)


def quantile(sketch: Sketch, share: float) -> float | None:
    """Return the value below which a share of the values lies; None where there is none."""
    count = sketch.count
    if not count:
        return None
    rank = share * (count - 1)
    below = sketch.zero_count
    if rank < below:
        return 0.0
    for key, held in zip(sketch.keys, sketch.counts, strict=True):
        below += held
        if below > rank:
            return value_of(key)
    return value_of(sketch.keys[-1])


def value_of(key: int) -> float:
    """Return the value that stands for all of a bin."""
    return math.exp(key * math.log(GAMMA)) * 2 / (1 + GAMMA)


def as_field(sketch: Sketch) -> dict[str, Any]:
    """Return how a sketch stands in a document, readable without this module."""
    return {
        "accuracy": ACCURACY,
        "zero_count": sketch.zero_count,
        "keys": sketch.keys,
        "counts": sketch.counts,
    }


def from_field(field: Mapping[str, Any]) -> Sketch:
    """Read a sketch out of a document."""
    return Sketch(
        int(field["zero_count"]), tuple(field["keys"]), tuple(field["counts"])
    )

"""Which events of a chunk rules leave out, and how that is counted.

Whether an event stays in a sample is told by its place alone, its generation and offset: so
it is told alike however often it is read, and of two rates the smaller sample is a part of
the greater. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrace.ledger import SAMPLE_WEIGHT, WINDOW_EVENTS
from tailrace.wire import Origin
from tailrace_stream.shaping.meaning import meant_by
from tailrace_stream.shaping.rules import Rules

_WEIGHTLESS: Final = 1
_NUMBERS_END: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Ruling:
    """Which rules are for which of a chunk's events."""

    spans: tuple[tuple[int, Rules], ...] = ()
    """From which event number on which rules hold, in order; before the first none do."""
    keeps_all: bool = False
    """Whether documents of what is left out are made all the same, for who only compares:
    they are then as without rules, and bear no weight."""


NO_RULING: Final = Ruling()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """What rules say of consecutive events, as columns of equal length."""

    reasons: Sequence[str] = ()
    left_by: npt.NDArray[np.int64]
    """The place in `reasons` of why an event is left out; -1 where it is not."""
    weights: npt.NDArray[np.int64]
    """How many events each stands for; 1 where no sample is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What rules left out of a chunk."""

    positions: npt.NDArray[np.int64]
    """How many events of the chunk stand before each, ascending."""
    reasons: Sequence[str]
    """Of each."""


NONE_LEFT_OUT: Final = LeftOut(positions=np.zeros(0, np.int64), reasons=())


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutSums:
    """How many events were left out, by reason, and where."""

    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    windows: Mapping[str, tuple[int, int]] = field(
        default_factory=dict[str, tuple[int, int]]
    )
    """By window of event numbers how many, and the sum of their numbers."""


NOTHING_LEFT_OUT: Final = LeftOutSums()


def fates_of(
    offsets: npt.NDArray[np.int64],
    columns: Mapping[str, pl.Series],
    *,
    first_number: int,
    ruling: Ruling,
    origin: Origin,
) -> Fates:
    """Return what rules say of consecutive events, the first of which has `first_number`."""
    count = len(offsets)
    left_by = np.full(count, -1, np.int64)
    weights = np.full(count, _WEIGHTLESS, np.int64)
    reasons: list[str] = []
    ends = [start for start, _ in ruling.spans[1:]]
    for (start, rules), end in zip(ruling.spans, [*ends, _NUMBERS_END], strict=True):
        first = min(max(start - first_number, 0), count)
        last = min(max(end - first_number, 0), count)
        if first >= last or not rules:
            continue
        rows = slice(first, last)
        part = {name: column[rows] for name, column in columns.items()}
        meant = meant_by(rules, part, origin=origin, count=last - first)
        drawn = _drawn(offsets[rows], generation=origin.generation)
        rates = np.array([rule.keep_one_in for rule in rules], np.uint64)[meant]
        is_meant = meant >= 0
        # The share of all draws that a sample keeps; of a rate of none nothing is below.
        bounds = np.where(rates > 0, _DRAWS // np.maximum(rates, 1), 0)
        is_left = is_meant & (drawn >= bounds.astype(np.uint64))
        left_by[rows] = np.where(is_left, meant + len(reasons), -1)
        if not ruling.keeps_all:
            is_kept = is_meant & ~is_left
            weights[rows] = np.where(is_kept, rates.astype(np.int64), _WEIGHTLESS)
        reasons += [rule.reason for rule in rules]
    return Fates(reasons=reasons, left_by=left_by, weights=weights)


_DRAWS: Final = np.uint64(2**63)


def _drawn(
    offsets: npt.NDArray[np.int64], *, generation: str
) -> npt.NDArray[np.uint64]:
    """Return a number below `_DRAWS` for each event, as if drawn (splitmix64)."""
    seed = int.from_bytes(blake2b(generation.encode(), digest_size=8).digest(), "big")
    mixed = offsets.astype(np.uint64) + np.uint64(1)
    mixed = mixed * np.uint64(0x9E37_79B9_7F4A_7C15) + np.uint64(seed)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return (mixed ^ (mixed >> np.uint64(31))) >> np.uint64(1)


def weight_texts(weights: npt.NDArray[np.int64]) -> pl.Series | None:
    """Return what a document's text has of its weight; None where none has any."""
    if (weights == _WEIGHTLESS).all():
        return None
    column = pl.Series("weight", weights)
    text = pl.concat_str(pl.lit(f',"{SAMPLE_WEIGHT}":'), pl.col("weight"))
    said = pl.when(pl.col("weight") > _WEIGHTLESS).then(text).otherwise(pl.lit(""))
    return column.to_frame().select(said).to_series()


def sums_of(
    left: LeftOut, *, first_number: int, is_new: npt.NDArray[np.bool_]
) -> LeftOutSums:
    """Return the sums of what was left out of a chunk, of events that are new.

    `is_new` tells it of each that was left out.
    """
    if not is_new.any():
        return NOTHING_LEFT_OUT
    counts: dict[str, int] = {}
    for reason, new in zip(left.reasons, is_new, strict=True):
        if new:
            counts[reason] = counts.get(reason, 0) + 1
    numbers = first_number + left.positions[is_new]
    windows: dict[str, tuple[int, int]] = {}
    for window in np.unique(numbers // WINDOW_EVENTS).tolist():
        within = numbers[numbers // WINDOW_EVENTS == window]
        windows[str(window)] = (len(within), int(within.sum()))
    return LeftOutSums(counts=counts, windows=windows)

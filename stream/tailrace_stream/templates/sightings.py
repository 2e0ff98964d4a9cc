"""Which templates a chunk's events are of: how many events each, and between which times. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrace.template_text import shown
from tailrace.wire import Origin
from tailrace_stream.placing import within_bounds

_NS_PER_MS = 1_000_000
_INT64 = np.iinfo(np.int64)

Named = tuple[pl.Series, dict[str, str]]
"""The template's id of each event, and the masked text of each of these ids."""


@dataclass(frozen=True, slots=True)
class ChunkTemplates:
    """The templates of a chunk's events."""

    ids: pl.Series
    """Of each event; null of one that no document could be made of."""
    texts: Mapping[str, str]
    """By id, masked."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One template in one chunk."""

    template_id: str
    text: str
    """With `<*>` for values."""
    new_count: int
    """Events that were not counted before."""
    first_ms: int
    last_ms: int


def joined(parts: Sequence[tuple[Named | None, int]]) -> ChunkTemplates | None:
    """Return the templates of a chunk's parts, each with its count of events.

    None where no part has any, so also where templates are off.
    """
    if all(named is None for named, _ in parts):
        return None
    texts: dict[str, str] = {}
    columns: list[pl.Series] = []
    for named, event_count in parts:
        if named is None:
            nothing = pl.Series([None], dtype=pl.String)
            columns.append(nothing.new_from_index(0, event_count))
        else:
            columns.append(named[0])
            texts |= named[1]
    return ChunkTemplates(pl.concat(columns), texts)


def sightings_of(
    templates: ChunkTemplates,
    *,
    times_ns: pl.Series,
    is_new: npt.NDArray[np.bool_],
    origin: Origin,
) -> list[Sighting]:
    """Return what a chunk has of each template, in the order in which they come.

    An event without a time, or with one that its file cannot have, was seen when it was
    read: a clock that is wrong once must not date a template for ever.
    """
    at_ms = pl.col("time").floordiv(_NS_PER_MS)
    believed = pl.when(within_bounds(at_ms, placement=origin.placement)).then(at_ms)
    seen_ms = (
        pl.DataFrame({"time": times_ns})
        .select(believed.otherwise(origin.observed_at_ms))
        .to_series()
        .to_numpy()
    )
    names = list(templates.texts)
    # Numbers in place of ids: there are a few templates in thousands of events, and what
    # is known of each is three additions an event.
    numbered = templates.ids.cast(pl.Enum(names)).to_physical()
    numbers = numbered.fill_null(len(names)).to_numpy()
    room = len(names) + 1
    new_counts = np.bincount(numbers, weights=is_new, minlength=room)
    firsts_ms = np.full(room, _INT64.max)
    lasts_ms = np.full(room, _INT64.min)
    np.minimum.at(firsts_ms, numbers, seen_ms)
    np.maximum.at(lasts_ms, numbers, seen_ms)
    seen: list[int] = numbered.unique(maintain_order=True).drop_nulls().to_list()
    return [
        Sighting(
            names[number],
            shown(templates.texts[names[number]]),
            int(new_counts[number]),
            int(firsts_ms[number]),
            int(lasts_ms[number]),
        )
        for number in seen
    ]

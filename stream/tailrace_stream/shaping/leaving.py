"""What rules leave out of a chunk, part by part, and what its documents bear for it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrace.wire import Origin
from tailrace_stream.documents import TEMPLATE_ID
from tailrace_stream.parsers.columns import MESSAGE
from tailrace_stream.shaping.fates import (
    NO_RULING,
    NONE_LEFT_OUT,
    Fates,
    LeftOut,
    Ruling,
    fates_of,
    weight_texts,
)

if TYPE_CHECKING:
    from tailrace_stream.chunk import Part


def part_fates(part: Part, *, origin: Origin, ruling: Ruling) -> Fates | None:
    """Return what rules say of the events of a part; None where none could mean one."""
    if ruling.spans == NO_RULING.spans or part.made is None or part.parsed is None:
        return None
    columns = {c.name: c for c in part.parsed.get_columns() if c.name[:1] != "_"}
    text = part.events.text
    if MESSAGE in columns:
        both = pl.DataFrame([columns[MESSAGE].alias("own"), text.alias("text")])
        text = both.select(pl.coalesce("own", "text")).to_series()
    columns[MESSAGE] = text
    if part.made.templates is not None:
        columns[TEMPLATE_ID] = part.made.templates[0]
    return fates_of(
        part.events.offsets,
        columns,
        first_number=origin.first_event_number + part.events.first_position,
        ruling=ruling,
        origin=origin,
    )


def weighted(part: Part, fates: Fates | None) -> pl.Series:
    """Return the open bodies of a part's documents, with the weight of each."""
    assert part.made is not None, "what has no document bears no weight"
    texts = None if fates is None else weight_texts(fates.weights)
    return part.made.open_bodies if texts is None else part.made.open_bodies + texts


def left_out_of(
    parts: Sequence[tuple[Part, Fates | None]], *, is_there: npt.NDArray[np.bool_]
) -> LeftOut:
    """Return what rules leave out of all parts of a chunk.

    `is_there` tells of each event of the chunk whether there is a document to leave out.
    """
    positions: list[npt.NDArray[np.int64]] = []
    reasons: list[str] = []
    for part, fates in parts:
        if fates is None:
            continue
        first = part.events.first_position
        is_left = (fates.left_by >= 0) & is_there[first : first + len(fates.left_by)]
        positions.append(np.flatnonzero(is_left) + first)
        reasons += [fates.reasons[int(n)] for n in fates.left_by[is_left].tolist()]
    if not reasons:
        return NONE_LEFT_OUT
    return LeftOut(positions=np.concatenate(positions), reasons=reasons)

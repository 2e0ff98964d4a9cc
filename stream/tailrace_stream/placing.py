"""Under which id and in which index each event lies: `tailrace.identity`, for columns.

Held equal to `identity.document_id` and `identity.index_name` by a test.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrace.identity import (
    DAY_MS,
    ID_BYTES,
    ID_CHARACTERS,
    OLD_EVENT_MS,
    birth_second,
)
from tailrace.wire import Placement

NS_PER_MS = 1_000_000


def document_ids(
    offsets: npt.NDArray[np.int64],
    *,
    checksums: npt.NDArray[np.uint32],
    generation: str,
    born_at_ms: int,
) -> pl.Series:
    """Return the `_id` of each event: one matrix, one call for the whole column."""
    count = len(offsets)
    raw = np.empty((count, ID_BYTES), np.uint8)
    birth = birth_second(born_at_ms).to_bytes(4, "big")
    raw[:, 0:4] = np.frombuffer(birth, np.uint8)
    raw[:, 4:10] = offsets.astype(">i8").view(np.uint8).reshape(count, 8)[:, 2:]
    raw[:, 10:17] = np.frombuffer(bytes.fromhex(generation)[:7], np.uint8)
    raw[:, 17:21] = checksums.astype(">u4").view(np.uint8).reshape(count, 4)
    text = urlsafe_b64encode(raw.tobytes()).decode("ascii")
    width = ID_CHARACTERS
    return pl.Series(
        [text[at : at + width] for at in range(0, count * width, width)],
        dtype=pl.String,
    )


def index_names(
    times_ns: pl.Series, *, namespace: str, placement: Placement, born_at_ms: int
) -> pl.Series:
    """Return the index of each event; a null time, or one past belief, is the birth's."""
    prefix = f"{namespace}-{placement.dataset}-"
    born = pl.lit(born_at_ms, pl.Int64)
    if placement.time_rule == "generation":
        at_ms = pl.when(pl.col("ns").is_null()).then(born).otherwise(born)
    else:
        event_ms = pl.col("ns").floordiv(NS_PER_MS)
        is_believed = within_bounds(event_ms, placement=placement)
        at_ms = pl.when(is_believed).then(event_ms).otherwise(born)
    days = pl.DataFrame({"ns": times_ns}).select(
        at_ms.floordiv(DAY_MS).alias("day"),
        (at_ms < born_at_ms - OLD_EVENT_MS).alias("old"),
    )
    moment = (pl.col("day") * DAY_MS).cast(pl.Datetime("ms"))
    names = (
        pl.when("old")
        .then(moment.dt.to_string("%Y.%m"))
        .otherwise(moment.dt.to_string("%Y.%m.%d"))
    )
    return days.select(pl.concat_str(pl.lit(prefix), names)).to_series()


def within_bounds(event_ms: pl.Expr, *, placement: Placement) -> pl.Expr:
    """Tell of each time whether it decides the index, or is past belief."""
    # Bounds come from another process; what no column can hold means no bound.
    low, high = _clamped(placement.earliest_ms), _clamped(placement.latest_ms)
    return (event_ms >= low) & (event_ms < high)


def _clamped(at_ms: int) -> int:
    return min(max(at_ms, -(2**62)), 2**62)

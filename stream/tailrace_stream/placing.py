"""Under which id and in which index each event lies: `tailrace.identity`, for columns.

Held equal to `identity.document_id` and `identity.index_name` by a test.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrace.identity import (
    DAY_MS,
    ID_BYTES,
    ID_CHARACTERS,
    OLD_EVENT_MS,
    birth_second,
    index_prefix,
)
from tailrace.wire import Placement

NS_PER_MS = 1_000_000
_NO_TIME = -(2**63)
"""In place of null: no log is of the year 1677."""


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
    born = _clamped(born_at_ms)
    ns = times_ns.fill_null(_NO_TIME).to_numpy()
    if placement.time_rule == "generation":
        at_ms = np.full(len(ns), born)
    else:
        low, high = _bounds(placement)
        event_ms = ns // NS_PER_MS
        is_believed = (ns != _NO_TIME) & (event_ms >= low) & (event_ms < high)
        at_ms = np.where(is_believed, event_ms, born)
    is_old = at_ms < born - OLD_EVENT_MS
    # A chunk has a few names, each of which is written once.
    distinct, rows = np.unique(at_ms // DAY_MS * 2 + is_old, return_inverse=True)
    prefix = index_prefix(placement, namespace=namespace)
    names = pl.Series([_name(int(one), prefix) for one in distinct], dtype=pl.String)
    if len(names) == 1:
        return names.new_from_index(0, len(ns))
    return names.gather(rows)


@lru_cache(maxsize=4_096)
def _name(number: int, prefix: str) -> str:
    """Return the name of an index: twice a day's number, and one more for old events."""
    day, is_old = divmod(number, 2)
    moment = pl.Series([day * DAY_MS]).cast(pl.Datetime("ms"))
    return prefix + str(moment.dt.to_string("%Y.%m" if is_old else "%Y.%m.%d")[0])


def within_bounds(event_ms: pl.Expr, *, placement: Placement) -> pl.Expr:
    """Tell of each time whether it decides the index, or is past belief."""
    low, high = _bounds(placement)
    return (event_ms >= low) & (event_ms < high)


def _bounds(placement: Placement) -> tuple[int, int]:
    # They come from another process; what no column can hold means no bound.
    return _clamped(placement.earliest_ms), _clamped(placement.latest_ms)


def _clamped(at_ms: int) -> int:
    return min(max(at_ms, -(2**62)), 2**62)

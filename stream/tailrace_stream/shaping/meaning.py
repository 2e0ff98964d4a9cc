"""Which events of a chunk rules mean.

All conditions of a rule must hold. Each is asked of a column at once, and of no event
twice. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrace.wire import Origin
from tailrace_stream.shaping.rules import DATASET, Rules, is_one_of

_OF_ORIGIN: Final[Mapping[str, Callable[[Origin], str]]] = {
    DATASET: lambda origin: origin.placement.dataset,
    "host.name": lambda origin: origin.host_name,
    "agent.id": lambda origin: origin.agent_id,
    "log.file.path": lambda origin: origin.path,
}
"""What an event has of its origin, where its line does not say it itself."""

Flags: TypeAlias = npt.NDArray[np.bool_]


def meant_by(
    rules: Rules, columns: Mapping[str, pl.Series], *, origin: Origin, count: int
) -> npt.NDArray[np.int64]:
    """Return the place of the first rule that means each event; -1 where none does.

    `columns` are fields of the events by name, `count` long.
    """
    meant = np.full(count, -1, np.int64)
    for place, rule in enumerate(rules):
        is_meant = meant < 0
        for field, wanted in rule.where.items():
            if not is_meant.any():
                break
            is_meant &= _holds(field, wanted, columns, origin=origin, count=count)
        meant[is_meant] = place
    return meant


def _holds(
    field: str,
    wanted: tuple[str, ...],
    columns: Mapping[str, pl.Series],
    *,
    origin: Origin,
    count: int,
) -> Flags:
    of_origin = _OF_ORIGIN[field](origin) if field in _OF_ORIGIN else None
    column = None if field == DATASET else columns.get(field)
    if column is None or column.dtype.is_nested():
        is_so = of_origin is not None and is_one_of(of_origin, wanted)
        return np.full(count, is_so)
    texts = column.cast(pl.String, strict=False)
    if of_origin is not None:
        texts = texts.fill_null(of_origin)
    found = texts.is_in(list(wanted)).fill_null(value=False)
    for one in wanted:
        if one.endswith("*"):
            found |= texts.str.starts_with(one[:-1]).fill_null(value=False)
    return found.to_numpy()

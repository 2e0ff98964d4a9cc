"""What a rule is, and which events of a chunk it means.

A condition is a field and the values that it may have; all conditions of a rule must hold.
Each is asked of a column at once, and of no event twice. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from tailrace.ledger import RULED_OUT, SAMPLED
from tailrace.wire import Origin

DATASET: Final = "event.dataset"
_OF_ORIGIN: Final[Mapping[str, Callable[[Origin], str]]] = {
    DATASET: lambda origin: origin.placement.dataset,
    "host.name": lambda origin: origin.host_name,
    "agent.id": lambda origin: origin.agent_id,
    "log.file.path": lambda origin: origin.path,
}
"""What an event has of its origin, where its line does not say it itself."""

Flags: TypeAlias = npt.NDArray[np.bool_]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are left out, and how many of them."""

    name: str
    keep_one_in: int = 0
    """Of so many events one is kept; 0 where none is."""
    where: dict[str, tuple[str, ...]]
    """By field the values of which it must have one; a `*` at the end of a value stands for
    whatever follows."""

    @property
    def reason(self) -> str:
        """What the ledger calls what it leaves out."""
        return f"{SAMPLED if self.keep_one_in else RULED_OUT}{self.name}"


Rules: TypeAlias = tuple[Rule, ...]
"""In their order: of several that mean an event the first counts."""
NO_RULES: Final[Rules] = ()


def rules_for(rules: Rules, origin: Origin) -> Rules:
    """Return the rules that may mean an event of this dataset."""
    dataset = origin.placement.dataset
    return tuple(
        rule
        for rule in rules
        if DATASET not in rule.where or is_one_of(dataset, rule.where[DATASET])
    )


def is_one_of(value: str, wanted: tuple[str, ...]) -> bool:
    """Tell whether a value is one of those wanted."""
    return any(
        value.startswith(one[:-1]) if one.endswith("*") else value == one
        for one in wanted
    )


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

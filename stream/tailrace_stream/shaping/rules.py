"""What a rule is: a condition is a field and the values that it may have. Pure.

Whoever checks settings reads this, on a host of agents alone as well, which has no columns:
what a rule means of them is told in `meaning.py`.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from tailrace.ledger import RULED_OUT, SAMPLED
from tailrace.wire import Origin

DATASET: Final = "event.dataset"


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

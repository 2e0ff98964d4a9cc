"""What a fault is: a kind with its name, where it strikes, and the witness it must leave."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

from tailrace.chaos.arena import Arena


class Lane(Enum):
    """Faults of one lane follow each other; two lanes strike at the same time."""

    ROLES = "roles"
    SERVERS = "servers"


class Need(StrEnum):
    """What a kind cannot do without."""

    ROOT = "namespaces and mounts, which need root"
    THREE = "three servers of a kind"


Strike = Callable[[Arena, random.Random], str]
"""Does the fault, ends it, and returns the witness that it struck.

Raises:
    NotWitnessed: it cannot be proved that it struck, so it did not.
    Interrupted: the user ended the run.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One kind of fault."""

    name: str
    family: str
    lane: Lane
    takes_s: int
    """About how long, recovery included: what a plan counts with."""
    strike: Strike
    needs: frozenset[Need] = frozenset()

"""Where a value goes, and as what: to a field of ECS, or by its name into `attributes`.

The fields that the index knows, and their types, are those of its template. What fits no
field, by name or by type, loses nothing: it stands in `attributes`, as it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from tailrace.index_templates import event_types

Kind = Literal["text", "int", "float", "bool", "ip", "level", "message"]
KINDS = ("text", "int", "float", "bool", "ip")
"""What a user may say a value is."""
NAME = re.compile(r"[A-Za-z@][A-Za-z0-9_.@-]{0,127}")
UNITS_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
DURATION = "event.duration"
"""The one field of ECS that counts nanoseconds, which few logs write."""

# What the stream writes itself, of which a line must not say another thing.
_OURS = re.compile(
    r"@timestamp|tags|labels(?:\..*)?|attributes(?:\..*)?|ecs\.version|stream"
    r"|agent\.id|event\.(?:created|dataset|kind|original|sequence)|host\.(?:name|id)"
    r"|log\.(?:offset|file\.path)|tailrace\..*|kubernetes\..*|container\.id|error\.message"
)
_INTEGERS = {"byte": 8, "short": 16, "integer": 32, "long": 64}
_TEXTS = frozenset({"keyword", "text", "wildcard", "constant_keyword"})
_FLOATS = frozenset({"float", "double", "half_float", "scaled_float"})
# What a field of each kind may be said to be, beside what it is.
_ALSO: dict[str, frozenset[str]] = {
    "text": frozenset({"text"}),
    "level": frozenset({"text"}),
    "message": frozenset({"text"}),
    "ip": frozenset({"ip", "text"}),
    "int": frozenset({"int"}),
    "float": frozenset({"float", "int"}),
    "bool": frozenset({"bool"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one value goes."""

    name: str
    kind: Kind
    is_field: bool
    """Whether the index knows it; else it is a key of `attributes`."""
    bits: int = 64
    """Of a whole number."""
    unit_ns: int | None = None
    """What one of it is in nanoseconds, where the field counts those."""


def target_of(
    name: str, *, kind: str | None = None, unit: str | None = None
) -> Target | str:
    """Return where a value of this name goes, or what is wrong with that.

    `kind` is what a user says that it is, where they do.
    """
    if not NAME.fullmatch(name):
        return (
            f"{name!r} cannot name a field: letters, digits, _, @, - and ., at most 128,"
            " a letter first"
        )
    if _OURS.fullmatch(name):
        return f"{name} is written by Tailrace itself: give it another name"
    if unit is not None and name != DURATION:
        return (
            f"{name} has the unit {unit!r}, which is for {DURATION} alone: write the"
            " unit into the name"
        )
    known = _field(name)
    if known is None:
        return Target(name=name, kind=cast("Kind", kind or "text"), is_field=False)
    if isinstance(known, str):
        return known
    if unit is not None:
        return Target(name=name, kind="int", is_field=True, unit_ns=UNITS_NS[unit])
    if kind is not None and kind not in _ALSO[known.kind]:
        return (
            f"{name} is {_said(known.kind)} in the index, and {kind} here: leave the"
            " type out, or give it another name"
        )
    return known


def _field(name: str) -> Target | str | None:
    kind = event_types().get(name)
    if kind is None:
        return None
    if name == "log.level":
        return Target(name=name, kind="level", is_field=True)
    if name == "message":
        return Target(name=name, kind="message", is_field=True)
    if kind in _TEXTS:
        return Target(name=name, kind="text", is_field=True)
    if kind in _INTEGERS:
        bits = _INTEGERS[kind]
        return Target(name=name, kind="int", is_field=True, bits=bits)
    if kind in _FLOATS:
        return Target(name=name, kind="float", is_field=True)
    if kind == "boolean":
        return Target(name=name, kind="bool", is_field=True)
    if kind == "ip":
        return Target(name=name, kind="ip", is_field=True)
    return f"{name} is of type {kind} in the index, which no pattern can give"


def _said(kind: str) -> str:
    return "text" if kind in {"level", "message"} else kind

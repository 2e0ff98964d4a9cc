"""What is behind a dead letter: its reason, the field at fault, and what the index wants.

Pure. Elasticsearch tells a conflict in a sentence only; the sentences are those of its
versions 8.12 to 9.2. One that is not known leaves the field empty, and the letter is then
grouped by its reason alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tailrace.dead.letters import Letter

OBJECT: Final = "object"
NOTHING: Final = "nothing"
"""What a mapping wants that takes no such field at all."""
FIELD_CHARACTERS_MAX: Final = 512

_NAME = rf"\[([^\[\]]{{1,{FIELD_CHARACTERS_MAX}}})\]"
_WANTS_TYPE = re.compile(
    rf"failed to parse field {_NAME} of type \[([a-z_0-9]{{1,64}})\]"
)
_WANTS_OBJECT = re.compile(rf"object mapping for {_NAME} tried to parse")
_TOO_DEEP = re.compile(rf"\[flattened\] field {_NAME} exceeds the maximum depth")
_IMMENSE = re.compile(
    rf'immense term in field="([^"]{{1,{FIELD_CHARACTERS_MAX}}})"', re.IGNORECASE
)
_STRICT = re.compile(rf"introduction of {_NAME} within {_NAME} is not allowed")
_ROOT = "_doc"


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """Why letters died; those of one cause can be mended alike."""

    reason: str
    """The stable word of the stage that gave up, such as `mapping_conflict`."""
    field: str = ""
    """By its dotted name; empty where the fault is no single field's."""
    wanted: str = ""
    """Its type in the mapping, `object`, or `nothing`; empty where that is not said."""


def cause_of(letter: Letter) -> Cause:
    """Return what is behind a letter."""
    field, wanted = _fault(letter.detail)
    return Cause(reason=letter.reason, field=field, wanted=wanted)


def _fault(detail: str) -> tuple[str, str]:
    """Return which field is at fault, and what its mapping wants."""
    if found := _WANTS_OBJECT.search(detail):
        return found[1], OBJECT
    if found := _TOO_DEEP.search(detail):
        return found[1], "flattened"
    if found := _WANTS_TYPE.search(detail):
        return found[1], found[2]
    if found := _IMMENSE.search(detail):
        return found[1], "keyword"
    if found := _STRICT.search(detail):
        inside = "" if found[2] == _ROOT else f"{found[2]}."
        return f"{inside}{found[1]}", NOTHING
    return "", ""

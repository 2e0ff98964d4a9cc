"""How a failed document is mended: a value coerced, renamed, or moved to where all fits.

Pure, and only ever of the one field that is at fault: everything else in the document stays
as it is, byte for byte. What tells which line it is, and holds that line, is never mended:
the `_id` is a checksum of it, and the audit compares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

import msgspec

from tailrace.dead.causes import Cause
from tailrace.dead.letters import UNREADABLE, Fields, read_fields, value_of
from tailrace.errors import CommandFailed

FLATTENED: Final = "attributes"
"""The field that takes whatever fits no other: the index flattens it."""
PROTECTED: Final = frozenset(
    {
        "@timestamp", "message", "event.original", "event.sequence", "event.dataset",
        "log.offset", "log.file.path", "host.name", "agent.id",
    }
)  # fmt: skip
PROTECTED_ROOT: Final = "tailrace."
WHOLE_TYPES: Final = frozenset({"long", "integer", "short", "byte", "unsigned_long"})
BROKEN_TYPES: Final = frozenset({"double", "float", "half_float", "scaled_float"})
TEXT_TYPES: Final = frozenset({"keyword", "text", "match_only_text", "wildcard"})
TYPES: Final = ("long", "double", "boolean", "text")
LONG_MAX: Final = 2**63 - 1
NUMBER_CHARACTERS_MAX: Final = 64

_any = msgspec.json.Decoder()


class FixKind(StrEnum):
    """What is done with the value at fault."""

    COERCE = "coerce"
    RENAME = "rename"
    MOVE = "move"


@dataclass(frozen=True, slots=True, order=True)
class Fix:
    """One mending of one field."""

    kind: FixKind
    field: str
    argument: str = ""
    """The type for `coerce`, the new name for `rename`."""

    def __str__(self) -> str:
        """Return it as it is written on the command line."""
        ending = f"={self.argument}" if self.argument else ""
        return f"{self.kind.value}:{self.field}{ending}"


class FixFailed(Exception):
    """A document that a fix does not fit; its text says why."""


def parse_fix(text: str) -> Fix:
    """Read a fix as a person writes it.

    Raises:
        CommandFailed: it is none, or is of a field that tells which line it is.
    """
    kind, _, rest = text.partition(":")
    field, _, argument = rest.partition("=")
    needs = {
        "coerce": argument in TYPES,
        "rename": bool(argument),
        "move": not argument,
    }
    if not field or not needs.get(kind, False):
        raise CommandFailed(
            f"{text!r} is no fix.",
            remedy="write coerce:FIELD=TYPE with one of the types"
            f" {', '.join(TYPES)}, rename:FIELD=NAME, or move:FIELD, which puts the"
            f" value into the flattened field `{FLATTENED}`",
        )
    fix = Fix(FixKind(kind), field, argument)
    for name in (fix.field, fix.argument if fix.kind is FixKind.RENAME else ""):
        if _is_protected(name):
            raise CommandFailed(
                f"{name!r} is not mended: it tells which line a document holds.",
                remedy="mend another field, or leave the letter as it is",
            )
    return fix


def mended(fix: Fix, fields: Fields) -> dict[str, msgspec.Raw]:
    """Return the fields of a document after a fix, everything else as it was.

    Raises:
        FixFailed: the document has no such field, or the fix does not fit it.
    """
    found = value_of(fields, fix.field)
    if found is None:
        raise FixFailed(f"it has no field {fix.field!r}")
    match fix.kind:
        case FixKind.COERCE:
            return _replaced(fields, fix.field, _coerced(found, fix.argument))
        case FixKind.RENAME:
            if value_of(fields, fix.argument) is not None:
                raise FixFailed(f"it has a field {fix.argument!r} already")
            return {**_without(fields, fix.field), fix.argument: found}
        case FixKind.MOVE:
            return _moved(fields, fix.field, found)
        case _:
            assert_never(fix.kind)


def proposed(cause: Cause, fields: Fields) -> Fix | None:
    """Return the fix for one document: coerced where nothing is lost, else moved.

    None where the fault is no field's, or the field tells which line it is.
    """
    found = value_of(fields, cause.field) if cause.field else None
    if found is None or _is_protected(cause.field):
        return None
    wanted = _coercible_to(cause.wanted)
    tried: list[Fix] = []
    # As text it would be one word that nobody searches for; moved, its parts are found.
    is_object = bytes(found).lstrip()[:1] in {b"{", b"["}
    if wanted and not (wanted == "text" and is_object):
        tried.append(Fix(FixKind.COERCE, cause.field, wanted))
    tried.append(Fix(FixKind.MOVE, cause.field))
    for fix in tried:
        try:
            after = mended(fix, fields)
        except FixFailed:
            continue
        if after != fields:
            return fix
    return None


def _is_protected(name: str) -> bool:
    return name in PROTECTED or name.startswith(PROTECTED_ROOT)


def _coercible_to(wanted: str) -> str:
    """Return which of `TYPES` fits a type of a mapping, "" where none does."""
    if wanted in WHOLE_TYPES:
        return "long"
    if wanted in BROKEN_TYPES:
        return "double"
    if wanted in TEXT_TYPES:
        return "text"
    return "boolean" if wanted == "boolean" else ""


def _coerced(found: msgspec.Raw, wanted: str) -> msgspec.Raw:
    try:
        value: object = _any.decode(found)
    except UNREADABLE as error:
        raise FixFailed("its value cannot be read") from error
    if wanted == "text":
        text = value if isinstance(value, str) else bytes(found).decode()
        return _raw(text)
    return _raw(_converted(value, wanted))


def _converted(value: object, wanted: str) -> float | bool:
    text = value.strip() if isinstance(value, str) else ""
    if wanted == "boolean":
        named = {"true": True, "1": True, "false": False, "0": False}
        spelled = text.lower() or msgspec.json.encode(value).decode()
        if spelled in named:
            return named[spelled]
        raise FixFailed(f"{_shown(value)} is no boolean")
    if isinstance(value, bool):
        number: float = int(value)
    elif isinstance(value, int | float):
        number = value
    else:
        number = _number(text, value)
    if wanted == "double":
        return float(number)
    if number != int(number) or abs(number) > LONG_MAX:
        raise FixFailed(f"{_shown(value)} is no whole number that fits")
    return int(number)


def _number(text: str, value: object) -> float:
    """Read a number; what a person would not call one, such as `1_000`, is none."""
    if 0 < len(text) <= NUMBER_CHARACTERS_MAX and "_" not in text and text.isascii():
        try:
            return int(text)
        except ValueError:
            pass
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    raise FixFailed(f"{_shown(value)} is no number")


def _moved(fields: Fields, name: str, found: msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Put a value below `attributes`, under its own dotted name."""
    left = _without(fields, name)
    flattened = left.get(FLATTENED)
    inner = {} if flattened is None else read_fields(flattened)
    if inner is None:
        raise FixFailed(f"its field {FLATTENED!r} is no object")
    if name in inner:
        raise FixFailed(f"its field {FLATTENED!r} has a {name!r} already")
    return {**left, FLATTENED: _object({**inner, name: found})}


def _replaced(fields: Fields, name: str, value: msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Return the fields with one value in another's place."""
    if name in fields:
        return {key: value if key == name else raw for key, raw in fields.items()}
    outer, inner, rest = _parted(fields, name)
    return {
        key: _object(_replaced(inner, rest, value)) if key == outer else raw
        for key, raw in fields.items()
    }


def _without(fields: Fields, name: str) -> dict[str, msgspec.Raw]:
    """Return the fields without one; an object of which nothing is left goes, too."""
    if name in fields:
        return {key: raw for key, raw in fields.items() if key != name}
    outer, inner, rest = _parted(fields, name)
    left = _without(inner, rest)
    return {
        key: _object(left) if key == outer else raw
        for key, raw in fields.items()
        if key != outer or left
    }


def _parted(fields: Fields, name: str) -> tuple[str, Fields, str]:
    """Return the key below which a field stands, what stands there, and its name there."""
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        outer, rest = ".".join(parts[:count]), ".".join(parts[count:])
        raw = fields.get(outer)
        inner = None if raw is None else read_fields(raw)
        if inner is not None and value_of(inner, rest) is not None:
            return outer, inner, rest
    raise FixFailed(f"it has no field {name!r}")


def _object(fields: Fields) -> msgspec.Raw:
    return msgspec.Raw(object_bytes(fields))


def object_bytes(fields: Fields) -> bytes:
    """Return a JSON object of these fields, in their order, their bytes as they are."""
    return b"{%b}" % b",".join(
        b"%b:%b" % (msgspec.json.encode(key), bytes(raw)) for key, raw in fields.items()
    )


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _shown(value: object) -> str:
    return msgspec.json.encode(value).decode()[:60]

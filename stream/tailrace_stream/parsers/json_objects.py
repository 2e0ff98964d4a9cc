"""The JSON object that a line is, also where a value in it is one that few decoders take.

RFC 8259 lets a number have any size and a text hold half of a surrogate pair. Neither is a
reason not to read the line: such a number stands as it is written, as text, and such half of
a character as its escape, which is how bytes that are no UTF-8 stand, too.
"""

from __future__ import annotations

import json
import math
from typing import NoReturn, cast

import msgspec

_decode = msgspec.json.Decoder(dict[str, object]).decode
_INT_DIGITS_MAX = 1_000
"""Python reads integers of up to 4,300 digits, and the index numbers of up to 1,000."""


def object_of(line: str) -> dict[str, object] | None:
    """Return the keys and values of a line, None where it is not one object of JSON."""
    try:
        return _decode(line)
    except msgspec.ValidationError:
        # Of JSON, and not an object or with a number that no double holds.
        return _odd_object(line)
    except msgspec.DecodeError:
        return _odd_object(line) if "\\ud" in line or "\\uD" in line else None
    except (UnicodeError, RecursionError):
        return None


def _odd_object(line: str) -> dict[str, object] | None:
    try:
        found: object = json.loads(
            line, parse_float=_float, parse_int=_int, parse_constant=_refuse
        )
        written = _written(found)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", written) if isinstance(written, dict) else None


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _int(text: str) -> int | str:
    return int(text) if len(text) <= _INT_DIGITS_MAX else text


def _refuse(name: str) -> NoReturn:
    """Refuse what Python takes for JSON, and no one else.

    Raises:
        ValueError: always.
    """
    raise ValueError(name)


def _written(value: object) -> object:
    """Return a value whose texts can all be written as UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_written(one) for one in cast("list[object]", value)]
    if isinstance(value, dict):
        return {
            cast("str", _written(name)): _written(inner)
            for name, inner in cast("dict[str, object]", value).items()
        }
    return value

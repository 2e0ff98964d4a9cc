"""Lines of JSON of which it is known who wrote them: their keys go to fields of that server.

What has no field there, or another type than it, is kept in `attributes`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import cast

import msgspec
import polars as pl

from tailrace_stream.parsers.fields import LONG_MAX, TIME, Fields, kept
from tailrace_stream.parsers.json_objects import object_of
from tailrace_stream.parsers.structured import frame_of

_Reader = Callable[[object], str | int | float | None]


def parse_keyed(
    lines: pl.Series,
    *,
    names: Mapping[str, str],
    numbers: Collection[str],
    is_one: Callable[[Mapping[str, object]], bool],
    time_zone: str,
    written: Collection[str] = (),
) -> pl.DataFrame:
    """Return the fields of each line that `is_one`; a nested key's name has dots.

    `names` tells the field of each key, in the order in which they are believed where
    several have one; `numbers` are the fields that hold whole numbers, and `written` those
    that hold an object or a list as text.
    """

    # A key's text before each of its dots: what is entered.
    entered = frozenset(
        name[:at] for name in names for at, one in enumerate(name) if one == "."
    )

    readers: dict[str, _Reader] = {
        TIME: _time,
        **dict.fromkeys(numbers, _number),
        **dict.fromkeys(written, _written),
    }

    def read(line: str) -> Fields | None:
        record = object_of(line)
        if record is None or not is_one(record):
            return None
        return _sorted(record, names, readers, entered)

    return frame_of(
        [read(line) for line in lines], time_zone=time_zone, numbers=numbers
    )


def _sorted(
    record: Mapping[str, object],
    names: Mapping[str, str],
    readers: Mapping[str, _Reader],
    entered: Collection[str],
) -> Fields:
    found = Fields()
    flat = dict(_flat(record, entered))
    for key, field in names.items():
        if key not in flat or field in found.known:
            continue
        value = readers.get(field, _text)(flat[key])
        if value is not None:
            found.known[field] = value
            del flat[key]
        elif not _is_nothing(flat[key]):
            found.conflicts += (field,)
    for key, value in flat.items():
        # What the server writes for nothing is no value of a field of its own.
        is_nothing = value is None or (key in names and _is_nothing(value))
        if not is_nothing:
            found.attributes[key.replace("\0", "\\0").strip() or "_"] = kept(value)
    return found


def _flat(
    record: Mapping[str, object], entered: Collection[str], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    """Yield each key; an object is entered only where a field comes of it."""
    for key, value in record.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and path in entered:
            yield from _flat(cast("dict[str, object]", value), entered, f"{path}.")
        else:
            yield path, value


def _is_nothing(value: object) -> bool:
    return value is None or value in ("", "-", [], {})


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value not in {"", "-"} else None


def _written(value: object) -> str | None:
    """Return what a list of words or an object says; words as the server's text has them."""
    if isinstance(value, list):
        words = cast("list[object]", value)
        if all(isinstance(word, str) for word in words):
            return _text(", ".join(cast("list[str]", words)))
    elif not isinstance(value, dict):
        return _text(value)
    is_said = value not in ([], {})
    return msgspec.json.encode(cast("object", value)).decode() if is_said else None


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value) if len(value) < 19 else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int):
        return None
    return value if -LONG_MAX <= value < LONG_MAX else None


def _time(value: object) -> str | int | float | None:
    if isinstance(value, bool):
        return None
    return value if isinstance(value, str | int | float) else None

"""What a user's table says of a value: fields and labels beside it, from a file read live.

CSV with a line of names, or JSON: an object by key, or a list of rows. What a row adds is
encoded when the file is read, so a line costs one look into a dictionary.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import msgspec
import polars as pl

from tailrace.wire import Origin
from tailrace_stream.enrich.fragments import text_of
from tailrace_stream.enrich.live_file import LiveFile, NotUsable
from tailrace_stream.own.targets import Target
from tailrace_stream.parsers.addresses import is_address

SIZE_BYTES_MAX = 64 * 1_024 * 1_024
ROWS_MAX = 1_000_000
CHARACTERS_MAX = 1_024
"""Of one value."""

Texts = tuple[str, str]
"""What a row adds to a document: fields, and labels without the object around them."""
NOTHING: Texts = ("", "")
Rows = Mapping[str, Texts]
Row = Mapping[str, object]

OF_ORIGIN: Mapping[str, Callable[[Origin], str]] = {
    "agent.id": lambda origin: origin.agent_id,
    "event.dataset": lambda origin: origin.placement.dataset,
    "host.id": lambda origin: origin.host_id,
    "host.name": lambda origin: origin.host_name,
    "log.file.path": lambda origin: origin.path,
}
"""Keys that all lines of a chunk have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a table is read."""

    column: str
    """Which of its columns has the key; the first unless given."""
    targets: Mapping[str, Target | str]
    """By columns: the field that a value goes to, or the name of its label; columns that
    are not here become labels of their own name, unless there are any here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table and the field whose values it knows."""

    key: str
    file: LiveFile[Rows]
    names: tuple[str, ...]
    """The fields that its rows may give."""

    def texts(self, parsed: pl.DataFrame, *, origin: Origin) -> list[Texts] | None:
        """Return what each line gets, None where none gets anything."""
        rows = self.file.current()
        if self.key in OF_ORIGIN and self.key not in parsed.columns:
            found = rows.get(OF_ORIGIN[self.key](origin), NOTHING)
            return None if found == NOTHING else [found] * parsed.height
        if self.key not in parsed.columns or not rows:
            return None
        values = parsed.get_column(self.key).cast(pl.String)
        if self.key in OF_ORIGIN:
            # Records of another collector say it themselves, or some of them do.
            values = values.fill_null(OF_ORIGIN[self.key](origin))
        if values.null_count() == len(values):
            return None
        return [rows.get(value, NOTHING) for value in values.to_list()]


def read_table(path: Path, *, shape: Shape) -> Rows:
    """Return the rows of a file, by their keys.

    Raises:
        NotUsable: it is no table, or one whose rows cannot be what they should be.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size > SIZE_BYTES_MAX:
        raise NotUsable(f"has {size} bytes, more than {SIZE_BYTES_MAX}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotUsable(f"is no UTF-8 at byte {error.start}") from None
    if not text.strip():
        raise NotUsable("is empty")
    is_json = path.suffix.lower() == ".json"
    rows = _json_rows(text, shape) if is_json else _csv_rows(text, shape)
    found: dict[str, Texts] = {}
    for number, (key, row) in enumerate(rows, 1):
        if number > ROWS_MAX:
            raise NotUsable(f"has more than {ROWS_MAX} rows")
        if key in found:
            raise NotUsable(f"has the key of row {number} twice")
        found[key] = _texts(row, shape, number=number)
    return found


@lru_cache(maxsize=4_096)
def joined_labels(texts: tuple[str, ...]) -> str:
    """Return the labels of several tables; of two for one name the first counts."""
    said = [text for text in texts if text]
    if len(said) < 2:
        return said[0] if said else ""
    labels: dict[str, object] = {}
    for text in reversed(said):
        labels |= msgspec.json.decode(f"{{{text[1:]}}}", type=dict[str, object])
    return text_of(labels)


def _csv_rows(text: str, shape: Shape) -> Iterable[tuple[str, Row]]:
    try:
        reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
        names = list(reader.fieldnames or ())
        column = _key_column(names, shape)
        for number, row in enumerate(reader, 1):
            if None in row or None in row.values():
                raise NotUsable(f"has another count of cells in row {number}")
            yield row[column], {k: v for k, v in row.items() if k != column and v != ""}
    except csv.Error as error:
        raise NotUsable(f"is no CSV: {error}") from None


def _key_column(names: list[str], shape: Shape) -> str:
    if len(set(names)) != len(names):
        raise NotUsable("names a column twice")
    missing = [name for name in shape.targets if name not in names]
    if shape.column and shape.column not in names:
        missing.append(shape.column)
    if missing:
        raise NotUsable(f"has no column {', '.join(missing)}")
    return shape.column or names[0]


def _json_rows(text: str, shape: Shape) -> Iterable[tuple[str, Row]]:
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise NotUsable(f"is no JSON: {error}") from None
    if isinstance(value, dict):
        for number, (key, row) in enumerate(
            cast("dict[str, object]", value).items(), 1
        ):
            if not isinstance(row, dict):
                raise NotUsable(f"has no object in row {number}")
            yield key, cast("Row", row)
        return
    if not isinstance(value, list) or not shape.column:
        raise NotUsable(
            "is neither an object by key, nor a list with a `column` for it"
        )
    for number, row in enumerate(cast("list[object]", value), 1):
        fields = cast("dict[str, object]", row) if isinstance(row, dict) else {}
        key = fields.get(shape.column)
        if not isinstance(key, str | int) or isinstance(key, bool):
            raise NotUsable(f"has no key in row {number}")
        yield str(key), {k: v for k, v in fields.items() if k != shape.column}


def _texts(row: Row, shape: Shape, *, number: int) -> Texts:
    fields: dict[str, object] = {}
    labels: dict[str, str] = {}
    for name, value in row.items():
        if value is None or (shape.targets and name not in shape.targets):
            continue
        if isinstance(value, dict | list):
            raise NotUsable(f"has no plain value in row {number}, column {name}")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if len(text) > CHARACTERS_MAX:
            raise NotUsable(
                f"has more than {CHARACTERS_MAX} characters in row {number}, column {name}"
            )
        target = shape.targets.get(name, name)
        if isinstance(target, str):
            labels[target] = text
        else:
            fields[target.name] = _fitted(text, target, place=f"row {number}, {name}")
    return text_of(fields), text_of(labels)


def _fitted(text: str, target: Target, *, place: str) -> object:
    """Return a value as what the index has the field as."""
    kind = target.kind
    if kind in {"int", "float"}:
        number = _number(text, target)
        if number is None:
            raise NotUsable(f"has no number in {place}, which {target.name} takes")
        return number
    if kind == "bool":
        if text not in {"true", "false"}:
            raise NotUsable(f"has neither true nor false in {place}")
        return text == "true"
    if kind == "ip" and not is_address(pl.Series([text]))[0]:
        raise NotUsable(f"has no address in {place}, which {target.name} wants")
    return text


def _number(text: str, target: Target) -> float | None:
    """Return a number that is in the range of its field, None where there is none."""
    try:
        number = int(text) if target.kind == "int" else float(text)
    except ValueError:
        return None
    top = 2 ** (target.bits - 1)
    is_in = -top <= number < top if target.kind == "int" else math.isfinite(number)
    return number if is_in else None

"""Records of one shape as columns: what `fields.fields_of` says of each, for all at once.

Lines of one program have the same keys in the same order, and values of the same types. So
records are parted by their keys, and where that is not enough by their types; what is to be
done with a key is decided once for each such part. A part with something odd in it is read
record by record, so both ways must say the same: a test holds them to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec

from tailrace_stream.parsers.fields import (
    FIELDS,
    NUMBER_FIELDS,
    ROOTS,
    TIME,
    Fields,
    attribute_key,
    fields_of,
    is_identifier,
    kept,
    level_of,
    number_of,
    plan_of,
)

Value = str | int | float | None
Record = Mapping[str, object]

_encoder = msgspec.json.Encoder()
_SIMPLE = frozenset({str, int, float, bool})
_NESTED_PATH_DOTS_MAX = 3


class Cells:
    """The cells of rows so far: a column for each field that any row has."""

    def __init__(self, row_count: int) -> None:
        """Hold nothing yet of any row."""
        self.row_count = row_count
        self.columns: dict[str, list[Value]] = {}
        self.attributes: list[str | None] = [None] * row_count
        self.conflicts: dict[int, tuple[str, ...]] = {}

    def put(self, row: int, fields: Fields) -> None:
        """Take one row's fields."""
        for name, value in fields.known.items():
            self._column(name)[row] = value
        if fields.attributes:
            self.attributes[row] = _encoder.encode(fields.attributes).decode()
        if fields.conflicts:
            self.conflicts[row] = fields.conflicts

    def put_part(self, rows: Sequence[int], part: Part) -> None:
        """Take the fields of rows of one shape."""
        for name, values in part.known.items():
            if len(rows) == self.row_count and name not in self.columns:
                self.columns[name] = list(values)
                continue
            column = self._column(name)
            for row, value in zip(rows, values, strict=True):
                column[row] = value
        if part.attributes:
            objects = _objects(part.attributes)
            # One call for all of them; a newline in a text is escaped, so it parts nothing.
            texts = _encoder.encode_lines(objects).decode().split("\n")
            for row, text in zip(rows, texts, strict=False):
                self.attributes[row] = text

    def _column(self, name: str) -> list[Value]:
        column = self.columns.get(name)
        if column is None:
            column = self.columns[name] = [None] * self.row_count
        return column


@dataclass(slots=True)
class Part:
    """The fields of records of one shape, each a column of them."""

    known: dict[str, Sequence[Value]]
    attributes: dict[str, Sequence[object]]


def cells_of(records: Sequence[Record | None], *, is_plain: bool) -> Cells:
    """Return the cells of each record; None has none.

    `is_plain` says that no text in them holds a NUL.
    """
    cells = Cells(len(records))
    put_records(cells, range(len(records)), records, is_plain=is_plain)
    return cells


def put_records(
    cells: Cells,
    rows: Sequence[int],
    records: Sequence[Record | None],
    *,
    is_plain: bool,
) -> None:
    """Put each record into its row; None leaves it as it is."""
    by_keys: dict[tuple[str, ...], list[int]] = {}
    for position, record in enumerate(records):
        if record is not None:
            by_keys.setdefault(tuple(record), []).append(position)
    for keys, positions in by_keys.items():
        alike = [cast("Record", records[position]) for position in positions]
        columns = [[record[key] for record in alike] for key in keys]
        parts: list[tuple[Sequence[int], list[list[object]]]] = [(positions, columns)]
        if any(len(set(map(type, column))) > 1 for column in columns):
            parts = _parts_by_types(positions, columns)
        for part_positions, part_columns in parts:
            part_rows = [rows[position] for position in part_positions]
            if is_plain and put_columns(cells, part_rows, keys, part_columns):
                continue
            for position, row in zip(part_positions, part_rows, strict=True):
                cells.put(row, fields_of(cast("Record", records[position])))


def put_columns(
    cells: Cells,
    rows: Sequence[int],
    keys: Sequence[str],
    columns: Sequence[Sequence[object]],
) -> bool:
    """Put the values of records with these keys into their rows, each column of one type.

    False where nothing was put, as they are to be asked one by one: no NUL is in any text.
    """
    part = _part(keys, columns) if rows else None
    if part is None:
        return False
    cells.put_part(rows, part)
    return True


def _parts_by_types(
    rows: Sequence[int], columns: Sequence[Sequence[object]]
) -> list[tuple[Sequence[int], list[list[object]]]]:
    by_types: dict[tuple[type, ...], list[int]] = {}
    for position, values in enumerate(zip(*columns, strict=True)):
        by_types.setdefault(tuple(map(type, values)), []).append(position)
    return [
        (
            [rows[position] for position in positions],
            [[column[position] for position in positions] for column in columns],
        )
        for positions in by_types.values()
    ]


def _part(keys: Sequence[str], columns: Sequence[Sequence[object]]) -> Part | None:
    """Return the fields of records with these keys, each column of one type.

    None where they are to be asked one by one.
    """
    part = Part({}, {})
    for (key, target), column in zip(plan_of(tuple(keys)), columns, strict=True):
        first = column[0]
        if isinstance(first, dict) and key in ROOTS:
            left = _nested(key, cast("Sequence[dict[str, object]]", column), part)
            if left is None:
                return None
            if left:
                part.attributes[attribute_key(key)] = _objects(left)
        elif not _take(column, target, key, part.attributes, part, depth=1):
            return None
    return part


def _nested(
    path: str, records: Sequence[dict[str, object]], part: Part
) -> dict[str, Sequence[object]] | None:
    """Take the fields out of objects below `path`; return what is left, as columns.

    None where they are to be asked one by one.
    """
    keys = tuple(records[0])
    if any(tuple(record) != keys for record in records):
        return None
    left: dict[str, Sequence[object]] = {}
    for name in keys:
        column = [record[name] for record in records]
        if len(set(map(type, column))) > 1:
            return None
        inner_path = f"{path}.{name}"
        is_field = inner_path in FIELDS
        if isinstance(column[0], dict) and not is_field:
            if inner_path.count(".") >= _NESTED_PATH_DOTS_MAX:
                return None
            inner = cast("Sequence[dict[str, object]]", column)
            rest = _nested(inner_path, inner, part)
            if rest is None:
                return None
            if rest:
                left[attribute_key(name)] = _objects(rest)
        else:
            target = inner_path if is_field else None
            depth = 2 + path.count(".")
            if not _take(column, target, name, left, part, depth=depth):
                return None
    return left


def _take(
    column: Sequence[object],
    target: str | None,
    key: str,
    attributes: dict[str, Sequence[object]],
    part: Part,
    *,
    depth: int,
) -> bool:
    """Put a column where it belongs; False where its values are to be asked one by one.

    `depth` is how deep it stands below the root of the attributes.
    """
    if column[0] is None:
        return True
    if target is not None:
        values = _read(target, column)
        if values is None or target in part.known:
            return False
        part.known[target] = values
        return True
    if type(column[0]) not in _SIMPLE:
        column = [kept(value, depth=depth) for value in column]
    attributes[attribute_key(key)] = column
    return True


def _read(target: str, column: Sequence[object]) -> Sequence[Value] | None:
    """Return the values of a field, None where one of them is none of its type."""
    kind = type(column[0])
    if target == "log.level":
        if kind not in {str, int}:
            return None
        levels = {value: level_of(value) for value in set(column)}
        if None in levels.values():
            return None
        return [levels[value] for value in column]
    if target in NUMBER_FIELDS:
        numbers = list(map(number_of, column))
        return None if None in numbers else numbers
    if kind is str:
        return cast("Sequence[str]", column)
    if target == TIME and kind in {int, float}:
        return cast("Sequence[float]", column)
    if is_identifier(target) and kind is int:
        return list(map(str, column))
    return None


def _objects(columns: Mapping[str, Iterable[object]]) -> list[dict[str, object]]:
    """Return one object a row, with the keys of the columns in their order."""
    names = tuple(columns)
    return [
        dict(zip(names, values, strict=True))
        for values in zip(*columns.values(), strict=True)
    ]

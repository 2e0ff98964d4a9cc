"""Lines of JSON that are written alike, as columns, with no object a line.

What a value becomes is what `fields.fields_of` makes of it: a test holds both ways to the
same cells. A line that is written otherwise than its neighbours, or says something odd, is
left to be read as an object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
import polars as pl

from tailrace_stream.parsers.columns import (
    ATTRIBUTES,
    GUESSED,
    MATCHED,
    TIME_NS,
    TOLD,
    with_rows,
)
from tailrace_stream.parsers.fields import (
    FIELDS,
    NUMBER_FIELDS,
    ROOTS,
    TIME,
    attribute_key,
    is_identifier,
    level_of,
    plan_of,
)
from tailrace_stream.parsers.record_times import Times, times_of, written_times
from tailrace_stream.parsers.shapes import (
    Leaf,
    Pieces,
    Shape,
    Signature,
    shapes_of,
)
from tailrace_stream.templates.masking import CHARACTERS_MAX, MESSAGE_KEYS

_INTEGER = r"^(?:0|-?[1-9][0-9]{0,17})$"
_DIGITS = r"^[0-9]{1,18}$"
# How the encoder writes what it decoded. A decimal of 15 digits at the most is the shortest
# that its double has, and the encoder's first exponent is that of 0.000001.
_AS_ENCODED = (
    r"^(?:0|-?[1-9][0-9]{0,17}|true|false|-?[1-9][0-9]{0,5}\.(?:0|[0-9]{0,8}[1-9])"
    r"|-?0\.(?:0|[0-9]{0,4}[1-9](?:[0-9]{0,8}[1-9])?))$"
)
_PATH_DOTS_MAX = 3
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

_Left = dict[str, "Leaf | _Left | None"]
"""What becomes attributes, by their keys there; None is null."""


class _OddError(Exception):
    """A shape has something that is to be asked line by line."""


def read_alike(
    lines: pl.Series, *, time_zone: str
) -> tuple[list[pl.DataFrame], pl.Series]:
    """Return the fields of lines that are written alike, with their rows, and the rows of
    the lines that are left.
    """
    parts: list[pl.DataFrame] = []
    rows = pl.int_range(len(lines), eager=True)
    for shape in shapes_of(lines):
        left = lines.gather(rows) if parts else lines
        is_alike = left.str.contains(shape.pattern)
        if not is_alike.any():
            continue
        if is_alike.all():
            read, asked = _read(left, shape, time_zone=time_zone), rows
        else:
            asked = rows.filter(is_alike)
            read = _read(left.filter(is_alike), shape, time_zone=time_zone)
        if read is None:
            continue
        parts.append(with_rows(read, asked).filter(pl.col(MATCHED)))
        odd = asked.filter(~read.get_column(MATCHED))
        rows = pl.concat([rows.filter(~is_alike), odd]).sort()
    return parts, rows


def _read(lines: pl.Series, shape: Shape, *, time_zone: str) -> pl.DataFrame | None:
    """Return the fields of lines that match a shape; none of a line that is odd.

    None where its shape is.
    """
    reading = _Reading(lines, shape, time_zone=time_zone)
    try:
        left = reading.top()
    except _OddError:
        return None
    return reading.frame(left)


class _Reading:
    """The columns of lines of one shape, as they are taken."""

    def __init__(self, lines: pl.Series, shape: Shape, *, time_zone: str) -> None:
        self._lines = lines
        self._shape = shape
        self._pieces = Pieces(lines, shape)
        self._time_zone = time_zone
        self._known: dict[str, pl.Series] = {}
        self._times: Times | None = None
        self._is_read: list[pl.Series] = []
        """Of some fields, whether each line's value is one of their type."""

    def top(self) -> _Left:
        """Take the fields out of the lines; return what is left."""
        left: _Left = {}
        signature = self._shape.signature
        plan = plan_of(tuple(key for key, _ in signature))
        for (key, kind), (_, target) in zip(signature, plan, strict=True):
            path = (key,)
            if isinstance(kind, tuple) and key in ROOTS:
                rest = self._nested(key, path, kind)
                if rest:
                    _put(left, key, rest)
            elif isinstance(kind, tuple) and target is None:
                _put(left, key, self._whole(path, kind))
            elif isinstance(kind, tuple):
                raise _OddError
            elif kind != "null":
                self._take_or_leave(target, path, left)
        return left

    def _nested(self, name: str, path: tuple[str, ...], signature: Signature) -> _Left:
        """Take the fields out of an object below `name`; return what is left of it."""
        left: _Left = {}
        for key, kind in signature:
            inner_name, inner = f"{name}.{key}", (*path, key)
            is_field = inner_name in FIELDS
            if isinstance(kind, tuple):
                if is_field or inner_name.count(".") >= _PATH_DOTS_MAX:
                    raise _OddError
                rest = self._nested(inner_name, inner, kind)
                if rest:
                    _put(left, key, rest)
            elif kind != "null":
                self._take_or_leave(inner_name if is_field else None, inner, left)
        return left

    def _whole(self, path: tuple[str, ...], signature: Signature) -> _Left:
        """Return an object that has no field in it, with what is null in it."""
        left: _Left = {}
        for key, kind in signature:
            inner = (*path, key)
            if isinstance(kind, tuple):
                _put(left, key, self._whole(inner, kind))
            else:
                _put(left, key, self._shape.leaves.get(inner))
        return left

    def _take_or_leave(
        self, target: str | None, path: tuple[str, ...], left: _Left
    ) -> None:
        leaf = self._shape.leaves[path]
        if target is None:
            _put(left, path[-1], leaf)
        elif target in self._known or (target == TIME and self._times is not None):
            raise _OddError
        else:
            self._take(target, leaf)

    def _take(self, target: str, leaf: Leaf) -> None:
        values = self._pieces.of(leaf)
        if target == TIME:
            self._times = _times(values, leaf, time_zone=self._time_zone)
            self._is_read.append(self._times[0].is_not_null())
        elif target == "log.level":
            self._known[target] = levels = _levels(values, leaf)
            self._is_read.append(levels.is_not_null())
        elif target in NUMBER_FIELDS:
            is_number = values.str.contains(_DIGITS if leaf.is_text else _INTEGER)
            self._known[target] = values.cast(pl.Int64, strict=False)
            self._is_read.append(is_number)
        elif leaf.is_text:
            self._known[target] = values
        elif is_identifier(target):
            self._known[target] = values
            self._is_read.append(values.str.contains(_INTEGER))
        else:
            raise _OddError

    def frame(self, left: _Left) -> pl.DataFrame:
        """Return the columns; a line with a value that is none of its type is not read."""
        times = self._times
        if times is None:
            times = times_of(
                None, row_count=len(self._lines), time_zone=self._time_zone
            )
        is_read = pl.repeat(True, len(self._lines), eager=True)  # noqa: FBT003
        for one in self._is_read:
            is_read &= one
        columns = [
            is_read.alias(MATCHED),
            self._attributes(left).alias(ATTRIBUTES),
            *(values.alias(name) for name, values in self._known.items()),
            times[0].alias(TIME_NS),
            times[1].alias(GUESSED),
        ]
        told = self._told()
        return pl.DataFrame(
            [*columns, told.alias(TOLD)] if told is not None else columns
        )

    def _told(self) -> pl.Series | None:
        """Return what masks take out of each line; null where they do not see all of it."""
        for leaf in self._shape.leaves.values():
            if leaf.is_text and leaf.path[-1] in MESSAGE_KEYS:
                is_long = self._lines.str.len_bytes() > CHARACTERS_MAX
                return self._pieces.of(leaf).set(is_long, None)
        return None

    def _attributes(self, left: _Left) -> pl.Series:
        """Return what is left of each line, as its JSON."""
        if not left:
            nothing = pl.Series([None], dtype=pl.String)
            return nothing.new_from_index(0, len(self._lines))
        columns: list[pl.Series] = []
        parts: list[pl.Expr] = []
        literal = ""
        for part in _written(left):
            if isinstance(part, str):
                literal += part
                continue
            values = self._pieces.of(part)
            name = str(len(columns))
            columns.append(
                (values if part.is_text else _as_encoded(values)).alias(name)
            )
            parts += (pl.lit(literal), pl.col(name))
            literal = ""
        parts.append(pl.lit(literal))
        # A column to stand on, where all that is left is null.
        frame = pl.DataFrame([self._lines.alias("line"), *columns])
        texts = frame.select(pl.concat_str(parts)).to_series()
        return texts.new_from_index(0, len(self._lines)) if not columns else texts


def _put(left: _Left, key: str, value: Leaf | _Left | None) -> None:
    name = attribute_key(key)
    if name in left:
        raise _OddError
    left[name] = value


def _written(left: _Left) -> Sequence[str | Leaf]:
    parts: list[str | Leaf] = []
    for name, value in left.items():
        parts.append(f"{',' if parts else '{'}{_encode(name).decode()}:")
        if value is None:
            parts.append("null")
        elif isinstance(value, dict):
            parts += _written(value)
        elif value.is_text:
            parts += ('"', value, '"')
        else:
            parts.append(value)
    return [*parts, "}"]


def _as_encoded(values: pl.Series) -> pl.Series:
    """Return numbers and booleans as the encoder writes them."""
    rows = (~values.str.contains(_AS_ENCODED)).arg_true()
    if not len(rows):
        return values
    others = cast("list[object]", _decode(f"[{','.join(values.gather(rows))}]"))
    texts = [_encode(one).decode() for one in others]
    return values.clone().scatter(rows, texts)


def _times(values: pl.Series, leaf: Leaf, *, time_zone: str) -> Times:
    if leaf.is_text:
        return written_times(values, time_zone=time_zone)
    counts = cast("list[object]", _decode(f"[{','.join(values)}]"))
    return times_of(counts, row_count=len(values), time_zone=time_zone)


def _levels(values: pl.Series, leaf: Leaf) -> pl.Series:
    """Return levels as they are compared, null where a value is none."""
    words: list[str] = values.unique().to_list()
    levels: Mapping[str, str | None] = {
        word: level_of(word if leaf.is_text else _decode(word)) for word in words
    }
    if all(word == level for word, level in levels.items()):
        return values
    texts = list(map(levels.__getitem__, values.to_list()))
    return pl.Series(texts, dtype=pl.String)

"""What one parser of a user makes of lines: each to the first of its patterns that fits.

The order of the patterns is fixed, so what a line becomes depends on no other line of the
chunk. A pure function of columns; nothing in it can raise for a line that is only odd.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec
import polars as pl

from tailrace_stream.own.moments import Format, times_of
from tailrace_stream.own.pattern import Cell, Shape
from tailrace_stream.own.targets import Target
from tailrace_stream.own.values import values_of
from tailrace_stream.parsers.columns import (
    ATTRIBUTES,
    GUESSED,
    MATCHED,
    TIME_NS,
    in_order,
    with_rows,
)
from tailrace_stream.parsers.conflicts import rows_of, with_marks
from tailrace_stream.parsers.fields import TIME, kept
from tailrace_stream.times import known_zone

OwnParsers = Mapping[str, "OwnParser"]
"""Each by the dataset whose lines it reads."""
NO_OWN: OwnParsers = MappingProxyType({})
KEY_CHARACTERS_MAX = 256
"""Of a name that stands in the line; of a longer one the index takes no term."""
_HIT = "_hit"
_PAIRS = "_pairs"
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnParser:
    """The parser of one dataset."""

    dataset: str
    shapes: tuple[Shape, ...]
    targets: Mapping[str, Target]
    """Of each name in the patterns, the time's excepted."""
    time_name: str | None = None
    """Which of the names holds the time."""
    formats: tuple[Format, ...] = ()
    time_zone: str | None = None
    """Of times that carry none; the placement's unless given."""
    nothing: tuple[str, ...] = ("", "-")
    """What is written where there is no value."""

    def parse(
        self, lines: pl.Series, *, time_zone: str, anchor_ms: int
    ) -> pl.DataFrame:
        """Return the fields of each line, and which lines no pattern takes."""
        texts = self._texts(lines)
        hit = texts.get_column(_HIT).is_not_null().alias(MATCHED)
        columns = {
            name: texts.get_column(name)
            for name in texts.columns
            if name not in {_HIT, _PAIRS}
        }
        time = columns.get(self.time_name) if self.time_name is not None else None
        times, guessed = self._times(
            time, row_count=len(lines), time_zone=time_zone, anchor_ms=anchor_ms
        )
        named = {n: c for n, c in columns.items() if n != self.time_name}
        pairs = texts.get_column(_PAIRS) if _PAIRS in texts.columns else None
        unread = time.filter(times.is_null()) if time is not None else None
        targets = dict(self.targets)
        if (
            unread is not None
            and time is not None
            and unread.null_count() < len(unread)
        ):
            # A time that cannot be read is kept as it is written.
            assert self.time_name is not None
            frame = pl.DataFrame([time.alias("text"), times.alias("ns")])
            shown = frame.select(pl.when(pl.col("ns").is_null()).then("text"))
            named[self.time_name] = shown.to_series()
            targets[self.time_name] = Target(
                name=self.time_name, kind="text", is_field=False
            )
        fields, attributes = values_of(named, targets=targets, pairs=pairs)
        frame = pl.DataFrame(
            [hit, times.alias(TIME_NS), guessed.alias(GUESSED), *fields]
            + ([] if attributes is None else [attributes.alias(ATTRIBUTES)])
        )
        if unread is None or time is None or unread.null_count() == len(unread):
            return frame
        is_unread = time.is_not_null() & times.is_null()
        return with_marks(frame, rows_of({TIME: is_unread}))

    def hits(self, lines: pl.Series) -> list[int | None]:
        """Return which pattern takes each line, by its position; None where none does."""
        return self._texts(lines).get_column(_HIT).to_list()

    def _times(
        self,
        texts: pl.Series | None,
        *,
        row_count: int,
        time_zone: str,
        anchor_ms: int,
    ) -> tuple[pl.Series, pl.Series]:
        if texts is None:
            nothing = pl.Series([None], dtype=pl.Int64).new_from_index(0, row_count)
            return nothing, pl.repeat(False, row_count, eager=True)  # noqa: FBT003
        return times_of(
            texts,
            self.formats,
            time_zone=known_zone(self.time_zone or time_zone),
            is_zone_told=self.time_zone is not None,
            anchor_ms=anchor_ms,
        )

    def _texts(self, lines: pl.Series) -> pl.DataFrame:
        """Return the cells of each line as text, and the number of its pattern."""
        rows = pl.int_range(len(lines), eager=True)
        parts: list[pl.DataFrame] = []
        for number, shape in enumerate(self.shapes):
            if not len(rows):
                break
            found = lines.gather(rows).str.extract_groups(shape.regex)
            names = [_HIT, *map(_group, range(shape.group_count))]
            frame = found.struct.rename_fields(names).struct.unnest()
            is_hit = frame.get_column(_HIT).is_not_null()
            taken = frame.filter(is_hit)
            if taken.height:
                cells = self._cells(taken, shape=shape, number=number)
                parts.append(with_rows(cells, rows.filter(is_hit)))
            rows = rows.filter(~is_hit)
        nothing = pl.Series(_HIT, [None], dtype=pl.Int64).new_from_index(0, len(rows))
        parts.append(with_rows(pl.DataFrame([nothing]), rows))
        return in_order(parts)

    def _cells(self, frame: pl.DataFrame, *, shape: Shape, number: int) -> pl.DataFrame:
        hit = pl.repeat(number, pl.len(), dtype=pl.Int64).alias(_HIT)
        read = frame.select(hit, *map(self._cell, shape.cells))
        if shape.header:
            read = _without_header(read, frame, shape=shape)
        if shape.pairs:
            pairs = self._pairs(frame, shape=shape)
            read = read.with_columns(pairs.alias(_PAIRS))
        return read

    def _cell(self, cell: Cell) -> pl.Expr:
        value = text = _text(cell)
        for nothing in self.nothing:
            value = pl.when(text != nothing).then(value)
        return value.alias(cell.name)

    def _pairs(self, frame: pl.DataFrame, *, shape: Shape) -> pl.Series:
        """Return what lines name themselves, as a JSON object each."""
        found: list[dict[str, object]] = [{} for _ in range(frame.height)]
        for name, value in shape.pairs:
            keys = frame.get_column(_group(name)).to_list()
            values = frame.get_column(_group(value)).to_list()
            for row, (key, text) in enumerate(zip(keys, values, strict=True)):
                is_named = key and len(key) <= KEY_CHARACTERS_MAX
                if is_named and text is not None and text not in self.nothing:
                    found[row].setdefault(key, text)
        return pl.Series(
            [_encode(kept(one)).decode() if one else None for one in found],
            dtype=pl.String,
        )


def _without_header(
    read: pl.DataFrame, frame: pl.DataFrame, *, shape: Shape
) -> pl.DataFrame:
    """Take the values out of a line that only names the columns."""
    by_name = {cell.name: _text(cell) for cell in shape.cells}
    is_header = frame.select(
        pl.all_horizontal(text == name for name, text in by_name.items()).alias("_")
    ).to_series()
    if not is_header.any():
        return read
    return read.with_columns(
        pl.when(~is_header).then(pl.col(name)).alias(name) for name in by_name
    )


def _group(index: int) -> str:
    return f"_{index}"


def _text(cell: Cell) -> pl.Expr:
    groups = [pl.col(_group(index)) for index in cell.groups]
    if cell.quote and len(groups) > 1:
        groups[0] = groups[0].str.replace_all(cell.quote * 2, cell.quote, literal=True)
    if cell.joints is None:
        return pl.coalesce(groups) if len(groups) > 1 else groups[0]
    parts: list[pl.Expr] = [groups[0]]
    for joint, group in zip(cell.joints, groups[1:], strict=True):
        parts += [pl.lit(joint), group]
    return pl.concat_str(parts)

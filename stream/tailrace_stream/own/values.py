"""How texts become values of their types: columns of fields, and `attributes` as JSON.

What is not of its type is kept as it is written, among the attributes, under its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

import msgspec
import polars as pl

from tailrace_stream.own.targets import Target
from tailrace_stream.parsers.addresses import is_address
from tailrace_stream.parsers.columns import MESSAGE
from tailrace_stream.parsers.conflicts import marks, rows_of

_TRUE = ("true", "yes", "on", "1", "t", "y")
_FALSE = ("false", "no", "off", "0", "f", "n")
_FIRST = '{"":0'
_encode = msgspec.json.Encoder().encode


def values_of(
    texts: Mapping[str, pl.Series],
    *,
    targets: Mapping[str, Target],
    pairs: pl.Series | None,
) -> tuple[list[pl.Series], pl.Series | None]:
    """Return the columns of fields, and the attributes, None where there are none.

    One of the columns names the fields whose value is no such, where there are any.

    `pairs` are JSON objects of what lines name themselves; what a pattern names wins.
    """
    fields: dict[str, pl.Series] = {}
    typed: dict[str, pl.Series] = {}
    written: dict[str, pl.Series] = {}
    conflicts: dict[str, pl.Series] = {}
    for name, text in texts.items():
        target = targets[name]
        value = _value(text, target)
        if target.is_field:
            column = MESSAGE if target.kind == "message" else target.name
            fields[column] = _first(fields.get(column), value)
        elif value.dtype == pl.String:
            written[target.name] = _first(written.get(target.name), value)
        else:
            typed[target.name] = _first(typed.get(target.name), value)
        is_other = text.is_not_null() & value.is_null()
        if is_other.any():
            frame = pl.DataFrame([text.alias("text"), is_other.alias("other")])
            left = frame.select(pl.when("other").then("text")).to_series()
            written[target.name] = _first(written.get(target.name), left)
            if target.is_field:
                conflicts[target.name] = is_other
    named = [series.alias(name) for name, series in fields.items()]
    if conflicts:
        row_count = len(next(iter(conflicts.values())))
        named.append(marks(rows_of(conflicts), row_count=row_count))
    return named, _attributes(typed, written, pairs=pairs)


def _first(before: pl.Series | None, value: pl.Series) -> pl.Series:
    """Return what came first, where two names lead to one place."""
    if before is None:
        return value
    return pl.select(pl.coalesce(before, value)).to_series()


def _value(text: pl.Series, target: Target) -> pl.Series:
    if target.unit_ns is not None:
        return _duration(text, unit_ns=target.unit_ns)
    kind = target.kind
    if kind == "int":
        number = text.str.strip_chars(" ").cast(pl.Int64, strict=False)
        top = 2 ** (target.bits - 1)
        is_in = number.is_between(-top, top - 1)
        return number.zip_with(is_in, _nulls(number))
    if kind == "float":
        number = text.str.strip_chars(" ").cast(pl.Float64, strict=False)
        # JSON has neither infinities nor what is no number.
        is_one = number.is_finite().fill_null(value=False)
        return number.zip_with(is_one, _nulls(number))
    if kind == "bool":
        low = text.str.strip_chars(" ").str.to_lowercase()
        frame = pl.DataFrame([low.alias("low")])
        is_true = pl.col("low").is_in(_TRUE)
        is_false = pl.col("low").is_in(_FALSE)
        return frame.select(pl.when(is_true | is_false).then(is_true)).to_series()
    if kind == "ip":
        return text.zip_with(is_address(text), _nulls(text))
    if kind == "level":
        return text.str.strip_chars().str.to_lowercase()
    return text


def _duration(text: pl.Series, *, unit_ns: int) -> pl.Series:
    number = text.str.strip_chars(" ").cast(pl.Float64, strict=False) * unit_ns
    is_one = (number.is_between(-9.2e18, 9.2e18)).fill_null(value=False)
    safe = number.zip_with(is_one, _nulls(number))
    return safe.round(0).cast(pl.Int64, strict=False)


def _nulls(like: pl.Series) -> pl.Series:
    return pl.Series([None], dtype=like.dtype).new_from_index(0, len(like))


def _attributes(
    typed: Mapping[str, pl.Series],
    written: Mapping[str, pl.Series],
    *,
    pairs: pl.Series | None,
) -> pl.Series | None:
    texts: dict[str, pl.Series] = {}
    for name, series in written.items():
        # Of two names that lead to one place, what is of its type stays.
        is_free = typed[name].is_null() if name in typed else None
        left = series if is_free is None else series.zip_with(is_free, _nulls(series))
        # The index takes no NUL within a flattened field.
        texts[name] = left.str.replace_all("\0", "\\0", literal=True)
    parts = [_inside(columns) for columns in (typed, texts) if columns]
    if not parts:
        return pairs
    inside = pl.select(pl.concat_str(parts)).to_series()
    frame = pl.DataFrame([inside.alias("inside")])
    text = frame.select(
        pl.when(pl.col("inside") != "").then(
            pl.concat_str(pl.lit("{"), pl.col("inside").str.slice(1), pl.lit("}"))
        )
    ).to_series()
    return text if pairs is None else _merged(text, pairs)


def _inside(columns: Mapping[str, pl.Series]) -> pl.Series:
    """Return `,"name":value` for each that is not null, one after another."""
    first = pl.lit(0).alias("")
    frame = pl.DataFrame([series.alias(name) for name, series in columns.items()])
    body = frame.select(pl.struct(first, pl.all()).struct.json_encode()).to_series()
    # Inside a text a quote is always escaped, so `,"name":null` can only be a field.
    names = "|".join(re.escape(name) for name in columns)
    body = body.str.replace_all(f',"(?:{names})":null', "")
    return body.str.strip_prefix(_FIRST).str.strip_suffix("}")


def _merged(ours: pl.Series, pairs: pl.Series) -> pl.Series:
    return pl.Series(
        [_union(one, other) for one, other in zip(ours, pairs, strict=True)],
        dtype=pl.String,
    )


def _union(ours: str | None, pairs: str | None) -> str | None:
    if ours is None or pairs is None:
        return ours or pairs
    decode = msgspec.json.decode
    named = cast("dict[str, object]", decode(ours))
    return _encode(cast("dict[str, object]", decode(pairs)) | named).decode()

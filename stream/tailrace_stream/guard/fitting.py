"""Which values of a column the index would refuse or pass over, by its type there.

Most columns are told by their types alone, once a chunk: whole numbers fit a `long`, texts a
`keyword`. What is asked value by value is asked of columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import polars as pl
from polars.datatypes import DataTypeClass

from tailrace.index_templates import event_types
from tailrace_stream.parsers.addresses import is_address

INTEGER_BITS: Mapping[str, int] = {"byte": 8, "short": 16, "integer": 32, "long": 64}
FLOATS_MAX: Mapping[str, float] = {
    "half_float": 65_504.0,
    "float": 3.402_823e38,
    "double": 1.797_693e308,
    "scaled_float": 9.2e18,
}
TEXTS = frozenset({"keyword", "text", "match_only_text", "wildcard"})
# Nanoseconds since 1970 in 63 bits; a `date` takes any year of four digits.
_NANOS_YEAR_MAX = 2261
_WHOLE = r"^-?[0-9]{1,19}$"
_MOMENT = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
)
_POINT = r"^(-?[0-9]{1,3}(?:\.[0-9]{1,20})?),(-?[0-9]{1,3}(?:\.[0-9]{1,20})?)$"

OBJECT = "object"
"""The type of what has fields of its own in the index, and so holds no value."""
INSIDE = "inside"
"""The type of what would have to stand inside a field that is a value."""

Look = Callable[[pl.Series], pl.Series]
"""Tells of each value, none of them null, whether the index takes it."""


def misfits(column: pl.Series, kind: str) -> pl.Series | None:
    """Return of each value whether it does not fit; None where all of them do."""
    if isinstance(column.dtype, pl.List):
        return _misfits_of_lists(column, column.dtype, kind)
    look = _look(column.dtype.base_type(), kind)
    if look is None:
        return None
    if column.dtype.is_integer() and _is_in_range(column, kind):
        return None
    fits = look(column).fill_null(value=False)
    wrong = ~fits & column.is_not_null()
    return wrong if wrong.any() else None


@lru_cache(maxsize=4_096)
def kind_of(name: str) -> str | None:
    """Return the type of a field in the index, None where the index passes it over."""
    types = event_types()
    if name in types:
        return types[name]
    if any(known.startswith(f"{name}.") for known in types):
        return OBJECT
    parts = name.split(".")
    outer = (".".join(parts[:count]) for count in range(1, len(parts)))
    return INSIDE if any(path in types for path in outer) else None


def _is_in_range(column: pl.Series, kind: str) -> bool:
    """Tell by the smallest and the greatest: two looks, and no column is made."""
    bits = INTEGER_BITS.get(kind)
    if bits is None:
        return False
    low, high = column.min(), column.max()
    if not isinstance(low, int) or not isinstance(high, int):
        return True  # There are no values.
    return -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1)


def _misfits_of_lists(column: pl.Series, dtype: pl.List, kind: str) -> pl.Series | None:
    """A list fits where all that is in it does."""
    inner_dtype = dtype.inner
    if isinstance(inner_dtype, DataTypeClass):
        inner_dtype = inner_dtype()
    is_list = isinstance(inner_dtype, pl.List)
    if not is_list and _look(inner_dtype.base_type(), kind) is None:
        return None
    frame = pl.DataFrame([column.alias("value")]).with_row_index("row")
    inner = frame.explode("value")
    wrong = misfits(inner.get_column("value"), kind)
    if wrong is None:
        return None
    rows = inner.get_column("row").filter(wrong).unique()
    return frame.get_column("row").is_in(rows.implode())


@lru_cache(maxsize=4_096)
def _look(dtype: DataTypeClass, kind: str) -> Look | None:
    """Return what is to be asked of values of this type, None where all of them fit."""
    if kind in {OBJECT, INSIDE}:
        return _none
    if kind == "flattened":
        return None if dtype == pl.Struct else _none
    if dtype == pl.Struct:
        return _none
    if kind in TEXTS:
        return None
    if kind in INTEGER_BITS:
        return _integer_look(dtype, kind)
    if kind in FLOATS_MAX:
        return _float_look(dtype, FLOATS_MAX[kind])
    if kind == "boolean" and dtype == pl.Boolean:
        return None
    look = _TEXT_LOOKS.get(kind)
    return None if look is None else _of_texts(dtype, look)


def _integer_look(dtype: DataTypeClass, kind: str) -> Look | None:
    top = 2 ** (INTEGER_BITS[kind] - 1)
    if dtype.is_signed_integer() and kind == "long":
        return None
    if dtype.is_unsigned_integer():
        return lambda values: values <= top - 1
    if dtype.is_integer():
        return lambda values: values.is_between(-top, top - 1)
    if dtype.is_float():
        return lambda values: (
            values.is_finite()
            & (values == values.round(0))
            & values.is_between(-top, top - 1)
        )

    def is_whole(texts: pl.Series) -> pl.Series:
        number = texts.cast(pl.Int64, strict=False)
        return texts.str.contains(_WHOLE) & number.is_between(-top, top - 1)

    return _of_texts(dtype, is_whole)


def _float_look(dtype: DataTypeClass, top: float) -> Look | None:
    def is_in(values: pl.Series) -> pl.Series:
        return values.is_finite() & values.is_between(-top, top)

    if dtype.is_integer():
        return None if top > 2.0**64 else lambda values: is_in(values.cast(pl.Float64))
    if dtype.is_float():
        return is_in
    return _of_texts(dtype, lambda texts: is_in(texts.cast(pl.Float64, strict=False)))


def _of_texts(dtype: DataTypeClass, look: Look) -> Look:
    return look if dtype == pl.String else _none


def _are_moments(texts: pl.Series) -> pl.Series:
    day = texts.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    clock = texts.str.slice(11, 8)
    is_clock = (clock == "") | clock.str.to_time("%H:%M:%S", strict=False).is_not_null()
    return texts.str.contains(_MOMENT) & day.is_not_null() & is_clock


def _are_moments_of_nanoseconds(texts: pl.Series) -> pl.Series:
    year = texts.str.slice(0, 4).cast(pl.Int64, strict=False)
    return _are_moments(texts) & year.is_between(1970, _NANOS_YEAR_MAX)


def _are_addresses(texts: pl.Series) -> pl.Series:
    # A client comes back, so there are fewer addresses than lines.
    distinct = texts.unique().drop_nulls()
    others = distinct.filter(~is_address(distinct))
    if not len(others):
        return texts.is_not_null()
    return ~texts.is_in(others.implode())


def _is_boolean(texts: pl.Series) -> pl.Series:
    return texts.is_in(["true", "false", ""])


def _is_point(texts: pl.Series) -> pl.Series:
    groups = texts.str.extract_groups(_POINT).struct.unnest()
    latitude, longitude = (
        column.cast(pl.Float64, strict=False) for column in groups.get_columns()
    )
    return latitude.is_between(-90, 90) & longitude.is_between(-180, 180)


def _none(values: pl.Series) -> pl.Series:
    return values.is_null()


_TEXT_LOOKS: Mapping[str, Look] = {
    "boolean": _is_boolean,
    "ip": _are_addresses,
    "date": _are_moments,
    "date_nanos": _are_moments_of_nanoseconds,
    "geo_point": _is_point,
}
"""What is asked of texts; columns of another type have none of these."""

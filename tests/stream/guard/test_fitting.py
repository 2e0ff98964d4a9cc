"""What fits a field is told by the template's own types, column by column."""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl
import pytest

from tailrace.index_templates import Capabilities, event_types, index_templates
from tailrace_stream.guard.fitting import kind_of, misfits
from tests.stream.guard.values import STRICTER, VALUES, name_of


def is_taken(name: str, column: pl.Series) -> list[bool]:
    kind = kind_of(name)
    assert kind is not None
    wrong = misfits(column, kind)
    return [True] * len(column) if wrong is None else [not one for one in wrong]


@pytest.mark.parametrize("case", VALUES + STRICTER, ids=name_of)
def test_e5_a_value_that_the_index_would_not_take_is_seen(
    case: tuple[str, pl.DataType, Any, bool],
) -> None:
    name, dtype, value, fits = case
    column = pl.Series(name, [None, value, None], dtype=dtype)
    assert is_taken(name, column) == [True, fits, True]


def test_e5_of_a_column_only_what_does_not_fit_is_seen() -> None:
    addresses = pl.Series(["::1", "x", None, "10.0.0.1", "x", "::1"])
    assert is_taken("source.ip", addresses) == [True, False, True, True, False, True]
    codes = pl.Series([[200, 404], [70_000], None, [200, -70_000], []])
    name = "http.response.status_code"
    assert is_taken(name, codes) == [True, False, True, False, True]


def test_e5_types_are_those_of_the_template_that_makes_the_index() -> None:
    bodies = index_templates("any", capabilities=Capabilities())
    said = bodies["any-events"]["template"]["mappings"]["properties"]
    assert {name: one["type"] for name, one in said.items()} == dict(event_types())


def test_a_field_that_the_index_passes_over_is_asked_nothing() -> None:
    assert kind_of("own.name") is None
    assert kind_of("stream") is None or "stream" in event_types()


@pytest.mark.parametrize("kind", sorted(set(event_types().values())))
@pytest.mark.parametrize(
    "dtype",
    [
        *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt64, pl.Float32),
        *(pl.Float64, pl.Boolean, pl.String, pl.Null),
    ],
    ids=str,
)
def test_each_type_of_the_template_is_asked_of_each_type_of_columns(
    kind: str, dtype: type[pl.DataType]
) -> None:
    """Nothing raises, and what is null or not there is never in the way."""
    assert misfits(pl.Series([None, None], dtype=dtype), kind) is None
    assert misfits(pl.Series([], dtype=dtype), kind) is None
    assert orjson.dumps(kind)

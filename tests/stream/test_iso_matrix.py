"""Times that are all written in one way are read as each of them is by itself."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace_stream.parsers.iso_matrix import iso_matrix_ns
from tailrace_stream.times import ISO, iso_columns_ns


def one_by_one(texts: list[str]) -> list[int | None]:
    groups = pl.Series(texts).str.extract_groups(rf"^{ISO}$")
    parts = groups.struct.rename_fields(["moment", "fraction", "zone"]).struct.unnest()
    return parts.select(iso_columns_ns("UTC")).to_series().to_list()


_DIGITS = st.sampled_from("0123456789")


@st.composite
def alike(draw: st.DrawFn) -> list[str]:
    """Texts of one form, most of whose digits are those of dates."""
    digits, mark = draw(st.integers(0, 9)), draw(st.sampled_from(",."))
    zone = draw(
        st.sampled_from(["Z", "+{:02}:{:02}", "-{:02}{:02}", "", " Z", "+{:02}"])
    )
    between = draw(st.sampled_from("T "))
    found: list[str] = []
    for _ in range(draw(st.integers(1, 5))):
        year, month = draw(st.integers(1_968, 2_264)), draw(st.integers(0, 13))
        day, hour = draw(st.integers(0, 32)), draw(st.integers(0, 25))
        minute, second = draw(st.integers(0, 61)), draw(st.integers(0, 61))
        if draw(st.integers(0, 3)):
            year, month, day = 2_024 + year % 5, 1 + month % 12, 1 + day % 28
            hour, minute, second = hour % 24, minute % 60, second % 60
        text = f"{year:04}-{month:02}-{day:02}{between}"
        text += f"{hour:02}:{minute:02}:{second:02}"
        if digits:
            fraction = draw(st.text(_DIGITS, min_size=digits, max_size=digits))
            text += mark + fraction
        ahead = draw(st.integers(0, 99)), draw(st.integers(0, 99))
        found.append(text + zone.format(*ahead))
    if draw(st.integers(0, 4)) == 0:
        place = draw(st.integers(0, len(found[0]) - 1))
        other = draw(st.sampled_from(" 9٣xT-\n"))
        found[-1] = found[-1][:place] + other + found[-1][place + 1 :]
    return found


@given(alike())
def test_a_matrix_says_what_each_text_says(texts: list[str]) -> None:
    found = iso_matrix_ns(pl.Series(texts))
    assert found is None or found.to_list() == one_by_one(texts)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2026-11-24T01:02:03Z",
            "2024-02-29 23:59:59.123Z",
            "2026-11-24T01:02:03+05:30",
        ),
        *("2026-11-24T01:02:03,123456789-0800", "2261-12-31T23:59:59.999999999Z"),
    ],
)
def test_usual_ways_are_read_as_a_matrix(text: str) -> None:
    """Else the law above would hold of nothing."""
    found = iso_matrix_ns(pl.Series([text, text]))
    assert found is not None
    assert found.to_list() == one_by_one([text]) * 2


@pytest.mark.parametrize("text", ["2026-02-29T01:02:03Z", "2026-11-24T01:02:60Z", "x"])
def test_what_is_no_time_is_left(text: str) -> None:
    assert iso_matrix_ns(pl.Series([text])) is None

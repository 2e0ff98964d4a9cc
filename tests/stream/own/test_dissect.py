"""Dissect and columns: each held equal to a plain way of doing the same."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace_stream.own.dissect import dissect_shape
from tailrace_stream.own.pattern import PatternProblem
from tests.stream.own.parsers import UNMATCHED, found, only, parser_of


def values(pattern: str, line: str) -> dict[str, Any]:
    said = only(parser_of({"dissect": pattern}, nothing=[]), line)
    return said.get("attributes", said)


MODIFIERS = [
    ("%{a} - %{b}", "x - y - z", {"a": "x", "b": "y - z"}),
    ("%{a},%{b};", "x,y;rest", {"a": "x", "b": "y"}),
    ("[%{a}] %{b}", "[1] 2", {"a": "1", "b": "2"}),
    ("%{a} %{} %{?skipped} %{b}", "1 2 3 4", {"a": "1", "b": "4"}),
    ("%{t} %{+t} %{+t} %{b}", "Nov 24 01:02:03 x", {"t": "Nov 24 01:02:03", "b": "x"}),
    ("%{+t/3}-%{+t/1}:%{+t/2} %{b}", "c-a:b x", {"t": "a:bc", "b": "x"}),
    ("%{a->} %{b}", "x     y z", {"a": "x", "b": "y z"}),
    ("%{a} %{b}", "x   y", {"a": "x", "b": "  y"}),
    ("%{a}  %{b}", "x y  z", {"a": "x y", "b": "z"}),
    ("%{*k}=%{&k} %{a}", "colour=red 1", {"colour": "red", "a": "1"}),
    ("%{?k}=%{&k}", "colour=red", {"colour": "red"}),
    ("%{*k}=%{&k} %{*l}=%{&l}", "a=1 a=2", {"a": "1"}),
    ("%{*k}=%{&k} %{a}", "a=1 2", {"a": "2"}),
    ("%{a}|%{b}", "x|y\nz", {"a": "x", "b": "y\nz"}),
    ("%{a}.*%{b}", "x.*y", {"a": "x", "b": "y"}),
]


@pytest.mark.parametrize(("pattern", "line", "said"), MODIFIERS)
def test_each_modifier_does_what_it_is_documented_to_do(
    pattern: str, line: str, said: dict[str, str]
) -> None:
    assert values(pattern, line) == said


@pytest.mark.parametrize(
    ("pattern", "line"),
    [("%{a} - %{b}", "x-y"), ("[%{a}] %{b}", " [1] 2"), ("%{a},%{b};", "x,y")],
)
def test_a_line_without_a_text_of_the_pattern_is_not_taken(
    pattern: str, line: str
) -> None:
    assert values(pattern, line) == UNMATCHED


REFUSED = [
    ("no names", "has no %{name}"),
    ("%{a}%{b}", "nothing between"),
    ("%{a} %{a}", "twice"),
    ("%{a} %{b", "without its }"),
    ("%{*k}=1", "%{&k}"),
    ("%{&k} x", "%{*k}"),
    ("%{*k}=%{&k} %{*k}=%{&k}", "twice"),
    ("%{a b} x", "no key"),
    ("%{+} x", "no key"),
    ("%{a/2} x", "order"),
    ("%{} %{?a}", "names no field"),
]


@pytest.mark.parametrize(("pattern", "words"), REFUSED)
def test_what_is_no_pattern_is_refused_in_words(pattern: str, words: str) -> None:
    with pytest.raises(PatternProblem) as refused:
        dissect_shape(pattern, name="x")
    assert words in str(refused.value)


_TEXTS = st.text(alphabet=",; .*ab", min_size=1, max_size=2)


@settings(max_examples=50)
@given(st.lists(_TEXTS, min_size=1, max_size=4), st.booleans(), st.data())
def test_values_end_where_the_next_text_comes_first(
    texts: list[str], is_open: bool, data: st.DataObject
) -> None:
    names = [f"v{number}" for number in range(len(texts) + is_open)]
    pattern = "".join(
        f"%{{{name}}}{text}" for name, text in zip(names, [*texts, ""], strict=False)
    )
    line = data.draw(
        st.lists(st.one_of(st.sampled_from(texts), st.sampled_from(["a", "é", "\n"])))
    )
    assert values(pattern, "".join(line)) == _plainly(names, texts, "".join(line))


def _plainly(names: list[str], texts: list[str], line: str) -> dict[str, Any]:
    said: dict[str, Any] = {}
    rest = line
    for name, text in zip(names, texts, strict=False):
        value, between, rest = rest.partition(text)
        if not between:
            return UNMATCHED
        said[name] = value
    if len(names) > len(texts):
        said[names[-1]] = rest
    return said


def test_f33_columns_have_names_types_and_places_in_ecs() -> None:
    parser = parser_of({"csv": ["source.ip", "", "user.name", "took:int", "-"]})
    lines = [
        '10.0.0.1,x,"Smith, ""J""",12,y',
        "10.0.0.1,x,a",
        "10.0.0.1,x,a,1,2,3",
        "source.ip,,user.name,took,-",
        '10.0.0.1,x,"two\nlines",12,y',
        '10.0.0.1,x,5" disk,12,y',
    ]
    assert found(parser, *lines) == [
        {
            "source.ip": "10.0.0.1",
            "user.name": 'Smith, "J"',
            "attributes": {"took": 12},
        },
        UNMATCHED,
        UNMATCHED,
        {},
        {
            "source.ip": "10.0.0.1",
            "user.name": "two\nlines",
            "attributes": {"took": 12},
        },
        {"source.ip": "10.0.0.1", "user.name": '5" disk', "attributes": {"took": 12}},
    ]


def test_tabs_and_other_separators_part_columns() -> None:
    tabs = parser_of({"tsv": ["a", "b"]})
    semicolons = parser_of({"csv": ["a", "b"], "separator": ";", "quote": "'"})
    assert only(tabs, '"x\ty"') == {"attributes": {"a": '"x', "b": 'y"'}}
    assert only(semicolons, "'x;1';y,z") == {"attributes": {"a": "x;1", "b": "y,z"}}


_CELLS = st.lists(st.text(alphabet=',"ab\né', max_size=5), min_size=2, max_size=6)


@given(_CELLS, st.sampled_from([",", ";", "\t"]))
def test_f33_what_is_written_as_csv_is_read_as_it_was(
    cells: list[str], separator: str
) -> None:
    class Kept(list[str]):
        def write(self, text: str) -> None:
            self.append(text)

    out = Kept()
    csv.writer(out, delimiter=separator, lineterminator="").writerow(cells)
    names = [f"c{number}" for number in range(len(cells))]
    parser = parser_of({"csv": names, "separator": separator}, nothing=[])
    said = only(parser, "".join(out))
    assert said == {"attributes": dict(zip(names, cells, strict=True))}

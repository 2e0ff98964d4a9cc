"""Regex and grok: what they take, under which names, as what, and in which time."""

from __future__ import annotations

import re
import time
from contextlib import suppress

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.topics import EVENT_BYTES_MAX
from tailrace_stream.own.grok import grok_shape, regex_shape
from tailrace_stream.own.pattern import STEPS_MAX, PatternProblem, asked
from tailrace_stream.own.scanner import scan
from tests.stream.own.parsers import UNMATCHED, found, only, parser_of


def test_named_groups_of_a_regex_are_fields_of_ecs_and_attributes() -> None:
    parser = parser_of(
        {"regex": r"^(?P<source.ip>\S+) (?<cart>c-\d+) (?:x|y) (unnamed) (?<n>\d+)"},
        fields={"n": {"name": "items", "type": "int"}},
    )
    assert only(parser, "10.0.0.1 c-12 y unnamed 7 and more") == {
        "source.ip": "10.0.0.1",
        "attributes": {"cart": "c-12", "items": 7},
    }
    assert only(parser, "10.0.0.1 c-12 z unnamed 7") == UNMATCHED


def test_the_first_pattern_that_fits_takes_a_line() -> None:
    parser = parser_of(
        {"regex": r"^b(?P<second>.*)$"},
        {"regex": r"^(?P<first>.*)$"},
        {"regex": r"(?P<never>.)"},
    )
    lines = ["abc", "bcd", "", "b"]
    assert parser.hits(pl.Series(lines)) == [1, 0, 1, 0]
    assert found(parser, *lines) == [
        {"attributes": {"first": "abc"}},
        {"attributes": {"second": "cd"}},
        {},
        {},
    ]


def test_grok_names_nest_and_have_types() -> None:
    parser = parser_of(
        {
            "grok": "^%{REQUEST} took %{NUMBER:took:float} s, %{INT:[http][response]"
            "[status_code]:int} (?<own>[a-z]+)"
        },
        definitions={"REQUEST": "%{WORD:http.request.method} %{PATHS:url.path}"}
        | {"PATHS": "(?:/[a-z]*)+"},
        fields={"took": {"name": "event.duration", "unit": "s"}},
    )
    assert only(parser, "GET /a/b took 0.25 s, 200 ok") == {
        "http.request.method": "GET",
        "url.path": "/a/b",
        "event.duration": 250_000_000,
        "http.response.status_code": 200,
        "attributes": {"own": "ok"},
    }


def test_of_a_name_that_stands_twice_the_group_that_took_part_gives_the_value() -> None:
    parser = parser_of({"grok": r"^(?:%{INT:id:int}|<%{WORD:id}>) %{WORD:id}$"})
    assert found(parser, "12 a", "<ab> c") == [
        {"attributes": {"id": 12}},
        {"attributes": {"id": "ab"}},
    ]


def test_e5_a_value_that_is_not_of_its_type_is_kept_as_it_is_written() -> None:
    parser = parser_of(
        {
            "csv": [
                *("source.ip", "http.response.status_code", "event.duration"),
                *("ok:bool", "ratio:float", "count:int", "log.level"),
            ]
        },
        fields={"event.duration": {"unit": "ms"}},
    )
    lines = [
        "::1,200,1.5,yes,0.5,-3,WARN",
        "localhost,70000,long,maybe,inf,1e3,",
        "-,-,-,-,-,-,-",
        "1.2.3.4%eth0,-40000,1e300,0,nan,99999999999999999999, Info ",
    ]
    conflicts = ["source.ip", "http.response.status_code", "event.duration"]
    assert found(parser, *lines) == [
        {
            "source.ip": "::1",
            "http.response.status_code": 200,
            "event.duration": 1_500_000,
            "log.level": "warn",
            "attributes": {"ok": True, "ratio": 0.5, "count": -3},
        },
        {
            "tailrace.conflicts": conflicts,
            "attributes": {
                "source.ip": "localhost",
                "http.response.status_code": "70000",
                "event.duration": "long",
                "ok": "maybe",
                "ratio": "inf",
                "count": "1e3",
            },
        },
        {},
        {
            "log.level": "info",
            "tailrace.conflicts": conflicts,
            "attributes": {
                "source.ip": "1.2.3.4%eth0",
                "http.response.status_code": "-40000",
                "event.duration": "1e300",
                "ok": False,
                "ratio": "nan",
                "count": "99999999999999999999",
            },
        },
    ]


def test_e5_two_names_that_lead_to_one_place_say_it_once() -> None:
    """Twice the same key in `attributes` would make the index refuse the document."""
    parser = parser_of(
        {"csv": ["a", "b"]},
        fields={"a": {"name": "n", "type": "int"}, "b": {"name": "n", "type": "int"}},
    )
    frame = parser.parse(
        pl.Series(["1,x", "y,2", "x,y", "1,2"]), time_zone="UTC", anchor_ms=0
    )
    texts = frame.get_column("_attributes").to_list()
    assert texts == ['{"n":1}', '{"n":2}', '{"n":"x"}', '{"n":1}']


def test_what_means_nothing_is_told_by_the_settings() -> None:
    line = "null,-,"
    default = parser_of({"csv": ["a", "b", "c"]})
    own = parser_of({"csv": ["a", "b", "c"]}, nothing=["null"])
    all_of_it = parser_of({"csv": ["a", "b", "c"]}, nothing=[])
    assert only(default, line) == {"attributes": {"a": "null"}}
    assert only(own, line) == {"attributes": {"b": "-", "c": ""}}
    assert only(all_of_it, line) == {"attributes": {"a": "null", "b": "-", "c": ""}}


NOT_LINEAR = [
    ("^(?P<a>x)(?=y)", "look-ahead"),
    ("(?P<a>x)(?!y)", "look-ahead"),
    ("(?<=y)(?P<a>x)", "look-behind"),
    ("(?<!y)(?P<a>x)", "look-behind"),
    (r"(?P<a>x)\1", "refers"),
    (r"(?P<a>x)\k<a>", "refers"),
    ("(?P<a>(?>x+))", "atomic"),
    ("(?P<a>x++)", "gives nothing back"),
    ("(?P<a>(?(1)x|y))", "condition"),
    ("(?x)(?P<a>x) # words", "flag x"),
    ("(?P<a>x", "without its `)`"),
    ("(?P<a>x))", "without its `(`"),
    ("(?P<a>[x)", "without its `]`"),
    ("(?P<a>x{2,1})", "repetition"),
    ("(?P<a>*)", "linear time"),
    ("(?P<a-b>x)", "name"),
    ("%{INT:a}", "grok's"),
    (r"(?P<a>\d{3000})", "at most 5,000"),
    (r"(?P<a>a{ 500 }){ ,20 }", "at most 5,000"),
    (r"(?P<a>a{0000000000500}){20}", "at most 5,000"),
    (r"(?P<a>[\w]{3000})", "at most 5,000"),
]


@pytest.mark.parametrize(("pattern", "words"), NOT_LINEAR)
def test_x8_what_takes_more_than_linear_time_is_refused_in_words(
    pattern: str, words: str
) -> None:
    with pytest.raises(PatternProblem, match=re.escape(words)):
        regex_shape(pattern, name="x")
    with pytest.raises(PatternProblem):
        grok_shape(pattern.replace("%{INT:a}", "%{INT"), name="x")


HANGS_OTHERS = [
    (r"^(?P<a>(?:x+x+)+)y", "x"),
    (r"^(?P<a>(?:a|a|b)*)$", "a"),
    (r"(?P<a>(?:.*?,){11}P)", "a,"),
    (r"^(?P<a>(?:a?){500}a{500})b", "a"),
    (r"(?P<a>(?:[0-9]+\.?)+)\s*$", "1."),
]


@pytest.mark.parametrize(("pattern", "text"), HANGS_OTHERS)
def test_x8_a_pattern_of_a_user_takes_no_more_than_linear_time(
    pattern: str, text: str
) -> None:
    """On the longest event that there may be, where engines that try again take for
    ever. Processor time, as others share the machine."""
    parser = parser_of({"regex": pattern})
    line = (text * EVENT_BYTES_MAX)[:EVENT_BYTES_MAX]
    started = time.thread_time()
    parser.parse(pl.Series([line]), time_zone="UTC", anchor_ms=0)
    assert time.thread_time() - started < 8


def test_x8_the_largest_pattern_that_is_taken_has_a_bound() -> None:
    half = STEPS_MAX // 2 - 1
    pattern = f"(?P<a>(?:a?){{{half}}}a{{{half}}})b"
    shape = regex_shape(pattern, name="x")
    line = "a" * (EVENT_BYTES_MAX // 16)
    started = time.thread_time()
    pl.Series([line]).str.extract_groups(shape.regex)
    assert time.thread_time() - started < 2


_ATOMS = st.sampled_from(
    ["a", "b", r"\.", "[ab]", "[^]a]", r"[\]x]", "[[:alpha:]b]", ".", r"\d", " ", "x-"]
)
_PATTERNS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+?", "?", "{1,3}"])).map(
            lambda two: f"({two[0]}){two[1]}"
        ),
        inner.map(lambda one: f"(?P<n>{one})"),
        inner.map(lambda one: f"(?i){one}"),
    ),
    max_leaves=8,
)


@given(_PATTERNS, st.text("abAB .1]x-", max_size=12))
def test_a_pattern_that_is_read_piece_by_piece_means_what_it_meant(
    pattern: str, line: str
) -> None:
    """The pieces side by side take what the pattern takes, group by group."""
    read = scan(pattern)
    text = pl.Series([line])
    unnamed = re.sub(r"\(\?P<n>", "(?:", pattern)
    before = text.str.extract(f"({unnamed})", 1)[0]
    after = text.str.extract(f"({read.regex})", 1)[0]
    assert before == after
    assert len(read.names) == pattern.count("(?P<n>")
    groups = text.str.extract_groups(asked(read.regex)).struct.fields
    assert len(groups) == len(read.names) + 1


@given(
    st.text(alphabet=st.sampled_from("()[]{}|*+?\\%:<>P=!aAx1^$. -,&~/#@"), max_size=24)
)
def test_any_text_is_a_pattern_or_is_refused_in_words(text: str) -> None:
    for shape_of in (regex_shape, grok_shape):
        with suppress(PatternProblem):
            shape = shape_of(text, name="x")
            pl.Series(["", text, "aA1"]).str.extract_groups(shape.regex)

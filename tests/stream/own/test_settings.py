"""`[[stream.parsers]]`: every problem at once, each under its key, and none let through."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import polars as pl
import pytest

from tailrace.errors import ConfigError
from tailrace.settings import read_role_settings
from tailrace.watched import toml_text
from tailrace_stream.config import StreamSettings
from tailrace_stream.own.build import own_parsers
from tailrace_stream.own.misfit import misfit
from tailrace_stream.own.parser import NO_OWN
from tests.stream.own.parsers import found, parsers_of
from tests.support.extras import run_with_only


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "tailrace.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_role_settings(StreamSettings, config_file=path)
    return [one.removeprefix("stream.parsers.") for one in refused.value.problems]


MANY = r"""
[stream]
commit_interval_ms = 1

[[stream.parsers]]
dataset = "nginx.access"
time = { field = "time", formats = ["%Y", "unix"], zone = "Mars/X" }
fields = { a = { unit = "ms" } }
definitions = { A = '%{B}', B = '%{A}', "b-b" = "x" }
patterns = [
    { regex = '^(?P<a>x)(?=y)' },
    { grok = '%{NUMBR:n} %{A:b}' },
    { dissect = '%{a}%{b}' },
    { csv = ["a", "log.offset", "source.ip:int"] },
    { grok = "x", regex = "y" },
    { regex = '(?P<a>x)', quote = "'" },
]

[[stream.parsers]]
dataset = "other"
nonsense = 5
patterns = [{ grk = "(?<a>x" }, { regex = "(?P<a>x" }, { regex = "(?P<a>x)", name = "" }]
"""
SAID = [
    ("stream.commit_interval_ms", "at least 50", "1"),
    ("0.dataset", "'nginx.access'", "nginx.access_own"),
    ("0.patterns.0.regex", "look-ahead", "'^(?P<a>x)(?=y)'"),
    ("0.patterns.1.grok", "did you mean NUMBER", "'%{NUMBR:n} %{A:b}'"),
    ("0.patterns.2.dissect", "nothing between", "'%{a}%{b}'"),
    ("0.patterns.4", "exactly one", "regex and grok"),
    ("0.patterns.5.regex", "`quote`", "csv and tsv"),
    ("0.patterns", "log.offset", "written by Tailrace"),
    ("0.patterns", "source.ip", "ip in the index, and int here"),
    ("0.time.formats.0", "no day", "'%Y'"),
    ("0.time.zone", "IANA", "'Mars/X'"),
    ("0.fields.a", "'ms'", "event.duration alone"),
    ("0.definitions.A", "circle", "A -> B -> A"),
    ("0.definitions.B", "circle", "B -> A -> B"),
    ("0.definitions", "'b-b'", "capitals"),
    ("1.nonsense", "is not a setting", ""),
    ("1.patterns.0.grk", "is not a setting", ""),
    ("1.patterns.1.regex", "without its `)`", "'(?P<a>x'"),
    ("1.patterns.2.name", "of the form", "''"),
]


def test_s2_x8_every_problem_of_every_parser_is_told_at_once(tmp_path: Path) -> None:
    told = problems(tmp_path, MANY)
    for key, *words in SAID:
        about = [one for one in told if one.startswith((f"{key}:", f"{key} "))]
        assert any(all(word in one for word in words) for one in about), (key, told)
    assert len(told) == len(SAID), told
    assert not any("got None" in one for one in told)


ONE = [
    ('dataset = "x"\npatterns = []', "must not be empty"),
    ('dataset = "X"\npatterns = [{ regex = "(?P<a>x)" }]', "of the form"),
    ('dataset = "auto"\npatterns = [{ regex = "(?P<a>x)" }]', "'auto'"),
    ('dataset = "x"\npatterns = [{ regex = "x" }]', "no pattern names a field"),
    (
        'dataset = "x"\npatterns = [{ csv = ["a:int"] }, { csv = ["a:float", "b"] }]',
        "a is int in one pattern and float in",
    ),
    (
        (
            'dataset = "x"\npatterns = [{ csv = ["a", "b"] }]\n'
            'fields = { a = { name = "n", type = "int" }, b = "n" }'
        ),
        "n is int and text",
    ),
    (
        'dataset = "x"\npatterns = [{ csv = ["a"] }]\nfields = { b = "n" }',
        "no pattern has 'b'; there are a",
    ),
    (
        'dataset = "x"\npatterns = [{ csv = ["a"] }]\ntime = { field = "b" }',
        "no pattern has 'b'; there are a",
    ),
    (
        (
            'dataset = "x"\npatterns = [{ csv = ["a", "b"] }]\ntime = { field = "b" }\n'
            'fields = { b = "n" }'
        ),
        "@timestamp",
    ),
    ('dataset = "x"\npatterns = [{ csv = ["_a"] }]', "cannot name a field"),
    ('dataset = "x"\npatterns = [{ csv = ["a", "a"] }]', "more than one column"),
    ('dataset = "x"\npatterns = [{ csv = ["a:date"] }]', "'date'"),
    ('dataset = "x"\npatterns = [{ csv = ["-"] }]', "names no column"),
    ('dataset = "x"\npatterns = [{ csv = ["a"], separator = "::" }]', "'::'"),
    ('dataset = "x"\npatterns = [{ csv = ["a"], quote = "," }]', "','"),
    ('dataset = "x"\npatterns = [{ csv = ["source.geo.location"] }]', "geo_point"),
    ('dataset = "x"\npatterns = [{ csv = ["tailrace.generation"] }]', "by Tailrace"),
    (
        (
            'dataset = "x"\npatterns = [{ csv = ["a"], name = "n" }, '
            '{ csv = ["a", "b"], name = "n" }]'
        ),
        "another 'n'",
    ),
    (
        (
            'dataset = "x"\npatterns = [{ csv = ["a"] }]\n[[stream.parsers]]\n'
            'dataset = "x"\npatterns = [{ csv = ["b"] }]'
        ),
        "more than one parser is for x",
    ),
]


@pytest.mark.parametrize(("text", "words"), ONE)
def test_what_cannot_be_is_refused_with_what_to_do(
    tmp_path: Path, text: str, words: str
) -> None:
    told = problems(tmp_path, f"[[stream.parsers]]\n{text}")
    assert len(told) == 1
    assert words in told[0]


@pytest.mark.timeout(60)
def test_a_host_of_agents_alone_takes_the_same_file(tmp_path: Path) -> None:
    """The engine that would look at the patterns is not there, nor are they used there."""
    path = tmp_path / "tailrace.toml"
    path.write_text(
        '[[stream.parsers]]\ndataset = "x"\npatterns = [{ regex = "(?P<a>x)(?=y)" }]\n'
        '[[agent.sources]]\nname = "x"\npaths = ["/nowhere/*"]\n'
    )
    done = run_with_only(
        "agent",
        arguments=["agent", "--check", str(path)],
        environment={
            "TAILRACE_DATA_DIR": str(tmp_path),
            "HOME": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
    )
    assert done.returncode == 0, done.stderr
    assert problems(tmp_path, path.read_text())


def test_up_hands_parsers_on_as_they_were_written() -> None:
    given = tomllib.loads(MANY)
    assert tomllib.loads(toml_text(given)) == given


def test_the_example_of_the_readme_does_what_is_said_of_it() -> None:
    readme = Path(__file__).parents[3].joinpath("README.md").read_text("utf-8")
    text = readme.split("### A format of your own")[1].split("```")[1]
    (settings,) = StreamSettings(
        **tomllib.loads(text.removeprefix("toml"))["stream"]
    ).parsers
    parser = own_parsers([settings])["shop.checkout"]
    lines = [
        "10.0.0.1 [24/Nov/2026:01:02:03 +0100] paid c-7 12.50 in 31 ms: all well",
        "10.0.0.2 [24/Nov/2026:01:02:04 +0100] failed 12 card refused  | twice",
        "10.0.0.3,2026-11-24T01:02:05,x,3",
        "WARN cart c-7",
    ]
    assert parser.hits(pl.Series(lines)) == [0, 1, 2, 3]
    paid, failed, cells, cart = found(parser, *lines)
    assert paid["event.duration"] == 31_000_000
    assert paid["attributes"] == {"cart": "c-7", "price": 12.5}
    assert failed["attributes"] == {"reason": "card refused  | twice"}
    assert (cells["source.ip"], cells["attributes"]) == ("10.0.0.3", {"items": 3})
    assert not cells["guessed"]
    assert cart == {"log.level": "warn", "attributes": {"cart": "c-7"}}
    reason = misfit(parser.shapes[0], lines[1])
    assert " ".join(reason.split()) in " ".join(readme.split())


def test_without_parsers_nothing_is_built() -> None:
    assert not parsers_of("")
    assert not NO_OWN

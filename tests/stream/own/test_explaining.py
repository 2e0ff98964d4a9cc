"""`tailrace parse --explain`: who took a line, and why those before it did not."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tailrace.cli import app
from tailrace_stream.explaining import explain
from tailrace_stream.own.misfit import misfit
from tests.stream.builders import placement
from tests.stream.own.parsers import DATASET, parser_of
from tests.stream.own.test_chunks import PAID, TOML

runner = CliRunner()

REASONS = [
    (
        {"grok": r"^%{IP:ip} \[%{HTTPDATE:t}\] %{WORD:w}$"},
        "10.0.0.1 [yesterday] x",
        (
            "it fits up to `^%{IP:ip} \\[`, 10 characters of the line, then wants"
            " `%{HTTPDATE:t}`, and there stands `yesterday] x`"
        ),
    ),
    (
        {"grok": r"^%{IP:ip} x"},
        "host x",
        "it wants `%{IP:ip}` where the line begins, and there stands `host x`",
    ),
    (
        {"regex": r"b+(?P<a>\d{2})c"},
        "é bb12",
        (
            "it fits up to `b+(?P<a>\\d{2})`, 6 characters of the line, then wants `c`,"
            " and there the line ends"
        ),
    ),
    (
        {"regex": r"b(?P<a>\d)"},
        "xyz",
        "it begins with `b`, which is nowhere in the line",
    ),
    (
        {"regex": r"b(?P<a>\d)|c"},
        "xyz",
        "`b(?P<a>\\d)|c` is nowhere in the line",
    ),
    (
        {"dissect": "%{a} - %{b}: %{c}"},
        "x - y z",
        "`: ` does not come behind `%{a} - %{b}`",
    ),
    (
        {"csv": ["a", "b", "c"]},
        "1,2",
        (
            "it fits up to `column 1 'a',column 2 'b'`, 3 characters of the line, then"
            " wants `,`, and there the line ends"
        ),
    ),
    (
        {"csv": ["a", "b"]},
        "1,2,3",
        (
            "it fits up to `column 1 'a',column 2 'b'`, 3 characters of the line, then"
            " wants `the end of the line`, and there stands `,3`"
        ),
    ),
]


@pytest.mark.parametrize(("pattern", "line", "reason"), REASONS)
def test_a_pattern_says_how_far_it_went_and_what_it_wants(
    pattern: dict[str, object], line: str, reason: str
) -> None:
    parser = parser_of(pattern)
    assert parser.hits(pl.Series([line])) == [None]
    assert misfit(parser.shapes[0], line) == reason


SEVERAL = parser_of(
    {"grok": "^a%{INT:n}b?(?:,|-)%{WORD:w}$"},
    {"dissect": "%{a},%{b}-%{c} %{d}"},
    {"csv": ["a", "b", "c", "d"]},
    {"regex": "(?i)B{2}(?P<x>.)|1(?P<y>,)"},
)


@given(st.text(alphabet="ab1,- é\n", max_size=12))
def test_every_line_that_is_not_taken_has_a_reason(line: str) -> None:
    (hit,) = SEVERAL.hits(pl.Series([line]))
    for shape in SEVERAL.shapes[:hit]:
        assert misfit(shape, line)


def explained(lines: list[str], parser: str, dataset: str) -> list[list[object]]:
    found = explain(
        pl.Series(lines, dtype=pl.String),
        stored=[line.encode() for line in lines],
        placement=placement(parser, dataset=dataset),
    )
    return [[(one.name, one.took_it) for one in asked] for asked in found]


def test_parsers_of_ours_are_explained_too() -> None:
    lines = ['{"a":1}', "{broken", "level=info a=1 b=2", "plain words"]
    assert [asked[-1] for asked in explained(lines, "auto", "generic")] == [
        ("json", True),
        ("plain", True),
        ("logfmt", True),
        ("plain", True),
    ]
    own, other, text = explained(
        ["level=info a=1 b=2", '{"a":1}', "{broken"], "logfmt", "logfmt"
    )
    assert own == [("logfmt", True)]
    assert other == [("logfmt", False), ("json", True)]
    assert text[0] == ("logfmt", False)
    assert ("plain", True) not in text


def written(folder: Path) -> tuple[Path, Path]:
    config = folder / "tailrace.toml"
    text = TOML.replace("[[parsers", "[[stream.parsers").replace(
        "[pars", "[stream.pars"
    )
    config.write_text(
        f'{text}\n[[agent.sources]]\nname = "shop"\ndataset = "{DATASET}"\n'
        f'paths = ["{folder}/*.log"]\n'
    )
    log = folder / "x.log"
    log.write_text(f"{PAID}\nnonsense\x1b[2J\n<yes> rest\n")
    return config, log


def test_parse_reads_a_file_as_the_stream_of_a_configuration_would(
    tmp_path: Path,
) -> None:
    config, log = written(tmp_path)
    by_source = runner.invoke(app, ["parse", "--config", str(config), str(log)])
    by_name = runner.invoke(
        app, ["parse", "--config", str(config), "--dataset", DATASET, str(log)]
    )
    for done in (by_source, by_name):
        assert done.exit_code == 0, done.output
        first, second, third = map(json.loads, done.stdout.splitlines())
        assert first["source.ip"] == "10.0.0.1"
        assert second["event.kind"] == "pipeline_error"
        assert third["attributes"] == {"ok": "yes", "rest": "rest"}


def test_explain_shows_what_took_each_line_and_why_others_did_not(
    tmp_path: Path,
) -> None:
    config, log = written(tmp_path)
    arguments = ["parse", "--explain", "--config", str(config), str(log)]
    shown = runner.invoke(app, arguments).stdout
    assert f"event 1, offset 0, {DATASET}: taken by paid (grok)" in shown
    assert "source.ip: 10.0.0.1" in shown
    assert "not paid (grok): it wants `%{IP:ip}` where the line begins" in shown
    assert "not pattern 2 (dissect): ` ` does not come behind `%{ip}`" in shown
    assert shown.splitlines()[-1] == ("3 events: paid 1, no pattern 1, pattern 4 1")
    assert "\x1b" not in shown
    told = [
        json.loads(line)
        for line in runner.invoke(app, [*arguments, "--json"]).stdout.splitlines()
    ]
    assert [one["taken_by"] for one in told] == ["paid", None, "pattern 4"]
    assert [len(one["asked"]) for one in told] == [1, 4, 4]
    assert told[0]["document"]["source.ip"] == "10.0.0.1"
    assert told[2]["asked"][3] == {"name": "pattern 4", "kind": "regex", "reason": None}


def test_a_dataset_beside_a_configuration_must_be_one_of_its_parsers(
    tmp_path: Path,
) -> None:
    config, log = written(tmp_path)
    done = runner.invoke(
        app, ["parse", "--config", str(config), "--dataset", "json", str(log)]
    )
    assert done.exit_code == 2
    assert DATASET in done.output
    assert "'json'" in done.output


def test_what_cannot_be_looked_up_is_said_and_what_can_is_shown(tmp_path: Path) -> None:
    config, log = written(tmp_path)
    (tmp_path / "known.csv").write_text("address,team\n10.0.0.1,payments\n")
    (tmp_path / "wrong.json").write_text('{"10.0.0.1": {"racks": [1]}}')
    (tmp_path / "wrong.mmdb").write_bytes(b"no database")
    tables = "".join(
        f"""\n[[stream.enrichment.tables]]\nfile = "{tmp_path}/{name}"\nkey = "source.ip"\n"""
        for name in ("known.csv", "wrong.json", "none.csv")
    )
    databases = (
        f"""\n[stream.enrichment]\ngeo_databases = ["{tmp_path}/wrong.mmdb"]\n"""
    )
    config.write_text(config.read_text() + databases + tables)
    arguments = ["parse", "--config", str(config), str(log)]

    for more in ([], ["--explain"], ["--explain", "--json"]):
        done = runner.invoke(app, [*arguments, *more])

        assert done.exit_code == 0
        told = [one for one in done.stderr.splitlines() if one.startswith("Left out: ")]
        assert [one.split(" ")[2] for one in told] == [
            str(tmp_path / name) for name in ("wrong.mmdb", "wrong.json", "none.csv")
        ]
        assert "has no plain value in row 1, column racks" in told[1]
        assert "payments" in done.stdout

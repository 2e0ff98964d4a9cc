"""`tailrace patterns`: the templates of a file, with no server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tailrace.cli import app
from tailrace_stream import patterns as of_stream

LINES = [
    *(f"2024-01-01 10:00:0{n} INFO user {n} logged in" for n in range(3)),
    "2024-01-01 10:00:04 WARN disk sda1 is full",
    *(f"2024-01-01 10:00:0{n} INFO user {n} logged in" for n in range(2)),
]


def run(*arguments: str, given: bytes = b"") -> Result:
    return CliRunner().invoke(app, ["patterns", *arguments], input=given)


def written(folder: Path, content: str) -> str:
    path = folder / "x.log"
    path.write_text(content, encoding="utf-8", newline="")
    return str(path)


def objects(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_event_has_its_template_and_each_template_its_count(
    tmp_path: Path,
) -> None:
    content = "\n".join(LINES) + "\n"
    found = objects(run("--json", written(tmp_path, content)))
    events, templates = found[: len(LINES)], found[len(LINES) :]
    starts = [0]
    for line in LINES[:-1]:
        starts.append(starts[-1] + len(line) + 1)
    assert [one["log.offset"] for one in events] == starts
    assert [one["template"]["count"] for one in templates] == [5, 1]
    assert [one["template"]["text"] for one in templates] == [
        "user <*> logged in",
        "disk <*> is full",
    ]
    ids = [one["template"]["id"] for one in templates]
    assert [one["template.id"] for one in events] == [
        ids[1] if "disk" in line else ids[0] for line in LINES
    ]


def test_words_that_vary_are_one_template_in_every_event(tmp_path: Path) -> None:
    """An event that came before the words were known to vary has the same id."""
    names = ("anna", "boris", "carla", "dirk", "emil")
    lines = [f"session opened for user {name} now" for name in names]
    found = objects(run("--json", written(tmp_path, "\n".join(lines))))
    assert len({one["template.id"] for one in found[:5]}) == 1
    assert found[5]["template"]["text"] == "session opened for user <*> now"
    assert found[5]["template"]["id"] == found[0]["template.id"]


def test_a_file_and_a_pipe_say_the_same(tmp_path: Path) -> None:
    content = "\n".join(LINES)
    of_file = run("--json", written(tmp_path, content))
    assert of_file.stdout == run("--json", "-", given=content.encode()).stdout


def test_people_see_the_most_frequent_first(tmp_path: Path) -> None:
    first, second = run(written(tmp_path, "\n".join(LINES))).stdout.splitlines()
    assert first.split()[0] == "5"
    assert first.endswith("user <*> logged in")
    assert second.split()[0] == "1"


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_x5_a_line_cannot_steer_the_terminal(
    tmp_path: Path, option: tuple[str, ...]
) -> None:
    hostile = "opened \x1b]0;title\x07 and \u202ebackwards\x9b2J\r now"
    said = run(*option, written(tmp_path, hostile + "\n")).stdout
    assert said.replace("\n", "").isprintable()
    assert "opened" in said


def test_an_empty_file_has_no_template(tmp_path: Path) -> None:
    for option in ([], ["--json"]):
        result = run(*option, written(tmp_path, ""))
        assert (result.exit_code, result.stdout) == (0, "")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = run(str(tmp_path / "no.log"))
    assert result.exit_code != 0
    assert "no.log" in result.stderr
    assert result.stdout == ""


def test_texts_beyond_the_limit_are_one_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_stream, "MASKED_TEXTS_MAX", 2)
    lines = ["first thing here", "second one there", "third is new", "fourth as well"]
    found = objects(run("--json", written(tmp_path, "\n".join(lines))))
    texts = {one["template"]["text"]: one["template"]["count"] for one in found[4:]}
    assert texts == {"first thing here": 1, "second one there": 1, "<*>": 2}

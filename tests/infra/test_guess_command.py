"""`tailrace guess`: a configuration that the agent takes, and what it makes of the file."""

from __future__ import annotations

import gzip
import json
import os
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tailrace.cli import app
from tests.infra.multiline import traces
from tests.infra.test_cli import STEERING

LINE = "2026-11-24 01:02:03 INFO [main] a.B - hi\n"


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return CliRunner()


def test_what_is_printed_is_a_configuration_that_the_agent_accepts(
    runner: CliRunner, tmp_path: Path
) -> None:
    path = tmp_path / "app [1].log"
    path.write_text("\n".join(traces.TIME) + "\n")
    printed = runner.invoke(app, ["guess", str(path)])
    assert printed.exit_code == 0, printed.stderr
    config = tmp_path / "tailrace.toml"
    config.write_text(printed.stdout)

    checked = runner.invoke(app, ["agent", "--check", str(config)])
    assert checked.exit_code == 0, checked.stderr
    source = tomllib.loads(printed.stdout)["agent"]["sources"][0]
    assert source["multiline"] == "time"
    as_parse = runner.invoke(app, ["parse", "--config", str(config), str(path)])
    assert len(as_parse.stdout.splitlines()) == len(traces.TIME)


def test_each_line_stands_beside_its_fields(runner: CliRunner, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text(LINE * 9)
    printed = runner.invoke(app, ["guess", "--events", "2", str(path)]).stdout
    shown = [line for line in printed.splitlines() if " | " in line]
    assert sum("a.B - hi" in line.split(" | ")[0] for line in shown) == 2
    assert sum(line.endswith("| log.level: info") for line in shown) == 2
    assert "9 events looked at: 9 read, 0 not; 9 have a time, of which 9" in printed
    assert all(len(line) <= 100 for line in shown)


def test_a_program_reads_it_as_one_object(runner: CliRunner, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text(LINE * 3 + "\n")
    printed = runner.invoke(app, ["guess", "--json", "--events", "1", str(path)])
    found = json.loads(printed.stdout)
    assert (
        found["source"] == tomllib.loads(found["configuration"])["agent"]["sources"][0]
    )
    assert [one["line"] for one in found["events"]] == [LINE[:-1]]
    assert found["events"][0]["document"]["log.logger"] == "a.B"
    assert found["guesses"][1] == {
        "setting": "dataset",
        "value": "java.log",
        "confidence": 1.0,
        "is_taken": True,
        "evidence": "lines looked at that have its shape: 3 of 3",
    }


def test_standard_input_is_read_once_and_has_no_name(runner: CliRunner) -> None:
    printed = runner.invoke(app, ["guess", "-"], input=LINE * 20_000)
    assert printed.exit_code == 0, printed.stderr
    source = tomllib.loads(printed.stdout)["agent"]["sources"][0]
    assert source["dataset"] == "java.log"
    assert source["paths"] == ["/path/to/the/file.log"]
    assert "1,000 events looked at" in printed.stdout


def test_colours_hide_a_time_and_none_is_promised(
    runner: CliRunner, tmp_path: Path
) -> None:
    path = tmp_path / "app.log"
    path.write_text("\x1b[2m2026-11-24T01:02:03Z\x1b[0m INFO app: started\n" * 5)
    printed = runner.invoke(app, ["guess", "--json", str(path)])
    found = json.loads(printed.stdout)
    assert found["timed_count"] == 0
    assert [one["setting"] for one in found["guesses"]] == [
        *("encoding", "dataset", "time_format", "multiline")
    ]
    assert "no parser reads" in found["configuration"]


def test_what_is_shown_is_read_in_the_zone_that_is_proposed(
    runner: CliRunner, tmp_path: Path
) -> None:
    path = tmp_path / "app.log"
    path.write_text(LINE)
    written_s = datetime(2026, 11, 24, 1, 2, 4, tzinfo=UTC).timestamp()
    os.utime(path, (written_s, written_s))
    more = ["--timezone", "Asia/Tokyo", "--json", str(path)]
    found = json.loads(runner.invoke(app, ["guess", *more]).stdout)
    assert found["source"]["time_zone"] == "UTC"
    document = found["events"][0]["document"]
    assert document["@timestamp"] == "2026-11-24T01:02:03.000Z"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\x7fELF" + b"\0\1\2" * 90, "is no text: 9"),
        (b"\0" * 900, "is no text: its first 900 bytes are zero"),
        (gzip.compress(b"x\n", mtime=0), "gzip"),
    ],
)
def test_what_holds_no_lines_is_refused_and_why(
    runner: CliRunner, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    for name in (str(path), "-"):
        refused = runner.invoke(app, ["guess", name], input=content)
        assert refused.exit_code != 0
        assert said in refused.stderr
        assert "-> " in refused.stderr
        assert refused.stdout == ""


def test_a_file_that_is_not_there_or_a_zone_that_is_none_is_told(
    runner: CliRunner, tmp_path: Path
) -> None:
    assert "no/such cannot be read" in runner.invoke(app, ["guess", "no/such"]).stderr
    zone = runner.invoke(app, ["guess", "--timezone", "Mars/Base", "-"], input="x\n")
    assert "Mars/Base" in zone.stderr
    folder = runner.invoke(app, ["guess", str(tmp_path)])
    assert "is a folder" in folder.stderr


def test_zeros_before_the_first_line_hide_nothing(
    runner: CliRunner, tmp_path: Path
) -> None:
    """As a loss of power leaves them."""
    path = tmp_path / "x"
    path.write_bytes(b"\0" * 512 + LINE.encode() * 2)
    printed = runner.invoke(app, ["guess", str(path)])
    assert 'dataset = "java.log"' in printed.stdout


def test_x5_nothing_in_a_file_or_its_name_steers_a_terminal(
    runner: CliRunner, tmp_path: Path
) -> None:
    path = tmp_path / f"a{STEERING}b.log"
    path.write_text(f"INFO {STEERING} end\n{LINE}", encoding="utf-8", newline="")
    for more in ([], ["--json"]):
        printed = runner.invoke(app, ["guess", *more, str(path)])
        assert printed.exit_code == 0, printed.stderr
        text = printed.stdout_bytes.decode()
        assert text.replace("\n", "").isprintable()
    refused = runner.invoke(app, ["guess", f"{path}.none"])
    assert refused.stderr.replace("\n", "").isprintable()

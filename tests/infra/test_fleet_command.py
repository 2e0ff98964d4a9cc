"""`tailrace fleet`: what it refuses before it asks, and what it says of a frozen server."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tailrace.cli import app


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Commands see a data folder of their own, where nothing runs."""
    monkeypatch.setenv("TAILRACE_DATA_DIR", str(tmp_path / "data"))
    return CliRunner()


@pytest.mark.parametrize(
    ("glob", "problem"),
    [
        ("/srv/[a-Z]*.log", "has the range a-Z, which ends before it begins"),
        ("/", "names no file"),
        ("/a\\u0000b/*.log", "has a NUL"),
    ],
)
def test_z7_a_glob_that_could_not_be_used_is_refused_before_it_is_set(
    glob: str, problem: str, runner: CliRunner, tmp_path: Path
) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(f'[[agent.sources]]\nname = "n"\npaths = ["{glob}"]\n')

    result = runner.invoke(app, ["fleet", "set", "--group", "web", str(file)])

    assert result.exit_code == 2
    assert problem in result.stderr


@pytest.mark.timeout(60)
def test_a_zookeeper_that_stands_still_is_not_to_be_started(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        address = f"127.0.0.1:{frozen.getsockname()[1]}"
        monkeypatch.setenv("TAILRACE_ZOOKEEPER_HOSTS", address)
        result = runner.invoke(app, ["fleet", "list"])

    assert result.exit_code == 1
    assert "no answer within 3 s" in result.stderr
    assert "it may be busy or stand still" in result.stderr

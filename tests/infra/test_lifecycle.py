"""What `tailrace up` says once: where it is, and which of its globs match nothing."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from tailrace.cli import app
from tailrace.commands import lifecycle
from tailrace.commands.lifecycle import folder_of, say_ready
from tailrace.supervision import UpPlan
from tailrace.up_record import created_at_s, write_record
from tests.infra.test_status import AGENT, UP, write_status

change = msgspec.structs.replace


def test_up_says_which_of_its_globs_match_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pid = os.getpid()
    agent = change(AGENT, pid=pid)
    up = change(UP, pid=pid, created_at_s=created_at_s(pid), members=[agent])
    write_record(tmp_path, up)
    # What the shop has not written yet, nobody can correct.
    globs = f'["/srv/*.log","{tmp_path}/shop/logs/*.log"]'
    write_status(tmp_path, "agent", f'{{"pid":{pid},"unmatched_globs":{globs}}}')

    say_ready("http://u", plan=UpPlan(data_dir=tmp_path))

    said = capsys.readouterr()
    assert said.out == "Tailrace is up: http://u\n"
    assert said.err.startswith("note: no file matches /srv/*.log;")
    assert len(said.err.splitlines()) == 1


def test_what_is_to_be_typed_names_a_folder_as_a_shell_needs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my $data's"

    say_ready("", plan=UpPlan(data_dir=folder, has_roles=False))

    typed = capsys.readouterr().out.split("`")[1]
    assert shlex.split(typed) == [
        *("tailrace", "servers", "env", "--data-dir"),
        str(folder),
    ]


def test_up_refuses_to_watch_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_DATA_DIR", str(tmp_path / "data"))

    result = CliRunner().invoke(app, ["up", "--watch", ""])

    assert result.exit_code == 2
    assert "--watch must name files" in result.stderr
    assert not (tmp_path / "data").exists()


def test_up_tells_of_a_home_folder_that_nobody_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_DATA_DIR", str(tmp_path / "data"))

    result = CliRunner().invoke(app, ["up", "--watch", "~nobody-of-this-name/x"])

    assert result.exit_code == 2
    assert "--watch '~nobody-of-this-name/x'" in result.stderr


def test_up_tells_all_globs_that_its_agent_would_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_DATA_DIR", str(tmp_path / "data"))

    globs = ("/x/[a", "/y/[b/*", "/x/[a-Z]*.log", "/")
    arguments = [part for each in globs for part in ("--watch", each)]
    result = CliRunner().invoke(app, ["up", *arguments])

    assert result.exit_code == 2
    assert "--watch '/x/[a-Z]*.log' has the range a-Z" in result.stderr
    assert "--watch '/' names no file" in result.stderr
    assert "--watch '/x/[a' has a [ that no ] closes" in result.stderr
    assert "--watch '/y/[b/*' has a [ that no ] closes" in result.stderr
    assert not (tmp_path / "data").exists()


def test_data_folder_is_named_without_a_climb(tmp_path: Path) -> None:
    """The globs of the servers' logs are below it, and the agent does not climb."""
    assert folder_of(tmp_path / "a" / ".." / "b") == tmp_path / "b"


@pytest.mark.parametrize(
    ("arguments", "has_shop"),
    [
        ([], True),
        (["--no-demo"], False),
        (["--watch", "/a/*.log"], False),
        (["--watch", "/a/*.log", "--demo"], True),
    ],
    ids=["alone", "without", "own files", "both"],
)
def test_the_shop_runs_unless_it_is_not_wanted_or_own_files_are_named(
    arguments: list[str],
    has_shop: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both where it stays in the foreground and where it is started detached."""
    monkeypatch.setenv("TAILRACE_DATA_DIR", str(tmp_path / "data"))
    plans: list[UpPlan] = []
    commands: list[list[str]] = []

    def note_plan(plan: UpPlan) -> None:
        plans.append(plan)

    def note_command(command: list[str], *, plan: UpPlan) -> None:
        plans.append(plan)
        commands.append(command)

    monkeypatch.setattr(lifecycle, "_run_here", note_plan)
    monkeypatch.setattr(lifecycle, "_run_detached", note_command)
    for detach in ([], ["--detach"]):
        result = CliRunner().invoke(app, ["up", *detach, *arguments])
        assert result.exit_code == 0, result.stderr

    assert [plan.has_shop for plan in plans] == [has_shop] * 2
    assert commands[0][:2] == ["up", "--demo" if has_shop else "--no-demo"]

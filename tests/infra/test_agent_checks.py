"""A person looks before the agent ships: at a configuration, its files, and the checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tailrace.cli import app
from tailrace.clock import SystemClock
from tailrace_agent.checkpoint import FILE_NAME, Checkpoint
from tailrace_agent.main import FOLDER_NAME
from tailrace_agent.state_folder import take_folder
from tests.infra.audit.builders import agent_word
from tests.infra.multiline.journals import with_message

LINE = b"2026-11-25 10:00:00,123 ERROR [main] a.b.C: it \x1b[31mbroke\n"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def agent(data_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["agent", "--data-dir", str(data_dir), *arguments])


def config(folder: Path, *sources: str) -> Path:
    path = folder / "tailrace.toml"
    path.write_text("".join(f"[[agent.sources]]\n{source}\n" for source in sources))
    return path


def test_check_says_what_is_good(tmp_path: Path, data_dir: Path) -> None:
    path = config(tmp_path, f'name = "app"\npaths = ["{tmp_path}/*.log"]')
    result = agent(data_dir, "--check", str(path))
    assert result.exit_code == 0
    assert "good; 1 source" in result.stdout
    assert f"app: {tmp_path}/*.log" in result.stdout
    assert not data_dir.exists(), "nothing is written"


def test_a_check_that_finds_no_source_says_so_and_does_not_call_it_good(
    tmp_path: Path, data_dir: Path
) -> None:
    result = agent(data_dir, "--check", str(config(tmp_path)))
    assert result.exit_code == 1
    assert "good" not in result.output
    assert "names no source, so there is nothing to follow" in result.stderr
    assert "[[agent.sources]]" in result.stderr


def test_check_names_every_problem_at_once(tmp_path: Path, data_dir: Path) -> None:
    path = config(
        tmp_path,
        'name = "app"\npaths = ["relative.log"]',
        'name = "other"\npaths = ["/x"]\nstart_at = "middle"',
    )
    result = agent(data_dir, "--check", str(path))
    assert result.exit_code != 0
    assert "relative.log" in result.stderr
    assert "start_at" in result.stderr


def test_dry_run_shows_files_by_source_and_first_events(
    tmp_path: Path, data_dir: Path
) -> None:
    (tmp_path / "a.log").write_bytes(LINE * 5)
    (tmp_path / "b.log").mkdir()
    path = config(
        tmp_path,
        f'name = "app"\npaths = ["{tmp_path}/*.log", "{tmp_path}/none/*.txt"]',
    )
    result = agent(data_dir, "--dry-run", "--config", str(path))
    assert result.exit_code == 0, result.stderr
    assert "app: 1 file\n" in result.stdout
    assert f"{tmp_path}/a.log: {5 * len(LINE)} bytes, " in result.stdout
    assert f"{tmp_path}/none/*.txt matches no file now" in result.stdout
    assert result.stdout.count('"log.level":"error"') == 3
    assert "\x1b" not in result.stdout
    assert not data_dir.exists(), "nothing is written"


def test_dry_run_shows_events_and_not_lines(tmp_path: Path, data_dir: Path) -> None:
    trace = LINE + b"java.lang.Error: no\n\tat a.b.C.d(C.java:1)\n"
    (tmp_path / "a.log").write_bytes(trace + LINE)
    path = config(
        tmp_path,
        f'name = "app"\npaths = ["{tmp_path}/*.log"]\nmultiline = "java"',
    )
    result = agent(data_dir, "--dry-run", "--config", str(path))
    assert result.exit_code == 0, result.stderr
    assert ", lines joined by java" in result.stdout
    assert result.stdout.count('"event.sequence":') == 2
    assert r"\tat a.b.C.d(C.java:1)" in result.stdout


def test_x11_dry_run_shows_what_would_be_sent(tmp_path: Path, data_dir: Path) -> None:
    (tmp_path / "secret.log").write_text("password=hunter2hunter ok\nnext\n")
    trace = LINE + b"java.lang.Error: token=hunter2hunter\n\tat a.b.C.d(C.java:1)\n"
    (tmp_path / "trace.log").write_bytes(trace + LINE)
    journal = with_message(b"two\npassword=hunter2hunter") + b"\n"
    (tmp_path / "journal.log").write_bytes(journal)
    rest = 'multiline = "auto"\nredact = ["secrets"]'
    path = config(tmp_path, f'name = "s"\npaths = ["{tmp_path}/*.log"]\n{rest}')

    result = agent(data_dir, "--dry-run", "--config", str(path))

    assert result.exit_code == 0, result.output
    assert "hunter2hunter" not in result.output
    assert "password=[secret:" in result.output
    assert '"log.offset":26' in result.output.replace(" ", "")
    assert "java.lang.Error: token=[secret:" in result.output
    assert r"\tat a.b.C.d(C.java:1)" in result.output
    message = r'"message":"two\npassword=[secret:'
    assert message in result.output
    assert not data_dir.exists(), "nothing is written, and no key is made"


def test_dry_run_of_nothing_is_a_failure(tmp_path: Path, data_dir: Path) -> None:
    path = config(tmp_path, f'name = "app"\npaths = ["{tmp_path}/*.log"]')
    result = agent(data_dir, "--dry-run", "--config", str(path))
    assert result.exit_code == 1
    assert "matches any file" in result.stderr


def test_fsck_says_where_no_agent_has_run(tmp_path: Path) -> None:
    """In the folder of another user's, say: what is missing there is no damage."""
    shown = agent(tmp_path / "none", "--fsck")
    assert shown.exit_code == 0
    assert "no agent has run with" in shown.stderr
    assert "TAILRACE_DATA_DIR" in shown.stderr


def test_fsck_shows_repairs_and_is_refused_beside_an_agent(data_dir: Path) -> None:
    folder = data_dir / FOLDER_NAME
    held = take_folder(folder)
    checkpoint = Checkpoint(folder, clock=SystemClock())
    checkpoint.save([agent_word(number=3)])
    checkpoint.note_sources(["n"])
    checkpoint.keep_copy()
    shown = agent(data_dir, "--fsck")
    assert shown.exit_code == 0, shown.stderr
    assert "checkpoint: intact; 1 generations, 0 damaged" in shown.stdout
    assert agent_word(number=3).path in shown.stdout
    checkpoint.close()
    (folder / FILE_NAME).write_bytes(b"nonsense")
    assert agent(data_dir, "--fsck").exit_code == 1
    refused = agent(data_dir, "--fsck", "--repair")
    assert refused.exit_code != 0
    assert "in use" in refused.stderr
    held.release()
    repaired = agent(data_dir, "--fsck", "--repair")
    assert repaired.exit_code == 0, repaired.stderr
    assert "Saved 1 generations" in repaired.stdout


def test_fsck_takes_a_data_folder_named_from_here(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = data_dir / FOLDER_NAME
    take_folder(folder).release()
    checkpoint = Checkpoint(folder, clock=SystemClock())
    checkpoint.save([agent_word(number=3)])
    checkpoint.close()
    monkeypatch.chdir(data_dir.parent)
    shown = agent(Path(data_dir.name), "--fsck")
    assert shown.exit_code == 0, shown.output
    assert "1 generations, 0 damaged" in shown.stdout
    assert agent_word(number=3).path in shown.stdout


def test_dry_run_shows_events_of_a_file_whose_name_is_no_utf_8(
    tmp_path: Path, data_dir: Path
) -> None:
    name = os.fsdecode(b"caf\xe9.log")
    (tmp_path / name).write_bytes(LINE)
    path = config(tmp_path, f'name = "app"\npaths = ["{tmp_path}/*.log"]')
    result = agent(data_dir, "--dry-run", "--config", str(path))
    assert result.exit_code == 0, result.output
    assert rf"{tmp_path}/caf\xe9.log: {len(LINE)} bytes" in result.stdout
    assert "cannot be shown" not in result.stdout
    assert result.stdout.count('"log.level":"error"') == 1


def test_f10_f11_dry_run_says_that_a_file_of_several_names_is_sent_once(
    tmp_path: Path, data_dir: Path
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_bytes(LINE * 5)
    os.link(logs / "a.log", logs / "hard.log")
    (logs / "soft.log").symlink_to(logs / "a.log")
    path = config(tmp_path, f'name = "app"\npaths = ["{logs}/*.log"]')
    shown = agent(data_dir, "--dry-run", "--config", str(path)).stdout
    assert "app: 1 file\n" in shown
    assert shown.count("sent once") == 2
    assert shown.count("first events of") == 1
    others = [line for line in shown.splitlines() if "the same file as" in line]
    (name,) = {line.partition("the same file as ")[2] for line in others}
    assert f"  {name.removesuffix(', sent once')}: {5 * len(LINE)} bytes" in shown

"""A data folder that cannot be written is said so, before anything is started."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tailrace.cli import app
from tailrace.clock import SystemClock
from tailrace.data_folder import ROLE_FOLDERS, take_data_folder
from tailrace.errors import CommandFailed
from tailrace.settings import CONFIG_FILE
from tailrace.supervision import UpPlan
from tailrace.up import hold_supervision, run
from tailrace.up_record import SUPERVISOR_DIR, UP_FILE, write_record
from tailrace_embedded.lock import LOCK_FILE
from tailrace_embedded.progress import SilentProgress
from tailrace_embedded.record import PORTS_FILE, write_ports
from tests.infra.test_status import UP
from tests.support.stack import temporary_data_dir

COMMANDS = [["up"], ["up", "--detach"], ["servers", "up"], ["servers", "up", "-d"]]
NOBODY = 65_534


def mode_of(path: Path) -> int:
    """Return the rights of a folder."""
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def as_nobody() -> Generator[None]:
    """Lower root's rights for a while: root may write what is closed to all."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def refusal(command: list[str], *, data_dir: Path) -> str:
    """Return what a command says that cannot have its data folder."""
    said = CliRunner().invoke(app, [*command, "--data-dir", str(data_dir)])
    assert said.exit_code == 1, said.output
    assert isinstance(said.exception, SystemExit)
    assert "-> name one that you may write to with --data-dir" in said.stderr
    return said.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_folder_that_may_not_be_written_is_named_with_what_to_do(
    command: list[str],
) -> None:
    with temporary_data_dir() as folder:
        folder.chmod(0o555)
        with as_nobody():
            said = refusal(command, data_dir=folder)

    assert said.startswith(f"The data folder {folder} cannot be written: Permission")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(
    command: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")

    said = refusal(command, data_dir=tmp_path / "file" / "data")

    assert "cannot be made: Not a directory" in said


@pytest.mark.parametrize(
    "name", ["logs", "logs/up.log/x"], ids=["no folder of logs", "no log"]
)
def test_a_log_that_cannot_be_made_is_named(name: str, tmp_path: Path) -> None:
    if name == "logs":
        (tmp_path / name).write_bytes(b"")
    else:
        (tmp_path / name).mkdir(parents=True)

    said = refusal(["up", "--detach"], data_dir=tmp_path)

    assert f"The data folder {tmp_path} cannot be written" in said
    assert str(tmp_path / "logs") in said


@pytest.mark.parametrize("is_new", [True, False])
def test_what_roles_keep_is_closed_to_other_users(is_new: bool, tmp_path: Path) -> None:
    """Where an earlier version made it open, too; a data folder that was is left so."""
    folder = tmp_path / "data"
    if not is_new:
        for name in ROLE_FOLDERS:
            (folder / name).mkdir(parents=True, mode=0o755)
        folder.chmod(0o755)

    take_data_folder(folder)

    modes = {name: mode_of(folder / name) for name in ROLE_FOLDERS}
    assert modes == dict.fromkeys(ROLE_FOLDERS, 0o700)
    assert mode_of(folder) == (0o700 if is_new else 0o755)


@pytest.mark.parametrize(
    ("name", "words"), [("a,b", "has a comma"), ("a\udcff", "is no UTF-8")]
)
def test_a_name_that_servers_read_otherwise_is_refused_before_anything_is_made(
    name: str, words: str, tmp_path: Path
) -> None:
    """Kafka took `a,b` for two folders, and kept its data beside, open to everybody."""
    with pytest.raises(CommandFailed, match=words):
        take_data_folder(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_leads_to_a_comma_is_refused_too(tmp_path: Path) -> None:
    target = tmp_path / "a,b"
    target.mkdir()
    (tmp_path / "plain").symlink_to(target)
    with pytest.raises(CommandFailed, match="has a comma"):
        take_data_folder(tmp_path / "plain")


def test_what_only_the_supervisor_reads_is_closed_to_others(tmp_path: Path) -> None:
    write_record(tmp_path, UP)
    write_ports(tmp_path, {"kafka": 9_092})
    held = hold_supervision(tmp_path, clock=SystemClock())
    held.release()

    for name in (UP_FILE, PORTS_FILE, f"{SUPERVISOR_DIR}/{LOCK_FILE}"):
        assert mode_of(tmp_path / name) == 0o600, name


def test_another_users_record_is_not_taken_for_nothing_that_runs(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    write_record(tmp_path, UP)
    # A folder within others', through which nobody else passes, would hide it anyway.
    if os.geteuid() == 0:
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
    else:
        (tmp_path / UP_FILE).chmod(0)

    with as_nobody():
        result = CliRunner().invoke(app, ["status", "--data-dir", str(tmp_path)])
        doctor = CliRunner().invoke(app, ["doctor", "--data-dir", str(tmp_path)])

    assert "is another user's" not in doctor.stderr
    assert result.exit_code == 1
    assert "is another user's" in result.stderr
    assert "ask as that user" in result.stderr


@pytest.mark.parametrize("name", ["supervisor", CONFIG_FILE])
def test_whatever_up_writes_and_may_not_is_named(name: str, tmp_path: Path) -> None:
    """What another user left there: a name that is taken by what is no such thing."""
    if name == CONFIG_FILE:
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(b"")

    with pytest.raises(CommandFailed, match="cannot be written"):
        run(
            UpPlan(data_dir=tmp_path),
            progress=SilentProgress(),
            ready=lambda _url: None,
            stop=threading.Event(),
            clock=SystemClock(),
        )

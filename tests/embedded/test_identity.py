"""Root's servers run as nobody, and reach what they need without opening any home."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from tailrace_embedded import identity
from tailrace_embedded.identity import RunAs, can_reach, run_as, servers_dir
from tailrace_embedded.jvm import ServerFolders
from tests.support.stack import temporary_data_dir

STRANGER = RunAs(user_id=54_321, group_id=54_321)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="says what happens as root")


@pytest.fixture
def shared_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    state = tmp_path / "state"
    monkeypatch.setattr(identity, "SHARED_STATE_DIR", state)
    return state


def test_a_closed_folder_anywhere_above_closes_a_path() -> None:
    with temporary_data_dir() as top:
        top.chmod(0o755)
        inner = top / "a" / "b"
        inner.mkdir(parents=True)
        assert can_reach(inner, user=STRANGER)
        assert can_reach(inner / "not yet there", user=STRANGER)
        (top / "a").chmod(0o700)
        assert not can_reach(inner, user=STRANGER)
        assert can_reach(inner, user=None)


def test_a_file_must_be_readable_itself() -> None:
    with temporary_data_dir() as top:
        top.chmod(0o755)
        file = top / "file"
        file.write_bytes(b"")
        file.chmod(0o644)
        assert can_reach(file, user=STRANGER)
        file.chmod(0o640)
        assert not can_reach(file, user=STRANGER)
        group_owner = RunAs(user_id=54_321, group_id=file.stat().st_gid)
        assert can_reach(file, user=group_owner)


def test_the_cache_is_the_users_own_unless_the_servers_cannot_reach_it() -> None:
    with temporary_data_dir() as home:
        home.chmod(0o755)
        environ = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "xdg")}
        own = identity.cache_dir(environ, user=STRANGER)
        assert home in own.parents
        named = {**environ, "TAILRACE_CACHE_DIR": str(home / "named")}
        assert identity.cache_dir(named, user=STRANGER) == home / "named"
        home.chmod(0o700)
        shared = identity.cache_dir(named, user=STRANGER)
        assert shared == identity.SHARED_CACHE_DIR
        assert identity.cache_dir(named, user=None) == home / "named"


def test_a_reachable_data_folder_holds_everything_itself(shared_state: Path) -> None:
    with temporary_data_dir() as data_dir:
        folder = servers_dir(data_dir, user=STRANGER)
        assert folder == data_dir / "servers"
        assert not folder.is_symlink()
        assert not shared_state.exists()
        # Passable, not readable: that is all the servers need of it.
        assert stat.S_IMODE(data_dir.stat().st_mode) & 0o007 == 0o001


def test_a_closed_home_stays_closed_and_the_state_lies_beside_it_linked(
    shared_state: Path,
) -> None:
    with temporary_data_dir() as home:
        home.chmod(0o700)
        data_dir = home / "data"
        data_dir.mkdir()
        folder = servers_dir(data_dir, user=STRANGER)
        assert folder.parent == shared_state
        assert (data_dir / "servers").readlink() == folder
        assert servers_dir(data_dir, user=STRANGER) == folder
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_moved_data_folder_takes_its_state_along_and_a_copied_one_does_not(
    shared_state: Path,
) -> None:
    with temporary_data_dir() as home:
        home.chmod(0o700)
        (home / "data").mkdir()
        state = servers_dir(home / "data", user=STRANGER)

        (home / "data").rename(home / "moved")
        assert servers_dir(home / "moved", user=STRANGER) == state

        shutil.copytree(home / "moved", home / "copied", symlinks=True)
        assert servers_dir(home / "copied", user=STRANGER) != state
        assert servers_dir(home / "moved", user=STRANGER) == state
        assert len(list(shared_state.iterdir())) == 2


@pytest.mark.parametrize("is_linked", [False, True])
@as_root
def test_what_servers_keep_is_closed_to_everybody_else(
    is_linked: bool, shared_state: Path
) -> None:
    """Where an earlier version made it open, too; the servers' user gets to its own."""
    del shared_state
    files = {"server.properties": ""}
    with temporary_data_dir() as home:
        home.chmod(0o700 if is_linked else 0o711)
        (home / "data").mkdir()
        for _start in range(2):
            folder = servers_dir(home / "data", user=STRANGER)
            kept = ServerFolders(folder / "kafka-1")
            kept.create(files, user=STRANGER)
            inner = (kept.conf, kept.data, kept.logs, kept.temporary)
            assert stat.S_IMODE(folder.stat().st_mode) == 0o710
            assert (folder.stat().st_uid, folder.stat().st_gid) == (0, 54_321)
            assert {stat.S_IMODE(path.stat().st_mode) for path in inner} == {0o700}
            assert {path.stat().st_uid for path in inner} == {STRANGER.user_id}
            for path in (folder, *inner):
                path.chmod(0o755)
        own = servers_dir(home / "data", user=None)
        assert stat.S_IMODE(own.stat().st_mode) == 0o700


@as_root
def test_root_never_runs_servers_as_itself() -> None:
    user = run_as()
    assert user is not None
    assert user.user_id > 0
    assert user.group_id > 0

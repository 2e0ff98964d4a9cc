"""What names a file when filesystems, folders and links move under it."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailrace_agent import table
from tailrace_agent.checkpoint import Condition
from tests.agent.harness import AgentHarness, events_of, ledger_of, unique_lines


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % n for n in range(first, last))


def mount(*arguments: str) -> None:
    """Mount something, or skip the test where this process may not."""
    done = subprocess.run(
        ["mount", *arguments], capture_output=True, text=True, check=False, timeout=15
    )
    if done.returncode:
        pytest.skip(f"mounting is not possible here: {done.stderr.strip()}")


def unmount(path: Path) -> None:
    subprocess.run(
        ["umount", "--lazy", str(path)], capture_output=True, check=False, timeout=15
    )


@pytest.fixture
def small_filesystem(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of its own, on which inodes are soon used again."""
    yield from _small_filesystem(tmp_path / "logs")


@pytest.fixture
def small_state_folder(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own for the agent's state, which is soon full."""
    yield from _small_filesystem(tmp_path / "state")


def _small_filesystem(folder: Path) -> Iterator[Path]:
    # Also where only root's shells look for it.
    make = shutil.which("mkfs.ext4", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if make is None:
        pytest.skip("mkfs.ext4 is not here")
    folder.mkdir()
    image = folder.with_suffix(".image")
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(
        [make, "-q", "-I", "256", "-N", "64", str(image)],
        capture_output=True,
        check=True,
        timeout=15,
    )
    mount("-o", "loop", str(image), str(folder))
    yield folder
    unmount(folder)


def test_f7_inode_that_really_is_used_again_is_another_file(
    tmp_path: Path, small_filesystem: Path
) -> None:
    agent = AgentHarness(tmp_path, rotated_grace_ms=0)
    path = agent.write("a.log", lines(0, 10))
    inode = path.stat().st_ino
    agent.pass_ms()
    agent.stop()
    path.unlink()
    # Longer than what was read, so that the size alone would not tell.
    path = agent.write("a.log", b"other\n" + lines(1, 10) + lines(10, 20))
    assert path.stat().st_ino == inode, "the witness: the inode was not used again"
    second = AgentHarness(tmp_path, sink=agent.sink)
    second.pass_ms()
    assert len(events_of(agent.sink)) == 10 + 20
    assert len({e.generation for e in events_of(agent.sink)}) == 2
    second.crash()
    del small_filesystem


@pytest.mark.parametrize("copy_name", ["a-1.log", "a.log.1"])
@pytest.mark.parametrize("before", ["an archive", "a closed log"])
def test_f3_f7_copy_of_a_log_whose_inode_served_another_file_is_read_once(
    tmp_path: Path, small_filesystem: Path, before: str, copy_name: str
) -> None:
    """A sweep takes the log for that file, so that its copy is met before it.

    By their names either may have the first turn.
    """
    agent = AgentHarness(tmp_path, glob="*.log*", rotated_grace_ms=0)
    archive = agent.write("a.log.1.gz", gzip.compress(lines(0, 10)))
    path = archive.with_name("a.log")
    replaced = archive
    if before == "a closed log":
        replaced = agent.write("a.log", lines(10, 20))
    agent.pass_ms(30_000)
    for tracked in agent.table.files.values():
        tracked.close()
    inode = replaced.stat().st_ino
    replaced.unlink()
    agent.write("a.log", b"born\n")
    assert path.stat().st_ino == inode, "the witness: the inode was not used again"
    shutil.copyfile(path, path.with_name(copy_name))
    agent.pass_ms(30_000)
    stored = [event.stored for event in events_of(agent.sink)]
    assert stored.count(b"born") == 1
    assert stored.count(b"line 0") == 1
    agent.crash()
    del small_filesystem


def test_f13_bind_mount_shows_one_file_twice(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, glob="**/*.log")
    (agent.logs / "one").mkdir()
    (agent.logs / "two").mkdir()
    mount("--bind", str(agent.logs / "one"), str(agent.logs / "two"))
    try:
        agent.write("one/a.log", lines(0, 10))
        assert (agent.logs / "two" / "a.log").exists(), "the witness"
        agent.pass_ms()
        agent.write("two/a.log", lines(10, 12))
        agent.pass_ms()
        agent.crash()
        again = AgentHarness(tmp_path, glob="**/*.log", sink=agent.sink)
        again.pass_ms()
        assert len(events_of(agent.sink)) == 12
        again.crash()
    finally:
        unmount(agent.logs / "two")


def test_f14_filesystem_with_another_name_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reboot, or another order of disks: nothing is read again, or named anew."""
    agent = AgentHarness(tmp_path)
    agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    agent.stop()

    def renamed(descriptor: int, *, device: int) -> str:
        del descriptor
        return f"dev-{device + 7}"

    monkeypatch.setattr(table, "filesystem_id", renamed)
    second = AgentHarness(tmp_path, sink=agent.sink)
    second.write("a.log", lines(10, 12))
    second.pass_ms()
    assert [e.stored for e in events_of(agent.sink)] == lines(0, 12).splitlines()
    assert len({e.generation for e in events_of(agent.sink)}) == 1


def test_f21_folder_moved_away_and_back_keeps_its_files(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, glob="**/*.log")
    (agent.logs / "app").mkdir()
    agent.write("app/a.log", lines(0, 10))
    agent.pass_ms()
    away = (agent.logs / "app").rename(tmp_path / "away")
    with (away / "a.log").open("ab") as writer:
        writer.write(lines(10, 11))
    agent.pass_ms(30_000)
    away.rename(agent.logs / "app")
    agent.write("app/a.log", lines(11, 13))
    agent.pass_ms(5_000)
    assert [e.stored for e in events_of(agent.sink)] == lines(0, 13).splitlines()
    assert len({r.generation for r in ledger_of(agent.sink)}) == 1


def test_f12_retargeted_link_loses_nothing_of_the_old_target(tmp_path: Path) -> None:
    """As kubernetes does: the link moves on while the old file is still written."""
    agent = AgentHarness(tmp_path, glob="link.log")
    targets = [tmp_path / f"{number}.target" for number in range(5)]
    link = agent.logs / "link.log"
    for number, target in enumerate(targets):
        target.write_bytes(lines(number * 10, number * 10 + 8))
        temporary = agent.logs / "next"
        temporary.symlink_to(target)
        temporary.rename(link)
        agent.pass_ms(1_500)
        if number:
            with targets[number - 1].open("ab") as writer:
                writer.write(lines(number * 10 - 2, number * 10))
        agent.pass_ms(1_500)
    agent.pass_ms(20_000)
    assert sorted(unique_lines(agent.sink)) == sorted(lines(0, 48).splitlines())
    assert len(events_of(agent.sink)) == 48


def test_f10_hard_link_is_read_on_when_the_first_name_goes(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", lines(0, 10))
    os.link(path, agent.logs / "b.log")
    agent.pass_ms()
    path.unlink()
    agent.write("b.log", lines(10, 12))
    agent.pass_ms(30_000)
    assert [e.stored for e in events_of(agent.sink)] == lines(0, 12).splitlines()


def test_f19_disk_space_of_a_deleted_file_comes_back(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"x" * 99 + b"\n")
    with path.open("ab") as file:
        file.write((b"y" * 99 + b"\n") * 10_000)
    agent.pass_ms()
    inode = path.stat().st_ino
    path.unlink()
    held = [os.fstat(t.file.descriptor) for t in agent.table.files.values() if t.file]
    assert [s.st_ino for s in held] == [inode], "the witness: it is held open"
    agent.pass_ms(20_000)
    assert inode not in _inodes_held()


def fill(folder: Path) -> None:
    """Leave no room on a folder's disk."""
    ballast = folder / f"ballast-{len(list(folder.iterdir()))}"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1_024))


def test_p4_really_full_disk_keeps_no_line_back_and_repeats_none(
    tmp_path: Path, small_state_folder: Path
) -> None:
    first = AgentHarness(tmp_path, glob="*.log*", had_life=False)
    first.write("a.log", lines(0, 10))
    first.pass_ms()
    fill(small_state_folder)
    path = first.write("b.log", lines(10, 20))
    first.pass_ms()
    assert first.delivery.unwritable, "the witness: the disk is full"
    assert len(events_of(first.sink)) == 20
    first.crash()
    path.with_name("b.log.1").write_bytes(path.read_bytes())
    path.write_bytes(lines(20, 21))
    # What SQLite gave back when it closed is taken, too: not even its index has room.
    fill(small_state_folder)
    second = AgentHarness(tmp_path, glob="*.log*", sink=first.sink)
    second.pass_ms()
    assert second.condition is Condition.BEHIND
    for ballast in small_state_folder.glob("ballast-*"):
        ballast.unlink()
    second.pass_ms()
    second.crash()
    third = AgentHarness(tmp_path, glob="*.log*", sink=first.sink)
    third.pass_ms()
    third.crash()
    assert unique_lines(first.sink) == sorted(lines(0, 21).splitlines())


def _inodes_held() -> set[int]:
    found: set[int] = set()
    for link in list(Path("/proc/self/fd").iterdir()):
        try:
            found.add(link.stat().st_ino)
        except OSError:
            continue  # The listing's own descriptor, or a socket's name.
    return found


def test_f9_one_byte_file_is_shipped_and_keeps_its_name(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", b"x")
    agent.write("b.log", b"x")
    agent.pass_ms(10_000)
    assert [e.stored for e in events_of(agent.sink)] == [b"x", b"x"]
    agent.write("a.log", b"\nmore\n")
    agent.pass_ms(10_000)
    events = events_of(agent.sink)
    assert [e.stored for e in events] == [b"x", b"x", b"more"]
    assert len({e.generation for e in events}) == 2
    shutil.rmtree(agent.state)

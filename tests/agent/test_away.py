"""A file that cannot be seen just now is not gone: its volume, or a right, is missing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tailrace_agent.facts import filesystem_id
from tailrace_agent.whereabouts import FolderAway, find_by_inode
from tests.agent.harness import (
    AgentHarness,
    RecordingSink,
    events_of,
    heartbeats_of,
    ledger_of,
)

MEMORY = Path("/dev/shm")
NOBODY = 65_534


@dataclass(frozen=True, slots=True)
class Volume:
    """A filesystem of its own, whose mount point is the agents' folder of logs."""

    content: Path
    mount_point: Path

    def mount(self) -> None:
        if self.mount_point.exists():
            self.mount_point.rmdir()
        self.mount_point.symlink_to(self.content)

    def unmount(self) -> None:
        """Leave what a mount point is without its volume: an empty folder."""
        self.mount_point.unlink()
        self.mount_point.mkdir()


@pytest.fixture
def volume(tmp_path: Path) -> Generator[Volume, None, None]:
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second filesystem that anybody may write to")
    with tempfile.TemporaryDirectory(dir=MEMORY) as content:
        mounted = Volume(Path(content), tmp_path / "logs")
        mounted.mount()
        yield mounted


def second_life(agent: AgentHarness) -> Path:
    """Return a file that was emptied and written anew, so that its count is not 0."""
    path = agent.write("a.log", b"first life\n" * 5)
    agent.pass_ms()
    path.write_bytes(b"second life\n")
    agent.pass_ms(8_000)
    assert len({event.generation for event in events_of(agent.sink)}) == 2
    return path


def lost_bytes(sink: RecordingSink) -> int:
    newest = {record.generation: record for record in ledger_of(sink)}
    return sum(r.lost_bytes.get("deleted", 0) for r in newest.values())


def test_agent_that_starts_before_a_volume_is_mounted_forgets_nothing(
    tmp_path: Path, volume: Volume
) -> None:
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    path = second_life(first)
    first.stop()
    with path.open("ab") as file:
        file.write(b"while nobody looked\n")
    volume.unmount()
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms(8_000)
    second.stop()
    third = AgentHarness(tmp_path, sink=sink)
    third.pass_ms()
    assert lost_bytes(sink) == 0
    assert third.said("file_away")
    assert len(third.table.away) == 1

    volume.mount()
    third.pass_ms(8_000)

    stored = [event.stored for event in events_of(sink)]
    assert stored == [b"first life"] * 5 + [b"second life", b"while nobody looked"]
    assert len({event.generation for event in events_of(sink)}) == 2


def test_volume_that_goes_while_no_descriptor_is_held_takes_nothing_along(
    tmp_path: Path, volume: Volume
) -> None:
    agent = AgentHarness(tmp_path)
    second_life(agent)
    (tracked,) = agent.table.files.values()
    tracked.close()  # As where more files are followed than descriptors are held.
    tracked.size_bytes += 5  # As where it grew and was not read yet.
    volume.unmount()
    agent.pass_ms(20_000)
    assert not agent.table.files
    # Whatever is said of completeness meanwhile: these are unread.
    assert heartbeats_of(agent.sink)[-1].unread_bytes == 5
    volume.mount()
    agent.write("a.log", b"after it came back\n")
    agent.pass_ms(8_000)

    stored = [event.stored for event in events_of(agent.sink)]
    assert stored == [b"first life"] * 5 + [b"second life", b"after it came back"]
    assert lost_bytes(agent.sink) == 0
    assert heartbeats_of(agent.sink)[-1].unread_bytes == 0


def test_file_found_again_takes_back_the_loss_that_was_declared(
    tmp_path: Path,
) -> None:
    """A folder that was renamed is gone for all that can be told, until it is back."""
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    first.write("a.log", b"one\n")
    first.pass_ms(8_000)
    sink.is_holding = True
    first.write("a.log", b"two\n")
    first.pass_ms()
    first.delivery.amend(
        next(iter(first.table.files.values())).generation, seen_size_bytes=8
    )
    first.delivery.commit()
    first.crash()
    sink.renew()
    sink.is_holding = False
    first.logs.rename(tmp_path / "moved")
    second = AgentHarness(tmp_path, sink=sink)
    second.pass_ms(8_000)
    assert lost_bytes(sink) == 4
    second.stop()
    second.logs.rmdir()
    (tmp_path / "moved").rename(second.logs)
    third = AgentHarness(tmp_path, sink=sink)
    third.pass_ms(8_000)

    assert [event.stored for event in events_of(sink)] == [b"one", b"two"]
    assert lost_bytes(sink) == 0


def test_only_a_folder_that_can_be_listed_says_that_a_file_is_gone(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"")
    inode = path.stat().st_ino
    with pytest.raises(FolderAway):
        find_by_inode(str(tmp_path), inode=0, filesystem="of-another")
    # What is there is there, whatever its filesystem was called.
    assert find_by_inode(str(tmp_path), inode=inode, filesystem="of-another") == str(
        path
    )


def test_file_that_left_before_its_second_life_had_a_line_keeps_its_count(
    tmp_path: Path,
) -> None:
    """Else the first life's name, and its places, would be given to other lines."""
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"started\n")
    agent.pass_ms(8_000)
    path.write_bytes(b"")
    agent.pass_ms()
    moved = path.rename(path.with_suffix(".kept"))
    agent.pass_ms(20_000)
    assert not agent.table.files
    moved.rename(path)
    agent.write("a.log", b"started\n")
    agent.pass_ms(8_000)

    places = [(e.generation, e.offset) for e in events_of(agent.sink)]
    assert len(places) == len(set(places)) == 2


@contextmanager
def without_rights() -> Generator[None]:
    """Let this process be nobody for a while, if it is root, who may list every folder."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_f21_folder_that_may_not_be_listed_says_nothing() -> None:
    # Not below pytest's own folder, which root alone may enter.
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name, "a.log")
        path.touch()
        descriptor = os.open(name, os.O_RDONLY)
        filesystem = filesystem_id(descriptor, device=path.stat().st_dev)
        os.close(descriptor)
        inode = path.stat().st_ino

        folder.chmod(0o755)
        with without_rights():
            found = find_by_inode(name, inode=inode, filesystem=filesystem)
            is_gone = find_by_inode(name, inode=1, filesystem=filesystem) is None
        folder.chmod(0)
        with without_rights(), pytest.raises(FolderAway, match="Permission denied"):
            find_by_inode(name, inode=inode, filesystem=filesystem)
        folder.chmod(0o700)

    assert found == str(path), "the witness: with the right to list, it is found"
    assert is_gone

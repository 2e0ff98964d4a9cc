"""What one entry or one bad moment of a disk says of all the others: nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, Self

import pytest

from tailrace_agent import listings
from tests.agent.harness import AgentHarness, unique_lines


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % n for n in range(first, last))


@pytest.mark.parametrize("glob", ["*.log", "**/*.log", "*/*.log"])
@pytest.mark.parametrize("target", ["bad.log", "a.log/x", "x" * 300])
def test_x4_link_that_leads_nowhere_hides_no_other_name(
    tmp_path: Path, glob: str, target: str
) -> None:
    """Round in a circle, through a file, or by too long a name."""
    agent = AgentHarness(tmp_path, glob=glob)
    folder = agent.logs / "app" if glob.startswith("*/") else agent.logs
    folder.mkdir(exist_ok=True)
    path = folder / "a.log"
    path.write_bytes(lines(0, 10))
    agent.pass_ms()
    (folder / "bad.log").symlink_to(target)
    (folder / "new.log").write_bytes(lines(10, 20))
    agent.pass_ms(60_000, step_ms=500)
    with path.open("ab") as file:
        file.write(lines(20, 30))
    agent.pass_ms(5_000)
    assert unique_lines(agent.sink) == sorted(lines(0, 30).splitlines())
    assert not agent.said("file_closed")
    (said,) = agent.said("path_unreadable")
    assert said["path"] == f"{folder}/bad.log"


class Disk:
    """The real one, until it fails to list a folder, or to tell of one entry."""

    def __init__(self) -> None:
        self.listing_error = 0
        self.entry_error = 0

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def scandir(self, folder: str) -> object:
        if self.listing_error:
            raise OSError(self.listing_error, os.strerror(self.listing_error), folder)
        return Entries(os.scandir(folder), self.entry_error)


class Entries:
    """A listing in which the first entry cannot be told of."""

    def __init__(
        self,
        found: Any,  # noqa: ANN401 - the type of a listing is private
        error: int,
    ) -> None:
        self.found = found
        self.error = error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.found.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> object:
        entry = next(self.found)
        if not self.error or entry.name != "bad.log":
            return entry
        return ClosedEntry(entry.name, self.error)


class ClosedEntry:
    """A link into a folder that is closed to us."""

    def __init__(self, name: str, error: int) -> None:
        self.name = name
        self.error = error

    def is_dir(self) -> bool:
        raise OSError(self.error, os.strerror(self.error))

    def is_symlink(self) -> bool:
        return True


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(listings, "os", made)
    return made


def test_x4_link_into_a_closed_folder_closes_no_other(
    tmp_path: Path, disk: Disk
) -> None:
    disk.entry_error = errno.EACCES
    agent = AgentHarness(tmp_path)
    agent.write("bad.log", b"")
    agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    assert unique_lines(agent.sink) == sorted(lines(0, 10).splitlines())
    assert not agent.said("folder_unreadable")


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE, errno.EMFILE])
def test_f22_folder_that_cannot_be_listed_for_a_while_keeps_its_files(
    tmp_path: Path, disk: Disk, error: int
) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    disk.listing_error = error
    agent.write("b.log", lines(10, 20))
    agent.pass_ms(60_000, step_ms=500)
    agent.write("a.log", lines(20, 30))
    agent.pass_ms()
    wanted = lines(0, 10) + lines(20, 30)
    assert unique_lines(agent.sink) == sorted(wanted.splitlines())
    assert not agent.said("file_closed")
    (said,) = agent.said("folder_unreadable")
    assert said["why"] == os.strerror(error)
    disk.listing_error = 0
    agent.pass_ms()
    assert unique_lines(agent.sink) == sorted(lines(0, 30).splitlines())

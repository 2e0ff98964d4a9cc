"""An archive that is written under another name first: nothing of it is sent as lines."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from tests.agent.harness import AgentHarness, events_of, lost_in, unique_lines


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d of this log\n" % n for n in range(first, last))


def life(folder: Path, *, glob: str = "*") -> AgentHarness:
    return AgentHarness(folder, glob=glob)


@pytest.mark.parametrize("temporary", ["0.log.1.tmp", "0.log.1.gz.part", ".0.log.1.x7"])
@pytest.mark.parametrize("is_empty_first", [True, False])
def test_f20_archive_is_left_alone_until_its_name_says_what_it_is(
    tmp_path: Path, temporary: str, *, is_empty_first: bool
) -> None:
    """As a kubelet rotates: renamed, compressed beside it, renamed, and then removed."""
    agent = life(tmp_path)
    path = agent.write("0.log", lines(0, 500))
    agent.pass_ms()
    rotated = path.rename(path.with_name("0.log.1"))
    agent.write("0.log", lines(500, 520))
    agent.pass_ms()
    making = path.with_name(temporary)
    if is_empty_first:
        making.touch()
        agent.pass_ms()
    archive = gzip.compress(lines(0, 500))
    with making.open("ab") as file:
        for start in range(0, len(archive), 400):
            file.write(archive[start : start + 400])
            file.flush()
            agent.pass_ms(2_500)
    agent.pass_ms(8_000)
    assert len(events_of(agent.sink)) == 520
    assert not agent.said("file_unreadable")
    making.rename(path.with_name("0.log.1.gz"))
    rotated.unlink()
    agent.pass_ms(60_000)
    assert unique_lines(agent.sink) == sorted(lines(0, 520).splitlines())
    assert len(events_of(agent.sink)) == 520
    assert not lost_in(agent.sink)
    assert not agent.table.unreadable.whys


@pytest.mark.parametrize("is_empty_first", [True, False])
def test_f20_archive_that_only_is_there_once_it_is_renamed_is_read(
    tmp_path: Path, *, is_empty_first: bool
) -> None:
    agent = life(tmp_path)
    making = agent.logs / "old.tmp"
    if is_empty_first:
        making.touch()
        agent.pass_ms()
    making.write_bytes(zstandard.compress(lines(0, 50)))
    agent.pass_ms(5_000)
    assert not events_of(agent.sink)
    making.rename(agent.logs / "old.zst")
    agent.pass_ms(20_000)
    assert unique_lines(agent.sink) == sorted(lines(0, 50).splitlines())


def test_f20_archive_that_leaves_its_glob_as_it_is_made_is_not_sent_as_lines(
    tmp_path: Path,
) -> None:
    agent = life(tmp_path, glob="*.tmp")
    making = agent.logs / "old.tmp"
    making.touch()
    agent.pass_ms()
    making.write_bytes(gzip.compress(lines(0, 50)))
    making.rename(agent.logs / "old.gz")
    agent.pass_ms(20_000)
    assert not events_of(agent.sink)
    assert not agent.table.files


def test_archive_whose_name_never_says_so_is_told_of_and_not_read(
    tmp_path: Path,
) -> None:
    agent = life(tmp_path)
    content = gzip.compress(lines(0, 50))
    agent.write("old.bin", content)
    agent.pass_ms(20_000)
    assert not agent.said("file_unreadable")
    agent.pass_ms(50_000)
    (said,) = agent.said("file_unreadable")
    assert "gzip wrote it" in str(said["why"])
    assert ".gz" in str(said["remedy"])
    assert not events_of(agent.sink)
    assert agent.table.unreadable.size_bytes == len(content)


@pytest.mark.parametrize("is_empty_first", [True, False])
def test_text_of_a_temporary_name_is_sent_as_any_other(
    tmp_path: Path, *, is_empty_first: bool
) -> None:
    agent = life(tmp_path)
    if is_empty_first:
        agent.write("upload.tmp", b"")
        agent.pass_ms()
    agent.write("upload.tmp", lines(0, 5))
    agent.write("upload.part", b"BZh is no archive\n")
    agent.pass_ms(10_000)
    expected = [*lines(0, 5).splitlines(), b"BZh is no archive"]
    assert unique_lines(agent.sink) == sorted(expected)

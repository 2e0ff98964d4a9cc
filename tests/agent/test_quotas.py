"""A flood of files costs other folders nothing, and what waits is told and read later."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tailrace_agent import listings
from tailrace_agent.quotas import admitted, shares
from tests.agent.harness import (
    AgentHarness,
    SteppedClock,
    events_of,
    heartbeats_of,
    unique_lines,
)


@pytest.mark.parametrize(
    ("wanted", "whole", "expected"),
    [
        ({"a": 3, "b": 4}, 7, {"a": 3, "b": 4}),
        ({"a": 3, "b": 4}, 100, {"a": 3, "b": 4}),
        ({"flood": 1_000, "a": 3, "b": 8}, 15, {"a": 3, "b": 6, "flood": 6}),
        ({"flood": 1_000, "a": 1, "b": 1}, 2, {"a": 0, "b": 1, "flood": 1}),
        ({}, 5, {}),
    ],
)
def test_x4_each_folder_gets_its_share(
    wanted: dict[str, int], whole: int, expected: dict[str, int]
) -> None:
    assert shares(wanted, whole=whole) == expected


def test_x4_new_names_drive_no_known_file_out() -> None:
    chosen, waiting = admitted(
        ["/a/0", "/a/1", "/a/2", "/a/3", "/b/0"],
        followed={"/a/2", "/a/3"},
        folder_files_max=3,
        files_max=100,
    )
    assert chosen == ["/a/2", "/a/3", "/a/0", "/b/0"]
    assert waiting == ["/a/1"]


def agent_on(folder: Path, **source: object) -> AgentHarness:
    return AgentHarness(
        folder, glob="**/*.log", source={"folder_files_max": 3, **source}
    )


def flood(agent: AgentHarness, *, count: int, name: str = "flood") -> None:
    (agent.logs / name).mkdir(exist_ok=True)
    for number in range(count):
        agent.write(f"{name}/0{number}.log", b"flood %d\n" % number)


def test_x4_flood_of_files_hides_no_folder_and_is_read_when_there_is_room(
    tmp_path: Path,
) -> None:
    agent = agent_on(tmp_path)
    (agent.logs / "app").mkdir()
    agent.write("app/a.log", b"one\n")
    flood(agent, count=5)
    agent.pass_ms()
    folder = str(agent.logs / "flood")
    assert unique_lines(agent.sink) == [b"flood 0", b"flood 1", b"flood 2", b"one"]
    assert agent.discovery.waiting.folders == {folder: 2}
    (said,) = agent.said("files_waiting")
    assert (said["folder"], said["files"]) == (folder, "2")
    agent.write("app/b.log", b"two\n")
    agent.pass_ms(60_000, step_ms=1_000)
    assert b"two" in unique_lines(agent.sink)
    assert len(agent.said("files_waiting")) == 1
    for number in range(2):
        (agent.logs / f"flood/0{number}.log").unlink()
    agent.pass_ms(60_000, step_ms=1_000)
    assert {b"flood 3", b"flood 4"} < set(unique_lines(agent.sink))
    assert agent.discovery.waiting.folders == {}
    assert agent.discovery.waiting.gone_count == 0
    assert [s["folder"] for s in agent.said("files_wait_no_more")] == [folder]


def test_x4_folder_that_comes_when_a_source_is_full_gets_its_share(
    tmp_path: Path,
) -> None:
    """What gives its place away is read to its end first, and once more with room."""
    agent = agent_on(tmp_path, folder_files_max=100, files_max=8)
    flood(agent, count=8)
    agent.pass_ms()
    (agent.logs / "late").mkdir()
    agent.write("late/a.log", b"late\n")
    agent.pass_ms(60_000, step_ms=1_000)
    assert unique_lines(agent.sink) == [*(b"flood %d" % n for n in range(8)), b"late"]
    assert len(agent.table.files) == 8
    assert agent.discovery.waiting.files_count == 1
    agent.write("flood/07.log", b"again\n")
    (agent.logs / "flood/00.log").unlink()
    agent.pass_ms(60_000, step_ms=1_000)
    assert [e.stored for e in events_of(agent.sink)].count(b"flood 7") == 1
    assert b"again" in unique_lines(agent.sink)


def test_x4_what_waits_is_unread_for_the_audit_and_counted_when_it_is_gone(
    tmp_path: Path,
) -> None:
    agent = agent_on(tmp_path)
    flood(agent, count=5)
    agent.pass_ms(20_000)
    last = heartbeats_of(agent.sink)[-1]
    assert last.unread_bytes == last.waiting_bytes == 2 * len(b"flood 0\n")
    assert not last.gone_bytes
    (agent.logs / "flood/04.log").unlink()
    agent.pass_ms(60_000, step_ms=1_000)
    (said,) = agent.said("waiting_files_gone")
    assert (said["files"], said["size_bytes"]) == (1, len(b"flood 4\n"))
    assert agent.discovery.waiting.gone_count == 1
    assert agent.discovery.waiting.gone_bytes == len(b"flood 4\n")
    last = heartbeats_of(agent.sink)[-1]
    assert last.unread_bytes == last.waiting_bytes == len(b"flood 0\n")
    assert last.lost_bytes == last.gone_bytes == len(b"flood 4\n")


def test_x4_what_is_gone_soon_after_it_began_to_wait_counts_with_its_bytes(
    tmp_path: Path,
) -> None:
    agent = agent_on(tmp_path)
    flood(agent, count=4)
    agent.pass_ms(2_000)  # All that waits was looked at just now.
    late = agent.write("flood/9.log", b"never read\n")
    agent.pass_ms(2_000)
    late.unlink()
    agent.pass_ms(2_000)
    assert agent.discovery.waiting.gone_bytes == len(b"never read\n")


def test_x4_what_waits_under_another_name_is_not_gone(tmp_path: Path) -> None:
    """A rotation of files that wait: names move on, and the last one's file is gone."""
    agent = agent_on(tmp_path, folder_files_max=1)
    flood(agent, count=1)
    agent.pass_ms()
    for number in range(1, 4):
        agent.write(f"flood/a.{number}.log", b"%d" % number * 10 + b"\n")
    agent.pass_ms(2_000)
    folder = agent.logs / "flood"
    (folder / "a.3.log").rename(folder / "b.log")
    agent.pass_ms(40_000, step_ms=1_000)
    assert agent.discovery.waiting.gone_count == 0
    (folder / "a.2.log").rename(folder / "b.log")
    (folder / "a.1.log").rename(folder / "a.2.log")
    agent.write("flood/a.1.log", b"new\n")
    agent.pass_ms(40_000, step_ms=1_000)
    assert agent.discovery.waiting.gone_count == 1
    assert agent.discovery.waiting.gone_bytes == 11
    (folder / "00.log").unlink()
    (folder / "a.1.log").rename(folder / "000.log")
    agent.pass_ms(40_000, step_ms=1_000)
    assert b"new" in unique_lines(agent.sink)
    assert agent.discovery.waiting.gone_count == 1


def test_x4_flood_while_the_agent_is_down_drives_no_known_file_out(
    tmp_path: Path,
) -> None:
    first = agent_on(tmp_path)
    first.write("z.log", b"one\n")
    first.pass_ms()
    first.stop()
    for number in range(9):
        first.write(f"0{number}.log", b"flood\n")
    first.write("z.log", b"two\n")
    second = AgentHarness(
        tmp_path, glob="*.log", sink=first.sink, source={"folder_files_max": 3}
    )
    second.pass_ms()
    assert [e.stored for e in events_of(first.sink) if e.path.endswith("z.log")] == [
        b"one",
        b"two",
    ]


def test_x4_names_beyond_what_is_looked_at_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "ENTRIES_MAX", 4)
    agent = agent_on(tmp_path)
    flood(agent, count=3)
    agent.pass_ms()
    flood(agent, count=9)
    agent.pass_ms(60_000, step_ms=1_000)
    flooded = {f"{agent.logs}/flood/0{n}.log" for n in range(3)}
    assert {t.path for t in agent.table.files.values()} == flooded
    assert agent.discovery.waiting.files_count == 6
    assert agent.discovery.waiting.gone_count == 0


class SlowDisk:
    """Takes half a second to list one folder."""

    def __init__(self, clock: SteppedClock, slow: Path) -> None:
        self.clock = clock
        self.slow = slow
        self.listed: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def scandir(self, folder: str) -> object:
        self.listed.append(folder)
        if folder == str(self.slow):
            self.clock.sleep_ms(500)
        return os.scandir(folder)


def test_x4_large_folder_that_changes_all_the_time_is_listed_at_a_tenth_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is new in another folder is seen as soon as ever."""
    agent = agent_on(tmp_path, folder_files_max=1_000)
    flood(agent, count=1)
    (agent.logs / "app").mkdir()
    disk = SlowDisk(agent.clock, agent.logs / "flood")
    monkeypatch.setattr(listings, "os", disk)
    for number in range(20):
        agent.write(f"flood/x{number}.log", b"more\n")
        agent.write(f"app/{number}.log", b"app\n")
        agent.pass_ms(1_000)
        assert len(agent.table.files) > number
    app_files = [t for t in agent.table.files.values() if "/app/" in t.path]
    assert len(app_files) >= 19
    slow_count = disk.listed.count(str(disk.slow))
    assert 3 <= slow_count <= 6
    assert disk.listed.count(str(agent.logs / "app")) >= 18


def test_x3_x4_what_comes_and_goes_unread_is_not_remembered(tmp_path: Path) -> None:
    """Who may put names there could fill the memory of an agent that reads none of them."""
    agent = AgentHarness(tmp_path, source={"ignore_older_ms": 1_000})
    for number in range(30):
        planted = [
            agent.logs / f"{kind}{number}.log" for kind in ("fifo", "old", "loop")
        ]
        os.mkfifo(planted[0])
        planted[1].write_bytes(b"old\n")
        os.utime(planted[1], (1, 1))
        planted[2].symlink_to(planted[2])
        agent.pass_ms(1_200)
        for path in planted:
            path.rename(path.with_suffix(".gone"))  # So no inode is used again.
    agent.pass_ms(31_000)
    assert len(agent.said("not_a_regular_file")) == 30
    assert len(agent.said("path_unreadable")) == 30
    assert len(agent.table.left_alone) <= 2
    warned = agent.discovery._warned_at_ms  # pyright: ignore[reportPrivateUsage]
    assert not [about for about in warned if about.startswith("path ")]
    agent.crash()


def test_x3_x4_what_is_left_alone_is_said_once_as_long_as_it_is_there(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path)
    os.mkfifo(agent.logs / "fifo.log")
    loop = agent.logs / "loop.log"
    loop.symlink_to(loop)
    for number in range(10):
        agent.write(f"{number}.log", b"one\n")
        agent.pass_ms(5_000)
        (agent.logs / f"{number}.log").unlink()
    assert len(agent.said("not_a_regular_file")) == 1
    assert len(agent.said("path_unreadable")) == 1
    agent.crash()

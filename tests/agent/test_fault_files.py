"""Files that behave badly: what each of them costs the others, and itself, is nothing."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tailrace_agent import opening
from tailrace_agent.open_file import OpenFile, open_file
from tailrace_agent.rules import Rules
from tests.agent.harness import (
    AgentHarness,
    RecordingSink,
    SteppedClock,
    events_of,
    unique_lines,
)


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % n for n in range(first, last))


def shipped(agent: AgentHarness) -> list[bytes]:
    """Return every event in the order of its sending, repeats included."""
    return [event.stored for event in events_of(agent.sink)]


class OneHint:
    """Hears of one change, when it is told to."""

    def __init__(self) -> None:
        self.is_heard = False

    def take(self) -> bool:
        heard, self.is_heard = self.is_heard, False
        return heard


def test_f6_file_that_is_gone_before_the_next_sweep_is_read_when_a_hint_came(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, sweep_ms=60_000)
    agent.loop._hints = hints = OneHint()  # pyright: ignore[reportPrivateUsage]
    agent.pass_ms(5_000)
    path = agent.write("a.log", lines(0, 10))
    hints.is_heard = True
    agent.pass_ms(200)
    path.unlink()
    agent.pass_ms(20_000)
    assert shipped(agent) == lines(0, 10).splitlines()


@pytest.mark.parametrize("new_name", ["", "renamed.log"], ids=["deleted", "renamed"])
def test_f6_file_that_is_gone_when_it_is_opened_is_counted_unless_it_was_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_name: str
) -> None:
    """The sweep saw it, and how much it held; nobody will ever know what."""
    agent = AgentHarness(tmp_path)
    path = agent.logs / "a.log"

    def opened(name: str, *, rules: Rules) -> OpenFile:
        if name == str(path) and path.exists():
            if new_name:
                path.rename(path.with_name(new_name))
            else:
                path.unlink()
        return open_file(name, rules=rules)

    monkeypatch.setattr(opening, "open_file", opened)
    agent.write("a.log", lines(0, 10))
    agent.pass_ms(20_000)
    unreadable = agent.table.unreadable
    if new_name:
        assert shipped(agent) == lines(0, 10).splitlines()
        assert (unreadable.gone_count, unreadable.gone_bytes) == (0, 0)
        return
    assert shipped(agent) == []
    assert (unreadable.gone_count, unreadable.gone_bytes) == (1, len(lines(0, 10)))
    (said,) = agent.said("file_gone_unread")
    assert said["size_bytes"] == len(lines(0, 10))


def test_f9_file_of_one_line_is_shipped_at_once_and_grows_without_a_repeat(
    tmp_path: Path,
) -> None:
    """No fingerprint is waited for, nor changes the name when its bytes are there."""
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    first.write("a.log", b"x\n")
    first.pass_ms(1_000)
    assert unique_lines(sink) == [b"x"]
    first.write("a.log", lines(0, 500))
    first.pass_ms()
    first.crash()
    second = AgentHarness(tmp_path, sink=sink)
    second.write("a.log", lines(500, 510))
    second.pass_ms()
    assert [e.stored for e in events_of(sink)] == [b"x", *lines(0, 510).splitlines()]
    assert len({e.generation for e in events_of(sink)}) == 1


def test_f13_file_under_two_folders_is_sent_once(tmp_path: Path) -> None:
    """As through a bind mount: one device and inode, two paths, one name on the disk."""
    agent = AgentHarness(tmp_path, glob="*/*.log")
    (agent.logs / "real").mkdir()
    (agent.logs / "alias").symlink_to(agent.logs / "real")
    path = agent.write("real/a.log", lines(0, 10))
    agent.pass_ms()
    agent.write("alias/a.log", lines(10, 20))
    agent.pass_ms()
    assert not agent.said("file_renamed")
    path.rename(path.with_name("a.log.1"))
    agent.write("real/a.log", lines(20, 30))
    agent.pass_ms(20_000)
    assert shipped(agent) == lines(0, 30).splitlines()


@dataclass(slots=True)
class BrokenFile(OpenFile):
    """Fails to be read as a stale handle or a bad disk does, while it is told to."""

    broken: dict[int, int]
    """The error number by inode."""
    seen_broken: bool = False

    def read_into(self, buffers: list[memoryview], *, offset: int) -> int:  # type: ignore[override]
        number = self.broken.get(self.facts.inode)
        # A handle that went stale stays so; only another opening helps.
        self.seen_broken = self.seen_broken or number == errno.ESTALE
        if self.seen_broken or number is not None:
            number = number or errno.ESTALE
            raise OSError(number, os.strerror(number))
        return OpenFile.read_into(self, buffers, offset=offset)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """Give what decides which inodes cannot be read now, and why."""
    broken: dict[int, int] = {}

    def opened(path: str, *, rules: Rules) -> OpenFile:
        file = open_file(path, rules=rules)
        return BrokenFile(file.descriptor, file.facts, broken)

    monkeypatch.setattr(opening, "open_file", opened)
    return broken


def test_f15_file_whose_handle_went_stale_is_opened_again_and_goes_on(
    tmp_path: Path, broken: dict[int, int]
) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    broken[path.stat().st_ino] = errno.ESTALE
    agent.write("a.log", lines(10, 20))
    agent.pass_ms()
    broken.clear()
    agent.pass_ms(120_000, step_ms=1_000)
    assert shipped(agent) == lines(0, 20).splitlines()
    assert len({e.generation for e in events_of(agent.sink)}) == 1
    (said,) = agent.said("file_unreadable")
    assert said["why"] == os.strerror(errno.ESTALE)


def test_f15_name_of_a_stale_handle_that_went_to_another_file_is_not_read_on(
    tmp_path: Path, broken: dict[int, int]
) -> None:
    """What is opened again is verified: it is the next file, and the old one moved."""
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    broken[path.stat().st_ino] = errno.ESTALE
    agent.write("a.log", lines(10, 20))
    agent.pass_ms()
    path.rename(path.with_name("a.log.1"))
    agent.write("a.log", lines(100, 130))
    broken.clear()
    agent.pass_ms(120_000, step_ms=1_000)
    assert sorted(shipped(agent)) == sorted(
        (lines(0, 20) + lines(100, 130)).splitlines()
    )
    by_generation = {e.generation: e.offset for e in reversed(events_of(agent.sink))}
    assert list(by_generation.values()) == [0, 0]


def test_p11_file_on_a_bad_disk_is_set_apart_and_the_others_go_on(
    tmp_path: Path, broken: dict[int, int]
) -> None:
    agent = AgentHarness(tmp_path)
    bad = agent.write("bad.log", lines(0, 10))
    agent.write("good.log", lines(100, 110))
    broken[bad.stat().st_ino] = errno.EIO
    agent.pass_ms()
    agent.write("good.log", lines(110, 120))
    agent.pass_ms(120_000, step_ms=1_000)
    assert shipped(agent) == lines(100, 120).splitlines()
    assert len(agent.said("file_unreadable")) == 1
    broken.clear()
    agent.pass_ms(120_000, step_ms=1_000)
    assert unique_lines(agent.sink) == sorted(
        [*lines(0, 10).splitlines(), *lines(100, 120).splitlines()]
    )


def test_f17_hole_that_begins_amid_a_block_is_passed_and_not_read(
    tmp_path: Path,
) -> None:
    """The block's own rest is data to the filesystem; a terabyte behind it is not."""
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"one\n")
    os.truncate(path, 1 << 40)
    agent.write("a.log", b"two\n")
    agent.pass_ms(3_000)
    assert [event.stored for event in events_of(agent.sink)] == [b"one", b"two"]


def test_f17_writer_that_goes_on_behind_a_truncation_leaves_no_line_of_nuls(
    tmp_path: Path,
) -> None:
    """Without O_APPEND it writes on where it was, and a hole stands before that."""
    agent = AgentHarness(tmp_path)
    path = agent.logs / "a.log"
    with path.open("wb") as writer:
        writer.write(lines(0, 2_000))
        writer.flush()
        agent.pass_ms()
        os.truncate(path, 0)
        agent.pass_ms()
        writer.write(lines(2_000, 2_010))
        writer.flush()
        agent.pass_ms()
        writer.write(lines(2_010, 2_020))
    agent.pass_ms()
    assert shipped(agent) == lines(0, 2_020).splitlines()
    offsets = [e.offset for e in events_of(agent.sink)][2_000:]
    assert offsets[0] == len(lines(0, 2_000))


def test_f18_nuls_that_a_power_loss_left_spoil_no_other_line(tmp_path: Path) -> None:
    """The block has no newline: it waits, and is no part of the line after it."""
    agent = AgentHarness(tmp_path)
    agent.write("a.log", lines(0, 10) + b"\0" * 3_000)
    agent.pass_ms(1_000)
    assert shipped(agent) == lines(0, 10).splitlines()
    agent.write("a.log", b"after\n" + lines(10, 20))
    agent.pass_ms()
    assert shipped(agent) == [
        *lines(0, 10).splitlines(),
        b"after",
        *lines(10, 20).splitlines(),
    ]


def test_f21_folder_that_is_moved_away_and_back_keeps_its_files(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, glob="*/*.log")
    folder = agent.logs / "app"
    folder.mkdir()
    agent.write("app/a.log", lines(0, 10))
    agent.pass_ms()
    away = folder.rename(tmp_path / "away")
    with (away / "a.log").open("ab") as writer:
        writer.write(lines(10, 20))
    agent.pass_ms(60_000)
    away.rename(folder)
    agent.write("app/a.log", lines(20, 30))
    agent.pass_ms(60_000)
    assert shipped(agent) == lines(0, 30).splitlines()
    assert len({e.generation for e in events_of(agent.sink)}) == 1


def test_f23_what_no_hint_tells_of_is_found_by_the_sweep(tmp_path: Path) -> None:
    """The kernel's queue overflows without a word, so nothing may stand on it."""
    agent = AgentHarness(tmp_path)
    assert not agent.loop._hints.take()  # pyright: ignore[reportPrivateUsage]
    agent.pass_ms(30_000)
    agent.write("a.log", lines(0, 10))
    agent.pass_ms(2 * agent.settings.sweep_ms)
    path = agent.write("a.log", lines(10, 20))
    agent.pass_ms(2 * agent.settings.sweep_ms)
    path.rename(path.with_name("a.log.1"))
    agent.write("a.log", lines(20, 30))
    agent.pass_ms(2 * agent.settings.sweep_ms)
    assert shipped(agent) == lines(0, 30).splitlines()


def test_f29_line_whose_halves_stand_in_two_files_is_two_events(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"first\nbegun in the old ")
    agent.pass_ms(500)
    path.rename(path.with_name("a.log.1"))
    agent.write("a.log", b"ended in the new\nlast\n")
    agent.pass_ms(30_000)
    assert unique_lines(agent.sink) == [
        b"begun in the old ",
        b"ended in the new",
        b"first",
        b"last",
    ]
    assert len(shipped(agent)) == 4


def test_f34_neither_clock_nor_mtime_decides_what_is_read(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    year_ms = 365 * 86_400_000
    path = agent.write("a.log", lines(0, 10))
    agent.pass_ms()
    for turn in range(1, 6):
        # Both ways: the wall clock jumps, and the file bears a time of the future.
        agent.clock.wall_ms += year_ms if turn % 2 else -2 * year_ms
        at_ns = (agent.clock.wall_ms + (10 - turn) * year_ms) * 1_000_000
        agent.write("a.log", lines(turn * 10, turn * 10 + 10))
        os.utime(path, ns=(at_ns, at_ns))
        agent.write(f"new{turn}.log", b"new %d\n" % turn)
        os.utime(agent.logs, ns=(at_ns, at_ns))
        agent.pass_ms(40_000, step_ms=500)
    of_file = [e.stored for e in events_of(agent.sink) if e.path.endswith("/a.log")]
    assert of_file == lines(0, 60).splitlines()
    assert len(shipped(agent)) == 65


@dataclass(slots=True)
class TickingClock(SteppedClock):
    """A clock on which every look at it takes its time, as work does."""

    def monotonic_ms(self) -> int:
        self.at_ms += 5
        return self.at_ms


def test_f35_busy_files_keep_no_quiet_one_waiting(tmp_path: Path) -> None:
    """Each has a chunk's turn: a backlog of many chunks is not read first."""
    agent = AgentHarness(
        tmp_path,
        clock=TickingClock(),
        chunk_bytes=4_096,
        event_bytes_max=4_096,
        sweep_ms=100,
    )
    for name in ("a-busy.log", "b-busy.log"):
        agent.write(name, b"a line of a backlog %d\n" % 10**180 * 3_000)
    for number in range(5):
        agent.write(f"quiet{number}.log", b"quiet %d\n" % number)
    agent.pass_ms(20_000)
    order = [e.path.rpartition("/")[2] for e in events_of(agent.sink)]
    assert len(order) == 6_005
    quiet_at = [at for at, name in enumerate(order) if name.startswith("quiet")]
    assert max(quiet_at) < 2_000
    # Neither of the two busy ones was read to its end before the other began.
    assert order.index("b-busy.log") < 500


def test_p3_what_is_in_memory_is_bounded_while_kafka_takes_nothing(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(
        tmp_path,
        chunk_bytes=4_096,
        event_bytes_max=4_096,
        in_flight_bytes_max=1_048_576,
    )
    for number in range(5):
        agent.write(f"{number}.log", b"first\n")
    agent.pass_ms()
    agent.sink.is_holding = True
    for number in range(5):
        agent.write(f"{number}.log", b"a line of a backlog %d\n" % 10**980 * 500)
    agent.pass_ms(10_000)
    assert (
        0 < agent.delivery.outbox.in_flight_bytes <= agent.settings.in_flight_bytes_max
    )
    held_bytes = sum(len(record.value) for _, record in agent.sink.held)
    assert held_bytes <= 2 * agent.settings.in_flight_bytes_max
    agent.sink.is_holding = False
    agent.sink.release()
    agent.pass_ms(20_000)
    assert len(shipped(agent)) == 2_505

"""Lives of one log that begin alike: a copy is of the one that it is most like."""

from __future__ import annotations

import gzip
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.agent.harness import (
    AgentHarness,
    RecordingSink,
    SteppedClock,
    events_of,
    unique_lines,
)
from tests.support.waiting import eventually

BANNER = b"=== started, as every life of this log is ===\n"
FIRST = BANNER + b"line 0\n"
REPORT_MS = 300_000
"""A head is looked at again with each report: that of a banner stays a banner's here."""
STEP_MS = 20


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % n for n in range(first, last))


def agent_after_a_life(
    folder: Path,
    *,
    sink: RecordingSink,
    content: bytes = FIRST,
    is_truncated: bool = False,
) -> AgentHarness:
    """Return an agent of a log whose first life held `content`, and is nowhere now."""
    agent = AgentHarness(
        folder,
        glob="*",
        sink=sink,
        sweep_ms=100,
        ledger_ms=REPORT_MS,
        heartbeat_ms=REPORT_MS,
    )
    path = agent.write("a.log", content)
    agent.pass_ms()
    if is_truncated:
        path.write_bytes(b"")
    else:
        path.unlink()
    agent.pass_ms(20_000)
    return agent


def is_younger(probe: Path, older: Path) -> bool:
    """Return whether what is written now is, by the files' times, younger than a file."""
    probe.write_bytes(b"now")
    return probe.stat().st_mtime_ns > older.stat().st_mtime_ns


def assert_stored(sink: RecordingSink, content: bytes, *, first: bytes = FIRST) -> None:
    """Each line of the first life and of `content` is there, and none twice."""
    assert unique_lines(sink) == sorted((first + content).splitlines())


@pytest.mark.parametrize("is_truncated", [True, False])
@pytest.mark.parametrize("is_compressed", [True, False])
def test_f3_copy_is_of_the_file_that_holds_all_of_it(
    tmp_path: Path, is_truncated: bool, is_compressed: bool
) -> None:
    """Not of a life that is gone, whose only line it begins with, too."""
    sink = RecordingSink()
    agent = agent_after_a_life(tmp_path, sink=sink, is_truncated=is_truncated)
    path = agent.write("a.log", BANNER + lines(0, 500))
    agent.pass_ms()
    if is_compressed:
        archive = path.with_name("a.log.1.gz")
        archive.write_bytes(gzip.compress(path.read_bytes()))
    else:
        shutil.copyfile(path, path.with_name("a.log.1"))
    agent.pass_ms(2_000)
    path.write_bytes(b"")
    agent.write("a.log", lines(500, 510))
    agent.pass_ms(40_000)
    assert_stored(sink, BANNER + lines(0, 510))
    assert len(events_of(sink)) == 513


@pytest.mark.parametrize("is_acknowledged", [True, False])
@pytest.mark.parametrize("first", [BANNER, FIRST])
@pytest.mark.parametrize("later_ms", range(0, 400, 2 * STEP_MS))
def test_f3_copy_is_of_the_life_whose_end_is_not_seen_yet(
    tmp_path: Path, later_ms: int, first: bytes, is_acknowledged: bool
) -> None:
    """Its file is empty, and all that tells of it is what was read of it before."""
    sink = RecordingSink()
    agent = agent_after_a_life(tmp_path, sink=sink, content=first)
    path = agent.write("a.log", BANNER)
    agent.pass_ms(1_000, step_ms=STEP_MS)
    if not is_acknowledged:
        sink.holding_topic = "t.raw"
    agent.write("a.log", lines(0, 5))
    agent.pass_ms(500 + later_ms, step_ms=STEP_MS)
    shutil.copyfile(path, path.with_name("a.log.1"))
    path.write_bytes(b"")
    agent.pass_ms(2_000, step_ms=STEP_MS)
    sink.holding_topic = ""
    sink.release()
    agent.pass_ms(40_000)
    agent.write("a.log", lines(5, 6))
    agent.pass_ms(5_000)
    assert_stored(sink, BANNER + lines(0, 6), first=first)


def test_f3_copy_is_of_the_life_that_was_known_and_not_sent(tmp_path: Path) -> None:
    """Its head is all that tells of it, and that is more than the other's all."""
    sink = RecordingSink()
    agent = agent_after_a_life(tmp_path, sink=sink)
    sink.is_holding = True
    path = agent.write("a.log", BANNER + lines(0, 5))
    while not sink.held:
        agent.pass_ms(STEP_MS, step_ms=STEP_MS)
    shutil.copyfile(path, path.with_name("a.log.1"))
    path.write_bytes(b"")
    agent.pass_ms(500, step_ms=STEP_MS)
    sink.is_holding = False
    sink.release()
    agent.pass_ms(40_000)
    agent.write("a.log", lines(5, 6))
    agent.pass_ms(5_000)
    assert_stored(sink, BANNER + lines(0, 6))


def agent_after_lines_behind_the_banner(
    folder: Path, *, sink: RecordingSink, clock: SteppedClock, glob: str = "*.log"
) -> AgentHarness:
    """Return one that has the banner as the head of `a.log`, and as a place in it."""
    agent = AgentHarness(
        folder,
        glob=glob,
        sink=sink,
        clock=clock,
        ledger_ms=REPORT_MS,
        heartbeat_ms=REPORT_MS,
    )
    agent.write("a.log", BANNER)
    agent.pass_ms(3_000)
    agent.write("a.log", lines(0, 500))
    agent.pass_ms(1_000)
    return agent


def test_f3_copy_that_ends_earlier_is_of_the_life_whose_place_it_has(
    tmp_path: Path,
) -> None:
    """The place is behind the line that another life ended with."""
    sink = RecordingSink()
    first = agent_after_a_life(tmp_path, sink=sink)
    first.stop()
    agent = agent_after_lines_behind_the_banner(tmp_path, sink=sink, clock=first.clock)
    path = agent.logs / "a.log"
    content = path.read_bytes()
    agent.write("a.log", lines(500, 510))
    agent.pass_ms(500)
    agent.crash()
    path.with_name("a.log.1").write_bytes(content)
    path.unlink()
    second = AgentHarness(tmp_path, glob="*", sink=sink, clock=first.clock)
    second.pass_ms(40_000)
    assert_stored(sink, BANNER + lines(0, 510))


@pytest.mark.parametrize("is_deleted", [True, False])
def test_f4_copy_is_not_passed_over_for_a_life_that_began_like_it(
    tmp_path: Path, is_deleted: bool
) -> None:
    """What is behind the line that both begin with was read nowhere."""
    sink, clock = RecordingSink(), SteppedClock()
    agent = agent_after_lines_behind_the_banner(tmp_path, sink=sink, clock=clock)
    path = agent.logs / "a.log"
    path.write_bytes(b"")
    agent.pass_ms(3_000)
    agent.write("a.log", BANNER)
    agent.pass_ms(1_000)
    agent.crash()
    agent.write("a.log", lines(500, 510))
    shutil.copyfile(path, path.with_name("a.log.1"))
    if is_deleted:
        path.unlink()
    else:
        path.write_bytes(b"")
    second = AgentHarness(tmp_path, glob="*", sink=sink, clock=clock)
    second.pass_ms(40_000)
    stored = BANNER + lines(0, 500) + BANNER + lines(500, 510)
    assert unique_lines(sink) == sorted(stored.splitlines())


def test_f3_copy_that_is_met_behind_the_banner_is_of_the_file_that_goes_on(
    tmp_path: Path,
) -> None:
    """It holds all of a life that is gone, too, while it is made."""
    sink = RecordingSink()
    agent = agent_after_a_life(tmp_path, sink=sink, content=BANNER)
    path = agent.write("a.log", BANNER)
    agent.pass_ms()
    agent.write("a.log", lines(0, 5))
    agent.pass_ms()
    agent.write("a.log.1", BANNER)
    agent.pass_ms()
    agent.write("a.log.1", lines(0, 5))
    agent.pass_ms(2_000)
    path.write_bytes(b"")
    agent.pass_ms(40_000)
    assert_stored(sink, BANNER + lines(0, 5), first=BANNER)


def test_f8_file_made_after_the_end_of_a_life_is_no_copy_of_it(tmp_path: Path) -> None:
    """It is shorter, and like it up to a place that is remembered: the banner's end."""
    # By this clock every file is made later than what the agent tells of any life.
    clock = SteppedClock(wall_ms=time.time_ns() // 1_000_000 - 3_600_000)
    sink = RecordingSink()
    agent = agent_after_lines_behind_the_banner(
        tmp_path, sink=sink, clock=clock, glob="*"
    )
    (agent.logs / "a.log").write_bytes(b"")
    agent.pass_ms(3_000)
    agent.write("a.log.1", BANNER + lines(500, 502))
    agent.pass_ms(40_000)
    stored = BANNER + lines(0, 500) + BANNER + lines(500, 502)
    assert unique_lines(sink) == sorted(stored.splitlines())


def test_f8_older_file_is_not_the_rest_of_a_life_of_which_its_banner_alone_is_known(
    tmp_path: Path,
) -> None:
    sink = RecordingSink()
    (tmp_path / "logs").mkdir()
    older, probe = tmp_path / "logs" / "a.log.1", tmp_path / "probe"
    older.write_bytes(BANNER + lines(50, 52))

    eventually(
        lambda: is_younger(probe, older)
    )  # So that the files' times tell which is the older one.
    agent = AgentHarness(tmp_path, glob="a.log", sink=sink)
    path = agent.write("a.log", BANNER)
    agent.pass_ms()
    path.write_bytes(b"")
    agent.pass_ms(1_000)
    agent.crash()
    second = AgentHarness(tmp_path, glob="*", sink=sink, clock=agent.clock)
    second.pass_ms(40_000)
    stored = BANNER + BANNER + lines(50, 52)
    assert unique_lines(sink) == sorted(stored.splitlines())


def test_f3_copy_over_an_older_file_that_left_its_globs_is_of_its_original(
    tmp_path: Path,
) -> None:
    """No sweep sees that it was written: only the file itself tells how old its content is."""
    agent = AgentHarness(tmp_path, glob="a.log", rotated_grace_ms=60_000)
    path = agent.write("a.log", b"of the first life\n")
    agent.pass_ms()
    copy = path.rename(path.with_name("a.log.1"))
    agent.write("a.log", BANNER)
    agent.pass_ms()
    agent.write("a.log", lines(0, 3))
    shutil.copyfile(path, copy)
    path.write_bytes(b"")
    agent.pass_ms(40_000)
    stored = b"of the first life\n" + BANNER + lines(0, 3)
    assert unique_lines(agent.sink) == sorted(stored.splitlines())


def test_f3_copy_made_by_a_clock_that_was_set_back_is_of_its_original(
    tmp_path: Path,
) -> None:
    """By the files' times it is older than the life whose one known line it begins with."""
    clock = SteppedClock(wall_ms=time.time_ns() // 1_000_000)
    agent = AgentHarness(tmp_path, glob="*", clock=clock)
    copy = agent.write("a.log.1", b"")
    eventually(lambda: is_younger(tmp_path / "probe", copy))
    path = agent.write("a.log", BANNER)
    agent.pass_ms()
    agent.crash()
    agent.write("a.log", lines(0, 3))
    shutil.copyfile(path, copy)
    hour_ago_ns = copy.stat().st_mtime_ns - 3_600 * 10**9
    os.utime(copy, ns=(hour_ago_ns, hour_ago_ns))
    path.write_bytes(b"")
    clock.wall_ms -= 3_600_000
    second = AgentHarness(tmp_path, glob="*", sink=agent.sink, clock=clock)
    second.pass_ms(40_000)
    assert_stored(agent.sink, lines(0, 3), first=BANNER)

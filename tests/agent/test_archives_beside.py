"""A file and its archive that are met at an ill moment: each line is sent once."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.agent.harness import AgentHarness, ledger_of, unique_lines

LONG_MS = 60_000


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d of this log\n" % n for n in range(first, last))


def lost_bytes(agent: AgentHarness) -> int:
    newest = {record.generation: record for record in ledger_of(agent.sink)}
    return sum(sum(record.lost_bytes.values()) for record in newest.values())


def compressed(path: Path) -> Path:
    archive = path.with_name(path.name + ".gz")
    archive.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return archive


def life(folder: Path, before: AgentHarness | None = None) -> AgentHarness:
    return AgentHarness(
        folder,
        glob="*",
        sink=before and before.sink,
        clock=before and before.clock,
    )


@pytest.mark.parametrize("idle_ms", [1_000, 15_000])
@pytest.mark.parametrize("is_holding", [True, False])
def test_f20_file_that_was_empty_at_the_last_look_is_sent_once_beside_its_archive(
    tmp_path: Path, idle_ms: int, *, is_holding: bool
) -> None:
    """It is written, renamed and compressed between two looks, and held open still."""
    agent = life(tmp_path)
    path = agent.write("a.log", b"")
    agent.pass_ms(idle_ms)
    agent.sink.is_holding = is_holding
    agent.write("a.log", lines(0, 60))
    compressed(path.rename(path.with_name("a.log.1")))
    agent.write("a.log", b"")
    agent.pass_ms(100)
    agent.sink.is_holding = False
    agent.sink.release()
    agent.pass_ms(LONG_MS)
    assert unique_lines(agent.sink) == sorted(lines(0, 60).splitlines())


@pytest.mark.parametrize("stall_ms", [9_000, 15_000, LONG_MS])
@pytest.mark.parametrize("count", [20, 2_000])
@pytest.mark.parametrize("is_killed", [True, False])
def test_f20_archive_that_stands_still_beside_its_original_is_waited_for(
    tmp_path: Path, stall_ms: int, count: int, *, is_killed: bool
) -> None:
    """Also where it is so short that its part tells of no original."""
    agent = life(tmp_path)
    path = agent.write("a.log", lines(0, count))
    agent.pass_ms()
    rotated = path.rename(path.with_name("a.log.1"))
    whole = gzip.compress(rotated.read_bytes())
    archive = rotated.with_name("a.log.1.gz")
    archive.write_bytes(whole[: len(whole) // 2])
    agent.pass_ms(stall_ms)
    if is_killed:
        agent.crash()
        agent = life(tmp_path, agent)
        agent.pass_ms(stall_ms)
    assert not agent.said("archive_damaged")
    archive.write_bytes(whole)
    agent.pass_ms(500)
    rotated.unlink()
    agent.pass_ms(LONG_MS)
    assert unique_lines(agent.sink) == sorted(lines(0, count).splitlines())
    assert lost_bytes(agent) == 0
    assert not agent.said("archive_damaged")


@pytest.mark.parametrize("is_killed", [True, False])
def test_f20_archive_that_is_whole_late_is_not_sent_though_its_original_went_before(
    tmp_path: Path, *, is_killed: bool
) -> None:
    """Its first part was passed over, and so is the rest; nothing is lost with it."""
    agent = life(tmp_path)
    path = agent.write("a.log", lines(0, 2_000))
    agent.pass_ms()
    rotated = path.rename(path.with_name("a.log.1"))
    whole = gzip.compress(rotated.read_bytes())
    archive = rotated.with_name("a.log.1.gz")
    archive.write_bytes(whole[: len(whole) // 2])
    agent.pass_ms(3_000)
    rotated.unlink()
    agent.pass_ms(LONG_MS)
    if is_killed:
        agent.crash()
    archive.write_bytes(whole)
    if is_killed:
        agent = life(tmp_path, agent)
    agent.pass_ms(LONG_MS)
    assert unique_lines(agent.sink) == sorted(lines(0, 2_000).splitlines())
    assert lost_bytes(agent) == 0


def test_f20_archives_that_stand_still_hold_up_no_other(tmp_path: Path) -> None:
    """Few archives are inflated at a time, and a killed `gzip` leaves its part for ever."""
    agent = life(tmp_path)
    for name in "abcdef":
        path = agent.write(f"{name}.log.1", lines(0, 2_000))
        whole = gzip.compress(path.read_bytes())
        (path.with_name(path.name + ".gz")).write_bytes(whole[: len(whole) // 2])
    agent.pass_ms(LONG_MS)
    compressed(agent.write("x.log", lines(5_000, 5_010)))
    agent.pass_ms(LONG_MS)
    expected = lines(0, 2_000) * 6 + lines(5_000, 5_010)
    assert unique_lines(agent.sink) == sorted(expected.splitlines())


def test_f20_archives_of_empty_logs_hold_up_no_other(tmp_path: Path) -> None:
    """They hold no line to be named by, and logs without one are compressed each night."""
    agent = life(tmp_path)
    for number in range(40):
        compressed(agent.write(f"{number}.log.1", b""))
    agent.pass_ms()
    compressed(agent.write("x.log", lines(0, 10)))
    agent.pass_ms(5_000)
    assert unique_lines(agent.sink) == sorted(lines(0, 10).splitlines())


@pytest.mark.parametrize("content", [b"", lines(50, 60)], ids=["empty", "with lines"])
def test_f20_archives_that_wait_for_their_original_hold_up_no_other(
    tmp_path: Path, content: bytes
) -> None:
    """It has no whole line yet, and no name: what they are is not asked before."""
    agent = AgentHarness(tmp_path, glob="*", flush_after_ms=60_000)
    agent.write("a.log", b"half a line")
    agent.pass_ms(3_000)
    for number in range(40):
        agent.write(f"a.log.{number}.gz", gzip.compress(content))
    agent.pass_ms(300)
    compressed(agent.write("x.log", lines(10, 20)))
    agent.pass_ms(5_000)
    assert set(lines(10, 20).splitlines()) <= set(unique_lines(agent.sink))


def test_f20_archive_waits_for_what_is_on_its_way_of_a_file_that_is_gone(
    tmp_path: Path,
) -> None:
    """Its descriptor was closed for the sake of others: nothing of it can be compared."""
    agent = AgentHarness(tmp_path, glob="*", descriptors_max=8)
    path = agent.write("a.log", lines(0, 100))
    agent.pass_ms()
    agent.sink.is_holding = True
    agent.write("a.log", lines(100, 110))
    agent.pass_ms()
    for number in range(10):
        agent.write(f"{number}.txt", b"more than %d\n" % number)
        agent.pass_ms(300)
    compressed(path.rename(path.with_name("a.log.1")))
    agent.pass_ms(LONG_MS)
    agent.sink.is_holding = False
    agent.sink.release()
    agent.pass_ms(LONG_MS)
    stored = [line for line in unique_lines(agent.sink) if line.startswith(b"line")]
    assert stored == sorted(lines(0, 110).splitlines())

"""What was passed over as a copy and goes on otherwise is a file of its own, from its head."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from tests.agent.harness import (
    AgentHarness,
    RecordingSink,
    events_of,
    ledger_of,
    unique_lines,
)

BANNER = b"Starting worker v1.2\nlistening for jobs\n"


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % n for n in range(first, last))


def restarted(agent: AgentHarness, folder: Path) -> AgentHarness:
    """Return the next life of an agent that was killed."""
    agent.crash()
    return AgentHarness(folder, glob="*", sink=agent.sink, clock=agent.clock)


@pytest.mark.parametrize(
    ("first", "second"),
    [("worker.log", "worker-1.log"), ("app.log", "app.log.err"), ("svc", "svc-a")],
)
@pytest.mark.parametrize("wait_ms", [8_000, 30_000])
@pytest.mark.parametrize("is_killed", [True, False])
def test_f8_file_that_was_like_another_and_goes_on_otherwise_is_sent_whole(
    tmp_path: Path, first: str, second: str, wait_ms: int, *, is_killed: bool
) -> None:
    """By its name and all its lines it was a copy; both are complete in the end."""
    agent = AgentHarness(tmp_path, glob="*")
    agent.write(first, BANNER)
    agent.pass_ms(20_000)
    agent.write(second, BANNER)
    agent.pass_ms(wait_ms)
    if is_killed:
        agent = restarted(agent, tmp_path)
    agent.write(second, lines(0, 3))
    agent.pass_ms(30_000)
    agent.write(first, lines(3, 5))
    agent.pass_ms(30_000)
    assert unique_lines(agent.sink) == sorted((BANNER * 2 + lines(0, 5)).splitlines())
    assert len(events_of(agent.sink)) == 4 + 5


@pytest.mark.parametrize("is_killed", [True, False])
def test_f8_files_that_began_alike_and_both_go_on_are_sent_whole(
    tmp_path: Path, *, is_killed: bool
) -> None:
    """The first grows first, and the beginning that they share is longer than a head."""
    banner = b"".join(b"banner %d\n" % n for n in range(200))
    agent = AgentHarness(tmp_path, glob="*")
    agent.write("app.log", banner + lines(0, 40))
    agent.pass_ms(20_000)
    agent.write("app.log.err", banner)
    agent.pass_ms(30_000)
    assert agent.said("copy_recognised")
    if is_killed:
        agent.crash()
    agent.write("app.log.err", lines(40, 43))
    if is_killed:
        agent = AgentHarness(tmp_path, glob="*", sink=agent.sink, clock=agent.clock)
    agent.pass_ms(30_000)
    stored = unique_lines(agent.sink)
    assert stored == sorted((banner * 2 + lines(0, 43)).splitlines())


def test_f8_file_that_goes_on_when_its_like_is_gone_is_sent_whole(
    tmp_path: Path,
) -> None:
    """What the gone one held, the other had held before: nothing more is its rest."""
    agent = AgentHarness(tmp_path, glob="*")
    path = agent.write("worker.log", BANNER)
    agent.pass_ms(20_000)
    agent.write("worker-1.log", BANNER)
    agent.pass_ms(30_000)
    path.unlink()
    agent.pass_ms(30_000)
    agent.write("worker-1.log", lines(0, 3))
    agent.pass_ms(30_000)
    assert unique_lines(agent.sink) == sorted((BANNER * 2 + lines(0, 3)).splitlines())


@pytest.mark.parametrize("is_compressed", [True, False])
def test_f8_what_was_passed_over_is_read_from_a_copy_of_what_goes_on(
    tmp_path: Path, *, is_compressed: bool
) -> None:
    """It goes on, is copied and emptied between two looks."""
    agent = AgentHarness(tmp_path, glob="*")
    agent.write("svc", BANNER)
    agent.pass_ms(20_000)
    path = agent.write("svc-a", BANNER)
    agent.pass_ms(30_000)
    agent.write("svc-a", lines(0, 3))
    if is_compressed:
        archive = path.with_name("svc-a.1.gz")
        archive.write_bytes(gzip.compress(path.read_bytes()))
    else:
        shutil.copyfile(path, path.with_name("svc-a.1"))
    path.write_bytes(b"")
    agent.pass_ms(30_000)
    assert unique_lines(agent.sink) == sorted((BANNER * 2 + lines(0, 3)).splitlines())


def test_f8_what_was_passed_over_is_lost_with_what_goes_on(tmp_path: Path) -> None:
    """It goes on, and is emptied before it is clear what it is: all of it is declared."""
    agent = AgentHarness(tmp_path, glob="*")
    agent.write("svc", BANNER)
    agent.pass_ms(20_000)
    path = agent.write("svc-a", BANNER)
    agent.pass_ms(30_000)
    agent.write("svc-a", lines(0, 3))
    agent.pass_ms(5_000)
    path.write_bytes(b"")
    agent.pass_ms(30_000)
    lost = {r.path: sum(r.lost_bytes.values()) for r in ledger_of(agent.sink)}
    assert lost[str(path)] == len(BANNER + lines(0, 3))


@pytest.mark.parametrize("is_killed", [True, False])
@pytest.mark.parametrize("is_moved", [True, False])
def test_f3_copy_that_stands_still_for_long_while_it_is_made_is_not_sent_again(
    tmp_path: Path, *, is_moved: bool, is_killed: bool
) -> None:
    """As between file systems, where a move is a copy, too."""
    agent = AgentHarness(tmp_path, glob="*")
    path = agent.write("a.log", lines(0, 5_000))
    agent.pass_ms()
    content = path.read_bytes()
    for start in range(0, len(content), 20_000):
        agent.write("a.log.1", content[start : start + 20_000])
        agent.pass_ms(0 if start + 20_000 >= len(content) else 25_000)
        if is_killed:
            agent = restarted(agent, tmp_path)
    if is_moved:
        path.unlink()
    else:
        path.write_bytes(b"")
    agent.write("a.log", lines(5_000, 5_010))
    agent.pass_ms(30_000)
    assert unique_lines(agent.sink) == sorted(lines(0, 5_010).splitlines())
    agent.stop()
    newest = {record.generation: record for record in ledger_of(agent.sink)}
    assert {r.seen_size_bytes - r.next_offset for r in newest.values()} == {0}


def test_f3_copy_that_is_made_anew_of_what_its_original_holds_now_is_not_sent_again(
    tmp_path: Path,
) -> None:
    """As a backup each hour."""
    agent = AgentHarness(tmp_path, glob="*", sink=RecordingSink())
    path = agent.write("a.log", lines(0, 500))
    for hour in range(1, 4):
        agent.pass_ms(20_000)
        shutil.copyfile(path, path.with_name("a.log.backup"))
        agent.pass_ms(20_000)
        agent.write("a.log", lines(500 * hour, 500 * hour + 500))
    agent.pass_ms(20_000)
    assert unique_lines(agent.sink) == sorted(lines(0, 2_000).splitlines())

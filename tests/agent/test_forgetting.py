"""What is known of files after weeks: no file that is there is ever forgotten by age."""

from __future__ import annotations

import errno
import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tailrace.wire import AgentLedger
from tailrace_agent import forgetting
from tailrace_agent.archives import AnyFile
from tailrace_agent.checkpoint import Checkpoint
from tailrace_agent.forgetting import CLOSED_KEPT_MS, FIRST_MS
from tailrace_agent.opening import Opener
from tailrace_agent.records import Outgoing
from tailrace_agent.whereabouts import FolderAway
from tests.agent.harness import AgentHarness, unique_lines

DAY_MS = 86_400_000
LONG_MS = 30_000
WEEKS_MS = CLOSED_KEPT_MS + DAY_MS


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d of this log\n" % n for n in range(first, last))


def zipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zstandardised(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


def compressed(
    path: Path, *, by: Callable[[bytes], bytes] = zipped, suffix: str = ".gz"
) -> Path:
    archive = path.with_name(path.name + suffix)
    archive.write_bytes(by(path.read_bytes()))
    path.unlink()
    return archive


def life(
    folder: Path,
    before: AgentHarness | None = None,
    *,
    globs: tuple[str, ...] = ("*",),
    start_at: str = "beginning",
) -> AgentHarness:
    paths = tuple(f"{folder}/logs/{glob}" for glob in globs)
    return AgentHarness(
        folder,
        sink=before and before.sink,
        clock=before and before.clock,
        source={"paths": paths, "start_at": start_at},
        had_life=before is not None,
    )


def forget_checkpoint(agent: AgentHarness) -> None:
    """Leave the next life the ledger alone."""
    shutil.rmtree(agent.state)


def chunks_of(agent: AgentHarness) -> list[Outgoing]:
    """Return what was sent of files, repeats included."""
    return [record for record in agent.sink.stored if record.topic.endswith(".raw")]


def known_count(agent: AgentHarness) -> int:
    """Return how many records the checkpoint on the disk has."""
    return len(Checkpoint(agent.state, clock=agent.clock).load().records)


@pytest.mark.parametrize("days", [8, 40, 800])
@pytest.mark.parametrize("is_down", [True, False])
@pytest.mark.parametrize("has_checkpoint", [True, False])
@pytest.mark.parametrize(("by", "suffix"), [(zipped, ".gz"), (zstandardised, ".zst")])
def test_f20_archive_that_stands_for_weeks_is_not_sent_again(
    tmp_path: Path,
    days: int,
    by: Callable[[bytes], bytes],
    suffix: str,
    *,
    is_down: bool,
    has_checkpoint: bool,
) -> None:
    agent = life(tmp_path)
    path = agent.write("a.log", lines(0, 20))
    agent.pass_ms()
    rotated = path.rename(path.with_name("a.log.1"))
    agent.write("a.log", lines(20, 25))
    agent.pass_ms()
    compressed(rotated, by=by, suffix=suffix)
    agent.pass_ms(LONG_MS)
    if is_down:
        agent.stop()
    agent.clock.wall_ms += days * DAY_MS
    if not is_down:
        agent.pass_ms(LONG_MS)
        agent.stop()
    if not has_checkpoint:
        forget_checkpoint(agent)
    agent = life(tmp_path, agent)
    agent.write("a.log", lines(25, 27))
    agent.pass_ms(LONG_MS)
    agent.clock.at_ms += FIRST_MS
    agent.pass_ms(LONG_MS)
    agent.stop()
    agent = life(tmp_path, agent)
    agent.pass_ms(LONG_MS)
    assert unique_lines(agent.sink) == sorted(lines(0, 27).splitlines())


@pytest.mark.parametrize("start_at", ["beginning", "end"])
def test_f20_archive_that_was_there_at_the_first_start_is_shipped_no_more_after_weeks(
    tmp_path: Path, start_at: str
) -> None:
    """Neither again under its own name, nor what was left out at the first start."""
    agent = life(tmp_path, start_at=start_at)
    path = agent.write("a.log.1", lines(0, 20))
    compressed(path)
    agent.pass_ms(LONG_MS)
    sent_count = len(chunks_of(agent))
    expected = sorted(lines(0, 20).splitlines()) if start_at == "beginning" else []
    assert unique_lines(agent.sink) == expected
    agent.stop()
    agent.clock.wall_ms += WEEKS_MS
    agent = life(tmp_path, agent, start_at=start_at)
    agent.pass_ms(LONG_MS)
    assert len(chunks_of(agent)) == sent_count


def test_f20_weekly_rotation_with_delayed_compression_is_sent_once(
    tmp_path: Path,
) -> None:
    agent = life(tmp_path)
    previous: Path | None = None
    for week in range(4):
        path = agent.write("a.log", lines(20 * week, 20 * week + 18))
        agent.pass_ms()
        rotated = path.rename(path.with_name(f"a.log-2026110{week}"))
        agent.write("a.log", lines(20 * week + 18, 20 * week + 20))
        agent.pass_ms()
        if previous is not None:
            compressed(previous)
        previous = rotated
        agent.pass_ms(LONG_MS)
        agent.clock.wall_ms += 7 * DAY_MS
    agent.stop()
    agent = life(tmp_path, agent)
    agent.pass_ms(LONG_MS)
    assert unique_lines(agent.sink) == sorted(lines(0, 80).splitlines())


@pytest.mark.parametrize("has_checkpoint", [True, False])
@pytest.mark.parametrize("is_down", [True, False])
def test_f20_file_that_left_its_globs_and_is_compressed_into_them_weeks_later_is_known(
    tmp_path: Path, *, has_checkpoint: bool, is_down: bool
) -> None:
    """As where `*.log` and `*.gz` are meant, and compression waits for a week."""
    globs = ("*.log", "*.gz")
    agent = life(tmp_path, globs=globs)
    path = agent.write("a.log", lines(0, 20))
    agent.pass_ms()
    rotated = path.rename(path.with_name("a.log.1"))
    agent.write("a.log", lines(20, 25))
    agent.pass_ms(LONG_MS)
    agent.stop()
    agent.clock.wall_ms += WEEKS_MS
    if not has_checkpoint:
        forget_checkpoint(agent)
    if is_down:
        compressed(rotated)
    agent = life(tmp_path, agent, globs=globs)
    agent.pass_ms(LONG_MS)
    if not is_down:
        agent.clock.at_ms += FIRST_MS
        agent.pass_ms(LONG_MS)
        compressed(rotated)
    agent.pass_ms(LONG_MS)
    assert unique_lines(agent.sink) == sorted(lines(0, 25).splitlines())


@pytest.mark.parametrize("jump_ms", [3_650 * DAY_MS, -365 * DAY_MS])
def test_f20_clock_that_jumps_and_back_has_no_archive_sent_again(
    tmp_path: Path, jump_ms: int
) -> None:
    agent = life(tmp_path)
    path = agent.write("a.log", lines(0, 20))
    agent.pass_ms()
    rotated = path.rename(path.with_name("a.log.1"))
    agent.write("a.log", lines(20, 25))
    agent.pass_ms()
    compressed(rotated)
    agent.pass_ms(LONG_MS)
    for jump in (jump_ms, -jump_ms):
        agent.stop()
        agent.clock.wall_ms += jump
        agent = life(tmp_path, agent)
        agent.pass_ms(5_000)
    agent.stop()
    agent = life(tmp_path, agent)
    agent.pass_ms(LONG_MS)
    assert unique_lines(agent.sink) == sorted(lines(0, 25).splitlines())


def left_behind(folder: Path) -> tuple[AgentHarness, Path]:
    """Return a life that is over, and a file that had left its globs long before."""
    agent = life(folder, globs=("*.log",))
    path = agent.write("a.log", lines(0, 20))
    agent.pass_ms()
    rotated = path.rename(path.with_name("a.log.1"))
    agent.write("a.log", lines(20, 25))
    agent.pass_ms(LONG_MS)
    agent.stop()
    agent.clock.wall_ms += WEEKS_MS
    return agent, rotated


def lived_on(folder: Path, agent: AgentHarness, *, wait_ms: int) -> AgentHarness:
    later = life(folder, agent, globs=("*.log",))
    later.pass_ms()
    later.clock.at_ms += wait_ms
    later.pass_ms()
    later.stop()
    return later


def test_f20_closed_file_that_is_old_and_gone_is_forgotten_an_hour_after_a_start(
    tmp_path: Path,
) -> None:
    """So that what is known is bounded; before, an archive of it may be judged by it."""
    agent, rotated = left_behind(tmp_path)
    rotated.unlink()
    agent = lived_on(tmp_path, agent, wait_ms=FIRST_MS // 2)
    assert not agent.said("file_forgotten")
    kept_count = known_count(agent)
    agent = lived_on(tmp_path, agent, wait_ms=FIRST_MS)
    assert len(agent.said("file_forgotten")) == 1
    assert known_count(agent) == kept_count - 1
    assert unique_lines(agent.sink) == sorted(lines(0, 25).splitlines())


def test_f20_closed_file_that_went_of_late_is_not_forgotten(tmp_path: Path) -> None:
    agent, rotated = left_behind(tmp_path)
    agent.clock.wall_ms -= WEEKS_MS
    rotated.unlink()
    agent = lived_on(tmp_path, agent, wait_ms=FIRST_MS)
    assert not agent.said("file_forgotten")


def test_f20_file_that_stands_outside_of_its_globs_is_not_forgotten(
    tmp_path: Path,
) -> None:
    agent, _ = left_behind(tmp_path)
    agent = lived_on(tmp_path, agent, wait_ms=FIRST_MS)
    assert not agent.said("file_forgotten")


def test_f20_file_on_a_volume_that_is_away_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, rotated = left_behind(tmp_path)
    rotated.unlink()

    def away(record: AgentLedger) -> str | None:
        raise FolderAway(f"{record.path} was on another volume")

    monkeypatch.setattr(forgetting, "path_of_record", away)
    agent = lived_on(tmp_path, agent, wait_ms=FIRST_MS)
    assert not agent.said("file_forgotten")


def test_f20_archive_that_a_sweep_finds_elsewhere_and_cannot_open_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    globs = ("**/*",)
    agent = life(tmp_path, globs=globs)
    archive = compressed(agent.write("a.log.1", lines(0, 20)))
    agent.pass_ms(LONG_MS)
    agent.stop()
    sent_count = len(chunks_of(agent))
    agent.clock.wall_ms += WEEKS_MS
    (agent.logs / "old").mkdir()
    archive.rename(agent.logs / "old" / archive.name)

    def refuse(*_: object, **__: object) -> AnyFile:
        raise PermissionError(errno.EACCES, "not yours")

    with monkeypatch.context() as refused:
        refused.setattr(Opener, "open", refuse)
        agent = life(tmp_path, agent, globs=globs)
        agent.pass_ms()
        agent.clock.at_ms += FIRST_MS
        agent.pass_ms()
    assert not agent.said("file_forgotten")
    agent.pass_ms(2 * LONG_MS, step_ms=1_000)
    assert agent.said("file_resumed")
    assert len(chunks_of(agent)) == sent_count


def test_f20_many_files_are_forgotten_some_after_each_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "LOOKS_MAX", 3)
    agent = life(tmp_path, globs=("*.log",))
    paths = [agent.write(f"{n}.log", lines(n, n + 1)) for n in range(8)]
    agent.pass_ms()
    rotated = [path.rename(path.with_name(f"{path.name}.1")) for path in paths]
    agent.pass_ms(LONG_MS)
    agent.stop()
    for path in rotated:
        path.unlink()
    agent.clock.wall_ms += WEEKS_MS
    agent = life(tmp_path, agent, globs=("*.log",))
    agent.pass_ms()
    agent.clock.at_ms += FIRST_MS
    agent.loop.step()
    assert len(agent.said("file_forgotten")) == 3
    agent.pass_ms(5_000)
    assert len(agent.said("file_forgotten")) == 8
    agent.stop()
    assert not known_count(agent)

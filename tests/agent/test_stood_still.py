"""What was rotated while nobody looked: the process stood still, frozen or swapped out, or
Kafka took nothing, and no file had a turn."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tailrace_agent.copies import UNCLEAR_MS_MAX
from tests.agent.harness import AgentHarness, FailingSink
from tests.agent.test_outside import (
    copytruncate,
    lines,
    losses_unknown,
    lost_bytes,
    stored,
)

FROZEN_MS = 38_000
SHORT_MS = 2_000
AWAY_MS = UNCLEAR_MS_MAX + 5_000
SWEEP_MS = 400
MOMENTS_MS = range(0, 1_300, 100)
"""Before, amid and after a rotation, and between any two of the sweeps beside it."""
LIFE, NEXT_LIFE = b"it began\nand went on\n", b"the next one began\n"

Acts = Mapping[int, Callable[[AgentHarness, Path], object]]


def begin(agent: AgentHarness, _: Path) -> None:
    agent.write("a.log", LIFE)


def copy(_: AgentHarness, path: Path) -> None:
    shutil.copyfile(path, path.with_name("a.log.1"))


def empty(_: AgentHarness, path: Path) -> None:
    os.truncate(path, 0)


def rename(_: AgentHarness, path: Path) -> None:
    path.rename(path.with_name("a.log.1"))
    path.touch()


def compress(_: AgentHarness, path: Path) -> None:
    content = path.with_name("a.log.1").read_bytes()
    path.with_name("a.log.1.gz").write_bytes(gzip.compress(content))


def remove(_: AgentHarness, path: Path) -> None:
    path.with_name("a.log.1").unlink()


def begin_next(agent: AgentHarness, _: Path) -> None:
    agent.write("a.log", NEXT_LIFE)


COPIED: Acts = {100: begin, 700: copy, 1_100: empty, 1_200: begin_next}
COMPRESSED: tuple[Acts, ...] = (
    {0: begin, 100: rename, 200: compress, 300: remove, 400: begin_next},
    {0: begin, 1: rename, 2: compress, 100: remove, 300: begin_next},
)


def frozen(agent: AgentHarness) -> None:
    agent.clock.sleep_ms(AWAY_MS)


def without_kafka(agent: AgentHarness) -> None:
    assert isinstance(agent.sink, FailingSink)
    agent.sink.is_down = True
    agent.pass_ms(AWAY_MS)
    agent.sink.is_down = False


def played(
    folder: Path, acts: Acts, *, away: Callable[[AgentHarness], None], moment_ms: int
) -> AgentHarness:
    """Return an agent that saw a rotation, and was away from some moment of it on."""
    agent = AgentHarness(
        folder,
        glob="*",
        sink=FailingSink(),
        sweep_ms=SWEEP_MS,
        linger_ms_max=100,
        flush_after_ms=700,
        rotated_grace_ms=900,
    )
    path = agent.write("a.log", b"of the life before\n")
    agent.pass_ms(2_000)
    os.truncate(path, 0)
    for at_ms in range(0, 1_500, 100):
        for act_ms in sorted(acts):
            if at_ms <= act_ms < at_ms + 100:
                acts[act_ms](agent, path)
        if at_ms == moment_ms:
            away(agent)
        agent.pass_ms(100)
    agent.pass_ms(4 * UNCLEAR_MS_MAX)
    return agent


def running(tmp_path: Path) -> AgentHarness:
    agent = AgentHarness(tmp_path, glob="*.log")
    agent.write("cpt.log", lines(0, 100))
    agent.pass_ms(5_000)
    return agent


def test_f3_truncation_while_the_process_stood_still_is_told(tmp_path: Path) -> None:
    """Nobody saw what was lost, so nobody can count it; that much is said."""
    agent = running(tmp_path)
    path = agent.write("cpt.log", lines(100, 151))
    agent.clock.sleep_ms(FROZEN_MS)
    os.truncate(path, 0)
    agent.write("cpt.log", lines(151, 152))
    agent.pass_ms(20_000)
    (told,) = agent.said("file_truncated")
    assert told["is_loss_unknown"]
    assert losses_unknown(agent.sink) == ["cpt.log"]
    assert lost_bytes(agent.sink) == 0
    assert agent.said("files_unwatched")


def test_f3_copy_made_while_the_process_stood_still_is_read(tmp_path: Path) -> None:
    agent = running(tmp_path)
    path = agent.write("cpt.log", lines(100, 151))
    agent.clock.sleep_ms(FROZEN_MS)
    copy = copytruncate(path)
    # By the agent's clock, which a test moves on: it was made while that stood still.
    os.utime(copy, ns=(0, agent.clock.now_ms() * 1_000_000))
    agent.write("cpt.log", lines(151, 160))
    agent.pass_ms(60_000)
    assert stored(agent.sink) == sorted(lines(0, 160).splitlines())


@pytest.mark.parametrize("stood_ms", [FROZEN_MS, SHORT_MS])
def test_f3_truncation_after_the_next_look_is_no_unknown_loss(
    tmp_path: Path, *, stood_ms: int
) -> None:
    agent = running(tmp_path)
    agent.clock.sleep_ms(stood_ms)
    path = agent.write("cpt.log", lines(100, 151))
    agent.pass_ms(5_000)
    os.truncate(path, 0)
    agent.write("cpt.log", lines(151, 152))
    agent.pass_ms(20_000)
    (told,) = agent.said("file_truncated")
    assert not told["is_loss_unknown"]
    assert losses_unknown(agent.sink) == []
    assert stored(agent.sink) == sorted(lines(0, 152).splitlines())


def test_f3_late_sweep_of_a_second_or_two_is_not_told(tmp_path: Path) -> None:
    agent = running(tmp_path)
    agent.clock.sleep_ms(SHORT_MS)
    agent.pass_ms(5_000)
    assert not agent.said("files_unwatched")


@pytest.mark.parametrize("moment_ms", MOMENTS_MS)
@pytest.mark.parametrize("away", [frozen, without_kafka])
def test_f3_k1_p9_copy_waits_for_a_look_at_its_original_however_long_nobody_looked(
    tmp_path: Path, *, away: Callable[[AgentHarness], None], moment_ms: int
) -> None:
    """It waits so long in vain, and not so long: the time in which nobody looked is none."""
    agent = played(tmp_path, COPIED, away=away, moment_ms=moment_ms)
    assert stored(agent.sink) == sorted(
        [b"of the life before", *LIFE.splitlines(), *NEXT_LIFE.splitlines()]
    )


@pytest.mark.parametrize("moment_ms", MOMENTS_MS)
@pytest.mark.parametrize("acts", COMPRESSED)
@pytest.mark.parametrize("away", [frozen, without_kafka])
def test_f20_k1_p9_archive_waits_for_a_look_at_its_original_however_long_nobody_looked(
    tmp_path: Path,
    *,
    acts: Acts,
    away: Callable[[AgentHarness], None],
    moment_ms: int,
) -> None:
    agent = played(tmp_path, acts, away=away, moment_ms=moment_ms)
    assert stored(agent.sink) == sorted(
        [b"of the life before", *LIFE.splitlines(), *NEXT_LIFE.splitlines()]
    )

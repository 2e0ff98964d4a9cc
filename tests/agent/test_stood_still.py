"""What was truncated while the agent's process stood still: frozen, or swapped out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.agent.harness import AgentHarness
from tests.agent.test_outside import (
    copytruncate,
    lines,
    losses_unknown,
    lost_bytes,
    stored,
)

FROZEN_MS = 38_000
SHORT_MS = 2_000


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
